//! A picture of a screen.

use std::slice::ChunksExact;

use super::bytes::groups;

/// A color: red, green and blue.
pub type Rgb = [u8; 3];

/// Pixels in rows from the top left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Exactly `width * height`.
    pub pixels: Vec<Rgb>,
}

impl Frame {
    /// A black picture.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0; 3]; width * height] }
    }

    /// The picture of these levels, red, green and blue of each pixel in turn: `width * height * 3`.
    pub fn from_rgb(width: usize, height: usize, levels: &[u8]) -> Self {
        Self { width, height, pixels: groups(levels).collect() }
    }

    /// The levels of all pixels, red, green and blue in turn.
    pub fn rgb(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// The rows from the top.
    pub fn rows(&self) -> ChunksExact<'_, Rgb> {
        self.pixels.chunks_exact(self.width.max(1))
    }

    /// Whether all pixels have the same color (an empty picture has).
    pub fn is_blank(&self) -> bool {
        // Shifted by one pixel, a picture of one color equals itself.
        self.pixels.is_empty() || self.pixels[1..] == self.pixels[..self.pixels.len() - 1]
    }

    /// Where this picture differs from `other`; `None` where they are equal. Pictures of different sizes differ
    /// everywhere.
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if (self.width, self.height) != (other.width, other.height) {
            let pixels = self.width * self.height;
            return Some(Difference { x: 0, y: 0, width: self.width, height: self.height, pixels });
        }
        let mut found: Option<Difference> = None;
        let rows = self.rows().zip(other.rows());
        for (y, (ours, theirs)) in rows.enumerate().filter(|(_, (ours, theirs))| ours != theirs) {
            let differing = |&x: &usize| ours[x] != theirs[x];
            let pixels = (0..self.width).filter(differing).count();
            let first = (0..self.width).find(differing).unwrap_or(0);
            let last = (0..self.width).rfind(differing).unwrap_or(0);
            let so_far = found.unwrap_or(Difference { x: first, y, width: 0, height: 0, pixels: 0 });
            let left = so_far.x.min(first);
            found = Some(Difference {
                x: left,
                y: so_far.y,
                width: (so_far.x + so_far.width).max(last + 1) - left,
                height: y + 1 - so_far.y,
                pixels: so_far.pixels + pixels,
            });
        }
        found
    }
}

/// The smallest box around what differs between two pictures, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its left edge.
    pub x: usize,
    /// Its top edge.
    pub y: usize,
    /// Pixels across, at least 1.
    pub width: usize,
    /// Pixels down, at least 1.
    pub height: usize,
    /// How many pixels in it differ.
    pub pixels: usize,
}

impl Difference {
    /// The largest text cell in use: Terminus 16x32.
    const MAX_CELL: (usize, usize) = (16, 32);

    /// Whether this is what a blinking text cursor does: a solid box, no larger than a text cell, appears,
    /// vanishes, or inverts what is under it. A character that appears leaves part of its box as it was.
    pub fn is_cursor_blink(&self) -> bool {
        self.width <= Self::MAX_CELL.0 && self.height <= Self::MAX_CELL.1 && self.pixels == self.width * self.height
    }

    /// The smallest box around both, as if all of it differed.
    #[must_use]
    pub fn around(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let width = (self.x + self.width).max(other.x + other.width) - x;
        let height = (self.y + self.height).max(other.y + other.height) - y;
        Self { x, y, width, height, pixels: width * height }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_one_color_is_blank_whatever_the_color() {
        let mut frame = Frame { width: 2, height: 2, pixels: vec![[7, 8, 9]; 4] };
        assert!(frame.is_blank());
        assert!(Frame::black(4, 4).is_blank() && Frame::default().is_blank());
        frame.pixels[3][2] = 0;
        assert!(!frame.is_blank());
    }

    /// A picture with one gray pixel for each character of the rows.
    fn drawn(rows: &[&str]) -> Frame {
        let pixels = rows.concat().bytes().map(|byte| [byte; 3]).collect();
        Frame { width: rows[0].len(), height: rows.len(), pixels }
    }

    #[test]
    fn a_difference_is_the_smallest_box_around_what_changed() {
        let before = drawn(&["......", "......", "......"]);
        assert_eq!(before.difference(&before.clone()), None);
        let after = drawn(&["....x.", "......", ".x...."]);
        assert_eq!(before.difference(&after), Some(Difference { x: 1, y: 0, width: 4, height: 3, pixels: 2 }));
        let smaller = drawn(&["...."]);
        assert_eq!(before.difference(&smaller).unwrap().pixels, 18);
        assert_eq!(Frame::default().difference(&Frame::default()), None);
    }

    #[test]
    fn a_cursor_blinks_where_a_character_appears() {
        let before = drawn(&["......", "......", "......"]);
        let cursor = drawn(&["......", ".xxx..", ".xxx.."]);
        assert!(before.difference(&cursor).unwrap().is_cursor_blink());
        let letter = drawn(&["......", ".xxx..", "..x..."]);
        assert!(!before.difference(&letter).unwrap().is_cursor_blink());
        let line = drawn(&[&"x".repeat(17)]);
        assert!(!line.difference(&drawn(&[&".".repeat(17)])).unwrap().is_cursor_blink());
    }
}
