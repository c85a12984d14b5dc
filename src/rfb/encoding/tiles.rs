//! The tiles that TRLE and ZRLE share: raw, one color, packed palettes, runs.
//!
//! Source: RFC 6143 section 7.7.5. A unit is a tile.
//!
//! ```text
//! 0          the pixels                        127  indexes into the palette of a tile before (TRLE)
//! 1          one pixel: all have its color     128  runs of pixels
//! 2..=16     a palette, then indexes into it   129  runs of indexes into the palette of a tile before (TRLE)
//! 17..=126   unused                            130..=255  a palette of this less 128, then runs of indexes
//! ```
//! Indexes are packed into 1, 2 or 4 bits each, rows padded to bytes. The length of a run is 1 and the sum of the
//! bytes behind its pixel up to the first that is not 255; behind an index only where its top bit is set.

use super::super::pixel::Colors;
use super::super::screen::{Canvas, Rect, fill_row};
use super::{Reader, Step};
use crate::base::{DecodeError, Rgb};

const LAST_PALETTE: u8 = 127;
const RUNS: u8 = 128;
const LAST_PALETTE_RUNS: u8 = 129;

/// The most colors whose indexes are packed.
const MAX_PACKED: usize = 16;

/// Pixels of the longest run: a tile of ZRLE.
const MAX_RUN: usize = 64 * 64;

const LONG_RUN: DecodeError = DecodeError::Malformed { what: "a run beyond the end of its tile" };
const NO_SUCH_COLOR: DecodeError = DecodeError::Malformed { what: "an index beyond the palette of its tile" };

/// Decodes the tiles of one rectangle, row after row.
#[derive(Debug)]
pub struct Tiles {
    edge: usize,
    /// Whether a tile may use the palette of one before.
    reuses: bool,
    x: usize,
    y: usize,
    palette: Vec<Rgb>,
}

impl Tiles {
    /// Those of TRLE, 16x16.
    pub fn small() -> Self {
        Self { edge: 16, reuses: true, x: 0, y: 0, palette: Vec::new() }
    }

    /// Those of ZRLE, 64x64.
    pub fn large() -> Self {
        Self { edge: 64, reuses: false, x: 0, y: 0, palette: Vec::new() }
    }

    /// Paints the whole tiles in `input`.
    pub fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Result<Step, DecodeError> {
        let mut reader = Reader::new(input);
        let mut used = 0;
        while self.y < canvas.height() && canvas.width() > 0 {
            let tile = Rect {
                x: self.x,
                y: self.y,
                width: self.edge.min(canvas.width() - self.x),
                height: self.edge.min(canvas.height() - self.y),
            };
            // A tile that is not whole is painted again from its start: the same pixels and more.
            if self.tile(&mut reader, tile, canvas, colors)?.is_none() {
                return Ok(Step { used, done: false });
            }
            used = input.len() - reader.rest.len();
            self.x += self.edge;
            if self.x >= canvas.width() {
                (self.x, self.y) = (0, self.y + self.edge);
            }
        }
        Ok(Step { used, done: true })
    }

    /// Paints one tile; `None` where its bytes end too early.
    fn tile(
        &mut self,
        reader: &mut Reader,
        tile: Rect,
        canvas: &mut Canvas,
        colors: &Colors,
    ) -> Result<Option<()>, DecodeError> {
        let Some(kind) = reader.byte() else {
            return Ok(None);
        };
        match kind {
            0 => return Ok(raw(reader, tile, canvas, colors)),
            1 => return Ok(reader.color(colors).map(|color| canvas.fill(tile, color))),
            RUNS => return runs(reader, tile, canvas, |reader| pixel_run(reader, colors)),
            LAST_PALETTE | LAST_PALETTE_RUNS if self.reuses => {}
            2..=16 | 130..=255 => {
                let count = usize::from(if kind > RUNS { kind - RUNS } else { kind });
                let Some(entries) = reader.take(count * colors.size()) else {
                    return Ok(None);
                };
                self.palette.clear();
                self.palette.extend(entries.chunks_exact(colors.size()).map(|entry| colors.color(entry)));
            }
            _ => return Err(DecodeError::Unsupported { what: "kind of tile", value: kind.into() }),
        }
        let palette = self.palette.as_slice();
        if kind > RUNS {
            return runs(reader, tile, canvas, |reader| index_run(reader, palette));
        }
        packed(reader, tile, canvas, palette)
    }
}

