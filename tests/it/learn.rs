//! Fonts learned from pictures and their texts: right in spite of mistyped characters and another layout.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::learn::{Learned, Lesson, Line, Misfit, learn};
use ikvm_mcp::text::{Font, Glyph, Kind, Library, Status, read};

use super::fonts::font;
use super::support::paint::{BLACK, COLORS, GRAY, Screen};
use super::support::read_png;
use super::support::rfb_encode::Random;

/// A screen of testdata and its text.
fn screen(name: &str) -> (Frame, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
    (read_png(&folder.join(format!("{name}.png"))), fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap())
}

/// The text with every `n`th character, blanks aside, mistyped.
fn mistyped(text: &str, n: usize) -> String {
    let mut random = Random(5);
    let typed = |ch: char| {
        if ch.is_ascii_graphic() && random.below(n) == 0 { char::from(b'!' + random.below(94) as u8) } else { ch }
    };
    text.chars().map(typed).collect()
}

fn learned(lessons: &[(Frame, String)], cell: Option<(usize, usize)>) -> Learned {
    let lessons: Vec<Lesson<'_>> = lessons.iter().map(|(frame, text)| Lesson { frame, text }).collect();
    learn("learned", &lessons, cell).unwrap()
}

/// The characters of a learned font whose bitmap is another than the font's that the picture was made with. One cell
/// cannot tell whether its character was mistyped.
fn wrong(learned: &Learned, truth: &Font) -> Vec<char> {
    let is_sure = |ch: char| ch.is_ascii_graphic() && !learned.seen_once.contains(&ch);
    learned
        .font
        .glyphs
        .iter()
        .filter(|glyph| is_sure(glyph.ch))
        .filter(|glyph| truth.rows(glyph.ch) != Some(&glyph.rows[..]))
        .map(|glyph| glyph.ch)
        .collect()
}

#[test]
fn a_font_learned_from_one_screen_reads_the_next_and_gets_nothing_wrong() {
    let log = screen("09-linux-boot-log-vgacon");
    let learned = learned(&[(log.0, mistyped(&log.1, 20))], None);
    assert_eq!((learned.font.width, learned.font.height), (9, 16));
    assert_eq!(wrong(&learned, font("vga-9x16")), [] as [char; 0]);
    let library = Library::of([learned.font]);
    let (frame, text) = screen("11-linux-panic-vfs");
    let reading = read(&frame, &library, None);
    assert!(reading.grid.is_some(), "{:?}", reading.status);
    let (mut right, mut all) = (0, 0);
    for (row, line) in text.lines().enumerate() {
        for (column, ch) in line.chars().enumerate().filter(|(_, ch)| ch.is_ascii_graphic()) {
            let cell = reading.row(row)[column];
            all += 1;
            // Characters that the first screen did not show cannot be read, but are not passed off as others either.
            let is_exact = cell.kind == Kind::Text && cell.is_exact();
            assert!(cell.ch == ch || !is_exact, "{row}:{column} {ch} was read as {}", cell.ch);
            right += usize::from(is_exact);
        }
    }
    assert!(right * 100 >= 95 * all, "{right} of {all}");
}

#[test]
fn a_transcript_needs_neither_the_layout_of_the_screen_nor_to_be_perfect() {
    for (name, truth, cell) in [
        ("24-linux-efifb-boot-login-1280x800", "kernel-8x16", None),
        ("20-ovmf-uefi-shell", "edk2-8x19", None),
        ("17-grub-gfxterm-1024x768", "unifont-8x16", Some((8, 16))),
    ] {
        let (frame, text) = screen(name);
        let loose: Vec<String> = mistyped(&text, 30)
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .filter(|line| !line.is_empty())
            .collect();
        let learned = learned(&[(frame, loose.join("\n"))], cell);
        assert_eq!(wrong(&learned, font(truth)), [] as [char; 0], "{name}");
        assert!(learned.placed * 100 >= 90 * learned.characters, "{name}: {} placed", learned.placed);
        assert!(!learned.contradictions.is_empty(), "{name}");
    }
}

