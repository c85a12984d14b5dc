//! Tests of whole frames on pictures of a few blocks: numbering, positions, clipping, subsampling, errors.

use super::*;
use crate::base::Rgb;

const WHITE: Rgb = [255; 3];
const BLACK: Rgb = [0; 3];

/// Blocks of one color of the cache as it starts: slot 1 is white.
const WHITE_BLOCK: &str = "0101 001";
const END_CODE: &str = "1001";
/// A data unit of no difference and no coefficients, luma and chroma.
const FLAT_Y: &str = "00 1010";
const FLAT_C: &str = "00 00";

fn header(width: usize, height: usize) -> Header {
    Header { width, height, luma_selector: 4, advance_selector: 7, ..Header::default() }
}

fn quarter(width: usize, height: usize) -> Header {
    Header { subsampling: Subsampling::Quarter, ..header(width, height) }
}

/// A stream of 32-bit words out of its bits from the first on, white space aside.
fn stream(bits: &str) -> Vec<u8> {
    let mut digits: Vec<u32> = bits.chars().filter_map(|digit| digit.to_digit(2)).collect();
    digits.resize(digits.len().next_multiple_of(32), 0);
    digits.chunks(32).flat_map(|word| word.iter().fold(0, |word, bit| word << 1 | bit).to_le_bytes()).collect()
}

fn pixel(frame: &Frame, x: usize, y: usize) -> Rgb {
    frame.pixels[y * frame.width + x]
}

#[test]
fn blocks_go_right_then_down_and_from_the_end_to_the_start() {
    let mut decoder = Decoder::new();
    let update = decoder.decode(&header(16, 16), &stream(&format!("{} {END_CODE}", WHITE_BLOCK.repeat(3)))).unwrap();
    assert_eq!(update, Update { blocks: 3, all_vq: true, complete: false, reset: true });
    let frame = decoder.frame();
    let corners = [(7, 7), (8, 7), (7, 8), (8, 8)].map(|(x, y)| pixel(&frame, x, y));
    assert_eq!(corners, [WHITE, WHITE, WHITE, BLACK]);

    // Positioned at the last block, the next one is the first: slot 0, black.
    let wrap = format!("1101 00000001 00000001 001 0101 000 {END_CODE}");
    let update = decoder.decode(&header(16, 16), &stream(&wrap)).unwrap();
    assert_eq!(update, Update { blocks: 2, all_vq: true, complete: true, reset: false });
    let corners = [(7, 7), (8, 7), (7, 8), (8, 8)].map(|(x, y)| pixel(&decoder.frame(), x, y));
    assert_eq!(corners, [BLACK, WHITE, WHITE, WHITE]);
}

#[test]
fn a_position_outside_the_picture_is_corrupt() {
    for (x, y) in [("00000010", "00000000"), ("00000000", "00000010"), ("11111111", "11111111")] {
        let error = Decoder::new().decode(&header(16, 16), &stream(&format!("1101 {x} {y} 001 {END_CODE}")));
        assert_eq!(error, Err(DecodeError::Malformed { what: "a block outside the picture" }));
    }
}

#[test]
fn what_is_beyond_the_picture_is_dropped() {
    for (width, height) in [(1, 1), (9, 3), (8, 17), (15, 16), (31, 33)] {
        for header in [header(width, height), quarter(width, height)] {
            let edge = if header.subsampling == Subsampling::None { 8 } else { 16 };
            let blocks = width.div_ceil(edge) * height.div_ceil(edge);
            // Flat gray: YCbCr 128, 128, 128.
            let units = if edge == 8 { 1 } else { 4 };
            let block = format!("0000 {} {FLAT_C} {FLAT_C}", FLAT_Y.repeat(units));
            let mut decoder = Decoder::new();
            let update = decoder.decode(&header, &stream(&(block.repeat(blocks) + END_CODE))).unwrap();
            assert!(update.complete && !update.all_vq);
            let expected = vec![rgb([128; 3]); width * height];
            assert_eq!(decoder.frame().pixels, expected, "{width} x {height}, blocks of {edge}");
        }
    }
}

