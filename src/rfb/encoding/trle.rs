//! TRLE: tiles of 16x16 pixels, as they are.
//!
//! Source: RFC 6143 section 7.7.5.

use super::super::pixel::Colors;
use super::super::screen::Canvas;
use super::Step;
use super::tiles::Tiles;
use crate::base::DecodeError;

/// Decodes one rectangle.
#[derive(Debug)]
pub struct Trle(Tiles);

impl Default for Trle {
    fn default() -> Self {
        Self(Tiles::small())
    }
}

impl Trle {
    /// Paints the whole tiles in `input`.
    pub fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Result<Step, DecodeError> {
        self.0.decode(input, canvas, colors)
    }
}
