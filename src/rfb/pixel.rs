//! Pixel formats: the 16 bytes that describe one, and pixels of any of them turned into red, green, blue.
//!
//! Source: RFC 6143 section 7.4 (PIXEL_FORMAT), 7.7.5 (CPIXEL); rfbproto "Tight encoding" (TPIXEL).
//!
//! ```text
//! 0  bits per pixel     4..10  maximum of red, green, blue, 16 bits each, big-endian
//! 1  depth              10..13 shift of red, green, blue
//! 2  big-endian flag    13..16 padding, sent as 0: VMware refuses anything else
//! 3  true-color flag, any value but 0 (libvncserver sends 255)
//! ```
//! Absent: color maps above 256 entries.

use crate::base::{DecodeError, Rgb};

/// One RFB pixel format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// Bits of a pixel on the wire: 8, 16, 24 or 32.
    pub bits: u8,
    /// Bits of it that carry color.
    pub depth: u8,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
    /// Whether a pixel holds its color; else it is an index into a color map.
    pub true_color: bool,
    /// The largest red, green and blue.
    pub max: [u16; 3],
    /// How far red, green and blue are shifted left, below 32.
    pub shift: [u8; 3],
}

impl PixelFormat {
    /// Bytes of a format on the wire.
    pub const SIZE: usize = 16;

    /// What is asked for where the server's own format is doubtful: the one format in which QEMU, TigerVNC and
    /// libvncserver agree with the specification and with each other.
    pub const WANTED: Self =
        Self { bits: 32, depth: 24, big_endian: false, true_color: true, max: [255; 3], shift: [16, 8, 0] };

    /// Parses a format; one that no server can mean is an error. 24 bits per pixel are against the
    /// specification, and seen.
    pub fn parse(bytes: &[u8; Self::SIZE]) -> Result<Self, DecodeError> {
        let [bits, depth, big_endian, true_color, r1, r0, g1, g0, b1, b0, red, green, blue, ..] = *bytes;
        if ![8, 16, 24, 32].contains(&bits) {
            return Err(DecodeError::Unsupported { what: "number of bits per pixel", value: bits.into() });
        }
        let format = Self {
            bits,
            depth,
            big_endian: big_endian != 0,
            true_color: true_color != 0,
            max: [[r1, r0], [g1, g0], [b1, b0]].map(u16::from_be_bytes),
            shift: [red, green, blue],
        };
        if format.true_color && format.shift.iter().any(|&shift| shift >= 32) {
            return Err(DecodeError::Malformed { what: "a color shift beyond the pixel" });
        }
        Ok(format)
    }

    /// The format as SetPixelFormat carries it.
    pub fn build(&self) -> [u8; Self::SIZE] {
        let [[r1, r0], [g1, g0], [b1, b0]] = self.max.map(u16::to_be_bytes);
        let [red, green, blue] = self.shift;
        let (big_endian, true_color) = (self.big_endian.into(), self.true_color.into());
        [self.bits, self.depth, big_endian, true_color, r1, r0, g1, g0, b1, b0, red, green, blue, 0, 0, 0]
    }

    /// Bytes of a pixel on the wire.
    pub fn bytes(&self) -> usize {
        usize::from(self.bits / 8)
    }

    /// Whether every peer means the same by this format, so that it is kept: little-endian true color, either
    /// `WANTED` with its colors in any order of bytes, or 16 bits (some devices have nothing else).
    pub fn is_safe(&self) -> bool {
        let mut shift = self.shift;
        shift.sort_unstable();
        let full = self.bits == 32 && self.depth == 24 && self.max == [255; 3] && shift == [0, 8, 16];
        self.true_color && !self.big_endian && (full || self.bits == 16)
    }

