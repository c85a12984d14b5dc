//! The framebuffer: the picture, which of its pixels the server has painted, and the window a rectangle paints through.
//!
//! An update is not a picture: servers answer the first request with nothing, one pixel or a quarter. So the
//! pixels that were painted since the size was last set are counted, one bit each.

use std::sync::Arc;

use crate::base::{DecodeError, Frame, Rgb};

/// Pixels along an edge at most: twice a 4K screen's width leaves room for two beside each other.
pub const MAX_EDGE: usize = 8_192;

/// Pixels of a screen or rectangle at most, as many as 4096x4096: two 4K screens, 48 MiB as a picture.
pub const MAX_PIXELS: usize = 1 << 24;

/// A rectangle on the screen, in pixels from the top left; it may reach beyond the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Its left column.
    pub x: usize,
    /// Its top row.
    pub y: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

impl Rect {
    /// Pixels in it.
    pub fn area(&self) -> usize {
        self.width * self.height
    }
}

/// Checks a size that a server announces, for a screen or a rectangle.
pub fn check_size(what: &'static str, width: usize, height: usize) -> Result<(), DecodeError> {
    let (edge, area) = (width.max(height), width * height);
    if edge > MAX_EDGE {
        return Err(DecodeError::TooLarge { what, got: edge as u64, max: MAX_EDGE as u64 });
    }
    if area > MAX_PIXELS {
        return Err(DecodeError::TooLarge { what, got: area as u64, max: MAX_PIXELS as u64 });
    }
    Ok(())
}

/// The picture of the server's screen.
#[derive(Debug)]
pub struct Screen {
    frame: Arc<Frame>,
    coverage: Coverage,
}

impl Screen {
    /// A black screen of which nothing is painted; the size may be 0x0.
    pub fn new(width: usize, height: usize) -> Result<Self, DecodeError> {
        check_size("screen in pixels", width, height)?;
        Ok(Self { frame: Arc::new(Frame::black(width, height)), coverage: Coverage::new(width, height) })
    }

    /// The picture as it is now. Whoever keeps it keeps this moment: the next change is made to a copy.
    pub fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    /// Which pixels were painted.
    pub fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// All of it.
    pub fn rect(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.frame.width, height: self.frame.height }
    }

    /// Sets the size. What both sizes have in common stays visible, but counts as not painted.
    pub fn resize(&mut self, width: usize, height: usize) -> Result<(), DecodeError> {
        check_size("screen in pixels", width, height)?;
        let mut frame = Frame::black(width, height);
        if width > 0 && self.frame.width > 0 {
            let length = width.min(self.frame.width);
            for (new, old) in frame.pixels.chunks_exact_mut(width).zip(self.frame.rows()) {
                new[..length].copy_from_slice(&old[..length]);
            }
        }
        self.frame = Arc::new(frame);
        self.coverage = Coverage::new(width, height);
        Ok(())
    }

    /// Counts all of it as not painted.
    pub fn uncover(&mut self) {
        self.coverage = Coverage::new(self.frame.width, self.frame.height);
    }

    /// Counts `rect` as painted; how many of its pixels were not before.
    pub fn cover(&mut self, rect: Rect) -> usize {
        self.coverage.mark(rect)
    }

    /// The window through which a rectangle paints.
    pub fn canvas(&mut self, rect: Rect) -> Canvas<'_> {
        Canvas { frame: Arc::make_mut(&mut self.frame), rect }
    }
}

/// A rectangle of the picture, with positions relative to it. Nothing outside of both is ever painted.
#[derive(Debug)]
pub struct Canvas<'a> {
    frame: &'a mut Frame,
    rect: Rect,
}

