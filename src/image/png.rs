//! Writing PNG files (RFC 2083): by palette at the smallest depth, or red, green and blue; never with alpha.
//!
//! Pixels go out row by row: a picture enlarged twice or eight times never exists as a whole. The settings are the
//! outcome of measuring console screens: by palette, good compression without filters gives the smallest files and
//! costs little, as there is little to compress; with many colors only little effort is worth its time.

use std::io::{self, Write};

use png::{BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter};

use super::enhance::Curve;
use super::palette::Indexed;
use super::view::View;

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
#[derive(Debug)]
pub struct TooLarge {
    /// About how many bytes the whole file would have, judged by what was written before the limit.
    pub estimate: usize,
}

/// The file of `pixels`, each a square of `scale` by `scale`, their levels changed by `curve`; an error as soon as it
/// exceeds `limit` bytes. The picture is not empty.
pub fn encode(pixels: &Pixels, curve: &Curve, scale: usize, limit: usize) -> Result<Vec<u8>, TooLarge> {
    match pixels {
        Pixels::Indexed(indexed) => {
            let palette = indexed.colors.as_flattened().iter().map(|&level| curve[usize::from(level)]).collect();
            let depth = smallest_depth(indexed.colors.len());
            let format = Format { palette: Some(palette), depth, level: 6, filter: Filter::NoFilter };
            let rows = indexed.pixels.chunks_exact(indexed.width);
            write(format, indexed.width, rows, scale, limit, |row, line| pack(row, scale, depth as usize, line))
        }
        Pixels::Rgb(view) => {
            let write = |level, filter| {
                let format = Format { palette: None, depth: BitDepth::Eight, level, filter };
                write(format, view.width(), view.rows(), scale, limit, |row, line| expand(row, curve, scale, line))
            };
            // Without filters and with more effort, text that went through JPEG is a quarter smaller, and photos are
            // not: worth the time only before giving up.
            write(1, Filter::Adaptive).or_else(|_| write(3, Filter::NoFilter))
        }
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
fn pack(row: &[u8], scale: usize, depth: usize, line: &mut Vec<u8>) {
    let (mut bits, mut held) = (0_u32, 0);
    for &place in row {
        for _ in 0..scale {
            bits = bits << depth | u32::from(place);
            held += depth;
            if held == 8 {
                line.push(bits as u8);
                held = 0;
            }
        }
    }
    if held > 0 {
        line.push((bits << (8 - held)) as u8);
    }
}

/// Appends `row` to `line`, each pixel after `curve` and `scale` times.
fn expand(row: &[u8], curve: &Curve, scale: usize, line: &mut Vec<u8>) {
    for pixel in row.as_chunks::<3>().0 {
        let pixel = pixel.map(|level| curve[usize::from(level)]);
        (0..scale).for_each(|_| line.extend_from_slice(&pixel));
    }
}

/// How the pixels of a file are stored.
struct Format {
    /// The colors, if pixels are places among them.
    palette: Option<Vec<u8>>,
    depth: BitDepth,
    /// The effort to compress, 1 to 9.
    level: u8,
    filter: Filter,
}

/// Writes the file: `fill` makes a line of the enlarged picture from each row, and the line is written `scale` times.
fn write<'a>(
    format: Format,
    width: usize,
    rows: impl ExactSizeIterator<Item = &'a [u8]>,
    scale: usize,
    limit: usize,
    fill: impl Fn(&[u8], &mut Vec<u8>),
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
        for row in rows {
            line.clear();
            fill(row, &mut line);
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
        let rgb = (0..160).flat_map(|y| (0..320 * 3).map(move |x| level(x, y))).collect();
        let frame = Frame { width: 320, height: 160, rgb };
        let pixels = Pixels::Rgb(View::whole(&frame));
        let easily = encode(&pixels, &identity(), 1, usize::MAX).unwrap();
        let harder = encode(&pixels, &identity(), 1, easily.len() - 1).unwrap();
        assert!(harder.len() < easily.len());
        let mut reader = png::Decoder::new(io::Cursor::new(&harder)).read_info().unwrap();
        let mut rgb = vec![0; frame.rgb.len()];
        reader.next_frame(&mut rgb).unwrap();
        assert!(rgb == frame.rgb);

        let refusal = encode(&pixels, &identity(), 1, harder.len() / 2).unwrap_err();
        let (estimate, size) = (refusal.estimate, harder.len());
        assert!((size / 2..size * 2).contains(&estimate), "{estimate} estimated, {size} true");
    }
}
