//! Each encoding on pictures of a few pixels, its bytes with their meaning.

use flate2::{Compress, Compression, FlushCompress};

use super::super::screen::{Rect, Screen};
use super::*;

const A: [u8; 4] = [3, 2, 1, 0]; // As PIXEL: blue, green, red, nothing.
const B: [u8; 4] = [6, 5, 4, 0];
const C: [u8; 3] = [1, 2, 3]; // The same as TPIXEL and in the picture.
const D: [u8; 3] = [4, 5, 6];
const E: [u8; 3] = [3, 2, 1]; // The same as CPIXEL.
const F: [u8; 3] = [6, 5, 4];

/// The picture that `bytes` decode to, whole and byte by byte, over black and over white: what was not painted
/// would show. The screen has the rectangle's size and one column more.
fn decode(encoding: Encoding, width: usize, height: usize, bytes: &[u8]) -> Result<Vec<[u8; 3]>, DecodeError> {
    decode_all(&[(encoding, bytes)], width, height)
}

fn decode_all(rectangles: &[(Encoding, &[u8])], width: usize, height: usize) -> Result<Vec<[u8; 3]>, DecodeError> {
    let results = [(usize::MAX, 0), (1, 0), (usize::MAX, 255)].map(|(size, level)| {
        let mut screen = Screen::new(width + 1, height).unwrap();
        let whole = screen.rect();
        screen.canvas(whole).fill(whole, [level; 3]);
        let formats = Formats::new(&PixelFormat::WANTED);
        let mut streams = Streams::default();
        for (encoding, bytes) in rectangles {
            let mut canvas = screen.canvas(Rect { x: 0, y: 0, width, height });
            let mut decoder = Decoder::new(*encoding).unwrap();
            let (mut used, mut end, mut done) = (0, 0, false);
            while !done {
                assert!(end < bytes.len() || (used, end) == (0, 0), "not finished by {} bytes", bytes.len());
                end = end.saturating_add(size).min(bytes.len());
                let step = decoder.decode(&bytes[used..end], &mut canvas, &formats, &mut streams)?;
                used += step.used;
                done = step.done;
            }
            assert_eq!(used, bytes.len(), "bytes left over");
        }
        let pixels = &screen.frame().pixels;
        assert!(pixels.chunks(width + 1).all(|row| row[width] == [level; 3]), "painted beyond the rectangle");
        Ok(pixels.chunks(width + 1).flat_map(|row| row[..width].to_vec()).collect())
    });
    assert_eq!(results[0], results[1], "the result depends on the cut");
    assert_eq!(results[0], results[2], "a pixel was not painted");
    results[0].clone()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(data.len() + 100);
    Compress::new(Compression::fast(), true).compress_vec(data, &mut packed, FlushCompress::Sync).unwrap();
    packed
}

fn with_length(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_be_bytes()[..], data].concat()
}

#[test]
fn raw_is_the_pixels() {
    assert_eq!(decode(Encoding::RAW, 2, 2, &[A, B, B, A].concat()), Ok(vec![C, D, D, C]));
    assert_eq!(decode(Encoding::RAW, 0, 2, &[]), Ok(vec![]));
}

#[test]
fn copyrect_moves_what_an_earlier_rectangle_painted() {
    let raw = [A, B, B, B].concat();
    let moved = [(Encoding::RAW, &raw[..]), (Encoding::COPY_RECT, &[0, 0, 0, 0])];
    assert_eq!(decode_all(&moved, 2, 2), Ok(vec![C, D, D, D]));
}

#[test]
fn rre_paints_rectangles_on_a_background() {
    let wide = [&[0, 0, 0, 1][..], &A, &B, &[0, 1, 0, 0, 0, 1, 0, 2]].concat(); // 1 | A | B at 1, 0 of 1x2
    assert_eq!(decode(Encoding::RRE, 2, 2, &wide), Ok(vec![C, D, C, D]));
    let small = [&[0, 0, 0, 1][..], &A, &B, &[1, 0, 200, 200]].concat(); // clipped
    assert_eq!(decode(Encoding::CORRE, 2, 2, &small), Ok(vec![C, D, C, D]));
}

#[test]
fn rre_that_paints_for_ever_is_an_error() {
    let over = [&B[..], &[0, 0, 2, 2]].concat();
    let bytes = [&[0, 0, 0, 99][..], &A, &over.repeat(99)].concat();
    assert!(matches!(decode(Encoding::CORRE, 2, 2, &bytes), Err(DecodeError::Malformed { .. })));
}

#[test]
fn hextile_keeps_its_colors_from_tile_to_tile() {
    let bytes = [
        &[2 | 4 | 8][..],
        &A,
        &B,
        &[1, 0x00, 0xff],    // background A, foreground B, all of the tile in it
        &[0],                // the second tile: background A again
        &[8, 1, 0x10, 0x00], // the third: at 1, 0 of 1x1 in B
        &[2 | 8 | 16],
        &B,
        &[1],
        &A,
        &[0x00, 0x00], // the fourth: background B, at 0, 0 of 1x1 in A
    ]
    .concat();
    let pixels = decode(Encoding::HEXTILE, 18, 17, &bytes).unwrap();
    assert_eq!((pixels[0], pixels[15 * 18 + 15]), (D, D));
    assert_eq!((pixels[16], pixels[15 * 18 + 17]), (C, C));
    assert_eq!(pixels[16 * 18..16 * 18 + 3], [C, D, C]);
    assert_eq!(pixels[16 * 18 + 16..], [C, D]);
}

