//! Making a picture smaller: each new pixel is the average of the area it covers.
//!
//! Exact: areas are counted in parts of pixels, without rounding before the end, so that one color stays that color.

use super::enhance::Curve;
use super::view::View;
use crate::base::Frame;

/// `view` after `curve`, as `width` x `height` pixels; neither is 0 nor larger than it was.
pub fn reduce(view: &View, curve: &Curve, width: usize, height: usize) -> Frame {
    // An old pixel is cut into `width` parts across and `height` parts down, of which `view.width()` by
    // `view.height()` make a new one.
    let columns = shares(view.width(), width);
    let rows = shares(view.height(), height);
    let area = (view.width() * view.height()) as f64;

    let mut pixels = Vec::with_capacity(width * height);
    let mut across = vec![0_u32; width * 3];
    let mut sums = vec![0_u64; width * 3];
    for (row, share) in view.rows().zip(rows) {
        across.fill(0);
        for (pixel, share) in row.iter().zip(&columns) {
            let levels = pixel.map(|level| u32::from(curve[usize::from(level)]));
            add(&mut across, share.at * 3, levels, share.first);
            if share.second > 0 {
                add(&mut across, share.at * 3 + 3, levels, share.second);
            }
        }
        for (sum, &part) in sums.iter_mut().zip(&across) {
            *sum += u64::from(part) * u64::from(share.first);
        }
        if share.last {
            pixels
                .extend(sums.chunks_exact(3).map(|sums| [0, 1, 2].map(|part| (sums[part] as f64 / area + 0.5) as u8)));
            for (sum, &part) in sums.iter_mut().zip(&across) {
                *sum = u64::from(part) * u64::from(share.second);
            }
        }
    }
    Frame { width, height, pixels }
}

fn add(sums: &mut [u32], at: usize, levels: [u32; 3], share: u32) {
    for (sum, level) in sums[at..at + 3].iter_mut().zip(levels) {
        *sum += level * share;
    }
}

/// Where an old pixel goes along one axis: it is never wider than a new one, so that it touches two at most.
struct Share {
    /// The new pixel in which it begins.
    at: usize,
    /// Its parts in there.
    first: u32,
    /// Its parts in the next one.
    second: u32,
    /// Whether it completes the new pixel.
    last: bool,
}

/// The share of each of `old` pixels, cut into `new` parts each, in `new` pixels of `old` parts each.
fn shares(old: usize, new: usize) -> Vec<Share> {
    (0..old)
        .map(|pixel| {
            let (start, end) = (pixel * new, (pixel + 1) * new);
            let border = (start / old + 1) * old;
            let first = end.min(border) - start;
            Share { at: start / old, first: first as u32, second: (new - first) as u32, last: end >= border }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::enhance::identity;
    use super::*;

    fn reduced(width: usize, height: usize, levels: &[u8], to: (usize, usize)) -> Vec<u8> {
        let frame = Frame { width, height, pixels: levels.iter().map(|&level| [level, 0, 255 - level]).collect() };
        let small = reduce(&View::whole(&frame), &identity(), to.0, to.1);
        assert_eq!((small.width, small.height), to);
        assert!(small.pixels.iter().all(|pixel| pixel[1] == 0));
        small.pixels.iter().map(|pixel| pixel[0]).collect()
    }

    #[test]
    fn a_new_pixel_is_the_average_of_the_old_ones_it_covers() {
        assert_eq!(reduced(2, 2, &[0, 10, 20, 30], (1, 1)), [15]);
        assert_eq!(reduced(4, 2, &[0, 10, 100, 200, 20, 30, 100, 200], (2, 1)), [15, 150]);
        // Three to two: each new pixel is one old one and half of the middle.
        assert_eq!(reduced(3, 1, &[0, 90, 240], (2, 1)), [30, 190]);
        assert_eq!(reduced(1, 3, &[0, 90, 240], (1, 2)), [30, 190]);
    }

    #[test]
    fn at_its_own_size_a_picture_is_itself() {
        let levels: Vec<u8> = (0..35).map(|n| n * 7).collect();
        assert_eq!(reduced(7, 5, &levels, (7, 5)), levels);
    }

    #[test]
    fn one_color_stays_that_color_at_every_size() {
        for width in 1..=13 {
            for height in 1..=7 {
                assert_eq!(reduced(13, 7, &[201; 91], (width, height)), vec![201; width * height]);
            }
        }
    }

    #[test]
    fn the_curve_is_applied_before_averaging() {
        let mut curve = identity();
        curve[10] = 100;
        let frame = Frame { width: 2, height: 1, pixels: vec![[10; 3], [0; 3]] };
        assert_eq!(reduce(&View::whole(&frame), &curve, 1, 1).pixels, [[50; 3]]);
    }
}
