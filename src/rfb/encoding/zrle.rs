//! ZRLE: tiles of 64x64 pixels through one zlib stream.
//!
//! Source: RFC 6143 section 7.7.6: a 32-bit length, then as many bytes.

use super::super::pixel::Colors;
use super::super::screen::Canvas;
use super::inflate::Packed;
use super::tiles::Tiles;
use super::zlib::with_length;
use super::{Step, Streams};
use crate::base::DecodeError;

/// Decodes one rectangle.
#[derive(Debug)]
pub struct Zrle {
    tiles: Tiles,
    packed: Option<Packed>,
}

impl Default for Zrle {
    fn default() -> Self {
        Self { tiles: Tiles::large(), packed: None }
    }
}

impl Zrle {
    /// Paints the whole tiles that inflate from `input`.
    pub fn decode(
        &mut self,
        input: &[u8],
        canvas: &mut Canvas,
        colors: &Colors,
        streams: &mut Streams,
    ) -> Result<Step, DecodeError> {
        with_length(&mut self.packed, input, streams, |packed, input, streams| {
            packed
                .decode(input, &mut streams.zrle, &mut streams.window, |tiles| self.tiles.decode(tiles, canvas, colors))
        })
    }
}