    /// The format of a CPIXEL, the pixel of ZRLE and TRLE: without the byte that carries no color, where 32 bits
    /// have one. The specification wants a depth of 24 at most for that; servers do it whatever the depth.
    pub fn compact(&self) -> Self {
        let ends = |max: u16, shift: u8| u32::from(shift) + (16 - max.leading_zeros());
        let high = self.max.iter().zip(self.shift).map(|(&max, shift)| ends(max, shift)).max().unwrap_or(0);
        let low = self.shift.iter().min().copied().unwrap_or(0);
        match (self.true_color && self.bits == 32, high <= 24, low >= 8) {
            (true, true, _) => Self { bits: 24, ..*self },
            (true, false, true) => Self { bits: 24, shift: self.shift.map(|shift| shift - 8), ..*self },
            _ => *self,
        }
    }

    /// The format of a TPIXEL, the pixel of Tight: red, green, blue in this order where the depth is 24.
    pub fn tight(&self) -> Self {
        if self.true_color && self.bits == 32 && self.depth == 24 && self.max == [255; 3] {
            Self { bits: 24, big_endian: true, shift: [16, 8, 0], ..*self }
        } else {
            *self
        }
    }
}

/// Turns pixels of one format into red, green, blue.
#[derive(Clone, Debug)]
pub struct Colors {
    size: usize,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Layout {
    /// Each color is a whole byte: where red, green and blue lie in the pixel.
    Bytes([usize; 3]),
    /// Each color is some bits of a number.
    Fields { big_endian: bool, max: [u16; 3], shift: [u8; 3], levels: [Vec<u8>; 3] },
    /// The pixel is an index.
    Map { big_endian: bool, map: Box<[Rgb; 256]> },
}

impl Colors {
    /// For pixels of `format`. Of a color map nothing is known at first: all of it is black.
    pub fn new(format: &PixelFormat) -> Self {
        let size = format.bytes();
        let big_endian = format.big_endian;
        let is_byte = |&shift: &u8| shift % 8 == 0 && usize::from(shift / 8) < size;
        let layout = if !format.true_color {
            Layout::Map { big_endian, map: Box::new([[0; 3]; 256]) }
        } else if format.max == [255; 3] && format.shift.iter().all(is_byte) {
            Layout::Bytes(format.shift.map(|shift| {
                let at = usize::from(shift / 8);
                if big_endian { size - 1 - at } else { at }
            }))
        } else {
            Layout::Fields { big_endian, max: format.max, shift: format.shift, levels: format.max.map(levels) }
        };
        Self { size, layout }
    }

    /// Bytes of a pixel.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Sets an entry of the color map, if pixels are looked up in one; the high bytes of its 16-bit colors count.
    /// Whether that changed it.
    pub fn set_entry(&mut self, index: usize, color: Rgb) -> bool {
        match &mut self.layout {
            Layout::Map { map, .. } => std::mem::replace(&mut map[index & 0xff], color) != color,
            Layout::Bytes(_) | Layout::Fields { .. } => false,
        }
    }

    /// The color of the pixel at the start of `pixel`, which holds at least [`Colors::size`] bytes.
    pub fn color(&self, pixel: &[u8]) -> Rgb {
        match &self.layout {
            Layout::Bytes(at) => at.map(|at| pixel[at]),
            Layout::Fields { big_endian, max, shift, levels } => {
                let parts = fields(number(&pixel[..self.size], *big_endian), max, shift);
                [0, 1, 2].map(|part| levels[part][usize::from(parts[part])])
            }
            Layout::Map { big_endian, map } => map[number(&pixel[..self.size], *big_endian) as usize & 0xff],
        }
    }

    /// Turns as many pixels as `from` and `to` both hold.
    pub fn row(&self, from: &[u8], to: &mut [Rgb]) {
        match (&self.layout, self.size) {
            (Layout::Bytes([0, 1, 2]), 3) => swizzle::<3>(from, to, |pixel| [pixel[0], pixel[1], pixel[2]]),
            // The orders that servers use, known to the compiler.
            (Layout::Bytes([2, 1, 0]), 3) => swizzle::<3>(from, to, |pixel| [pixel[2], pixel[1], pixel[0]]),
            (Layout::Bytes([2, 1, 0]), 4) => swizzle::<4>(from, to, |pixel| [pixel[2], pixel[1], pixel[0]]),
            (Layout::Bytes([0, 1, 2]), 4) => swizzle::<4>(from, to, |pixel| [pixel[0], pixel[1], pixel[2]]),
            (Layout::Map { map, .. }, 1) => swizzle::<1>(from, to, |pixel| map[usize::from(pixel[0])]),
            (_, 1) => swizzle::<1>(from, to, |pixel| self.color(pixel)),
            (_, 2) => swizzle::<2>(from, to, |pixel| self.color(pixel)),
            (_, 3) => swizzle::<3>(from, to, |pixel| self.color(pixel)),
            _ => swizzle::<4>(from, to, |pixel| self.color(pixel)),
        }
    }

