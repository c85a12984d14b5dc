//! Tight: one color, a filter over one of four zlib streams, a JPEG, or (TightPNG) a PNG.
//!
//! Source: rfbproto "Tight encoding" and "Tight PNG encoding".
//!
//! ```text
//! control byte   bits 0..=3: begin zlib stream 0 to 3 anew, before anything else
//!                bits 4..=7: 0..=7 filtered (bits 4 and 5 the stream, bit 6: the filter's number follows)
//!                            8 one pixel: all have its color   9 JPEG   10 PNG, in TightPNG only
//! filter         0 none   1 palette: count - 1, then the pixels   2 gradient
//! length         of what follows, 7 + 7 + 8 bits, the top bit of the first two bytes: another follows.
//!                Filtered data below 12 bytes is neither deflated nor has a length.
//! ```
//! Absent: filtered data that is never deflated (10 and 14, only where -317 is advertised).

use super::super::pixel::Colors;
use super::super::screen::{Canvas, Rect};
use super::inflate::Packed;
use super::raw::Raw;
use super::{Reader, Step, Streams};
use crate::base::{DecodeError, Frame, Rgb, jpeg, png};

/// Filtered data shorter than this comes as it is.
const MIN_TO_DEFLATE: usize = 12;

const FILL: u8 = 8;
const JPEG: u8 = 9;
const PNG: u8 = 10;
const HAS_FILTER: u8 = 1 << 2;

/// Which of the two encodings it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Tight.
    Plain,
    /// TightPNG.
    Png,
}

/// Decodes one rectangle.
#[derive(Debug)]
pub struct Tight {
    flavor: Flavor,
    body: Option<Body>,
}

/// What follows the control byte, the filter and the length.
#[derive(Debug)]
enum Body {
    Fill(Rgb),
    Picture { is_png: bool, length: usize },
    Filtered { rows: Rows, length: usize },
    Deflated { rows: Rows, stream: usize, packed: Packed },
}

impl Tight {
    /// For a new rectangle.
    pub fn new(flavor: Flavor) -> Self {
        Self { flavor, body: None }
    }

    /// Paints what of the rectangle is in `input`: whole rows, or a picture once it is whole.
    pub fn decode(
        &mut self,
        input: &[u8],
        canvas: &mut Canvas,
        colors: &Colors,
        streams: &mut Streams,
    ) -> Result<Step, DecodeError> {
        let mut reader = Reader::new(input);
        let body = match &mut self.body {
            Some(body) => body,
            None => match head(&mut reader, self.flavor, canvas, colors, streams)? {
                Some(body) => self.body.insert(body),
                None => return Ok(Step { used: 0, done: false }),
            },
        };
        let head = input.len() - reader.rest.len();
        let step = body.decode(reader.rest, canvas, colors, streams)?;
        Ok(Step { used: head + step.used, ..step })
    }
}

/// Everything up to the data; `None` while it is not whole. Streams begin anew only when it is.
fn head(
    reader: &mut Reader,
    flavor: Flavor,
    canvas: &Canvas,
    colors: &Colors,
    streams: &mut Streams,
) -> Result<Option<Body>, DecodeError> {
    let Some(control) = reader.byte() else {
        return Ok(None);
    };
    let kind = control >> 4;
    let body = match kind {
        FILL => reader.color(colors).map(Body::Fill),
        JPEG => length(reader).map(|length| Body::Picture { is_png: false, length }),
        PNG if flavor == Flavor::Png => length(reader).map(|length| Body::Picture { is_png: true, length }),
        0..8 => {
            let Some(rows) = Rows::parse(reader, kind & HAS_FILTER != 0, colors)? else {
                return Ok(None);
            };
            let plain = rows.length(canvas.width(), colors) * canvas.height();
            if plain < MIN_TO_DEFLATE {
                Some(Body::Filtered { rows, length: plain })
            } else {
                length(reader).map(|length| {
                    let packed = Packed::new(length, &mut streams.window);
                    Body::Deflated { rows, stream: usize::from(kind & 3), packed }
                })
            }
        }
        _ => return Err(DecodeError::Unsupported { what: "Tight control byte", value: control.into() }),
    };
    if body.is_some() {
        let resets = (0..4).filter(|stream| control >> stream & 1 != 0);
        resets.for_each(|stream| streams.tight[stream].reset());
    }
    Ok(body)
}

fn length(reader: &mut Reader) -> Option<usize> {
    let mut length = 0;
    for (byte, shift) in [(0, 0), (1, 7), (2, 14)] {
        let part = usize::from(reader.byte()?);
        // The third byte has no mark: all of its bits count.
        let (part, more) = if byte < 2 { (part & 0x7f, part & 0x80 != 0) } else { (part, false) };
        length |= part << shift;
        if !more {
            break;
        }
    }
    Some(length)
}

impl Body {
    fn decode(
        &mut self,
        input: &[u8],
        canvas: &mut Canvas,
        colors: &Colors,
        streams: &mut Streams,
    ) -> Result<Step, DecodeError> {
        match self {
            Self::Fill(color) => {
                let whole = Rect { x: 0, y: 0, width: canvas.width(), height: canvas.height() };
                canvas.fill(whole, *color);
                Ok(Step { used: 0, done: true })
            }
            Self::Picture { is_png, length } => {
                let Some(bytes) = input.get(..*length) else {
                    return Ok(Step { used: 0, done: false });
                };
                let picture = if *is_png { png::decode(bytes)? } else { jpeg::decode(bytes)? };
                draw(&picture, canvas);
                Ok(Step { used: *length, done: true })
            }
            Self::Filtered { rows, length } => {
                let Some(bytes) = input.get(..*length) else {
                    return Ok(Step { used: 0, done: false });
                };
                rows.decode(bytes, canvas, colors)?;
                Ok(Step { used: *length, done: true })
            }
            Self::Deflated { rows, stream, packed } => {
                packed.decode(input, &mut streams.tight[*stream], &mut streams.window, |bytes| {
                    rows.decode(bytes, canvas, colors)
                })
            }
        }
    }
}

