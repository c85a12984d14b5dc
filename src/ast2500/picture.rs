//! The picture that frames are decoded onto: RGB for whoever looks, YCbCr for the corrections of pass 2.

use std::array;
use std::sync::Arc;

use super::block::Samples;
use super::color::{BLACK, pixels, rgb};
use super::header::{Header, Subsampling};
use super::vq;
use crate::base::{DecodeError, Frame};

/// RGB of 8 x 8 pixels, row by row.
type Tile = [[u8; 24]; 8];

/// What a block shows, for the corrections of pass 2.
#[derive(Clone, Copy)]
enum Block {
    Colors(vq::Block),
    /// Y, Cb and Cr.
    Samples([Samples; 3]),
}

impl Block {
    fn samples(&self) -> [Samples; 3] {
        match self {
            Self::Samples(samples) => *samples,
            Self::Colors(block) => array::from_fn(|component| {
                array::from_fn(|column| array::from_fn(|row| block.colors[block.index(column, row)][component]))
            }),
        }
    }
}

/// The picture, and which of its blocks were drawn.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) frame: Arc<Frame>,
    pub(super) subsampling: Subsampling,
    /// Blocks across.
    pub(super) columns: usize,
    /// Blocks down.
    pub(super) rows: usize,
    /// Row by row. Empty in 4:2:0, which has no pass 2.
    blocks: Vec<Block>,
    drawn: Vec<bool>,
    undrawn: usize,
}

impl Picture {
    /// Restarts from black where the size or the subsampling differs, and says whether it did.
    pub(super) fn fit(&mut self, header: &Header) -> Result<bool, DecodeError> {
        let &Header { width, height, subsampling, .. } = header;
        if (width, height, subsampling) == (self.frame.width, self.frame.height, self.subsampling) && width != 0 {
            return Ok(false);
        }
        if width == 0 || height == 0 {
            return Err(DecodeError::Malformed { what: "a video frame without a size" });
        }
        let edge = width.max(height);
        if edge > super::MAX_EDGE {
            return Err(DecodeError::TooLarge { what: "picture edge", got: edge as u64, max: super::MAX_EDGE as u64 });
        }
        let block_edge = match subsampling {
            Subsampling::None => 8,
            Subsampling::Quarter => 16,
        };
        let (columns, rows) = (width.div_ceil(block_edge), height.div_ceil(block_edge));
        // The old picture goes before the new one comes: both at once are needed by nobody.
        *self = Self::default();
        let blocks = match subsampling {
            Subsampling::None => vec![Block::Colors(vq::Block::of(BLACK)); columns * rows],
            Subsampling::Quarter => Vec::new(),
        };
        *self = Self {
            frame: Arc::new(Frame::black(width, height)),
            subsampling,
            columns,
            rows,
            blocks,
            drawn: vec![false; columns * rows],
            undrawn: columns * rows,
        };
        Ok(true)
    }

    /// Whether every block was drawn since the restart.
    pub(super) fn is_complete(&self) -> bool {
        self.undrawn == 0
    }

    /// The picture to draw on: a copy where somebody still holds the old one.
    pub(super) fn canvas(&mut self) -> Canvas<'_> {
        Canvas {
            frame: Arc::make_mut(&mut self.frame),
            columns: self.columns,
            blocks: &mut self.blocks,
            drawn: &mut self.drawn,
            undrawn: &mut self.undrawn,
        }
    }
}

/// The picture while a frame is decoded. Blocks are named by their column and row, which are in the picture.
pub(super) struct Canvas<'a> {
    frame: &'a mut Frame,
    columns: usize,
    blocks: &'a mut [Block],
    drawn: &'a mut [bool],
    undrawn: &'a mut usize,
}