    /// The largest red, green and blue of a pixel; `None` where pixels are looked up in a map.
    pub fn max(&self) -> Option<[u16; 3]> {
        match &self.layout {
            Layout::Bytes(_) => Some([255; 3]),
            Layout::Fields { max, .. } => Some(*max),
            Layout::Map { .. } => None,
        }
    }

    /// Red, green and blue of a pixel as they are, not yet spread to 8 bits.
    pub fn parts(&self, pixel: &[u8]) -> [u16; 3] {
        match &self.layout {
            Layout::Bytes(at) => at.map(|at| pixel[at].into()),
            Layout::Fields { big_endian, max, shift, .. } => {
                fields(number(&pixel[..self.size], *big_endian), max, shift)
            }
            Layout::Map { .. } => [0; 3],
        }
    }

    /// The color of a pixel's parts, each at most its maximum.
    pub fn spread(&self, parts: [u16; 3]) -> Rgb {
        match &self.layout {
            Layout::Fields { levels, .. } => [0, 1, 2].map(|part| levels[part][usize::from(parts[part])]),
            Layout::Bytes(_) | Layout::Map { .. } => parts.map(|part| part as u8),
        }
    }
}

fn swizzle<const SIZE: usize>(from: &[u8], to: &mut [Rgb], color: impl Fn(&[u8]) -> Rgb) {
    for (pixel, rgb) in from.chunks_exact(SIZE).zip(to) {
        *rgb = color(pixel);
    }
}

fn number(pixel: &[u8], big_endian: bool) -> u32 {
    let join = |whole: u32, &byte: &u8| whole << 8 | u32::from(byte);
    if big_endian { pixel.iter().fold(0, join) } else { pixel.iter().rev().fold(0, join) }
}

fn fields(number: u32, max: &[u16; 3], shift: &[u8; 3]) -> [u16; 3] {
    [0, 1, 2].map(|part| (number >> shift[part]) as u16 & max[part])
}

/// What each value up to `max` is on a scale to 255, rounded half up.
fn levels(max: u16) -> Vec<u8> {
    let max = u32::from(max);
    (0..=max).map(|value| ((value * 255 + max / 2) / max.max(1)) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGB565: PixelFormat =
        PixelFormat { bits: 16, depth: 16, big_endian: false, true_color: true, max: [31, 63, 31], shift: [11, 5, 0] };

    fn colors(format: PixelFormat, pixels: &[u8]) -> Vec<u8> {
        let colors = Colors::new(&format);
        let mut row = vec![[0xee; 3]; pixels.len() / colors.size()];
        colors.row(pixels, &mut row);
        let one_by_one: Vec<Rgb> = pixels.chunks(colors.size()).map(|pixel| colors.color(pixel)).collect();
        assert_eq!(row, one_by_one);
        row.as_flattened().to_vec()
    }

    #[test]
    fn a_format_survives_the_wire_and_any_flag_but_0_is_true() {
        let mut bytes = RGB565.build();
        assert_eq!(bytes, [16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0]);
        bytes[3] = 255;
        assert_eq!(PixelFormat::parse(&bytes), Ok(RGB565));
        bytes[0] = 12;
        assert!(PixelFormat::parse(&bytes).is_err());
        bytes[0] = 16;
        bytes[11] = 32;
        assert!(PixelFormat::parse(&bytes).is_err());
    }

    #[test]
    fn pixels_of_each_format_become_the_colors_they_mean() {
        let wanted = PixelFormat::WANTED;
        assert_eq!(colors(wanted, &[3, 2, 1, 9]), [1, 2, 3]);
        assert_eq!(colors(PixelFormat { big_endian: true, ..wanted }, &[9, 1, 2, 3]), [1, 2, 3]);
        assert_eq!(colors(PixelFormat { shift: [0, 8, 16], ..wanted }, &[1, 2, 3, 9]), [1, 2, 3]);
        assert_eq!(colors(PixelFormat { bits: 24, ..wanted }, &[3, 2, 1]), [1, 2, 3]);
        // Red full, green 1 of 63, blue 16 of 31: 0b11111_000001_10000.
        assert_eq!(colors(RGB565, &[0x30, 0xf8]), [255, 4, 132]);
        assert_eq!(colors(PixelFormat { big_endian: true, ..RGB565 }, &[0xf8, 0x30]), [255, 4, 132]);
        // Three bits red, three green, two blue.
        let rgb332 = PixelFormat { bits: 8, depth: 8, max: [7, 7, 3], shift: [5, 2, 0], ..RGB565 };
        assert_eq!(colors(rgb332, &[0b1110_0110]), [255, 36, 170]);
        // 10 bits a color, as some graphics cards have it natively.
        let deep = PixelFormat { depth: 30, max: [1023; 3], shift: [20, 10, 0], ..wanted };
        assert_eq!(colors(deep, &(1023_u32 << 20 | 512 << 10).to_le_bytes()), [255, 128, 0]);
    }

    #[test]
    fn a_color_map_answers_with_what_was_set_last() {
        let format = PixelFormat { bits: 8, depth: 8, true_color: false, ..RGB565 };
        let mut map = Colors::new(&format);
        assert!(map.set_entry(1, [1, 2, 3]) && map.set_entry(257, [7, 8, 9]));
        assert!(!map.set_entry(1, [7, 8, 9]) && !Colors::new(&RGB565).set_entry(1, [7, 8, 9]));
        assert_eq!((map.color(&[1]), map.color(&[0])), ([7, 8, 9], [0; 3]));
        assert_eq!(map.max(), None);
    }

    #[test]
    fn a_compact_pixel_leaves_out_the_byte_without_color() {
        let wanted = PixelFormat::WANTED;
        let high = PixelFormat { shift: [24, 16, 8], ..wanted };
        assert_eq!(colors(wanted.compact(), &[3, 2, 1]), [1, 2, 3]);
        assert_eq!(colors(high.compact(), &[3, 2, 1]), [1, 2, 3]);
        assert_eq!(colors(PixelFormat { depth: 32, ..wanted }.compact(), &[3, 2, 1]), [1, 2, 3]);
        assert_eq!(colors(PixelFormat { big_endian: true, ..wanted }.compact(), &[1, 2, 3]), [1, 2, 3]);
        let wide = PixelFormat { shift: [24, 8, 0], ..wanted };
        assert_eq!((wide.compact(), RGB565.compact()), (wide, RGB565));
    }

    #[test]
    fn a_tight_pixel_is_red_green_blue_only_at_depth_24() {
        assert_eq!(colors(PixelFormat::WANTED.tight(), &[1, 2, 3]), [1, 2, 3]);
        let deep = PixelFormat { depth: 32, ..PixelFormat::WANTED };
        assert_eq!((deep.tight(), RGB565.tight()), (deep, RGB565));
    }

    #[test]
    fn only_formats_that_every_peer_reads_alike_are_kept() {
        let wanted = PixelFormat::WANTED;
        for format in [wanted, PixelFormat { shift: [0, 8, 16], ..wanted }, RGB565] {
            assert!(format.is_safe());
        }
        for format in [
            PixelFormat { depth: 32, ..wanted },
            PixelFormat { big_endian: true, ..wanted },
            PixelFormat { shift: [24, 16, 8], ..wanted },
            PixelFormat { true_color: false, bits: 8, ..wanted },
            PixelFormat { big_endian: true, ..RGB565 },
        ] {
            assert!(!format.is_safe(), "{format:?}");
        }
    }
}
