//! zlib: a Raw rectangle through one zlib stream.
//!
//! Source: rfbproto "Zlib encoding": a 32-bit length, then as many bytes.

use super::super::pixel::Colors;
use super::super::screen::Canvas;
use super::inflate::Packed;
use super::raw::Raw;
use super::{Reader, Step, Streams};
use crate::base::DecodeError;

/// Decodes one rectangle.
#[derive(Debug, Default)]
pub struct Zlib {
    raw: Raw,
    packed: Option<Packed>,
}

impl Zlib {
    /// Paints the whole rows that inflate from `input`.
    pub fn decode(
        &mut self,
        input: &[u8],
        canvas: &mut Canvas,
        colors: &Colors,
        streams: &mut Streams,
    ) -> Result<Step, DecodeError> {
        with_length(&mut self.packed, input, streams, |packed, input, streams| {
            packed
                .decode(input, &mut streams.zlib, &mut streams.window, |rows| Ok(self.raw.decode(rows, canvas, colors)))
        })
    }
}

/// Reads the 32-bit length in front of a rectangle's compressed bytes, once, then decodes those.
pub fn with_length(
    packed: &mut Option<Packed>,
    input: &[u8],
    streams: &mut Streams,
    decode: impl FnOnce(&mut Packed, &[u8], &mut Streams) -> Result<Step, DecodeError>,
) -> Result<Step, DecodeError> {
    let mut reader = Reader::new(input);
    let packed = match packed {
        Some(packed) => packed,
        None => match reader.u32() {
            Some(length) => packed.insert(Packed::new(length, &mut streams.window)),
            None => return Ok(Step { used: 0, done: false }),
        },
    };
    let head = input.len() - reader.rest.len();
    let step = decode(packed, reader.rest, streams)?;
    Ok(Step { used: head + step.used, ..step })
}