fn raw(reader: &mut Reader, tile: Rect, canvas: &mut Canvas, colors: &Colors) -> Option<()> {
    let length = tile.width * colors.size();
    let pixels = reader.take(length * tile.height)?;
    for (y, row) in pixels.chunks_exact(length).enumerate() {
        colors.row(row, canvas.row(tile.x, tile.y + y, tile.width));
    }
    Some(())
}

fn packed(reader: &mut Reader, tile: Rect, canvas: &mut Canvas, palette: &[Rgb]) -> Result<Option<()>, DecodeError> {
    let bits = match palette.len() {
        2 => 1,
        3..=4 => 2,
        5..=MAX_PACKED => 4,
        _ => return Err(DecodeError::Malformed { what: "a palette of this size is never packed" }),
    };
    let length = (tile.width * bits).div_ceil(8);
    let Some(rows) = reader.take(length * tile.height) else {
        return Ok(None);
    };
    let per_byte = 8 / bits;
    for (y, row) in rows.chunks_exact(length).enumerate() {
        let pixels = canvas.row(tile.x, tile.y + y, tile.width);
        for (group, &byte) in pixels.chunks_mut(per_byte).zip(row) {
            let mut byte = u32::from(byte);
            for pixel in group {
                byte <<= bits;
                *pixel = *palette.get((byte >> 8) as usize).ok_or(NO_SUCH_COLOR)?;
                byte &= 0xff;
            }
        }
    }
    Ok(Some(()))
}

/// Paints runs, each a color and how many pixels have it, until the tile is full.
fn runs(
    reader: &mut Reader,
    tile: Rect,
    canvas: &mut Canvas,
    mut next: impl FnMut(&mut Reader) -> Result<Run, DecodeError>,
) -> Result<Option<()>, DecodeError> {
    let (mut x, mut y) = (0, 0);
    while y < tile.height {
        let Some((color, mut count)) = next(reader)? else {
            return Ok(None);
        };
        if count > (tile.height - y) * tile.width - x {
            return Err(LONG_RUN);
        }
        while count > 0 {
            let part = count.min(tile.width - x);
            fill_row(canvas.row(tile.x + x, tile.y + y, part), color);
            count -= part;
            x += part;
            if x == tile.width {
                (x, y) = (0, y + 1);
            }
        }
    }
    Ok(Some(()))
}

/// A color and how many pixels have it; `None` where the bytes end before both.
type Run = Option<(Rgb, usize)>;

fn pixel_run(reader: &mut Reader, colors: &Colors) -> Result<Run, DecodeError> {
    let Some(color) = reader.color(colors) else {
        return Ok(None);
    };
    Ok(run_length(reader)?.map(|length| (color, length)))
}

fn index_run(reader: &mut Reader, palette: &[Rgb]) -> Result<Run, DecodeError> {
    let Some(index) = reader.byte() else {
        return Ok(None);
    };
    let color = *palette.get(usize::from(index & 0x7f)).ok_or(NO_SUCH_COLOR)?;
    let length = if index & 0x80 == 0 { Some(1) } else { run_length(reader)? };
    Ok(length.map(|length| (color, length)))
}

fn run_length(reader: &mut Reader) -> Result<Option<usize>, DecodeError> {
    let mut length = 1;
    while let Some(byte) = reader.byte() {
        length += usize::from(byte);
        if length > MAX_RUN {
            return Err(LONG_RUN);
        }
        if byte != 255 {
            return Ok(Some(length));
        }
    }
    Ok(None)
}
