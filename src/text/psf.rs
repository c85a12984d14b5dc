//! PSF, the Linux console's format of bitmap fonts: version 1 and 2, plain or in gzip.
//!
//! Source: the format as the `psf` pages of Linux's kbd describe it; gzip: RFC 1952. Numbers are little-endian.
//!
//! | version | header | flags | a character of the table | sequence | end of a glyph |
//! |---|---|---|---|---|---|
//! | 1 | 36 04, flags, bytes a glyph (8 dots wide) | 1: 512 glyphs, else 256; 2, 4: a table | u16 | FFFE | FFFF |
//! | 2 | 72 B5 4A 86; u32: 0, header size, flags, glyphs, bytes a glyph, height, width | 1: a table | UTF-8 | FE | FF |
//!
//! A table that follows the glyphs lists the characters each stands for. Sequences, characters put together from
//! several, are passed over. Without a table the order is code page 437's.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::cell::MAX_DOTS;
use super::font::{Font, Glyph, preference};
use crate::base::{DecodeError, bytes};

/// Bytes of a font file, unpacked: the largest in use, all of GNU Unifont, has about this much.
pub const MAX_FILE: usize = 2 << 20;

/// Glyphs of a font: the Basic Multilingual Plane has no more characters.
const MAX_GLYPHS: usize = 1 << 16;

/// Dots across: what a row of [`Glyph`] holds.
const MAX_WIDTH: usize = 32;

/// Dots down: as Terminus 16x32 has, the largest in use on screens of boards.
const MAX_HEIGHT: usize = MAX_DOTS / MAX_WIDTH;

const MAGIC_1: [u8; 2] = [0x36, 0x04];
const MAGIC_2: [u8; 4] = [0x72, 0xb5, 0x4a, 0x86];
const MAGIC_GZIP: [u8; 2] = [0x1f, 0x8b];

const HEADER_2: usize = 32;

/// Version 1: 512 glyphs.
const MODE_512: u8 = 1 << 0;
/// Version 1: a table follows, without or with sequences.
const MODE_TABLE: u8 = 1 << 1 | 1 << 2;
/// Version 2: a table follows.
const FLAG_TABLE: u32 = 1 << 0;

/// What code page 437 shows for its 256 codes; the two that are blank are spaces.
const CODE_PAGE_437: &str = "\
     \u{20}☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼\
     \u{20}!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~⌂\
     ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»\
     ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
     αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{20}";

/// Reads a font file; the name becomes the font's.
///
/// # Errors
/// `Malformed` for what breaks the format, `TooLarge` for sizes beyond any console's, `Unsupported` for a PSF2 of a
/// later version.
pub fn parse(name: &str, file: &[u8]) -> Result<Font, DecodeError> {
    if file.starts_with(&MAGIC_GZIP) {
        return parse(name, &unpack(file)?);
    }
    let layout = if file.starts_with(&MAGIC_2) {
        Layout::version_2(file)?
    } else if file.starts_with(&MAGIC_1) {
        Layout::version_1(file)?
    } else {
        return Err(malformed("neither a PSF1 nor a PSF2 font"));
    };
    let Layout { width, height, count, .. } = layout;
    let characters = match layout.table {
        Some(Table::Wide(table)) => wide_characters(table, count)?,
        Some(Table::Utf8(table)) => utf8_characters(table, count)?,
        None => CODE_PAGE_437.chars().map(Some).take(count).collect(),
    };
    let stride = width.div_ceil(8);
    let bitmaps = layout.bitmaps.chunks_exact(stride * height);
    let glyphs = bitmaps.zip(characters).filter_map(|(bitmap, ch)| {
        let row = |bytes: &[u8]| bytes.iter().fold(0, |row, &byte| row << 8 | u32::from(byte)) >> (stride * 8 - width);
        Some(Glyph { ch: ch?, rows: bitmap.chunks_exact(stride).map(row).collect() })
    });
    let font = Font::new(name, width, height, glyphs.collect());
    if font.glyphs.is_empty() { Err(malformed("a PSF font without characters")) } else { Ok(font) }
}

/// Writes a font as PSF2 with a table, not compressed.
pub fn build(font: &Font) -> Vec<u8> {
    let stride = font.width.div_ceil(8);
    let header = [0, HEADER_2, FLAG_TABLE as usize, font.glyphs.len(), stride * font.height, font.height, font.width];
    let mut file = MAGIC_2.to_vec();
    file.extend(header.iter().flat_map(|&number| (number as u32).to_le_bytes()));
    for row in font.glyphs.iter().flat_map(|glyph| &glyph.rows) {
        file.extend(&(row << (stride * 8 - font.width) << (32 - stride * 8)).to_be_bytes()[..stride]);
    }
    for glyph in &font.glyphs {
        file.extend(glyph.ch.encode_utf8(&mut [0; 4]).as_bytes());
        file.push(0xff);
    }
    file
}

fn malformed(what: &'static str) -> DecodeError {
    DecodeError::Malformed { what }
}

/// Where the parts of a file lie.
struct Layout<'a> {
    width: usize,
    height: usize,
    count: usize,
    /// `count` times the rows of a glyph, each filled up to whole bytes.
    bitmaps: &'a [u8],
    table: Option<Table<'a>>,
}