#[test]
fn hextile_has_raw_tiles_and_they_keep_the_colors() {
    let pixels = [B].repeat(16).concat();
    let bytes = [&[2][..], &A, &[1], &pixels, &[0]].concat(); // 16 | 1 raw of width 1 | 1 background
    let decoded = decode(Encoding::HEXTILE, 17, 17, &[&bytes[..], &[0]].concat()).unwrap();
    assert_eq!((decoded[0], decoded[16], decoded[16 * 17]), (C, D, C));
}

#[test]
fn zlib_is_raw_deflated_in_one_stream() {
    let mut stream = Compress::new(Compression::fast(), true);
    let parts = [[A, B], [B, A]].map(|pixels| {
        let mut packed = Vec::with_capacity(100);
        stream.compress_vec(&pixels.concat(), &mut packed, FlushCompress::Sync).unwrap();
        with_length(&packed)
    });
    let rectangles = [(Encoding::ZLIB, &parts[0][..]), (Encoding::ZLIB, &parts[1])];
    assert_eq!(decode_all(&rectangles, 2, 1), Ok(vec![D, C]));
}

#[test]
fn compressed_data_of_another_length_than_its_rectangle_is_an_error_only_when_it_matters() {
    let zlib = |data: &[u8]| decode(Encoding::ZLIB, 2, 1, &with_length(&deflate(data)));
    assert!(zlib(&A).is_err());
    assert_eq!(zlib(&[A, B, A].concat()), Ok(vec![C, D]));
    assert!(zlib(&[0; 70_000]).is_err(), "a small bomb");
    assert!(decode(Encoding::ZLIB, 2, 1, &with_length(b"no zlib")).is_err());
}

#[test]
fn each_kind_of_tile_decodes() {
    for (bytes, pixels) in [
        ([&[0][..], &E, &F, &E, &F].concat(), [C, D, C, D]),            // raw
        ([&[1][..], &E].concat(), [C; 4]),                              // one color
        ([&[2][..], &E, &F, &[0x40, 0x80]].concat(), [C, D, D, C]),     // 2 colors, a bit each
        ([&[3][..], &E, &F, &E, &[0x18, 0x90]].concat(), [C, D, C, D]), // 3 colors, 2 bits each: 0 1, 2 1
        ([&[5][..], &E, &F, &F, &F, &F, &[0x04, 0x10]].concat(), [C, D, D, C]), // 5 colors, 4 bits each
        ([&[128][..], &E, &[2], &F, &[0]].concat(), [C, C, C, D]),      // runs of 3 and 1
        ([&[130][..], &E, &F, &[0x81, 1, 0x00, 1]].concat(), [D, D, C, D]), // 2 of the second, first, second
    ] {
        assert_eq!(decode(Encoding::TRLE, 2, 2, &bytes), Ok(pixels.to_vec()), "{bytes:?}");
        let zrle = with_length(&deflate(&bytes));
        assert_eq!(decode(Encoding::ZRLE, 2, 2, &zrle), Ok(pixels.to_vec()), "{bytes:?}");
    }
}

#[test]
fn trle_may_use_the_palette_of_a_tile_before_and_zrle_may_not() {
    // 48x1: three tiles of 16x1; 2 colors, the same packed, the same in runs.
    let bytes = [&[2][..], &E, &F, &[0x00, 0x01], &[127, 0x80, 0x00], &[129, 0x80, 14, 0x01]].concat();
    let pixels = decode(Encoding::TRLE, 48, 1, &bytes).unwrap();
    let others: Vec<usize> = (0..48).filter(|&at| pixels[at] == D).collect();
    assert_eq!(others, [15, 16, 47]);
    assert!(decode(Encoding::ZRLE, 65, 1, &with_length(&deflate(&bytes))).is_err());
    assert!(decode(Encoding::TRLE, 2, 1, &[127, 0]).is_err(), "there was no palette");
}

