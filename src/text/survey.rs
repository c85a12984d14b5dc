//! Where a picture has edges: which parts are worth judging, and how edges repeat across and down.

use std::cell::OnceCell;

use super::cell::Place;
use crate::base::{Frame, Rgb};

/// Pixels along an edge of a tile.
const TILE: usize = 8;

/// Edges of either kind in a tile that may hold part of a character.
const BUSY: u32 = 3;

/// Busy tiles that are gone through for the cells of a grid.
const MAX_SAMPLES: usize = 4096;

/// Levels between neighbors that count in a profile.
const STEP: u8 = 32;

/// Straight edges longer than this, across and down, are frames and panels, not characters.
const LONGEST: (u32, u32) = (14, 24);

/// The parts of a picture that have edges across and down.
pub struct Survey {
    /// Pixels across and down the picture.
    size: (usize, usize),
    /// The middle of each busy tile.
    busy: Vec<(usize, usize)>,
    profiles: OnceCell<Profiles>,
}

impl Survey {
    /// Levels in any channel between neighbors that are an edge.
    pub const EDGE: u8 = 24;

    /// Looks at each pixel once.
    pub fn of(frame: &Frame) -> Self {
        let across = frame.width.div_ceil(TILE);
        let stride = frame.width * 3;
        let mut busy = Vec::new();
        let mut steps = vec![[0_u32; 2]; across];
        let mut flags = vec![0; stride];
        for y in 0..frame.height {
            let row = &frame.rgb()[y * stride..(y + 1) * stride];
            let above = &frame.rgb()[y.saturating_sub(1) * stride..][..stride];
            for (kind, other) in [&row[3.min(stride)..], above].into_iter().enumerate() {
                mark_edges(&mut flags, row, other);
                for (steps, flags) in steps.iter_mut().zip(flags.chunks(TILE * 3)) {
                    steps[kind] += u32::from(flags.iter().sum::<u8>());
                }
            }
            if y % TILE == TILE - 1 || y + 1 == frame.height {
                for (tile, steps) in steps.iter_mut().enumerate() {
                    if steps[0] >= BUSY && steps[1] >= BUSY {
                        busy.push((tile * TILE + TILE / 2, y / TILE * TILE + TILE / 2));
                    }
                    *steps = [0; 2];
                }
            }
        }
        Self { size: (frame.width, frame.height), busy, profiles: OnceCell::new() }
    }

    /// How many tiles of 8x8 pixels are busy.
    pub fn busy(&self) -> usize {
        self.busy.len()
    }

    /// How edges repeat in the picture, which is `frame`; counted when it is first asked for.
    pub fn profiles(&self, frame: &Frame) -> &Profiles {
        self.profiles.get_or_init(|| Profiles::of(frame))
    }

    /// The cells with a busy tile, each once, in an order that soon has been everywhere: of the cells of a size in pixels
    /// that lie whole on the screen, the first one's left and top edge being `origin`. The screen has `size` before it was
    /// scaled to the picture's.
    pub fn cells(
        &self,
        size: (usize, usize),
        (width, height): (usize, usize),
        origin: (usize, usize),
    ) -> impl Iterator<Item = Place> {
        let count = self.busy.len();
        // A step near the golden section that shares no factor with the count visits all.
        let mut step = (count as f64 * 0.618_034) as usize | 1;
        while count > 1 && gcd(step, count) != 1 {
            step += 1;
        }
        let columns = size.0 / width;
        let mut seen = vec![false; columns * (size.1 / height)];
        (0..count).take(MAX_SAMPLES).filter_map(move |at| {
            let (x, y) = self.busy[at * step % count];
            let (x, y) = (x * size.0 / self.size.0, y * size.1 / self.size.1);
            let (column, row) = (x.checked_sub(origin.0)? / width, y.checked_sub(origin.1)? / height);
            let place = Place { left: origin.0 + column * width, top: origin.1 + row * height, width, height };
            let is_whole = place.left + width <= size.0 && place.top + height <= size.1;
            (is_whole && !std::mem::replace(&mut seen[row * columns + column], true)).then_some(place)
        })
    }
}

