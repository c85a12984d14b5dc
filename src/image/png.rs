//! Writing PNG files (RFC 2083): by palette at the smallest depth, or red, green and blue; never with alpha.
//!
//! Pixels go out row by row: a picture enlarged twice or eight times never exists as a whole.
//!
//! The settings come from measuring console screens. With a palette filters only cost bytes. Level 4 makes files 8 %
//! larger than level 6 in two thirds of the time, and with 8 bits a pixel, which is text that went through JPEG, level
//! 2 makes them 10 % larger in a quarter of the time. In red, green and blue more than level 1 saves little.

use std::io::{self, Write};
use std::iter;

use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter};

use super::enhance::Curve;
use super::palette::Indexed;
use super::view::View;
use crate::base::Rgb;

/// Bytes a data chunk of the file holds at most.
const CHUNK: usize = 32 << 10;

/// What to write, before it is enlarged.
pub enum Pixels<'a> {
    /// At most 256 colors.
    Indexed(Indexed),
    /// Any colors.
    Rgb(View<'a>),
}

/// A file that would be larger than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TooLarge {
    /// About how many bytes the whole file would have, judged by what was written before the limit.
    pub estimate: usize,
}

/// The file of `pixels`, each a square of `scale` by `scale`, their levels changed by `curve`; an error as soon as it
/// exceeds `limit` bytes. The picture is not empty.
///
/// When little is missing, a second attempt takes more time for fewer bytes. Filters make photos smaller, and text with
/// the noise of JPEG larger.
pub fn encode(pixels: &Pixels, curve: &Curve, scale: usize, limit: usize) -> Result<Vec<u8>, TooLarge> {
    match pixels {
        Pixels::Indexed(indexed) => {
            let palette: Vec<u8> =
                indexed.colors.as_flattened().iter().map(|&level| curve[usize::from(level)]).collect();
            let depth = smallest_depth(indexed.colors.len());
            let write = |level| {
                let format = Format { palette: Some(&palette), depth, level, filter: Filter::NoFilter };
                let rows = indexed.pixels.chunks_exact(indexed.width);
                write(format, indexed.width, rows, scale, limit, |row, line| pack(row, scale, depth, line))
            };
            write(if depth == BitDepth::Eight { 2 } else { 4 }).or_else(|much| much.retry(limit, || write(6)))
        }
        Pixels::Rgb(view) => {
            let write = |level, filter| {
                let format = Format { palette: None, depth: BitDepth::Eight, level, filter };
                write(format, view.width(), view.rows(), scale, limit, |row, line| expand(row, curve, scale, line))
            };
            write(1, Filter::NoFilter)
                .or_else(|text| write(1, Filter::Adaptive).map_err(|photo| text.min(photo)))
                .or_else(|much| much.retry(limit, || write(3, Filter::NoFilter)))
        }
    }
}

impl TooLarge {
    /// What `harder` makes of the picture, if that may be enough: it seldom saves more than an eighth.
    fn retry(self, limit: usize, harder: impl FnOnce() -> Result<Vec<u8>, Self>) -> Result<Vec<u8>, Self> {
        let within_reach = self.estimate <= limit.saturating_add(limit / 8);
        if within_reach { harder().map_err(|much| much.min(self)) } else { Err(self) }
    }
}

/// The smallest of 1, 2, 4, 8 bits that tells `colors` apart.
fn smallest_depth(colors: usize) -> BitDepth {
    match colors {
        0..=2 => BitDepth::One,
        3..=4 => BitDepth::Two,
        5..=16 => BitDepth::Four,
        _ => BitDepth::Eight,
    }
}

/// Appends `row` to `line`, each pixel `scale` times, at `depth` bits each, the first pixel in the highest bits.
fn pack(row: &[u8], scale: usize, depth: BitDepth, line: &mut Vec<u8>) {
    let enlarged;
    let row = match scale {
        1 => row,
        _ => {
            enlarged = row.iter().flat_map(|&place| iter::repeat_n(place, scale)).collect::<Vec<u8>>();
            &enlarged
        }
    };
    match depth {
        BitDepth::One => pack_bytes::<8>(row, line),
        BitDepth::Two => pack_bytes::<4>(row, line),
        BitDepth::Four => pack_bytes::<2>(row, line),
        BitDepth::Eight | BitDepth::Sixteen => line.extend_from_slice(row),
    }
}

/// Appends `row` to `line`, `PER_BYTE` pixels a byte; the rest of the last byte is 0.
fn pack_bytes<const PER_BYTE: usize>(row: &[u8], line: &mut Vec<u8>) {
    let pack = |pixels: &[u8]| pixels.iter().fold(0, |byte, &pixel| byte << (8 / PER_BYTE) | pixel);
    let whole = row.chunks_exact(PER_BYTE);
    let rest = whole.remainder();
    line.extend(whole.map(pack));
    if !rest.is_empty() {
        let mut last = [0; PER_BYTE];
        last[..rest.len()].copy_from_slice(rest);
        line.push(pack(&last));
    }
}