#[test]
fn a_broken_tile_is_an_error() {
    for bytes in [
        &[17][..],                                // a palette of 17 is never packed
        &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0], // index 3 of 3 colors
        &[130, 0, 0, 0, 0, 0, 0, 5],              // index 5 of 2 colors
        &[128, 0, 0, 0, 4],                       // a run of 5 in 4 pixels
        &[128, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255],
    ] {
        assert!(decode(Encoding::TRLE, 2, 2, bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn tight_fills_looks_up_and_copies() {
    let mut copy = vec![0x00]; // no filter, stream 0; 6 pixels, 18 bytes: deflated
    let packed = deflate(&[C, D, C, D, C, D].concat());
    copy.push(packed.len() as u8);
    copy.extend(packed);
    let wide = decode(Encoding::TIGHT, 3, 2, &copy).unwrap();
    assert_eq!(wide, [C, D, C, D, C, D]);
    for (bytes, pixels) in [
        ([&[0x80][..], &C].concat(), [C; 3]),                              // fill
        ([&[0x00][..], &C, &D, &C].concat(), [C, D, C]),                   // below 12 bytes: as it is
        ([&[0x40, 0][..], &C, &D, &C].concat(), [C, D, C]),                // filter 0
        ([&[0x40, 1, 1][..], &C, &D, &[0b0100_0000]].concat(), [C, D, C]), // 2 colors
        ([&[0x40, 1, 0][..], &C, &[0]].concat(), [C; 3]),                  // 1 color
        ([&[0x40, 1, 2][..], &C, &D, &D, &[0, 1, 2]].concat(), [C, D, D]), // 3 colors
        ([&[0x40, 2][..], &C, &[3, 3, 3], &[253; 3]].concat(), [C, D, C]), // gradient
    ] {
        assert_eq!(decode(Encoding::TIGHT, 3, 1, &bytes), Ok(pixels.to_vec()), "{bytes:?}");
    }
}

#[test]
fn the_gradient_predicts_from_left_above_and_above_left_and_stays_within_its_range() {
    // 2x2, row by row: 10 20 | 30 and the prediction 30 + 20 - 10 = 40; then 250 5 | 5 with 5 + 5 - 250 clamped to 0.
    for (levels, differences) in [([10, 20, 30, 41], [10, 10, 20, 1]), ([250, 5, 5, 7], [250, 11, 11, 7])] {
        let data: Vec<u8> = differences.iter().flat_map(|&difference: &u8| [difference; 3]).collect();
        let packed = deflate(&data);
        let bytes = [&[0x40, 2, packed.len() as u8][..], &packed].concat();
        let pixels: Vec<[u8; 3]> = levels.iter().map(|&level: &u8| [level; 3]).collect();
        assert_eq!(decode(Encoding::TIGHT, 2, 2, &bytes), Ok(pixels));
    }
}

#[test]
fn tight_begins_a_stream_anew_where_it_says_so_even_in_a_fill() {
    let packed = deflate(&[C; 4].concat());
    let deflated = |control: u8| [&[control, packed.len() as u8][..], &packed].concat();
    let (first, again) = (deflated(0x10), deflated(0x10 | 1 << 1));
    fn tight(bytes: &[u8]) -> (Encoding, &[u8]) {
        (Encoding::TIGHT, bytes)
    }
    assert_eq!(decode_all(&[tight(&first), tight(&again)], 4, 1), Ok(vec![C; 4]));
    let fill = [&[0x80 | 1 << 1][..], &D].concat();
    assert_eq!(decode_all(&[tight(&first), tight(&fill), tight(&first)], 4, 1), Ok(vec![C; 4]));
    assert!(decode_all(&[tight(&first), tight(&first)], 4, 1).is_err());
}

#[test]
fn tight_carries_jpeg_and_only_tight_png_carries_png() {
    let jpeg = include_bytes!("../../../testdata/jpeg/baseline-444.jpg");
    let compact = |length: usize| [(length & 0x7f) as u8 | 0x80, (length >> 7) as u8];
    let bytes = [&[0x90][..], &compact(jpeg.len()), jpeg].concat();
    let picture = crate::base::jpeg::decode(jpeg).unwrap();
    assert_eq!(decode(Encoding::TIGHT, 30, 26, &bytes).unwrap(), picture.pixels);

    let mut png = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut png, 2, 1);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[C, D].concat()).unwrap();
    let bytes = [&[0xa0][..], &[png.len() as u8], &png].concat();
    assert_eq!(decode(Encoding::TIGHT_PNG, 2, 1, &bytes), Ok(vec![C, D]));
    assert!(decode(Encoding::TIGHT, 2, 1, &bytes).is_err());
}

#[test]
fn sixteen_bits_and_color_maps_go_through_tight_and_tiles_as_they_are() {
    let map = PixelFormat { bits: 8, depth: 8, true_color: false, ..PixelFormat::WANTED };
    let rgb565 = PixelFormat { bits: 16, depth: 16, max: [31, 63, 31], shift: [11, 5, 0], ..PixelFormat::WANTED };
    let mut formats = [Formats::new(&map), Formats::new(&rgb565)];
    formats[0].set_entry(9, [7, 8, 9]);
    for (formats, pixel, color) in [(&formats[0], &[9][..], [7, 8, 9]), (&formats[1], &[0x00, 0xf8], [255, 0, 0])] {
        for (encoding, kind) in [(Encoding::TIGHT, 0x80), (Encoding::TRLE, 1), (Encoding::TIGHT, 0x00)] {
            let mut screen = Screen::new(1, 1).unwrap();
            let mut canvas = screen.canvas(screen.rect());
            let bytes = [&[kind], pixel].concat();
            let mut decoder = Decoder::new(encoding).unwrap();
            let step = decoder.decode(&bytes, &mut canvas, formats, &mut Streams::default());
            assert_eq!(step, Ok(Step { used: bytes.len(), done: true }));
            assert_eq!(screen.frame().rgb(), color);
        }
    }
}
