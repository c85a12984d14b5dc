//! The 86-byte header in front of every frame.
//!
//! Source: AMI MegaRAC, section 3.2 (frame header), little-endian and packed. What the decoder uses of it:
//!
//! | offset | type | field |
//! |---|---|---|
//! | 2 | u16 | length of this header, 86 |
//! | 4, 6 | u16 | source width, height |
//! | 13, 15 | u16 | destination width, height |
//! | 26 | u32 | frame number |
//! | 44 | u8 | luma selector |
//! | 45 | u8 | chroma mapping: 1 = the luma table serves for chroma too |
//! | 47 | u8 | advance selector |
//! | 53 | u8 | RC4 enable |
//! | 55 | u8 | 4:2:0 |
//! | 69 | u32 | size of the stream behind the header |
//!
//! Everything else (scale factors, modes, thresholds, cursor) has no influence on the pixels and is skipped.

use super::tables::SELECTORS;
use crate::base::DecodeError;
use crate::base::bytes::{u16_le, u32_le};

/// Bytes of the header.
pub const HEADER_LEN: usize = 86;

/// The longest side of a picture. The chips drive at most 1920 x 1200; this leaves room for what comes and
/// bounds a picture to 50 MB.
pub const MAX_EDGE: usize = 4096;

/// How densely the chroma is sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subsampling {
    /// 4:4:4, each pixel its own: blocks of 8 x 8 pixels.
    #[default]
    None,
    /// 4:2:0, one for four pixels: blocks of 16 x 16 pixels.
    Quarter,
}

/// What the decoder needs to know of a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Pixels across, at most [`MAX_EDGE`]. The destination's width, the source's where that is 0; 0 where both are,
    /// in a header that has no picture behind it.
    pub width: usize,
    /// Pixels down, likewise.
    pub height: usize,
    /// How densely the chroma is sampled.
    pub subsampling: Subsampling,
    /// Quality of JPEG blocks, 0 (coarsest) to 10.
    pub luma_selector: u8,
    /// Quality of low JPEG and pass 2 blocks, 0 (coarsest) to 10.
    pub advance_selector: u8,
    /// Whether the luma quantisation table serves for chroma too.
    pub luma_table_for_chroma: bool,
    /// The frame's number as the engine counts, for messages.
    pub frame_number: u32,
    /// Bytes of the stream behind the header, as announced: unchecked.
    pub compress_size: u32,
}

impl Header {
    /// The header at the start of `bytes` and its length; `None` until it is whole.
    ///
    /// Errors: another header length (not this chip), RC4, an unknown selector or subsampling, a picture beyond
    /// [`MAX_EDGE`].
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, DecodeError> {
        let Some(bytes) = bytes.get(..HEADER_LEN) else { return Ok(None) };
        // Offsets are below HEADER_LEN.
        let short = |at| u16_le(bytes, at).unwrap_or_default();
        let long = |at| u32_le(bytes, at).unwrap_or_default();
        let unsupported = |what, value: u64| DecodeError::Unsupported { what, value };

        if usize::from(short(2)) != HEADER_LEN {
            return Err(unsupported("video header length", short(2).into()));
        }
        if bytes[53] != 0 {
            return Err(unsupported("encryption of the video (RC4)", bytes[53].into()));
        }
        let subsampling = match bytes[55] {
            0 => Subsampling::None,
            1 => Subsampling::Quarter,
            other => return Err(unsupported("chroma subsampling", other.into())),
        };
        let edge = |destination, source| {
            let pixels = usize::from(if short(destination) != 0 { short(destination) } else { short(source) });
            if pixels > MAX_EDGE {
                return Err(DecodeError::TooLarge { what: "picture edge", got: pixels as u64, max: MAX_EDGE as u64 });
            }
            Ok(pixels)
        };
        let selector = |at: usize| {
            if usize::from(bytes[at]) >= SELECTORS {
                return Err(unsupported("quantisation table selector", bytes[at].into()));
            }
            Ok(bytes[at])
        };
        let header = Self {
            width: edge(13, 4)?,
            height: edge(15, 6)?,
            subsampling,
            luma_selector: selector(44)?,
            advance_selector: selector(47)?,
            luma_table_for_chroma: bytes[45] == 1,
            frame_number: long(26),
            compress_size: long(69),
        };
        Ok(Some((header, HEADER_LEN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(changes: &[(usize, u8)]) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        for &(at, value) in [(2, 86), (4, 8), (6, 24), (13, 16), (15, 32), (44, 4), (47, 7)].iter().chain(changes) {
            bytes[at] = value;
        }
        bytes
    }

    fn parse(changes: &[(usize, u8)]) -> Result<Header, DecodeError> {
        Header::parse(&header(changes)).map(|parsed| parsed.unwrap().0)
    }

    #[test]
    fn a_header_is_not_there_until_its_last_byte_is() {
        let bytes = header(&[]);
        assert_eq!(Header::parse(&bytes[..85]), Ok(None));
        assert_eq!(Header::parse(&[&bytes[..], b"more"].concat()).unwrap().unwrap().1, 86);
    }

    #[test]
    fn the_size_is_the_destination_and_the_source_only_where_that_is_zero() {
        assert_eq!(parse(&[]).map(|h| (h.width, h.height)), Ok((16, 32)));
        assert_eq!(parse(&[(13, 0), (15, 0)]).map(|h| (h.width, h.height)), Ok((8, 24)));
        assert_eq!(parse(&[(13, 0), (15, 0), (4, 0), (6, 0)]).map(|h| (h.width, h.height)), Ok((0, 0)));
    }

    #[test]
    fn every_field_comes_from_its_own_offset() {
        let changes = [(26, 1), (29, 2), (44, 10), (45, 1), (47, 9), (55, 1), (69, 3), (72, 4)];
        let expected = Header {
            width: 16,
            height: 32,
            subsampling: Subsampling::Quarter,
            luma_selector: 10,
            advance_selector: 9,
            luma_table_for_chroma: true,
            frame_number: 0x0200_0001,
            compress_size: 0x0400_0003,
        };
        assert_eq!(parse(&changes), Ok(expected));
    }

    #[test]
    fn what_this_decoder_cannot_do_is_refused_by_name() {
        for (at, value) in [(2, 85), (53, 1), (55, 2), (44, 11), (47, 255)] {
            assert!(matches!(parse(&[(at, value)]), Err(DecodeError::Unsupported { .. })), "byte {at}");
        }
        let oversize = DecodeError::TooLarge { what: "picture edge", got: 0x1001, max: 4096 };
        assert_eq!(parse(&[(15, 0x01), (16, 0x10)]), Err(oversize));
        assert_eq!(parse(&[(15, 0x00), (16, 0x10)]).map(|h| h.height), Ok(4096));
    }
}