/// Sets each flag to 1 where two rows of levels differ by an edge, else to 0. Byte by byte, so that it is quick.
fn mark_edges(flags: &mut [u8], one: &[u8], other: &[u8]) {
    for ((flag, a), b) in flags.iter_mut().zip(one).zip(other) {
        *flag = u8::from(a.abs_diff(*b) > Survey::EDGE);
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// How many edges each column and each row has at its left and at its top.
pub struct Profiles {
    across: Vec<u32>,
    down: Vec<u32>,
}

impl Profiles {
    /// Counts the short straight edges of a picture.
    pub fn of(frame: &Frame) -> Self {
        // Nearly luma, in which the video of boards is sharpest, with enough of blue to see it on black.
        let level = |&[red, green, blue]: &Rgb| ((u16::from(red) + 2 * u16::from(green) + u16::from(blue)) / 4) as u8;
        let levels: Vec<u8> = frame.pixels.iter().map(level).collect();
        let rows = || levels.chunks_exact(frame.width.max(1));
        let mut across = vec![0; frame.width];
        let mut down = vec![0; frame.height];
        let mut runs = vec![0; frame.width];
        for row in rows() {
            let columns = across.iter_mut().zip(&mut runs).skip(1);
            for ((edges, run), (left, right)) in columns.zip(row.iter().zip(&row[1..])) {
                *edges += counted(run, LONGEST.1, is_edge(*left, *right));
            }
        }
        for (edges, run) in across.iter_mut().zip(&mut runs) {
            *edges += counted(run, LONGEST.1, false);
        }
        for (edges, (above, row)) in down.iter_mut().skip(1).zip(rows().zip(rows().skip(1))) {
            let mut run = 0;
            for (upper, lower) in above.iter().zip(row) {
                *edges += counted(&mut run, LONGEST.0, is_edge(*upper, *lower));
            }
            *edges += counted(&mut run, LONGEST.0, false);
        }
        Self { across, down }
    }

    /// The phases, in pixels, at which columns of edges like `expected` repeat best, the best first, with how well.
    pub fn phases_across(&self, expected: &[f32], count: usize) -> Vec<(usize, f32)> {
        phases(&self.across, expected, count)
    }

    /// The same for rows.
    pub fn phases_down(&self, expected: &[f32], count: usize) -> Vec<(usize, f32)> {
        phases(&self.down, expected, count)
    }

    /// The phases, in pixels, at which cells of a width seem to lie, the best first: between characters there are fewer
    /// edges than within them.
    pub fn gaps_across(&self, size: usize, count: usize) -> Vec<usize> {
        gaps(&self.across, size, count)
    }

    /// The same for cells of a height.
    pub fn gaps_down(&self, size: usize, count: usize) -> Vec<usize> {
        gaps(&self.down, size, count)
    }

    /// How strongly columns of edges repeat after a number of pixels; 0 is not at all.
    pub fn strength_across(&self, size: usize) -> f32 {
        strength(&self.across, size)
    }

    /// The same for rows.
    pub fn strength_down(&self, size: usize) -> f32 {
        strength(&self.down, size)
    }
}

/// Whether two levels are so far apart that there is an edge between them.
fn is_edge(one: u8, other: u8) -> bool {
    one.abs_diff(other) > STEP
}

/// Makes a run of edges longer or ends it; gives its length if it ends and is not too long. Without branches, which
/// noise makes slow.
fn counted(run: &mut u32, longest: u32, is_edge: bool) -> u32 {
    let length = *run * u32::from(!is_edge) * u32::from(*run <= longest);
    *run = (*run + 1) * u32::from(is_edge);
    length
}

/// A profile laid upon itself again and again.
fn folded(profile: &[u32], size: usize) -> Vec<f32> {
    let mut folded = vec![0.0; size];
    for (at, &edges) in profile.iter().enumerate() {
        folded[at % size] += edges as f32;
    }
    folded
}

fn strength(profile: &[u32], size: usize) -> f32 {
    let folded = folded(profile, size);
    let mean = folded.iter().sum::<f32>() / size as f32;
    folded.iter().map(|edges| (edges / mean.max(1.0) - 1.0).powi(2)).sum::<f32>() / size as f32
}

fn gaps(profile: &[u32], size: usize, count: usize) -> Vec<usize> {
    let expected: Vec<f32> = (0..size).map(|dot| if dot == 0 { 0.0 } else { 1.0 }).collect();
    phases(profile, &expected, count).into_iter().map(|(phase, _)| phase).collect()
}

fn phases(profile: &[u32], expected: &[f32], count: usize) -> Vec<(usize, f32)> {
    let size = expected.len();
    let folded = centered(&folded(profile, size));
    let expected = centered(expected);
    let fit = |phase: usize| -> f32 { (0..size).map(|at| folded[(at + phase) % size] * expected[at]).sum() };
    let mut phases: Vec<(usize, f32)> = (0..size).map(|phase| (phase, fit(phase))).collect();
    phases.sort_by(|a, b| b.1.total_cmp(&a.1));
    phases.truncate(count);
    phases
}

/// With mean 0 and length 1, so that the sum of products is a correlation.
fn centered(values: &[f32]) -> Vec<f32> {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    let length = values.iter().map(|value| (value - mean).powi(2)).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    values.iter().map(|value| (value - mean) / length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// White where the picture has a `#`.
    fn profiles(picture: &[&str]) -> Profiles {
        let pixels = picture.iter().flat_map(|row| row.bytes()).map(|dot| [if dot == b'#' { 255 } else { 0 }; 3]);
        Profiles::of(&Frame { width: picture[0].len(), height: picture.len(), pixels: pixels.collect() })
    }

    #[test]
    fn each_dot_of_a_short_edge_counts_where_it_is() {
        let Profiles { across, down } = profiles(&["......", ".##...", ".##...", "..#..#"]);
        assert_eq!(across, [0, 2, 1, 3, 0, 1]);
        assert_eq!(down, [0, 2, 0, 2]);
    }

    #[test]
    fn the_edges_of_frames_and_panels_do_not_count() {
        for (length, is_counted) in [(14, true), (15, false)] {
            let (blank, bar) = (".".repeat(20), format!(".{:.<19}", "#".repeat(length)));
            let Profiles { down, .. } = profiles(&[&blank, &bar, &blank]);
            assert_eq!(down, [0, length as u32, length as u32].map(|edges| edges * u32::from(is_counted)));
        }
        for (length, is_counted) in [(24, true), (25, false)] {
            let rows: Vec<&str> = (0..30).map(|row| if row < length { ".#." } else { "..." }).collect();
            let expected = length as u32 * u32::from(is_counted);
            assert_eq!(profiles(&rows).across, [0, expected, expected]);
            let to_the_end: Vec<&str> = rows.iter().rev().copied().collect();
            assert_eq!(profiles(&to_the_end).across, [0, expected, expected]);
        }
        let empty = Profiles::of(&Frame::default());
        assert!(empty.across.is_empty() && empty.down.is_empty());
    }
}
