//! Raw: the pixels as they are, row after row.
//!
//! Source: RFC 6143 section 7.7.1. A unit is a row.

use super::super::pixel::Colors;
use super::super::screen::Canvas;
use super::Step;

/// Decodes one rectangle, or what zlib and Tight inflate to.
#[derive(Debug, Default)]
pub struct Raw {
    y: usize,
}

impl Raw {
    /// Paints the whole rows in `input`.
    pub fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Step {
        let width = canvas.width();
        let length = width * colors.size();
        if length == 0 {
            return Step { used: 0, done: true };
        }
        let rows = input.chunks_exact(length).take(canvas.height() - self.y);
        let count = rows.len();
        for row in rows {
            colors.row(row, canvas.row(0, self.y, width));
            self.y += 1;
        }
        Step { used: count * length, done: self.y == canvas.height() }
    }
}
