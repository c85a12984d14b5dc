//! JPEG pictures (ITU-T T.81), as some consoles send a whole screen or a rectangle of it.
//!
//! jpeg-decoder does the work; here are the limits it lacks by default (a file of 4 kB can make it ask for 18 GB)
//! and every color model as red, green, blue. Absent: lossless JPEG, which no console sends.

use jpeg_decoder::{CodingProcess, Decoder, Error, PixelFormat, UnsupportedFeature};

use super::bytes::groups;
use super::{DecodeError, Frame, Rgb};

/// Pixels along an edge at most: more than any console shows.
pub const MAX_EDGE: usize = 4096;

/// Bytes of the decoded picture at most: `MAX_EDGE` squared in four components.
const MAX_DECODED: usize = 64 << 20;

/// Scans of one picture at most. Encoders write about 10; without a limit a progressive file of some megabytes
/// can hold half a million scans of nothing, each of them a walk over the whole picture.
const MAX_SCANS: usize = 64;

const START_OF_SCAN: [u8; 2] = [0xff, 0xda];

/// The picture in `bytes`, which must hold it to its end marker; what follows that is ignored.
pub fn decode(bytes: &[u8]) -> Result<Frame, DecodeError> {
    let scans = bytes.windows(2).filter(|pair| **pair == START_OF_SCAN).count();
    if scans > MAX_SCANS {
        return Err(DecodeError::TooLarge { what: "JPEG scans", got: scans as u64, max: MAX_SCANS as u64 });
    }

    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(MAX_DECODED);
    // The header alone first: the decoder allocates before it looks at its own limit.
    decoder.read_info().map_err(ours)?;
    let info = decoder.info().ok_or(DecodeError::Malformed { what: "JPEG without a frame header" })?;
    let (width, height) = (usize::from(info.width), usize::from(info.height));
    if width.max(height) > MAX_EDGE {
        let got = width.max(height) as u64;
        return Err(DecodeError::TooLarge { what: "JPEG edge in pixels", got, max: MAX_EDGE as u64 });
    }
    if info.coding_process == CodingProcess::Lossless {
        return Err(DecodeError::Malformed { what: "JPEG is lossless: not a console's" });
    }

    let samples = decoder.decode().map_err(ours)?;
    let pixels: Vec<Rgb> = match info.pixel_format {
        PixelFormat::RGB24 => groups(&samples).collect(),
        PixelFormat::L8 => samples.iter().map(|&level| [level; 3]).collect(),
        PixelFormat::CMYK32 => groups(&samples).map(light).collect(),
        PixelFormat::L16 => return Err(DecodeError::Unsupported { what: "JPEG sample size in bits", value: 16 }),
    };
    if pixels.len() != width * height {
        return Err(DecodeError::Malformed { what: "JPEG decodes to another size than it announces" });
    }
    Ok(Frame { width, height, pixels })
}

/// Red, green and blue left over by four inks, each 0 (none) to 255.
fn light([cyan, magenta, yellow, black]: [u8; 4]) -> Rgb {
    let white = 255 - u32::from(black);
    [cyan, magenta, yellow].map(|ink| ((255 - u32::from(ink)) * white / 255) as u8)
}

fn ours(error: Error) -> DecodeError {
    let what = match error {
        Error::Unsupported(UnsupportedFeature::SamplePrecision(bits)) => {
            return DecodeError::Unsupported { what: "JPEG sample size in bits", value: bits.into() };
        }
        Error::Unsupported(UnsupportedFeature::ComponentCount(count)) => {
            return DecodeError::Unsupported { what: "number of JPEG components", value: count.into() };
        }
        Error::Unsupported(_) => "JPEG is neither baseline nor progressive, or subsampled oddly",
        Error::Io(_) => "JPEG ends before its end marker",
        Error::Format(_) | Error::Internal(_) => "JPEG breaks its format",
    };
    DecodeError::Malformed { what }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASELINE_420: &[u8] = include_bytes!("../../testdata/jpeg/baseline-420.jpg");
    const BASELINE_444: &[u8] = include_bytes!("../../testdata/jpeg/baseline-444.jpg");
    const PROGRESSIVE: &[u8] = include_bytes!("../../testdata/jpeg/progressive.jpg");
    const GRAY: &[u8] = include_bytes!("../../testdata/jpeg/gray.jpg");
    const CMYK: &[u8] = include_bytes!("../../testdata/jpeg/cmyk.jpg");

    /// Compares 30x26 pixels with the quarters they were made of; quantization moves a level by a few. Not compared
    /// are the pixels beside the borders, where halved chroma bleeds from one quarter into the next.
    fn assert_quarters(file: &[u8], quarters: [Rgb; 4]) {
        let frame = decode(file).unwrap();
        assert_eq!((frame.width, frame.height), (30, 26));
        assert_eq!(frame.pixels.len(), 30 * 26);
        for (at, pixel) in frame.pixels.iter().enumerate() {
            let (x, y) = (at % 30, at / 30);
            if [15, 16].contains(&x) || [15, 16].contains(&y) {
                continue;
            }
            let expected = quarters[y / 16 * 2 + x / 16];
            let near = pixel.iter().zip(expected).all(|(&got, made)| got.abs_diff(made) <= 4);
            assert!(near, "{pixel:?} instead of {expected:?} at {x}, {y}");
        }
    }

    #[test]
    fn every_sampling_and_process_decodes_to_the_picture_it_was_made_of() {
        let colors = [[200, 40, 30], [30, 180, 60], [40, 60, 200], [170, 170, 170]];
        for file in [BASELINE_420, BASELINE_444, PROGRESSIVE] {
            assert_quarters(file, colors);
        }
        assert_quarters(GRAY, [[20; 3], [85; 3], [170; 3], [240; 3]]);
    }

    #[test]
    fn four_inks_become_the_light_they_leave() {
        let frame = decode(CMYK).unwrap();
        // Red 200, green 40, blue 30 under half a layer of black.
        assert_eq!(frame, Frame { width: 8, height: 8, pixels: vec![[100, 20, 15]; 64] });
    }

    #[test]
    fn a_jpeg_cut_anywhere_is_an_error() {
        for file in [BASELINE_420, BASELINE_444, PROGRESSIVE, GRAY, CMYK] {
            for end in 0..file.len() {
                assert!(matches!(decode(&file[..end]), Err(DecodeError::Malformed { .. })), "cut at {end}");
            }
        }
    }

    #[test]
    fn what_follows_the_end_marker_is_ignored() {
        assert_eq!(decode(&[GRAY, b"\0\0more"].concat()), decode(GRAY));
    }

    #[test]
    fn a_small_file_cannot_ask_for_much_memory_or_time() {
        let frame_header = BASELINE_444.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        let mut wide = BASELINE_444.to_vec();
        // After the marker: length, precision, height, width.
        wide[frame_header + 5..][..4].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
        let refusal = DecodeError::TooLarge { what: "JPEG edge in pixels", got: 65_500, max: 4096 };
        assert_eq!(decode(&wide), Err(refusal));

        let scan = PROGRESSIVE.windows(2).rposition(|pair| pair == START_OF_SCAN).unwrap();
        let end = PROGRESSIVE.len() - 2;
        let many = [&PROGRESSIVE[..end], &PROGRESSIVE[scan..end].repeat(64), &PROGRESSIVE[end..]].concat();
        assert!(matches!(decode(&many), Err(DecodeError::TooLarge { what: "JPEG scans", .. })));
    }
}