enum Table<'a> {
    Wide(&'a [u8]),
    Utf8(&'a [u8]),
}

impl<'a> Layout<'a> {
    fn version_1(file: &'a [u8]) -> Result<Self, DecodeError> {
        let &[_, _, mode, height, ref rest @ ..] = file else {
            return Err(malformed("a PSF1 font shorter than its header"));
        };
        let count = if mode & MODE_512 != 0 { 512 } else { 256 };
        let (bitmaps, table) = split(rest, count, 8, usize::from(height))?;
        let table = (mode & MODE_TABLE != 0).then_some(Table::Wide(table));
        Ok(Self { width: 8, height: usize::from(height), count, bitmaps, table })
    }

    fn version_2(file: &'a [u8]) -> Result<Self, DecodeError> {
        let field = |index: usize| bytes::u32_le(file, MAGIC_2.len() + index * 4).map(|number| number as usize);
        let Some([version, header, flags, count, size, height, width]) = collect([0, 1, 2, 3, 4, 5, 6].map(field))
        else {
            return Err(malformed("a PSF2 font shorter than its header"));
        };
        if version != 0 {
            return Err(DecodeError::Unsupported { what: "version of PSF2", value: version as u64 });
        }
        let rest = file.get(header.max(HEADER_2)..).ok_or(malformed("a PSF2 font shorter than its header"))?;
        let (bitmaps, table) = split(rest, count, width, height)?;
        if size * count != bitmaps.len() {
            return Err(malformed("a PSF2 font whose glyphs do not have the size of its cell"));
        }
        let table = (flags as u32 & FLAG_TABLE != 0).then_some(Table::Utf8(table));
        Ok(Self { width, height, count, bitmaps, table })
    }
}

fn collect<const N: usize>(fields: [Option<usize>; N]) -> Option<[usize; N]> {
    fields.iter().all(Option::is_some).then(|| fields.map(Option::unwrap_or_default))
}

/// The bitmaps of `count` glyphs, and what follows them.
fn split(rest: &[u8], count: usize, width: usize, height: usize) -> Result<(&[u8], &[u8]), DecodeError> {
    for (what, got, max) in
        [("font width", width, MAX_WIDTH), ("font height", height, MAX_HEIGHT), ("number of glyphs", count, MAX_GLYPHS)]
    {
        if got > max {
            return Err(DecodeError::TooLarge { what, got: got as u64, max: max as u64 });
        }
        if got == 0 {
            return Err(malformed("a PSF font of no width, no height or no glyphs"));
        }
    }
    rest.split_at_checked(count * width.div_ceil(8) * height).ok_or(malformed("a PSF font shorter than its glyphs"))
}

/// The character of each glyph by a table of version 1: the one of its list that consoles show most.
fn wide_characters(table: &[u8], count: usize) -> Result<Vec<Option<char>>, DecodeError> {
    const SEQUENCE: u16 = 0xfffe;
    const END: u16 = 0xffff;
    let units: Vec<u16> = table.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]])).collect();
    let mut lists = units.split_inclusive(|&unit| unit == END);
    let mut next = || match lists.next() {
        Some([list @ .., END]) => {
            let single = list.split(|&unit| unit == SEQUENCE).next().unwrap_or_default();
            Ok(single.iter().filter_map(|&unit| char::from_u32(u32::from(unit))).min_by_key(|&ch| preference(ch)))
        }
        _ => Err(malformed("a table of a PSF1 font that ends too early")),
    };
    (0..count).map(|_| next()).collect()
}

/// The character of each glyph by a table of version 2: the same.
fn utf8_characters(table: &[u8], count: usize) -> Result<Vec<Option<char>>, DecodeError> {
    const SEQUENCE: u8 = 0xfe;
    const END: u8 = 0xff;
    let mut lists = table.split_inclusive(|&byte| byte == END);
    let mut next = || match lists.next() {
        Some([list @ .., END]) => {
            let single = list.split(|&byte| byte == SEQUENCE).next().unwrap_or_default();
            let single =
                std::str::from_utf8(single).map_err(|_| malformed("a table of a PSF2 font that is not UTF-8"))?;
            Ok(single.chars().min_by_key(|&ch| preference(ch)))
        }
        _ => Err(malformed("a table of a PSF2 font that ends too early")),
    };
    (0..count).map(|_| next()).collect()
}

/// What a gzip file of one member has in it.
fn unpack(file: &[u8]) -> Result<Vec<u8>, DecodeError> {
    const DEFLATE: u8 = 8;
    const CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    let broken = || malformed("a gzip file that breaks its format");
    let (&[_, _, method, flags, ..], mut rest) = file.split_first_chunk::<10>().ok_or_else(broken)?;
    if method != DEFLATE {
        return Err(broken());
    }
    if flags & EXTRA != 0 {
        let (length, after) = rest.split_first_chunk().ok_or_else(broken)?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..).ok_or_else(broken)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|&byte| byte == 0).ok_or_else(broken)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & CRC != 0 {
        rest = rest.get(2..).ok_or_else(broken)?;
    }
    let mut inflater = Decompress::new(false);
    let mut unpacked = Vec::with_capacity((file.len() * 4).min(MAX_FILE));
    loop {
        let before = (inflater.total_in(), unpacked.len());
        let input = &rest[before.0 as usize..];
        let status = inflater.decompress_vec(input, &mut unpacked, FlushDecompress::None).map_err(|_| broken())?;
        if unpacked.len() > MAX_FILE {
            return Err(DecodeError::TooLarge {
                what: "unpacked font",
                got: unpacked.len() as u64,
                max: MAX_FILE as u64,
            });
        }
        if status == Status::StreamEnd {
            break;
        }
        if (inflater.total_in(), unpacked.len()) == before {
            return Err(broken());
        }
        unpacked.reserve(unpacked.len().max(1));
    }
    let (crc, length) = (bytes::u32_le(rest, inflater.total_in() as usize), unpacked.len() as u32);
    let mut sum = Crc::new();
    sum.update(&unpacked);
    if crc != Some(sum.sum()) || bytes::u32_le(rest, inflater.total_in() as usize + 4) != Some(length) {
        return Err(malformed("a gzip file whose checksum is wrong"));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests;
