//! Pictures that are no consoles: gradients, noise, textures, windows, icons, and glyphs that nobody has.

use ikvm_mcp::base::Frame;

use super::consoles::Random;

/// How many kinds there are.
pub const KINDS: usize = 10;

/// The kind that looks like text in a font that nobody has.
pub const STRANGE_WRITING: usize = 9;

/// A picture of one kind, from 0.
pub fn picture(kind: usize, width: usize, height: usize, random: &mut Random) -> Frame {
    match kind {
        0 => gradient(width, height, random),
        1 => noise(width, height, random, 1),
        2 => noise(width, height, random, 2 + random.0 as usize % 7),
        3 => waves(width, height, random),
        4 => stripes(width, height, random),
        5 => checks(width, height, random),
        6 => desktop(width, height, random),
        7 => form(width, height, random),
        8 => icons(width, height, random),
        STRANGE_WRITING.. => strange_writing(width, height, random),
    }
}

fn paint(width: usize, height: usize, color: impl Fn(usize, usize) -> [u8; 3]) -> Frame {
    let pixels = (0..width * height).map(|at| color(at % width, at / width)).collect();
    Frame { width, height, pixels }
}

fn color(random: &mut Random) -> [u8; 3] {
    [0; 3].map(|_| random.below(256) as u8)
}

fn gradient(width: usize, height: usize, random: &mut Random) -> Frame {
    let (from, to) = (color(random), color(random));
    let (dx, dy) = (random.below(100), 1 + random.below(100));
    let all = width * dx + height * dy;
    paint(width, height, |x, y| {
        let part = x * dx + y * dy;
        [0, 1, 2].map(|at| ((usize::from(from[at]) * (all - part) + usize::from(to[at]) * part) / all) as u8)
    })
}

/// Squares of random colors.
fn noise(width: usize, height: usize, random: &mut Random, edge: usize) -> Frame {
    let across = width.div_ceil(edge);
    let colors: Vec<[u8; 3]> = (0..across * height.div_ceil(edge)).map(|_| color(random)).collect();
    paint(width, height, |x, y| colors[y / edge * across + x / edge])
}

/// Like a photo: soft shapes under a little noise.
fn waves(width: usize, height: usize, random: &mut Random) -> Frame {
    let scale = [0; 4].map(|_| 8.0 + random.below(120) as f64);
    let grain: Vec<u8> = (0..4096).map(|_| random.below(16) as u8).collect();
    paint(width, height, |x, y| {
        [0.0, 1.3, 2.9].map(|shift| {
            let (x, y) = (x as f64, y as f64);
            let wave =
                (x / scale[0] + shift).sin() + (y / scale[1]).cos() + ((x + y) / scale[2]).sin() * (y / scale[3]).sin();
            (120.0 + 35.0 * wave) as u8 + grain[(x as usize * 7 + y as usize * 131) % 4096]
        })
    })
}

fn stripes(width: usize, height: usize, random: &mut Random) -> Frame {
    let (ink, paper, period, slope) = (color(random), color(random), 2 + random.below(20), random.below(4));
    paint(width, height, |x, y| if (x + y * slope) / period % 2 == 0 { ink } else { paper })
}

fn checks(width: usize, height: usize, random: &mut Random) -> Frame {
    let (ink, paper, across, down) = (color(random), color(random), 1 + random.below(17), 1 + random.below(33));
    paint(width, height, |x, y| if (x / across + y / down) % 2 == 0 { ink } else { paper })
}

fn fill(frame: &mut Frame, (left, top): (usize, usize), (width, height): (usize, usize), color: [u8; 3]) {
    for y in top..(top + height).min(frame.height) {
        for x in left..(left + width).min(frame.width) {
            frame.pixels[y * frame.width + x] = color;
        }
    }
}

