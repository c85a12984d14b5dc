//! PNG pictures (ISO/IEC 15948), as some consoles send a rectangle of their screen.
//!
//! The png crate does the work; here are its limits and every color type as red, green, blue. Transparency is
//! dropped: a screen has none.

use std::io::Cursor;

use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::bytes::groups;
use super::{DecodeError, Frame, Rgb};

/// Pixels of a picture at most: what a 4096x4096 screen has.
pub const MAX_PIXELS: usize = 1 << 24;

/// The picture in `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
    // Beside the picture the crate holds a few rows, and of ancillary chunks what its limit allows.
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: MAX_PIXELS * 4 });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(ours)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    let count = width.saturating_mul(height);
    if count > MAX_PIXELS {
        return Err(DecodeError::TooLarge { what: "PNG in pixels", got: count as u64, max: MAX_PIXELS as u64 });
    }
    let too_large = DecodeError::Malformed { what: "PNG rows of no size" };
    let mut samples = vec![0; reader.output_buffer_size().ok_or(too_large)?];
    let output = reader.next_frame(&mut samples).map_err(ours)?;
    samples.truncate(output.buffer_size());
    let pixels: Vec<Rgb> = match output.color_type {
        ColorType::Rgb => groups(&samples).collect(),
        ColorType::Rgba => groups(&samples).map(|[red, green, blue, _]| [red, green, blue]).collect(),
        ColorType::Grayscale => samples.iter().map(|&level| [level; 3]).collect(),
        ColorType::GrayscaleAlpha => groups(&samples).map(|[level, _]| [level; 3]).collect(),
        ColorType::Indexed => return Err(DecodeError::Malformed { what: "PNG without a palette" }),
    };
    if pixels.len() != count {
        return Err(DecodeError::Malformed { what: "PNG decodes to another size than it announces" });
    }
    Ok(Frame { width, height, pixels })
}

fn ours(error: DecodingError) -> DecodeError {
    let what = match error {
        DecodingError::IoError(_) => "PNG ends before its end",
        DecodingError::LimitsExceeded => "PNG asks for more memory than a screen has",
        DecodingError::Format(_) | DecodingError::Parameter(_) => "PNG breaks its format",
    };
    DecodeError::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use png::BitDepth;

    fn encode(color: ColorType, depth: BitDepth, width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 250, 251, 252]);
        }
        encoder.write_header().unwrap().write_image_data(samples).unwrap();
        bytes
    }

    #[test]
    fn each_color_type_becomes_red_green_blue() {
        let picture = |rgb: &[u8]| Frame::from_rgb(2, 1, rgb);
        for (color, depth, samples, rgb) in [
            (ColorType::Rgb, BitDepth::Eight, &[1, 2, 3, 4, 5, 6][..], [1, 2, 3, 4, 5, 6]),
            (ColorType::Rgba, BitDepth::Eight, &[1, 2, 3, 0, 4, 5, 6, 255], [1, 2, 3, 4, 5, 6]),
            (ColorType::Grayscale, BitDepth::Four, &[0x1f], [17, 17, 17, 255, 255, 255]),
            (ColorType::Grayscale, BitDepth::Sixteen, &[7, 9, 8, 9], [7, 7, 7, 8, 8, 8]),
            (ColorType::GrayscaleAlpha, BitDepth::Eight, &[7, 0, 8, 255], [7, 7, 7, 8, 8, 8]),
            (ColorType::Indexed, BitDepth::One, &[0b0100_0000], [1, 2, 3, 250, 251, 252]),
        ] {
            assert_eq!(decode(&encode(color, depth, 2, 1, samples)), Ok(picture(&rgb)), "{color:?} {depth:?}");
        }
    }

    #[test]
    fn a_picture_cut_short_or_too_large_is_an_error() {
        let bytes = encode(ColorType::Rgb, BitDepth::Eight, 9, 9, &[7; 243]);
        assert!(decode(&bytes).is_ok());
        // Without the end chunk, 12 bytes, the picture is whole all the same.
        for length in 0..bytes.len() - 12 {
            assert!(decode(&bytes[..length]).is_err(), "{length} bytes of {}", bytes.len());
        }
        let mut vast = bytes;
        vast[16..24].copy_from_slice(&[0, 0, 255, 255, 0, 0, 255, 255]);
        assert!(decode(&vast).is_err());
    }
}