impl Canvas<'_> {
    /// Draws a JPEG block in 4:4:4: Y, Cb, Cr.
    pub(super) fn draw(&mut self, column: usize, row: usize, samples: &[Samples; 3]) {
        self.blocks[row * self.columns + column] = Block::Samples(*samples);
        self.mark(column, row);
        self.put(column * 8, row * 8, &tile(samples.each_ref()));
    }

    /// Corrects a block in 4:4:4: 128 stands for no change. A correction does not count as drawing.
    pub(super) fn correct(&mut self, column: usize, row: usize, correction: &[Samples; 3]) {
        let block = &mut self.blocks[row * self.columns + column];
        let mut samples = block.samples();
        let changes = correction.as_flattened().as_flattened();
        for (sample, &change) in samples.as_flattened_mut().as_flattened_mut().iter_mut().zip(changes) {
            *sample = (i16::from(*sample) + i16::from(change) - 128).clamp(0, 255) as u8;
        }
        *block = Block::Samples(samples);
        self.put(column * 8, row * 8, &tile(samples.each_ref()));
    }

    /// Draws a JPEG block in 4:2:0: four data units of Y, one of Cb and Cr, each sample of them for 2 x 2 pixels.
    pub(super) fn draw_quarter(&mut self, column: usize, row: usize, [luma @ .., cb, cr]: &[Samples; 6]) {
        self.mark(column, row);
        for (quarter, y) in luma.iter().enumerate() {
            let (right, down) = (quarter % 2, quarter / 2);
            let double = |chroma: &Samples| -> Samples {
                array::from_fn(|column| {
                    let samples = &chroma[right * 4 + column / 2];
                    array::from_fn(|row| samples[down * 4 + row / 2])
                })
            };
            self.put(column * 16 + right * 8, row * 16 + down * 8, &tile([y, &double(cb), &double(cr)]));
        }
    }

    /// Draws a block of at most four colors.
    pub(super) fn draw_colors(&mut self, column: usize, row: usize, block: &vq::Block) {
        self.blocks[row * self.columns + column] = Block::Colors(*block);
        self.mark(column, row);
        self.put(column * 8, row * 8, &tile_of_colors(block));
    }

    fn mark(&mut self, column: usize, row: usize) {
        let drawn = &mut self.drawn[row * self.columns + column];
        *self.undrawn -= usize::from(!*drawn);
        *drawn = true;
    }

    /// Puts a tile at a pixel; what is beyond the picture is dropped.
    fn put(&mut self, left: usize, top: usize, tile: &Tile) {
        let stride = self.frame.width * 3;
        let length = stride.saturating_sub(left * 3).min(24);
        let mut below = self.frame.pixels.as_flattened_mut().get_mut(top * stride + left * 3..).unwrap_or_default();
        for source in tile {
            match below.first_chunk_mut() {
                Some(pixels) if length == 24 => *pixels = *source,
                _ => {
                    let Some(pixels) = below.get_mut(..length) else { return };
                    pixels.copy_from_slice(&source[..length]);
                }
            }
            below = below.get_mut(stride..).unwrap_or_default();
        }
    }
}

/// The pixels that samples of Y, Cb and Cr stand for.
fn tile(samples: [&Samples; 3]) -> Tile {
    let mut columns = [[[0; 2]; 8]; 8];
    pixels(samples, &mut columns);
    array::from_fn(|row| {
        row_of_pairs(array::from_fn(|pair| {
            let pixel = |column: usize| {
                let [red_green, blue] = columns[column][row];
                u64::from(red_green) | u64::from(blue) << 16
            };
            pixel(pair * 2) | pixel(pair * 2 + 1) << 24
        }))
    })
}

/// The pixels of a block of at most four colors.
fn tile_of_colors(block: &vq::Block) -> Tile {
    match block.index_bits {
        0 => {
            let [color] = colors(block);
            [row_of_pairs([color | color << 24; 4]); 8]
        }
        1 => {
            let [a, b] = colors(block);
            let pairs = [[a, a], [a, b], [b, a], [b, b]].map(|[first, second]| first | second << 24);
            block.rows.map(|row| row_of_pairs([6, 4, 2, 0].map(|behind| pairs[usize::from(row >> behind & 3)])))
        }
        _ => {
            let colors: [u64; 4] = colors(block);
            let pairs: [u64; 16] = array::from_fn(|indices| colors[indices >> 2] | colors[indices & 3] << 24);
            block.rows.map(|row| row_of_pairs([12, 8, 4, 0].map(|behind| pairs[usize::from(row >> behind & 15)])))
        }
    }
}

/// The first colors of a block, red lowest.
fn colors<const COUNT: usize>(block: &vq::Block) -> [u64; COUNT] {
    array::from_fn(|number| {
        let [r, g, b] = rgb(block.colors[number]);
        u64::from_le_bytes([r, g, b, 0, 0, 0, 0, 0])
    })
}

/// Eight pixels out of four times two of 48 bits.
#[inline(always)]
fn row_of_pairs(pairs: [u64; 4]) -> [u8; 24] {
    let words = [pairs[0] | pairs[1] << 48, pairs[1] >> 16 | pairs[2] << 32, pairs[2] >> 32 | pairs[3] << 16];
    let mut row = [0; 24];
    row[..8].copy_from_slice(&words[0].to_le_bytes());
    row[8..16].copy_from_slice(&words[1].to_le_bytes());
    row[16..].copy_from_slice(&words[2].to_le_bytes());
    row
}
