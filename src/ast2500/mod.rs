//! The video of Aspeed BMC chips (AST2100 to AST2600): a stream of tiles, decoded onto the picture of the frame before.
//!
//! Source: Aspeed video stream, as its independent decoders agree on it; the pictures are those of the chip vendor's
//! decoder to the bit. A frame is an 86-byte [`Header`] and a stream:
//!
//! ```text
//! frame  = block* end                            bits: see `bits`
//! block  = code [x y] body                       4 bits, 8 bits, 8 bits
//! end    = 0x9
//!
//! code   = 0x0 | 0x8   JPEG:         body = data units, luma selector's tables
//!        | 0x4 | 0xC   low JPEG:     body = data units, advance selector's tables
//!        | 0x2 | 0xA   JPEG pass 2:  body = data units, advance selector's tables: a correction
//!        | 0x5 | 0xD   VQ, 1 color:  body = 1 entry
//!        | 0x6 | 0xE   VQ, 2 colors: body = 2 entries, 64 indices of 1 bit
//!        | 0x7 | 0xF   VQ, 4 colors: body = 4 entries, 64 indices of 2 bits
//! ```
//!
//! The second code of each pair is followed by the block's position, counted in blocks; without one a block is right of
//! the one before, at the right end in the next row, at the bottom in the first. The picture's size is rounded up to
//! whole blocks, and what is beyond the picture is dropped. Data units are Y, Cb, Cr of 8 x 8 pixels in 4:4:4, and four Y
//! (top left, top right, bottom left, bottom right), Cb, Cr of 16 x 16 pixels in 4:2:0, where there is no pass 2 and no VQ.
//! Position, DC predictors and the color cache start anew with each frame.
//!
//! Deliberately absent: RC4 (no known board uses it) and AST2600's JPEG tiles (not sent over IVTP).

mod bits;
mod block;
mod color;
mod header;
mod huffman;
mod picture;
pub mod tables;
mod vq;

use std::sync::Arc;

pub use color::rgb;
pub use header::{HEADER_LEN, Header, MAX_EDGE, Subsampling};
pub use huffman::{CHROMA_AC, CHROMA_DC, LUMA_AC, LUMA_DC, Table};

use crate::base::{DecodeError, Frame};
use bits::Bits;
use block::{Components, Tables};
use picture::Picture;
use vq::Cache;

/// The code that ends a frame.
const END: u32 = 0x9;
/// The bit of any other code that says a position follows.
const POSITIONED: u32 = 0x8;
/// The bits of a code that say what the block is, and their values.
const KIND: u32 = 0x7;
const JPEG: u32 = 0x0;
const PASS_2: u32 = 0x2;
const LOW_JPEG: u32 = 0x4;
const VQ_1: u32 = 0x5;
const VQ_4: u32 = 0x7;

/// What a frame did to the picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Blocks that the frame carried.
    pub blocks: usize,
    /// Whether all of them were VQ blocks, which are final: no refinement follows. True for a frame without blocks.
    pub all_vq: bool,
    /// Whether every block of the picture was drawn since the picture was last restarted.
    pub complete: bool,
    /// Whether the frame restarted the picture from black: its size or its subsampling differs from the frame before.
    pub reset: bool,
}

/// A decoder with the picture of the frames so far.
#[derive(Default)]
pub struct Decoder {
    picture: Picture,
}

impl Decoder {
    /// A decoder without a picture.
    pub fn new() -> Self {
        Self::default()
    }

    /// The picture so far; 0 x 0 before the first frame. It costs nothing; the next frame is decoded onto a copy if
    /// it is still held then.
    pub fn frame(&self) -> Arc<Frame> {
        Arc::clone(&self.picture.frame)
    }

    /// Decodes one frame onto the picture.
    ///
    /// Errors: a picture without a size or beyond [`MAX_EDGE`], a selector that does not exist, a corrupt or truncated
    /// stream. The blocks before the error stay in the picture, and the decoder is ready for another frame.
    pub fn decode(&mut self, header: &Header, stream: &[u8]) -> Result<Update, DecodeError> {
        let base = Tables::new(header.luma_selector, header.luma_table_for_chroma)?;
        let advance = Tables::new(header.advance_selector, header.luma_table_for_chroma)?;
        let reset = self.picture.fit(header)?;
        let mut update = Update { blocks: 0, all_vq: true, complete: false, reset };

        let mut bits = Bits::new(stream);
        if let Err(error) = self.draw_blocks(&mut bits, &base, &advance, &mut update) {
            // What does not make sense behind the end is just missing.
            bits.check()?;
            return Err(error);
        }
        update.complete = self.picture.is_complete();
        Ok(update)
    }

    /// Draws the blocks up to the end code.
    fn draw_blocks(
        &mut self,
        bits: &mut Bits,
        base: &Tables,
        advance: &Tables,
        update: &mut Update,
    ) -> Result<(), DecodeError> {
        let (columns, rows, subsampling) = (self.picture.columns, self.picture.rows, self.picture.subsampling);
        let mut canvas = self.picture.canvas();
        let mut components = Components::new();
        let mut cache = Cache::new();
        let (mut samples, mut quarter_samples) = ([[[0; 8]; 8]; 3], [[[0; 8]; 8]; 6]);
        let (mut column, mut row) = (0, 0);
        loop {
            let code = bits.take(4);
            if code == END {
                return bits.check();
            }
            if code & POSITIONED != 0 {
                (column, row) = (bits.take(8) as usize, bits.take(8) as usize);
                if column >= columns || row >= rows {
                    return Err(DecodeError::Malformed { what: "a block outside the picture" });
                }
            }
            match (code & KIND, subsampling) {
                (kind @ (JPEG | LOW_JPEG), Subsampling::None) => {
                    let tables = if kind == JPEG { base } else { advance };
                    match components.take(bits, tables, &mut samples)? {
                        Some(color) => canvas.draw_colors(column, row, &vq::Block::of(color)),
                        None => canvas.draw(column, row, &samples),
                    }
                }
                (PASS_2, Subsampling::None) => {
                    components.take(bits, advance, &mut samples)?;
                    canvas.correct(column, row, &samples);
                }
                (kind @ VQ_1..=VQ_4, Subsampling::None) => {
                    canvas.draw_colors(column, row, &cache.take(bits, kind - VQ_1)?);
                }
                (kind @ (JPEG | LOW_JPEG), Subsampling::Quarter) => {
                    let tables = if kind == JPEG { base } else { advance };
                    components.take_quarter(bits, tables, &mut quarter_samples)?;
                    canvas.draw_quarter(column, row, &quarter_samples);
                }
                (PASS_2 | VQ_1..=VQ_4, Subsampling::Quarter) => {
                    return Err(DecodeError::Malformed { what: "a 4:4:4 block in a 4:2:0 frame" });
                }
                _ => return Err(DecodeError::Malformed { what: "an unknown block code" }),
            }
            update.blocks += 1;
            update.all_vq &= code & KIND >= VQ_1;
            column += 1;
            if column == columns {
                (column, row) = (0, (row + 1) % rows);
            }
        }
    }
}

#[cfg(test)]
mod tests;
