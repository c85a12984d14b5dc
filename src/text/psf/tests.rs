//! Tests of PSF: each version by hand, back and forth, damaged and cut short.

use super::*;

/// Two rows of eight dots.
const HEIGHT: u8 = 2;

/// A PSF1 font of 256 glyphs, the code in both rows.
fn version_1(mode: u8, table: &[u8]) -> Vec<u8> {
    let bitmaps: Vec<u8> = (0..=255).flat_map(|code| [code, code]).collect();
    [&MAGIC_1[..], &[mode, HEIGHT], &bitmaps, table].concat()
}

/// A PSF2 font, 9 dots by 1, of two glyphs.
fn version_2(flags: u8, table: &[u8]) -> Vec<u8> {
    let header = [0, 32, flags, 2, 2, 1, 9].map(|number| [number, 0, 0, 0]).concat();
    // A row fills two bytes from the left: dots 1 and 9, then dot 2.
    [&MAGIC_2[..], &header, &[0x80, 0x80], &[0x40, 0x00], table].concat()
}

/// The smallest gzip file: stored, not compressed, behind a header with these flags and fields.
fn gzip(flags: u8, fields: &[u8], data: &[u8]) -> Vec<u8> {
    let mut sum = Crc::new();
    sum.update(data);
    let length = data.len() as u16;
    [
        &[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0xff],
        fields,
        &[1],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        data,
        &sum.sum().to_le_bytes(),
        &u32::from(length).to_le_bytes(),
    ]
    .concat()
}

#[test]
fn a_font_without_a_table_is_in_the_order_of_code_page_437() {
    let font = parse("f", &version_1(0, &[])).unwrap();
    assert_eq!((font.width, font.height, font.name.as_str()), (8, 2, "f"));
    for (ch, code) in [('☺', 0x01), ('A', 0x41), ('⌂', 0x7f), ('É', 0x90), ('│', 0xb3), ('█', 0xdb), ('■', 0xfe)]
    {
        assert_eq!(font.rows(ch), Some(&[code, code][..]), "{ch}");
    }
    assert_eq!(CODE_PAGE_437.chars().count(), 256);
}

#[test]
fn a_glyph_with_several_letters_is_the_lowest_of_them() {
    let mut lists = vec!["\u{ffff}".to_owned(); 256];
    lists[7] = "\u{410}A\u{391}\u{ffff}".into();
    // A sequence behind the mark does not count: a glyph with nothing else stands for no character.
    lists[8] = "\u{fffe}A\u{301}\u{ffff}".into();
    let table: Vec<u8> = lists.concat().encode_utf16().flat_map(u16::to_le_bytes).collect();
    let font = parse("f", &version_1(MODE_512 << 1, &table)).unwrap();
    assert_eq!(font.glyphs, [Glyph { ch: 'A', rows: vec![7, 7] }]);
}

#[test]
fn a_bitmap_of_dashes_and_lines_is_a_line_and_one_of_ascii_is_ascii() {
    for (list, ch) in [("—―─━═", '─'), ("‐‑−-─", '-'), ("⎮│¦", '│'), ("μµ", 'µ')] {
        let table = [list.as_bytes(), b"\xffx\xff"].concat();
        let font = parse("f", &version_2(1, &table)).unwrap();
        assert!(font.rows(ch).is_some() && font.glyphs.len() == 2, "{list}");
    }
    let glyph = |ch| Glyph { ch, rows: vec![0, 255] };
    let font = Font::new("f", 8, 2, "—a═".chars().map(glyph).collect());
    assert_eq!(font.glyphs, [glyph('a')]);
    let font = Font::new("f", 8, 2, "—═Ж".chars().map(glyph).collect());
    assert_eq!(font.glyphs, [glyph('═')]);
}

#[test]
fn version_2_has_any_width_and_its_table_in_utf_8() {
    let font = parse("f", &version_2(1, "é\u{2500}".as_bytes())).unwrap_err();
    assert_eq!(font, malformed("a table of a PSF2 font that ends too early"));
    let table = [b"x\xff", "Жé".as_bytes(), b"\xfee\xcc\x81\xff"].concat();
    let font = parse("f", &version_2(1, &table)).unwrap();
    assert_eq!((font.width, font.height), (9, 1));
    assert_eq!(font.rows('x'), Some(&[0b1_0000_0001][..]));
    assert_eq!(font.rows('é'), Some(&[0b0_1000_0000][..]));
    assert_eq!(font.rows('Ж'), None);
}

#[test]
fn what_is_built_is_read_again() {
    for width in [1, 8, 9, 17, 32] {
        let dots = u32::MAX >> (32 - width);
        let glyphs = [('a', [0, dots]), ('b', [1, dots]), ('é', [1 << (width - 1), 0]), ('█', [dots, dots])];
        let glyphs = glyphs.map(|(ch, rows)| Glyph { ch, rows: rows.to_vec() });
        let font = Font::new("f", width, 2, glyphs.to_vec());
        assert_eq!(parse("f", &build(&font)), Ok(font));
    }
}

#[test]
fn gzip_may_carry_every_optional_field() {
    let font = version_1(0, &[]);
    let fields = b"\x03\x00xyzname\0comment\0\xcc\xcc";
    assert_eq!(parse("f", &gzip(0b1_1110, fields, &font)), parse("f", &font));
    let mut wrong = gzip(0, &[], &font);
    let end = wrong.len();
    wrong[end - 8] ^= 1;
    assert_eq!(parse("f", &wrong), Err(malformed("a gzip file whose checksum is wrong")));
}

#[test]
fn gzip_that_unpacks_without_end_is_an_error() {
    let mut packed = Vec::with_capacity(1 << 16);
    let mut deflate = flate2::Compress::new(flate2::Compression::best(), false);
    deflate.compress_vec(&vec![0; MAX_FILE + 1], &mut packed, flate2::FlushCompress::Finish).unwrap();
    let file = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &packed].concat();
    assert!(file.len() < 4096);
    let too_large = parse("f", &file).unwrap_err();
    assert!(matches!(too_large, DecodeError::TooLarge { max, .. } if max == MAX_FILE as u64), "{too_large}");
}

#[test]
fn no_size_is_believed() {
    for (field, value) in [(3, u32::MAX), (3, 0), (5, 33), (5, 0), (6, 33), (6, 0), (1, u32::MAX), (4, 3), (0, 1)] {
        let mut file = version_2(0, &[]);
        file[4 + field * 4..][..4].copy_from_slice(&value.to_le_bytes());
        assert!(parse("f", &file).is_err(), "field {field} = {value}");
    }
    assert!(parse("f", &version_2(0, &[])).is_ok());
}

#[test]
fn a_file_cut_short_is_an_error_wherever_it_is_cut() {
    let table = [b"x\xff", "─é".as_bytes(), b"\xff"].concat();
    let whole = version_2(1, &table);
    for file in [gzip(0b1000, b"name\0", &whole), whole, version_1(0, &[])] {
        assert!(parse("f", &file).is_ok());
        for length in 0..file.len() {
            assert!(parse("f", &file[..length]).is_err(), "{length} of {} bytes", file.len());
        }
    }
}
