//! The shipped fonts: their properties, and that they are what consoles show.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::{Font, Glyph, Library, Status, psf, read};

use super::support::paint::{BLACK, COLORS, GRAY, Screen};
use super::support::read_png;

/// A font the program ships.
pub fn font(name: &str) -> &'static Font {
    Library::shipped().fonts().iter().find(|font| font.name == name).unwrap_or_else(|| panic!("no font {name}"))
}

/// The rows of a lossless picture: a cell is a character if its dots are a bitmap of the font, to the last dot.
fn exact_rows(frame: &Frame, font: &Font, origin: (usize, usize)) -> Vec<Vec<char>> {
    let pixel = |x: usize, y: usize| frame.pixels[y * frame.width + x];
    let all = u32::MAX >> (32 - font.width);
    let meaning: HashMap<&[u32], char> = font.glyphs.iter().map(|glyph| (&glyph.rows[..], glyph.ch)).collect();
    let cell = |left: usize, top: usize| {
        let ground = pixel(left, top);
        let row = |y| (left..left + font.width).fold(0, |row, x| row << 1 | u32::from(pixel(x, y) != ground));
        let rows: Vec<u32> = (top..top + font.height).map(row).collect();
        let inverse: Vec<u32> = rows.iter().map(|row| row ^ all).collect();
        *meaning.get(&rows[..]).or_else(|| meaning.get(&inverse[..])).unwrap_or(&char::REPLACEMENT_CHARACTER)
    };
    let (columns, rows) = ((frame.width - origin.0) / font.width, (frame.height - origin.1) / font.height);
    let row =
        |row| (0..columns).map(|column| cell(origin.0 + column * font.width, origin.1 + row * font.height)).collect();
    (0..rows).map(row).collect()
}

#[test]
fn every_ascii_character_of_a_lossless_screen_is_a_bitmap_of_its_font() {
    let screens = [
        ("01-seabios-no-bootable-device", "vga-9x16", (0, 0)),
        ("03-ipxe-nothing-to-boot", "vga-9x16", (0, 0)),
        ("05-grub-menu-text", "vga-9x16", (0, 0)),
        ("07-grub-command-line", "vga-9x16", (0, 0)),
        ("09-linux-boot-log-vgacon", "vga-9x16", (0, 0)),
        ("11-linux-panic-vfs", "vga-9x16", (0, 0)),
        ("13-initramfs-shell", "vga-9x16", (0, 0)),
        ("15-debian-login-vgacon", "unifont-9x16", (0, 0)),
        ("17-grub-gfxterm-1024x768", "unifont-8x16", (2, 10)),
        ("18-linux-vga-80x50", "vga-9x8", (0, 0)),
        ("20-ovmf-uefi-shell", "edk2-8x19", (240, 105)),
        ("24-linux-efifb-boot-login-1280x800", "kernel-8x16", (0, 0)),
        ("26-debian-efifb-login-1280x800", "unifont-8x16", (0, 0)),
        ("28-debian-efifb-terminus16x32", "t-16x32", (0, 0)),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
    for (name, font_name, origin) in screens {
        let frame = read_png(&folder.join(format!("{name}.png")));
        let text = fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
        let rows = exact_rows(&frame, font(font_name), origin);
        // Screens 17 and 20 have their text without its place.
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let line: Vec<char> = line.chars().collect();
            let fits = |cells: &[char]| cells.iter().zip(&line).all(|(cell, ch)| cell == ch || !ch.is_ascii_graphic());
            assert!(
                rows.iter().any(|row| row.windows(line.len()).any(fits)),
                "{name} has no row {:?} in {font_name}",
                line.iter().collect::<String>()
            );
        }
    }
}

#[test]
fn the_fonts_take_less_than_60_kilobytes_of_the_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/text/fonts");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let fonts = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "gz"));
    let sizes: Vec<u64> = fonts.map(|file| file.metadata().unwrap().len()).collect();
    let shipped = Library::shipped().fonts().iter().filter(|font| font.width != 9).count();
    assert_eq!(sizes.len(), shipped, "a file of src/text/fonts is not in the program");
    assert!(sizes.iter().sum::<u64>() < 60_000, "{sizes:?}");
}

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
fn every_font_but_gallant_has_the_lines_of_a_frame() {
    for font in Library::shipped().fonts().iter().filter(|font| !font.name.starts_with("gallant")) {
        assert!("─│┌┐└┘├┤".chars().all(|ch| font.rows(ch).is_some()), "{}", font.name);
    }
}

#[test]
fn a_font_of_the_largest_cells_and_one_of_blanks_are_read_with() {
    let wider = |glyph: &Glyph| Glyph { ch: glyph.ch, rows: glyph.rows.iter().map(|row| row << 16 | row).collect() };
    let twins = Font::new("twins", 32, 32, font("t-16x32").glyphs.iter().map(wider).collect());
    let twins = psf::parse("twins", &psf::build(&twins)).unwrap();
    let blank = Font::new("blank", 7, 13, vec![Glyph { ch: ' ', rows: vec![0; 13] }]);
    let frame = Screen::new(&twins, 1920, 1080).lines("\nlogin: root\nPassword:").frame;
    let reading = read(&frame, &Library::of([blank, twins]), None);
    assert_eq!((reading.status, &reading.lines()[1][..]), (Status::Exact, "login: root"), "{}", reading.headline());
}

#[test]
fn lines_reach_the_next_cell_in_the_ninth_column() {
    let [narrow, wide] = ["vga-8x16", "vga-9x16"].map(font);
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
    let pixel = |x: usize, y: usize| screen.frame.pixels[y * 100 + x];
    assert_eq!(pixel(3 + 16, 5 + 16 + 7), COLORS[14]);
    assert_eq!(pixel(3 + 16, 5 + 16), COLORS[1]);
    assert_eq!(pixel(3 + 15, 5 + 16), BLACK);
    assert_eq!([pixel(3 + 23, 5 + 16), pixel(3 + 24, 5 + 16), pixel(3 + 32, 5 + 16)], [COLORS[1], GRAY, BLACK]);
    assert_eq!([pixel(3, 5 + 12), pixel(10, 5 + 13), pixel(3, 5 + 14)], [BLACK, GRAY, GRAY]);
}