#[test]
fn a_font_in_the_cells_of_an_x_terminal_is_learned_without_naming_them() {
    let text = "no bootable device, insert a floppy\nand press any key to reboot the box";
    for (width, height) in [(6, 13), (9, 15)] {
        let narrow = |row: &u32| row >> 1 & 0x3f;
        let glyphs = font("t-8x14").glyphs.iter();
        let glyphs = glyphs.map(|glyph| Glyph { ch: glyph.ch, rows: glyph.rows.iter().map(narrow).collect() });
        let fitted = |mut glyph: Glyph| {
            glyph.rows.resize(height, 0);
            glyph
        };
        let unknown = Font::new("unknown", width, height, glyphs.map(fitted).collect());
        let frame = Screen::new(&unknown, 640, 480).lines(text).frame;
        let learned = learned(&[(frame, text.to_owned())], None);
        assert_eq!((learned.font.width, learned.font.height), (width, height));
        assert_eq!(wrong(&learned, &unknown), [] as [char; 0]);
    }
}

#[test]
fn what_was_mistyped_is_named_with_what_it_looks_like() {
    let font = font("t-10x20");
    let lines = ["no bootable device, insert a floppy", "and press any key to reboot the box", "noon", "$"];
    let frame = Screen::new(font, 640, 480).lines(&lines.join("\n")).frame;
    let text = lines.join("\n").replace("noon", "nOon");
    let learned = learned(&[(frame, text)], None);
    assert_eq!(learned.contradictions, [(Line { lesson: 0, number: 3 }, 'O', 'o')]);
    assert_eq!((learned.font.rows('O'), learned.font.rows('$')), (None, font.rows('$')));
    assert!(learned.seen_once.contains(&'$') && !learned.seen_once.contains(&'o'));
    assert_eq!((learned.placed, learned.characters, learned.misfits), (63, 63, vec![]));
}

#[test]
fn several_pictures_make_one_font() {
    let font = font("t-12x24");
    let lessons = [("the quick brown fox jumps", 0), ("over the lazy dog, THE END", 1)].map(|(text, row)| {
        let mut screen = Screen::new(font, 800, 600);
        screen.write(row, 3, text, COLORS[14], COLORS[1]);
        (screen.frame, text.to_owned())
    });
    let learned = learned(&lessons, Some((12, 24)));
    assert!(('a'..='z').all(|ch| learned.font.rows(ch) == font.rows(ch)));
    let reading = read(&lessons[1].0, &Library::of([learned.font]), None);
    assert_eq!(reading.status, Status::Exact);
    assert_eq!(reading.lines()[1].trim(), "over the lazy dog, THE END");
}

#[test]
fn a_text_of_another_screen_is_refused_with_the_line_that_does_not_fit() {
    let (frame, _) = screen("07-grub-command-line");
    let (_, text) = screen("13-initramfs-shell");
    let misfit = learn("f", &[Lesson { frame: &frame, text: &text }], None).unwrap_err();
    assert!(matches!(misfit, Misfit::NoGrid { lesson: 0, share: 0..50, line: 1.., .. }), "{misfit:?}");
    // In cells of a wrong size words may be in place, but what is in them does not look alike.
    let (log, log_text) = screen("24-linux-efifb-boot-login-1280x800");
    let misfit = learn("f", &[Lesson { frame: &log, text: &log_text }], Some((8, 18))).unwrap_err();
    assert!(matches!(misfit, Misfit::Unlike { share: 0..50 }), "{misfit:?}");
    let misfit = learn("f", &[Lesson { frame: &frame, text: " \n" }], None).unwrap_err();
    assert_eq!(misfit, Misfit::NoText { lesson: 0 });
    for frame in [Frame::black(0, 0), Frame::black(3, 3), Frame::black(640, 480)] {
        let misfit = learn("f", &[Lesson { frame: &frame, text: "login:" }], None).unwrap_err();
        assert!(matches!(misfit, Misfit::NoGrid { share: 0, line: 1, .. }), "{misfit:?}");
    }
}