impl Canvas<'_> {
    /// Pixels across.
    pub fn width(&self) -> usize {
        self.rect.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.rect.height
    }

    /// The pixels `x..x + width` of row `y`, as far as they are visible.
    pub fn row(&mut self, x: usize, y: usize, width: usize) -> &mut [Rgb] {
        if y >= self.rect.height || self.rect.y + y >= self.frame.height {
            return &mut [];
        }
        let end = self.frame.width.min(self.rect.x + self.rect.width.min(x + width));
        let start = (self.rect.x + x).min(end);
        let row = (self.rect.y + y) * self.frame.width;
        &mut self.frame.pixels[row + start..row + end]
    }

    /// Paints `area` with one color.
    pub fn fill(&mut self, area: Rect, color: Rgb) {
        for y in area.y..self.rect.height.min(area.y + area.height) {
            fill_row(self.row(area.x, y, area.width), color);
        }
    }

    /// Copies the visible part of the picture at (`x`, `y`), in pixels of the screen, here; both may overlap.
    pub fn copy_from(&mut self, x: usize, y: usize) {
        let Frame { width, height, pixels } = &mut *self.frame;
        let columns = self.rect.width.min(width.saturating_sub(x.max(self.rect.x)));
        let rows = self.rect.height.min(height.saturating_sub(y.max(self.rect.y)));
        let copy = |row: usize| {
            let from = (y + row) * *width + x;
            pixels.copy_within(from..from + columns, (self.rect.y + row) * *width + self.rect.x);
        };
        if columns == 0 {
            return;
        }
        // Downwards the last row goes first, or it would be overwritten before it is read.
        if self.rect.y > y { (0..rows).rev().for_each(copy) } else { (0..rows).for_each(copy) }
    }
}

/// Fills a row, fast where the color is gray.
pub fn fill_row(row: &mut [Rgb], color: Rgb) {
    if color[0] == color[1] && color[1] == color[2] {
        row.as_flattened_mut().fill(color[0]);
    } else {
        row.fill(color);
    }
}

/// Which pixels of a screen were painted: one bit each, rows padded to 64.
#[derive(Debug)]
pub struct Coverage {
    width: usize,
    height: usize,
    missing: usize,
    painted: Vec<u64>,
}

