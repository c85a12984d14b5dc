//! CopyRect: the rectangle is a part of the screen as the rectangles before it left it.
//!
//! Source: RFC 6143 section 7.7.2: the left column and the top row it comes from, 16 bits each.

use super::super::screen::Canvas;
use super::{Reader, Step};

/// Copies once both numbers are there.
pub fn decode(input: &[u8], canvas: &mut Canvas) -> Step {
    let mut reader = Reader::new(input);
    let (Some(x), Some(y)) = (reader.u16(), reader.u16()) else {
        return Step { used: 0, done: false };
    };
    canvas.copy_from(x, y);
    Step { used: 4, done: true }
}
