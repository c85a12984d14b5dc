//! The zlib streams of a connection, inflated through a window that another decoder reads its units from.
//!
//! Source: RFC 1950 and 1951; the inflating itself is flate2's. A stream lasts as long as the connection and is
//! flushed at the end of each rectangle, so the bytes of a rectangle inflate to all of it.
//! Nothing grows with what is announced or with what the bytes inflate to: input is taken in pieces of `PIECE`,
//! output leaves through the window, and what inflates beyond the rectangle is bounded by `MAX_EXCESS`.

use flate2::{Decompress, FlushDecompress, Status};

use super::Step;
use crate::base::DecodeError;

/// Compressed bytes that are inflated together. Waiting for that many keeps a unit from being tried too often.
const PIECE: usize = 1 << 14;

/// Bytes of the window: the largest unit is a row of `MAX_EDGE` pixels, 32 KiB.
const WINDOW: usize = 1 << 16;

/// Bytes that may inflate beyond the end of the rectangle: broken servers leave some, none should.
const MAX_EXCESS: usize = 1 << 16;

/// One zlib stream; it costs nothing before its first byte.
#[derive(Debug, Default)]
pub struct Inflater(Option<Decompress>);

impl Inflater {
    /// Begins a new stream with the next byte.
    pub fn reset(&mut self) {
        if let Some(stream) = &mut self.0 {
            stream.reset(true);
        }
    }

    /// Inflates from `input` into `output` as far as both reach: bytes read, bytes written.
    fn inflate(&mut self, input: &[u8], output: &mut [u8]) -> Result<(usize, usize), DecodeError> {
        let stream = self.0.get_or_insert_with(|| Decompress::new(true));
        let (read, written) = (stream.total_in(), stream.total_out());
        let status = stream
            .decompress(input, output, FlushDecompress::None)
            .map_err(|_| DecodeError::Malformed { what: "a zlib stream breaks its format" })?;
        let (read, written) = ((stream.total_in() - read) as usize, (stream.total_out() - written) as usize);
        if read == 0 && written == 0 && status == Status::StreamEnd && !input.is_empty() {
            return Err(DecodeError::Malformed { what: "data behind the end of a zlib stream" });
        }
        Ok((read, written))
    }
}

/// Inflated bytes that no unit used up yet.
#[derive(Debug, Default)]
pub struct Window {
    bytes: Vec<u8>,
    end: usize,
}

/// The compressed bytes of one rectangle.
#[derive(Debug)]
pub struct Packed {
    left: usize,
    finished: bool,
    excess: usize,
}

impl Packed {
    /// `length` bytes that begin a rectangle, whatever the last one left in the window.
    pub fn new(length: usize, window: &mut Window) -> Self {
        window.bytes.resize(WINDOW, 0);
        window.end = 0;
        Self { left: length, finished: false, excess: 0 }
    }

    /// Inflates what is at hand and passes it to `unit`, which is a decoder like others.
    pub fn decode(
        &mut self,
        input: &[u8],
        stream: &mut Inflater,
        window: &mut Window,
        mut unit: impl FnMut(&[u8]) -> Result<Step, DecodeError>,
    ) -> Result<Step, DecodeError> {
        let mut used = 0;
        while self.left > 0 {
            let length = self.left.min(PIECE);
            let Some(piece) = input.get(used..used + length) else {
                return Ok(Step { used, done: false });
            };
            self.pass(piece, stream, window, &mut unit)?;
            used += length;
            self.left -= length;
        }
        // A rectangle without pixels is finished by nothing.
        self.finished = self.finished || unit(&[])?.done;
        if !self.finished {
            return Err(DecodeError::Malformed { what: "compressed data ends before its rectangle" });
        }
        Ok(Step { used, done: true })
    }

    fn pass(
        &mut self,
        mut piece: &[u8],
        stream: &mut Inflater,
        window: &mut Window,
        unit: &mut impl FnMut(&[u8]) -> Result<Step, DecodeError>,
    ) -> Result<(), DecodeError> {
        loop {
            let room = window.bytes.len() - window.end;
            let (read, written) = stream.inflate(piece, &mut window.bytes[window.end..])?;
            piece = &piece[read..];
            window.end += written;
            if !self.finished {
                let step = unit(&window.bytes[..window.end])?;
                window.bytes.copy_within(step.used..window.end, 0);
                window.end -= step.used;
                self.finished = step.done;
            }
            if self.finished {
                self.excess += std::mem::take(&mut window.end);
                if self.excess > MAX_EXCESS {
                    return Err(DecodeError::Malformed { what: "compressed data goes on behind its rectangle" });
                }
            }
            // A window that was filled may have left something inside the stream.
            if written < room {
                if piece.is_empty() {
                    return Ok(());
                }
                if read == 0 && written == 0 {
                    return Err(DecodeError::Malformed { what: "a zlib stream stands still" });
                }
            } else if room == 0 {
                return Err(DecodeError::Malformed { what: "a unit larger than the window" });
            }
        }
    }
}