impl Coverage {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, missing: width * height, painted: vec![0; width.div_ceil(64) * height] }
    }

    /// Pixels that were not painted yet.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Pixels of the screen.
    pub fn total(&self) -> usize {
        self.width * self.height
    }

    /// How much of the screen was painted, in percent, rounded down.
    pub fn percent(&self) -> u8 {
        ((self.total() - self.missing) * 100).checked_div(self.total()).unwrap_or_default() as u8
    }

    /// Whether there is a screen and all of it was painted.
    pub fn is_complete(&self) -> bool {
        self.missing == 0 && self.total() > 0
    }

    fn mark(&mut self, rect: Rect) -> usize {
        let (right, bottom) = (self.width.min(rect.x + rect.width), self.height.min(rect.y + rect.height));
        if self.missing == 0 || rect.x >= right {
            return 0;
        }
        let stride = self.width.div_ceil(64);
        let mut new = 0;
        for row in self.painted.chunks_exact_mut(stride).take(bottom).skip(rect.y) {
            for (at, word) in row.iter_mut().enumerate().take(right.div_ceil(64)).skip(rect.x / 64) {
                let (start, end) = (rect.x.saturating_sub(at * 64), (right - at * 64).min(64));
                let bits = !0 >> (64 - end) & !0 << start;
                new += (bits & !*word).count_ones() as usize;
                *word |= bits;
            }
        }
        self.missing -= new;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rect(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn coverage_counts_each_pixel_once_and_clips() {
        let mut coverage = Coverage::new(130, 3);
        assert_eq!((coverage.missing(), coverage.is_complete()), (390, false));
        assert_eq!(coverage.mark(rect(63, 1, 2, 1)), 2);
        assert_eq!(coverage.mark(rect(60, 0, 10, 2)), 18);
        assert_eq!(coverage.mark(rect(128, 2, 500, 500)), 2);
        assert_eq!(coverage.mark(rect(130, 0, 1, 1)) + coverage.mark(rect(0, 3, 9, 9)), 0);
        assert_eq!(coverage.mark(rect(5, 1, 0, 1)), 0);
        assert_eq!(coverage.mark(rect(0, 0, 130, 3)), 390 - 22);
        assert_eq!((coverage.missing(), coverage.is_complete()), (0, true));
        assert_eq!(coverage.percent(), 100);
        let none = Coverage::new(0, 0);
        assert_eq!((none.is_complete(), none.percent()), (false, 0));
    }

    #[test]
    fn coverage_agrees_with_a_list_of_pixels() {
        let mut coverage = Coverage::new(200, 4);
        let mut pixels = vec![false; 800];
        let mut seed = 7_usize;
        for _ in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let painted = rect(seed >> 33 & 255, seed >> 41 & 3, seed >> 43 & 31, seed >> 48 & 3);
            let mut new = 0;
            for y in painted.y..(painted.y + painted.height).min(4) {
                for x in painted.x..(painted.x + painted.width).min(200) {
                    new += usize::from(!std::mem::replace(&mut pixels[y * 200 + x], true));
                }
            }
            assert_eq!(coverage.mark(painted), new, "{painted:?}");
        }
    }

    #[test]
    fn a_canvas_paints_neither_beyond_its_rectangle_nor_beyond_the_screen() {
        let mut screen = Screen::new(4, 3).unwrap();
        let mut canvas = screen.canvas(rect(2, 1, 5, 1));
        canvas.fill(rect(0, 0, 9, 9), [7; 3]);
        assert_eq!(canvas.row(0, 0, 1).len(), 1);
        assert_eq!(canvas.row(1, 0, 9).len(), 1);
        assert_eq!(canvas.row(9, 0, 9).len() + canvas.row(0, 1, 1).len(), 0);
        let mut beyond = screen.canvas(rect(9, 9, 2, 2));
        beyond.fill(rect(0, 0, 2, 2), [1; 3]);
        beyond.copy_from(0, 0);
        let painted: Vec<usize> = (0..12).filter(|&at| screen.frame().pixels[at] == [7; 3]).collect();
        assert_eq!(painted, [6, 7]);
        assert!(screen.frame().pixels.iter().all(|&pixel| pixel == [0; 3] || pixel == [7; 3]));
    }

    #[test]
    fn a_copy_may_overlap_itself_in_each_direction() {
        let pixel = |x: usize, y: usize| [x as u8, y as u8, 1];
        for (from, to) in [((0, 0), (1, 1)), ((1, 1), (0, 0)), ((1, 0), (0, 1)), ((0, 1), (1, 0)), ((0, 0), (1, 0))] {
            let mut screen = Screen::new(4, 4).unwrap();
            let mut all = screen.canvas(screen.rect());
            (0..16).for_each(|at| all.row(at % 4, at / 4, 1)[0] = pixel(at % 4, at / 4));
            screen.canvas(rect(to.0, to.1, 3, 3)).copy_from(from.0, from.1);
            for (x, y) in (0..9).map(|at| (at % 3, at / 3)) {
                let at = (to.1 + y) * 4 + to.0 + x;
                assert_eq!(screen.frame().pixels[at], pixel(from.0 + x, from.1 + y), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn a_new_size_keeps_the_picture_and_forgets_the_coverage() {
        let mut screen = Screen::new(2, 2).unwrap();
        screen.canvas(rect(0, 0, 2, 2)).fill(rect(0, 0, 2, 2), [5; 3]);
        assert_eq!(screen.cover(rect(0, 0, 2, 2)), 4);
        let before = Arc::clone(screen.frame());
        screen.resize(3, 1).unwrap();
        assert_eq!(screen.frame().pixels, [[5; 3], [5; 3], [0; 3]]);
        assert_eq!(screen.coverage().missing(), 3);
        assert_eq!((before.width, before.height), (2, 2));
        screen.resize(0, 0).unwrap();
        screen.resize(2, 1).unwrap();
        assert!(screen.resize(9_000, 1).is_err() && screen.resize(8_192, 8_192).is_err());
        assert_eq!(screen.rect(), rect(0, 0, 2, 1));
    }
}