/// Appends `row` to `line`, each pixel after `curve` and `scale` times.
fn expand(row: &[Rgb], curve: &Curve, scale: usize, line: &mut Vec<u8>) {
    for pixel in row {
        let pixel = pixel.map(|level| curve[usize::from(level)]);
        (0..scale).for_each(|_| line.extend_from_slice(&pixel));
    }
}

/// How the pixels of a file are stored.
struct Format<'a> {
    /// The colors, if pixels are places among them.
    palette: Option<&'a [u8]>,
    depth: BitDepth,
    /// The effort to compress, 1 to 9.
    level: u8,
    filter: Filter,
}

/// Writes the file: `fill` makes a line of the enlarged picture from each row, and the line is written `scale` times.
fn write<'a, T: PartialEq + 'a>(
    format: Format<'a>,
    width: usize,
    rows: impl ExactSizeIterator<Item = &'a [T]>,
    scale: usize,
    limit: usize,
    fill: impl Fn(&[T], &mut Vec<u8>),
) -> Result<Vec<u8>, TooLarge> {
    let height = rows.len();
    let mut file = Limited { bytes: Vec::new(), limit, exceeded: false };
    let mut done = 0;
    let outcome = (|| -> Result<(), EncodingError> {
        let mut encoder = Encoder::new(&mut file, (width * scale) as u32, (height * scale) as u32);
        encoder.set_color(ColorType::Rgb);
        encoder.set_depth(format.depth);
        if let Some(palette) = format.palette {
            encoder.set_color(ColorType::Indexed);
            encoder.set_palette(palette);
        }
        // In this order: the compression sets a filter of its own.
        encoder.set_deflate_compression(DeflateCompression::Level(format.level));
        encoder.set_filter(format.filter);
        let mut header = encoder.write_header()?;
        let mut writer = header.stream_writer_with_size(CHUNK)?;
        let mut line = Vec::new();
        let mut above: &[T] = &[];
        for row in rows {
            if row != above {
                line.clear();
                fill(row, &mut line);
                above = row;
            }
            for _ in 0..scale {
                writer.write_all(&line)?;
            }
            done += 1;
        }
        writer.finish()?;
        header.finish()
    })();
    // The encoder writes its last chunk when it is dropped, where an error is lost: hence `exceeded`. Nothing else can
    // fail, as no size is 0 and every row was written.
    if outcome.is_err() || file.exceeded {
        return Err(TooLarge { estimate: (limit / done.max(1)).saturating_mul(height).max(limit) });
    }
    Ok(file.bytes)
}

/// Memory that takes `limit` bytes and no more.
struct Limited {
    bytes: Vec<u8>,
    limit: usize,
    exceeded: bool,
}

impl Write for Limited {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.exceeded |= self.bytes.len() + data.len() > self.limit;
        if self.exceeded {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::enhance::identity;
    use super::*;
    use crate::base::Frame;

    #[test]
    fn before_a_picture_is_too_large_it_is_compressed_harder() {
        // Text after JPEG: four glyphs of 8x16 noisy pixels in no order. They repeat, but not so when filtered.
        let noise = |n: usize| (n.wrapping_mul(2_654_435_761) >> 16) as u8;
        let level = |x: usize, y: usize| {
            let glyph = noise(y / 16 * 40 + x / 24) % 4;
            noise(usize::from(glyph) * 400 + y % 16 * 24 + x % 24)
        };
        let levels: Vec<u8> = (0..160).flat_map(|y| (0..320 * 3).map(move |x| level(x, y))).collect();
        let frame = Frame::from_rgb(320, 160, &levels);
        let pixels = Pixels::Rgb(View::whole(&frame));
        let easily = encode(&pixels, &identity(), 1, usize::MAX).unwrap();
        let harder = encode(&pixels, &identity(), 1, easily.len() - 1).unwrap();
        assert!(harder.len() < easily.len());
        let mut reader = png::Decoder::new(io::Cursor::new(&harder)).read_info().unwrap();
        let mut rgb = vec![0; frame.rgb().len()];
        reader.next_frame(&mut rgb).unwrap();
        assert!(rgb == frame.rgb());

        let refusal = encode(&pixels, &identity(), 1, harder.len() / 2).unwrap_err();
        let (estimate, size) = (refusal.estimate, harder.len());
        assert!((size / 2..size * 2).contains(&estimate), "{estimate} estimated, {size} true");
    }
}