/// A line of proportional letters of no font: stems, bars and bowls a few pixels wide.
fn writing(
    frame: &mut Frame,
    (left, top): (usize, usize),
    width: usize,
    size: usize,
    color: [u8; 3],
    random: &mut Random,
) {
    let mut x = left;
    while x + size < left + width {
        let letter = 2 + random.below(size * 2 / 3);
        for _ in 0..2 + random.below(2) {
            if random.below(2) == 0 {
                fill(frame, (x + random.below(letter), top), (1 + size / 12, size), color);
            } else {
                fill(frame, (x, top + random.below(size)), (letter, 1 + size / 14), color);
            }
        }
        x += letter + 2 + if random.below(5) == 0 { size / 2 } else { 0 };
    }
}

/// Windows with title bars, buttons and paragraphs over a gradient.
fn desktop(width: usize, height: usize, random: &mut Random) -> Frame {
    let mut frame = gradient(width, height, random);
    for _ in 0..2 + random.below(5) {
        let (left, top) = (random.below(width * 2 / 3), random.below(height * 2 / 3));
        let size = (width / 5 + random.below(width / 2), height / 5 + random.below(height / 2));
        fill(&mut frame, (left, top), size, [210; 3]);
        fill(&mut frame, (left + 2, top + 24), (size.0.saturating_sub(4), size.1.saturating_sub(26)), [250; 3]);
        writing(&mut frame, (left + 8, top + 6), size.0 / 2, 12, [20; 3], random);
        for line in 0..size.1.saturating_sub(40) / 18 {
            writing(&mut frame, (left + 10, top + 34 + line * 18), size.0 * 4 / 5, 10, [40; 3], random);
        }
    }
    frame
}

/// Labels, fields and buttons, as an installer shows.
fn form(width: usize, height: usize, random: &mut Random) -> Frame {
    let paper = color(random);
    let mut frame = paint(width, height, |_, _| paper);
    for row in 0..height / 40 {
        writing(&mut frame, (20, row * 40 + 12), width / 4, 12, [0; 3], random);
        fill(&mut frame, (width / 3, row * 40 + 6), (width / 2, 26), [90; 3]);
        fill(&mut frame, (width / 3 + 1, row * 40 + 7), (width / 2 - 2, 24), [255; 3]);
        writing(&mut frame, (width / 3 + 6, row * 40 + 12), width / 3, 12, [0; 3], random);
    }
    frame
}

/// Icons in rows, each with a caption.
fn icons(width: usize, height: usize, random: &mut Random) -> Frame {
    let mut frame = waves(width, height, random);
    for y in (20..height).step_by(90) {
        for x in (20..width).step_by(90) {
            fill(&mut frame, (x, y), (48, 48), color(random));
            fill(&mut frame, (x + 8, y + 8), (random.below(32), random.below(32)), color(random));
            writing(&mut frame, (x, y + 54), 60, 9, [255; 3], random);
        }
    }
    frame
}

/// Cells of the size of characters, each of a hundred bitmaps that are none.
fn strange_writing(width: usize, height: usize, random: &mut Random) -> Frame {
    let glyphs: Vec<[u16; 16]> = (0..100)
        .map(|_| {
            let mut rows = [0; 16];
            for _ in 0..3 {
                let (x, y, length) = (1 + random.below(6), 3 + random.below(9), 2 + random.below(7));
                if random.below(2) == 0 {
                    (y..(y + length).min(14)).for_each(|y| rows[y] |= 1 << x);
                } else {
                    (x..(x + length).min(7)).for_each(|x| rows[y] |= 1 << x);
                }
            }
            rows
        })
        .collect();
    let across = width / 8 + 1;
    let cells: Vec<usize> = (0..across * (height / 16 + 1)).map(|_| random.below(130)).collect();
    paint(width, height, |x, y| {
        let rows = glyphs.get(cells[y / 16 * across + x / 8]);
        if rows.is_some_and(|rows| rows[y % 16] >> (x % 8) & 1 == 1) { [170; 3] } else { [0; 3] }
    })
}
