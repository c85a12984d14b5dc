//! The shipped fonts: their properties, and that they are what consoles show.

use std::collections::HashMap;

use ikvm_mcp::text::Library;

use super::support::paint::{BLACK, COLORS, GRAY, Screen};

#[test]
fn every_font_has_all_of_ascii_in_its_cell() {
    for font in Library::shipped().fonts() {
        for ch in ' '..='~' {
            let rows = font.rows(ch).unwrap_or_else(|| panic!("{} has no {ch}", font.name));
            assert_eq!(rows.len(), font.height, "{}: {ch}", font.name);
            assert!(rows.iter().all(|row| row >> font.width == 0), "{}: {ch}", font.name);
        }
        assert!(font.rows(' ').unwrap().iter().all(|&row| row == 0), "{}", font.name);
        assert!(font.name.ends_with(&format!("-{}x{}", font.width, font.height)), "{}", font.name);
    }
}

#[test]
fn a_bitmap_means_one_character_in_all_fonts_of_a_size() {
    let mut meanings = HashMap::new();
    for font in Library::shipped().fonts() {
        for glyph in font.glyphs.iter().filter(|glyph| glyph.ch.is_ascii()) {
            let cell = (font.width, font.height, &glyph.rows);
            let (ch, other) = meanings.entry(cell).or_insert((glyph.ch, &font.name));
            assert_eq!(glyph.ch, *ch, "{} and {other}", font.name);
        }
    }
}

#[test]
fn lines_reach_the_next_cell_in_the_ninth_column() {
    let fonts = Library::shipped().fonts();
    let [narrow, wide] = ["vga-8x16", "vga-9x16"].map(|name| fonts.iter().find(|font| font.name == name).unwrap());
    let middle = |ch| (narrow.rows(ch).unwrap()[7], wide.rows(ch).unwrap()[7]);
    assert_eq!(middle('─'), (0b1111_1111, 0b1_1111_1111));
    assert_eq!(middle('┤'), (0b1111_1000, 0b1_1111_0000));
    assert_eq!(middle('0'), (0b1101_1011, 0b1_1011_0110));
    // Adapters and QEMU differ in the shades.
    assert_eq!(wide.glyphs.iter().filter(|glyph| glyph.ch == '▒').count(), 2);
}

#[test]
fn a_screen_is_painted_cell_by_cell() {
    let font = &Library::shipped().fonts()[0];
    let mut screen = Screen::new(font, 100, 50).at(3, 5).lines("\n  ██");
    assert_eq!(screen.size(), (12, 2));
    screen.write(1, 2, "─", COLORS[14], COLORS[1]);
    screen.cursor(0, 0, GRAY);
    let pixel = |x: usize, y: usize| &screen.frame.rgb[(y * 100 + x) * 3..][..3];
    assert_eq!(pixel(3 + 16, 5 + 16 + 7), COLORS[14]);
    assert_eq!(pixel(3 + 16, 5 + 16), COLORS[1]);
    assert_eq!(pixel(3 + 15, 5 + 16), BLACK);
    assert_eq!([pixel(3 + 23, 5 + 16), pixel(3 + 24, 5 + 16), pixel(3 + 32, 5 + 16)], [COLORS[1], GRAY, BLACK]);
    assert_eq!([pixel(3, 5 + 12), pixel(10, 5 + 13), pixel(3, 5 + 14)], [BLACK, GRAY, GRAY]);
}