#[test]
fn the_picture_lives_on_until_its_size_or_subsampling_changes() {
    let mut decoder = Decoder::new();
    let end = stream(END_CODE);
    let nothing = Update { blocks: 0, all_vq: true, complete: true, reset: false };
    decoder.decode(&header(8, 8), &stream(&format!("{WHITE_BLOCK} {END_CODE}"))).unwrap();
    assert_eq!(decoder.decode(&header(8, 8), &end), Ok(nothing));
    assert_eq!(decoder.frame().pixels, [WHITE; 64]);
    for changed in [quarter(8, 8), header(8, 8), header(7, 9)] {
        let restarted = Update { complete: false, reset: true, ..nothing };
        assert_eq!(decoder.decode(&changed, &end), Ok(restarted));
        assert_eq!(*decoder.frame(), Frame::black(changed.width, changed.height));
    }
}

#[test]
fn a_snapshot_does_not_change_under_its_holder() {
    let mut decoder = Decoder::new();
    decoder.decode(&header(8, 8), &stream(&format!("{WHITE_BLOCK} {END_CODE}"))).unwrap();
    let held = decoder.frame();
    decoder.decode(&header(8, 8), &stream(&format!("0101 000 {END_CODE}"))).unwrap();
    assert_eq!((pixel(&held, 0, 0), pixel(&decoder.frame(), 0, 0)), (WHITE, BLACK));
}

#[test]
fn a_correction_of_nothing_changes_nothing_and_counts_as_no_drawing() {
    let mut decoder = Decoder::new();
    let correction = format!("0010 {FLAT_Y} {FLAT_C} {FLAT_C} {END_CODE}");
    let update = decoder.decode(&header(8, 8), &stream(&correction)).unwrap();
    assert_eq!(update, Update { blocks: 1, all_vq: false, complete: false, reset: true });
    assert_eq!(*decoder.frame(), Frame::black(8, 8));
    decoder.decode(&header(8, 8), &stream(&format!("{WHITE_BLOCK} {correction}"))).unwrap();
    assert_eq!(decoder.frame().pixels, [WHITE; 64]);
}

#[test]
fn after_an_error_the_blocks_before_it_stay_and_decoding_goes_on() {
    let mut decoder = Decoder::new();
    let truncated = decoder.decode(&header(16, 8), &stream(WHITE_BLOCK)[..4]);
    assert_eq!(truncated, Err(DecodeError::Malformed { what: "the video stream is truncated" }));
    assert_eq!(pixel(&decoder.frame(), 0, 0), WHITE);
    let rest = format!("1101 00000001 00000000 001 {END_CODE}");
    let update = decoder.decode(&header(16, 8), &stream(&rest)).unwrap();
    assert_eq!((update.complete, update.reset), (true, false));
}

#[test]
fn unknown_codes_and_444_codes_in_420_are_corrupt() {
    for code in ["0001", "0011", "1011 00000000 00000000"] {
        for header in [header(16, 16), quarter(16, 16)] {
            let error = Decoder::new().decode(&header, &stream(&format!("{code} {END_CODE}")));
            assert!(matches!(error, Err(DecodeError::Malformed { .. })), "{code}: {error:?}");
        }
    }
    for code in ["0010", "0101", "0110", "0111"] {
        let error = Decoder::new().decode(&quarter(16, 16), &stream(&format!("{code} {}", "0".repeat(400))));
        assert_eq!(error, Err(DecodeError::Malformed { what: "a 4:4:4 block in a 4:2:0 frame" }), "{code}");
    }
}

#[test]
fn a_header_that_no_parser_gave_is_refused_before_anything_is_allocated() {
    let end = stream(END_CODE);
    let mut decoder = Decoder::new();
    assert!(matches!(decoder.decode(&header(0, 8), &end), Err(DecodeError::Malformed { .. })));
    assert!(matches!(decoder.decode(&header(8, 0), &end), Err(DecodeError::Malformed { .. })));
    assert!(matches!(decoder.decode(&header(8, 4097), &end), Err(DecodeError::TooLarge { .. })));
    let unknown = Header { advance_selector: 11, ..header(8, 8) };
    assert!(matches!(decoder.decode(&unknown, &end), Err(DecodeError::Unsupported { .. })));
    assert_eq!(*decoder.frame(), Frame::default());
}
