//! Screens that were scaled on their way: a cell's pixels as they were before, each from the middle of what became of it.
//!
//! Some boards and hypervisors show a text mode enlarged to the size of another mode. Only the cells that are looked at
//! are brought back, from whatever the scaler made of them. Deliberately absent: bars beside a picture that kept its
//! proportions, and screens made smaller, whose dots are lost.

use super::cell::Place;
use crate::base::{Frame, Rgb};

/// Sizes of screens that are shown enlarged, in pixels across and down.
const MODES: [(usize, usize); 5] = [(720, 400), (640, 480), (640, 400), (800, 600), (1024, 768)];

/// Factors, as fractions, by which screens of any size are enlarged.
const FACTORS: [(usize, usize); 2] = [(2, 1), (3, 2)];

/// The sizes from which a frame may have been enlarged, in pixels across and down.
pub fn sizes(frame: &Frame) -> Vec<(usize, usize)> {
    let (width, height) = (frame.width, frame.height);
    let by = |(times, of): (usize, usize)| {
        let is_whole = width * of % times == 0 && height * of % times == 0;
        is_whole.then_some((width * of / times, height * of / times))
    };
    let mut sizes = MODES.to_vec();
    sizes.extend(FACTORS.into_iter().filter_map(by).filter(|size| !MODES.contains(size)));
    sizes.retain(|&size| size != (width, height) && size.0 > 0 && size.0 <= width && size.1 > 0 && size.1 <= height);
    sizes
}

/// Whether each dot of a frame is a square of two by two pixels.
pub fn is_doubled(frame: &Frame) -> bool {
    let width = frame.width;
    let is_wide = |row: &[Rgb]| row.chunks_exact(2).all(|dot| dot[0] == dot[1]);
    let is_square = |rows: &[Rgb]| rows[..width] == rows[width..] && is_wide(&rows[..width]);
    let is_even = width % 2 == 0 && frame.height % 2 == 0;
    is_even && width > 0 && frame.pixels.chunks_exact(2 * width).all(is_square)
}

/// Adds the pixels at `place` on a screen of `size`, which became `frame`; neither side of `size` is larger than that of
/// the frame. The middle half of what became of a pixel counts, across and down: towards its edges a scaler mixes it with
/// those beside it.
pub fn take(frame: &Frame, size: (usize, usize), place: Place, pixels: &mut Vec<Rgb>) {
    let area = 4 * (frame.width * frame.height) as u64;
    let columns = |x: usize| shares(place.left + x, frame.width, size.0).map(move |(column, wide)| (x, column, wide));
    let columns: Vec<(usize, usize, usize)> = (0..place.width).flat_map(columns).collect();
    for y in place.top..place.top + place.height {
        let mut sums = vec![[area / 2; 3]; place.width];
        for (row, tall) in shares(y, frame.height, size.1) {
            for &(x, column, wide) in &columns {
                for (sum, &level) in sums[x].iter_mut().zip(&frame.pixels[row * frame.width + column]) {
                    *sum += u64::from(level) * (tall * wide) as u64;
                }
            }
        }
        // Exact, as all are below 2^53.
        pixels.extend(sums.iter().map(|sums| sums.map(|sum| (sum as f64 / area as f64) as u8)));
    }
}

/// The pixels of the frame in the middle half of a pixel of the screen, along one edge of as many pixels each, with their
/// parts in it. A pixel of the frame has `4 * screen` parts, so that one of the screen has `4 * frame`.
fn shares(at: usize, frame: usize, screen: usize) -> impl Iterator<Item = (usize, usize)> {
    let (begin, end) = ((4 * at + 1) * frame, (4 * at + 3) * frame);
    let parts = 4 * screen;
    (begin / parts..end.div_ceil(parts))
        .map(move |pixel| (pixel, end.min((pixel + 1) * parts) - begin.max(pixel * parts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels of a row after it was brought back to `width` pixels.
    fn brought_back(levels: &[u8], width: usize) -> Vec<u8> {
        let frame = Frame { width: levels.len(), height: 1, pixels: levels.iter().map(|&level| [level; 3]).collect() };
        let mut pixels = Vec::new();
        take(&frame, (width, 1), Place { left: 0, top: 0, width, height: 1 }, &mut pixels);
        pixels.iter().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn a_pixel_is_the_middle_of_what_became_of_it() {
        assert_eq!(brought_back(&[7, 7, 200, 200], 2), [7, 200]);
        assert_eq!(brought_back(&[0, 90, 240], 2), [15, 215]);
        assert_eq!(brought_back(&[1, 2, 3], 3), [1, 2, 3]);
        assert_eq!(brought_back(&[255; 1920], 720), [255; 720]);
    }

    #[test]
    fn a_doubled_picture_is_of_squares_and_of_nothing_else() {
        let frame = |width: usize, dots: &str| Frame {
            width,
            height: dots.len() / width,
            pixels: dots.bytes().map(|dot| [dot, 7, dot]).collect(),
        };
        for dots in ["aabbaabb", "aaaaaaaabbccbbcc"] {
            assert!(is_doubled(&frame(4, dots)), "{dots}");
        }
        for dots in ["aabbaabc", "abbaabba", "aabb", "aabbaabbaabb", "aabbbbaa"] {
            assert!(!is_doubled(&frame(4, dots)), "{dots}");
        }
        assert!(!is_doubled(&frame(3, "aaaaaa")) && !is_doubled(&Frame::default()));
    }

    #[test]
    fn only_smaller_screens_come_into_question() {
        let sizes = |width, height| sizes(&Frame::black(width, height));
        assert_eq!(sizes(720, 400), [(640, 400), (360, 200)]);
        assert_eq!(sizes(1080, 600), [(720, 400), (640, 480), (640, 400), (800, 600), (540, 300)]);
        assert_eq!(sizes(1, 1), []);
    }
}
