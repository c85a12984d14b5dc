//! The picture that frames are decoded onto: RGB for whoever looks, YCbCr for the corrections of pass 2.

use std::sync::Arc;

use super::block::Samples;
use super::color::{BLACK, rgb, rgb_lanes};
use super::header::{Header, Subsampling};
use super::vq;
use crate::base::{DecodeError, Frame};

/// RGB of 8 x 8 pixels, row by row.
type Tile = [[u8; 24]; 8];

/// The picture, and which of its blocks were drawn.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) frame: Arc<Frame>,
    pub(super) subsampling: Subsampling,
    /// Blocks across.
    pub(super) columns: usize,
    /// Blocks down.
    pub(super) rows: usize,
    /// Y, Cb and Cr of each block: what pass 2 corrects. Empty in 4:2:0.
    planes: Vec<[Samples; 3]>,
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
        let planes = match subsampling {
            Subsampling::None => vec![BLACK.map(|sample| [[sample; 8]; 8]); columns * rows],
            Subsampling::Quarter => Vec::new(),
        };
        *self = Self {
            frame: Arc::new(Frame::black(width, height)),
            subsampling,
            columns,
            rows,
            planes,
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
            planes: &mut self.planes,
            drawn: &mut self.drawn,
            undrawn: &mut self.undrawn,
        }
    }
}

/// The picture while a frame is decoded. Blocks are named by their column and row, which are in the picture.
pub(super) struct Canvas<'a> {
    frame: &'a mut Frame,
    columns: usize,
    planes: &'a mut [[Samples; 3]],
    drawn: &'a mut [bool],
    undrawn: &'a mut usize,
}

impl Canvas<'_> {
    /// Draws a JPEG block in 4:4:4.
    pub(super) fn draw(&mut self, column: usize, row: usize, planes: &[Samples; 3]) {
        self.planes[row * self.columns + column] = *planes;
        self.mark(column, row);
        let [y, cb, cr] = planes;
        self.put(column * 8, row * 8, &std::array::from_fn(|row| interleave(rgb_lanes(&y[row], &cb[row], &cr[row]))));
    }

    /// Corrects a block in 4:4:4: 128 stands for no change. A correction does not count as drawing.
    pub(super) fn correct(&mut self, column: usize, row: usize, correction: &[Samples; 3]) {
        let planes = &mut self.planes[row * self.columns + column];
        for (sample, change) in planes.as_flattened_mut().iter_mut().zip(correction.as_flattened()) {
            for (sample, &change) in sample.iter_mut().zip(change) {
                *sample = (i16::from(*sample) + i16::from(change) - 128).clamp(0, 255) as u8;
            }
        }
        let [y, cb, cr] = *planes;
        self.put(column * 8, row * 8, &std::array::from_fn(|row| interleave(rgb_lanes(&y[row], &cb[row], &cr[row]))));
    }

    /// Draws a JPEG block in 4:2:0: four data units of Y, one of Cb and Cr, each sample of them for 2 x 2 pixels.
    pub(super) fn draw_quarter(&mut self, column: usize, row: usize, [luma @ .., cb, cr]: &[Samples; 6]) {
        self.mark(column, row);
        for (quarter, y) in luma.iter().enumerate() {
            let (right, down) = (quarter % 2, quarter / 2);
            let double = |chroma: &[u8; 8]| std::array::from_fn(|pixel| chroma[right * 4 + pixel / 2]);
            let tile = std::array::from_fn(|row| {
                let (cb, cr) = (&cb[down * 4 + row / 2], &cr[down * 4 + row / 2]);
                interleave(rgb_lanes(&y[row], &double(cb), &double(cr)))
            });
            self.put(column * 16 + right * 8, row * 16 + down * 8, &tile);
        }
    }

    /// Draws a VQ block.
    pub(super) fn draw_vq(&mut self, column: usize, row: usize, block: &vq::Block) {
        let planes = &mut self.planes[row * self.columns + column];
        for (component, plane) in planes.iter_mut().enumerate() {
            let samples = block.colors.map(|color| color[component]);
            *plane = block.indices.map(|row| row.map(|index| samples[usize::from(index & 3)]));
        }
        self.mark(column, row);
        let colors = block.colors.map(rgb);
        let tile = block.indices.map(|row| {
            let pixels = row.map(|index| colors[usize::from(index & 3)]);
            std::array::from_fn(|at| pixels[at / 3][at % 3])
        });
        self.put(column * 8, row * 8, &tile);
    }

    fn mark(&mut self, column: usize, row: usize) {
        let drawn = &mut self.drawn[row * self.columns + column];
        *self.undrawn -= usize::from(!*drawn);
        *drawn = true;
    }

    /// Puts a tile at a pixel; what is beyond the picture is dropped.
    fn put(&mut self, left: usize, top: usize, tile: &Tile) {
        let stride = self.frame.width * 3;
        for (line, source) in self.frame.rgb.chunks_exact_mut(stride).skip(top).zip(tile) {
            let line = line.get_mut(left * 3..).unwrap_or_default();
            match line.first_chunk_mut() {
                Some(pixels) => *pixels = *source,
                None => line.copy_from_slice(&source[..line.len()]),
            }
        }
    }
}

/// Pixels out of their red, green and blue.
fn interleave(rgb: [[u8; 8]; 3]) -> [u8; 24] {
    std::array::from_fn(|at| rgb[at % 3][at / 3])
}