#[test]
fn a_line_that_fits_no_row_is_left_out_and_named() {
    let font = font("vga-8x16");
    let mut screen = Screen::new(font, 640, 400);
    screen.write(0, 0, "Booting from Hard Disk...", GRAY, BLACK);
    screen.write(2, 0, "This is not a bootable disk.", BLACK, GRAY);
    let text = "Booting from Hard Disk...\n  two words\n\nThis is not a bootable disk.\n";
    let learned = learned(&[(screen.frame, text.to_owned())], Some((8, 16)));
    assert_eq!(learned.misfits, [Line { lesson: 0, number: 2 }]);
    assert_eq!(wrong(&learned, font), [] as [char; 0]);
    assert_eq!((learned.placed, learned.characters), (45, 53));
}

fn png_of(frame: &Frame) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, frame.width as u32, frame.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(frame.rgb()).unwrap();
    file
}

/// The program with these arguments, in an environment with only this folder of fonts.
fn program(fonts: &Path, args: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    let output = command.env_clear().env("IKVM_FONTS", fonts).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_program_reads_in_a_font_that_it_learned_and_in_no_other() {
    // A font that no library has: taller, and each dot twice as wide.
    let base = font("kernel-8x16");
    let taller = |glyph: &Glyph| {
        let smeared = glyph.rows.iter().map(|row| row | row >> 1);
        Glyph { ch: glyph.ch, rows: [0].into_iter().chain(smeared).chain([0]).collect() }
    };
    let unknown = Font::new("unknown", 8, 18, base.glyphs.iter().map(taller).collect());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("learn-font");
    let _ = fs::remove_dir_all(&folder);
    let fonts = folder.join("fonts");
    fs::create_dir_all(&fonts).unwrap();
    let texts = [
        "Aptio Setup Utility - Copyright (C) 2026\n\nMain  Advanced  Chipset  Security  Boot  Save & Exit\n\n\
         Boot Option #1   [UEFI: Built-in EFI Shell]\nQuiet Boot       [Disabled]\nSetup Prompt Timeout   1",
        "Boot Option #2   [Disabled]\nSave & Exit Setup\nUEFI Shell Prompt Timeout   1",
    ];
    let named = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    for (at, text) in texts.iter().enumerate() {
        let frame = Screen::new(&unknown, 800, 600).at(0, 3).lines(text).frame;
        fs::write(named(&format!("{at}.png")), png_of(&frame)).unwrap();
        fs::write(named(&format!("{at}.txt")), text).unwrap();
    }
    let (first, second, text) = (named("0.png"), named("1.png"), named("0.txt"));
    let (read, printed, _) = program(&fonts, &["text", "--image", &second]);
    assert!(read && !printed.contains("Prompt"), "{printed}");
    let font = fonts.join("aptio-8x18.psf");
    let (learned, _, told) =
        program(&fonts, &["font", "learn", "--image", &first, "--text", &text, "-o", font.to_str().unwrap()]);
    assert!(learned && told.contains("8x18 dots") && told.contains("(100 %)"), "{told}");
    fs::write(fonts.join("broken.psf"), "no font").unwrap();
    let (read, printed, told) = program(&fonts, &["text", "--image", &second]);
    assert!(read && printed.contains("aptio-8x18") && printed.contains("Shell Prompt Timeout   1"), "{printed}");
    assert!(told.contains("broken.psf: malformed data: neither a PSF1 nor a PSF2 font; it is not used"), "{told}");
    fs::write(named("0.txt"), texts[1]).unwrap();
    let (learned, _, told) =
        program(&fonts, &["font", "learn", "--image", &first, "--text", &text, "-o", font.to_str().unwrap()]);
    assert!(!learned && told.contains("of the same screen"), "{told}");
}