/// Draws a picture from the rectangle's top left, as far as both reach: where a screen changes its size, OpenBMC
/// has been seen to send a picture of the one size in a rectangle of the other.
fn draw(picture: &Frame, canvas: &mut Canvas) {
    for (y, row) in picture.rows().enumerate() {
        let to = canvas.row(0, y, picture.width);
        let length = to.len();
        to.copy_from_slice(&row[..length]);
    }
}

/// Rows of pixels behind a filter.
#[derive(Debug)]
enum Rows {
    Plain(Raw),
    Palette { palette: Vec<Rgb>, y: usize },
    Gradient { above: Vec<[u16; 3]>, y: usize },
}

impl Rows {
    /// The filter and its palette; `None` while they are not whole.
    fn parse(reader: &mut Reader, has_filter: bool, colors: &Colors) -> Result<Option<Self>, DecodeError> {
        let filter = if has_filter { reader.byte() } else { Some(0) };
        Ok(match filter {
            None => None,
            Some(0) => Some(Self::Plain(Raw::default())),
            Some(1) => Self::parse_palette(reader, colors),
            Some(2) => Some(Self::Gradient { above: Vec::new(), y: 0 }),
            Some(filter) => return Err(DecodeError::Unsupported { what: "Tight filter", value: filter.into() }),
        })
    }

    fn parse_palette(reader: &mut Reader, colors: &Colors) -> Option<Self> {
        let count = usize::from(reader.byte()?) + 1;
        let entries = reader.take(count * colors.size())?;
        let palette = entries.chunks_exact(colors.size()).map(|entry| colors.color(entry)).collect();
        Some(Self::Palette { palette, y: 0 })
    }

    /// Bytes of a row of `width` pixels.
    fn length(&self, width: usize, colors: &Colors) -> usize {
        match self {
            Self::Palette { palette, .. } if palette.len() <= 2 => width.div_ceil(8),
            Self::Palette { .. } => width,
            Self::Plain(_) | Self::Gradient { .. } => width * colors.size(),
        }
    }

    /// Paints the whole rows in `input`.
    fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Result<Step, DecodeError> {
        let (width, height) = (canvas.width(), canvas.height());
        let length = self.length(width, colors);
        match self {
            Self::Plain(raw) => Ok(raw.decode(input, canvas, colors)),
            Self::Palette { palette, y } => {
                each_row(input, length, height, y, |row, y| look_up(row, palette, canvas.row(0, y, width)))
            }
            Self::Gradient { above, y } => {
                let max = colors.max().ok_or(DecodeError::Malformed { what: "a gradient over a color map" })?;
                above.resize(width, [0; 3]);
                each_row(input, length, height, y, |row, y| {
                    undo_gradient(row, above, max, colors);
                    for (rgb, parts) in canvas.row(0, y, width).iter_mut().zip(above.iter()) {
                        *rgb = colors.spread(*parts);
                    }
                    Ok(())
                })
            }
        }
    }
}

/// Calls `paint` for each whole row of `length` bytes, counting them up to `height` in `y`.
fn each_row(
    input: &[u8],
    length: usize,
    height: usize,
    y: &mut usize,
    mut paint: impl FnMut(&[u8], usize) -> Result<(), DecodeError>,
) -> Result<Step, DecodeError> {
    if length == 0 {
        return Ok(Step { used: 0, done: true });
    }
    let mut used = 0;
    for row in input.chunks_exact(length).take(height - *y) {
        paint(row, *y)?;
        *y += 1;
        used += length;
    }
    Ok(Step { used, done: *y == height })
}

/// Indexes into a palette: a bit each, from the top, for two colors (or one), else a byte each.
fn look_up(row: &[u8], palette: &[Rgb], pixels: &mut [Rgb]) -> Result<(), DecodeError> {
    const NO_SUCH_COLOR: DecodeError = DecodeError::Malformed { what: "an index beyond the palette of its rectangle" };
    if palette.len() > 2 {
        for (pixel, &index) in pixels.iter_mut().zip(row) {
            *pixel = *palette.get(usize::from(index)).ok_or(NO_SUCH_COLOR)?;
        }
        return Ok(());
    }
    for (group, &byte) in pixels.chunks_mut(8).zip(row) {
        for (pixel, bit) in group.iter_mut().zip((0..8).rev()) {
            *pixel = *palette.get(usize::from(byte >> bit & 1)).ok_or(NO_SUCH_COLOR)?;
        }
    }
    Ok(())
}

/// Adds each pixel of `row` to what its neighbors predict, left + above - above left; `above` becomes the row.
fn undo_gradient(row: &[u8], above: &mut [[u16; 3]], max: [u16; 3], colors: &Colors) {
    let (mut left, mut above_left) = ([0; 3], [0; 3]);
    for (difference, pixel) in row.chunks_exact(colors.size()).zip(above) {
        let difference = colors.parts(difference);
        let parts = [0, 1, 2].map(|part: usize| {
            let sum = i32::from(left[part]) + i32::from(pixel[part]) - i32::from(above_left[part]);
            let predicted = sum.clamp(0, i32::from(max[part])) as u16;
            predicted.wrapping_add(difference[part]) & max[part]
        });
        (left, above_left, *pixel) = (parts, *pixel, parts);
    }
}
