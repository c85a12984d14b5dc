//! Paints text screens from fonts, as a console would show them: colors, any origin, a cursor.

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::Font;

/// VGA's sixteen colors, in the order of its attributes.
pub const COLORS: [[u8; 3]; 16] = [
    [0, 0, 0],
    [0, 0, 170],
    [0, 170, 0],
    [0, 170, 170],
    [170, 0, 0],
    [170, 0, 170],
    [170, 85, 0],
    [170, 170, 170],
    [85, 85, 85],
    [85, 85, 255],
    [85, 255, 85],
    [85, 255, 255],
    [255, 85, 85],
    [255, 85, 255],
    [255, 255, 85],
    [255, 255, 255],
];

pub const BLACK: [u8; 3] = COLORS[0];
pub const GRAY: [u8; 3] = COLORS[7];

/// A picture that text of one font is painted onto.
pub struct Screen<'a> {
    pub frame: Frame,
    font: &'a Font,
    /// Where row 0, column 0 is, in pixels from the top left.
    origin: (usize, usize),
}

impl<'a> Screen<'a> {
    /// A black picture of a size in pixels.
    pub fn new(font: &'a Font, width: usize, height: usize) -> Self {
        Self { frame: Frame::black(width, height), font, origin: (0, 0) }
    }

    /// Puts row 0, column 0 elsewhere.
    pub fn at(mut self, x: usize, y: usize) -> Self {
        self.origin = (x, y);
        self
    }

    /// Whole cells across and down.
    pub fn size(&self) -> (usize, usize) {
        let (width, height) = (self.frame.width - self.origin.0, self.frame.height - self.origin.1);
        (width / self.font.width, height / self.font.height)
    }

    /// Writes one row of text; what the font lacks is blank, what is outside the picture is lost.
    pub fn write(&mut self, row: usize, column: usize, text: &str, foreground: [u8; 3], background: [u8; 3]) {
        for (column, ch) in (column..).zip(text.chars()) {
            let rows = self.font.rows(ch).unwrap_or_default();
            for y in 0..self.font.height {
                for x in 0..self.font.width {
                    let dot = rows.get(y).is_some_and(|row| row >> (self.font.width - 1 - x) & 1 == 1);
                    self.dot(row, column, x, y, if dot { foreground } else { background });
                }
            }
        }
    }

    /// Writes lines of text in gray on black, from row 0.
    pub fn lines(mut self, text: &str) -> Self {
        for (row, line) in text.lines().enumerate() {
            self.write(row, 0, line, GRAY, BLACK);
        }
        self
    }

    /// An underline cursor as VGA has it: the two dot rows above the last.
    pub fn cursor(&mut self, row: usize, column: usize, color: [u8; 3]) {
        for y in self.font.height.saturating_sub(3)..self.font.height - 1 {
            for x in 0..self.font.width {
                self.dot(row, column, x, y, color);
            }
        }
    }

    fn dot(&mut self, row: usize, column: usize, x: usize, y: usize, color: [u8; 3]) {
        let x = self.origin.0 + column * self.font.width + x;
        let y = self.origin.1 + row * self.font.height + y;
        if x < self.frame.width && y < self.frame.height {
            self.frame.pixels[y * self.frame.width + x] = color;
        }
    }
}
