//! Painted screens: every shipped font, any size and offset; pictures that are no text; text in no font we have.

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::{Font, Library, Reading, Reason, RenderOptions, Status, read};

use crate::support::consoles::{Kind, Random, console};
use crate::support::paint::{GRAY, Screen};
use crate::support::pictures::{KINDS, STRANGE_WRITING, picture};
use crate::support::tile::{Mode, coded};

const SIZES: [(usize, usize); 5] = [(640, 480), (720, 400), (800, 600), (1024, 768), (1280, 1024)];

/// How many characters of `text` are not as they were read.
pub fn wrong(reading: &Reading, text: &[String]) -> usize {
    let lines = reading.lines();
    let row = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
    (0..lines.len().max(text.len()))
        .map(|at| {
            let (mut got, mut truth): (Vec<char>, Vec<char>) =
                (row(&lines, at).chars().collect(), row(text, at).chars().collect());
            let columns = got.len().max(truth.len());
            got.resize(columns, ' ');
            truth.resize(columns, ' ');
            got.iter().zip(&truth).filter(|(got, truth)| got != truth).count()
        })
        .sum()
}

/// Each font in turn shows a screen of some kind, size and offset.
fn each_font(check: impl Fn(&str, &Frame, &[String])) {
    let mut random = Random(7);
    for font in Library::shipped().fonts() {
        for kind in [Kind::Log, Kind::Tokens, Kind::Menu] {
            let size = if font.width == 9 { (720, 400) } else { SIZES[random.below(SIZES.len())] };
            let offset =
                if random.below(3) == 0 { (0, 0) } else { (random.below(font.width), random.below(font.height)) };
            let (frame, text) = console(kind, font, size, offset, &mut random);
            check(&format!("{} {kind:?} {size:?} at {offset:?}", font.name), &frame, &text);
        }
    }
}

#[test]
fn every_font_is_read_exactly_at_any_offset() {
    each_font(|name, frame, text| {
        let reading = read(frame, Library::shipped(), None);
        assert_eq!((wrong(&reading, text), reading.status), (0, Status::Exact), "{name}: {}", reading.headline());
    });
}

#[test]
fn the_encoder_in_the_modes_of_boards_makes_no_character_wrong() {
    let mut random = Random(8);
    for (name, size) in [("vga-9x16", (720, 400)), ("kernel-8x16", (800, 600)), ("unifont-8x16", (640, 480))] {
        let font = Library::shipped().fonts().iter().find(|font| font.name == name).unwrap();
        for kind in [Kind::Log, Kind::Tokens, Kind::Menu] {
            let offset = (random.below(font.width), random.below(font.height));
            let (frame, text) = console(kind, font, size, offset, &mut random);
            for mode in [Mode::Vq, Mode::Jpeg, Mode::Quarter] {
                let reading = read(&coded(&frame, mode, 4), Library::shipped(), None);
                assert_eq!(wrong(&reading, &text), 0, "{name} {kind:?} {offset:?} {mode:?}: {}", reading.headline());
            }
        }
    }
}

#[test]
fn what_the_coarsest_tables_make_of_thin_letters_and_of_frames_is_right_or_marked() {
    let mut random = Random(14);
    let (mut all, mut silent) = (0, Vec::new());
    for (name, size) in [("t-9x14", (720, 400)), ("t-8x14", (640, 480)), ("debian-8x16", (1024, 768))] {
        let font = Library::shipped().fonts().iter().find(|font| font.name == name).unwrap();
        for (kind, offset) in [(Kind::Log, (0, 3)), (Kind::Menu, (3, 7)), (Kind::Menu, (7, 2))] {
            let (frame, text) = console(kind, font, size, offset, &mut random);
            for mode in [Mode::Jpeg, Mode::Quarter] {
                let reading = read(&coded(&frame, mode, 0), Library::shipped(), None);
                for (at, cell) in reading.cells.iter().enumerate() {
                    let (row, column) = (at / reading.columns, at % reading.columns);
                    let truth = text.get(row).and_then(|line| line.chars().nth(column)).unwrap_or(' ');
                    let is_marked = reading.uncertain.iter().any(|doubt| (doubt.row, doubt.column) == (row, column));
                    if cell.ch != truth && !is_marked && cell.kind != ikvm_mcp::text::Kind::Graphics {
                        silent.push(format!("{name} {kind:?} {mode:?} {row}:{column} {:?} for {truth:?}", cell.ch));
                    }
                    all += usize::from(truth != ' ');
                }
            }
        }
    }
    assert!(silent.len() * 10_000 <= all, "{} of {all}: {silent:#?}", silent.len());
}

#[test]
fn what_is_no_text_is_not_read_as_text() {
    let mut random = Random(9);
    for kind in 0..KINDS {
        for (width, height) in [(640, 480), (720, 400), (1024, 768)] {
            let reading = read(&picture(kind, width, height, &mut random), Library::shipped(), None);
            assert!(!reading.is_text(), "{kind} {width}x{height}: {}", reading.headline());
            assert!(reading.lines().is_empty());
            // Glyphs that nobody has are text that nobody can read.
            if kind != STRANGE_WRITING {
                assert_ne!(reading.status, Status::None(Reason::UnknownFont), "{kind} {width}x{height}");
            }
        }
    }
}

#[test]
fn a_font_that_is_not_known_is_refused_or_marked() {
    let mut random = Random(10);
    let fonts: Vec<Font> = Library::shipped().fonts().to_vec();
    for family in ["vga-", "kernel-", "unifont-", "t-", "edk2-"] {
        let others: Vec<Font> = fonts.iter().filter(|font| !font.name.starts_with(family)).cloned().collect();
        let others = Library::of(others);
        for font in fonts.iter().filter(|font| font.name.starts_with(family)) {
            let (frame, text) = console(Kind::Log, font, (720, 400), (0, 0), &mut random);
            let reading = read(&frame, &others, None);
            let errors = wrong(&reading, &text);
            assert!(
                !reading.is_text()
                    || errors <= reading.uncertain.len() && reading.status != Status::Exact
                    || errors == 0,
                "{}: {errors} wrong, {}",
                font.name,
                reading.headline()
            );
        }
    }
}

#[test]
fn text_in_a_font_that_is_not_known_is_told_from_pictures() {
    let mut random = Random(13);
    let fonts = Library::shipped().fonts();
    for family in ["unifont-", "t-", "edk2-"] {
        let others = Library::of(fonts.iter().filter(|font| !font.name.starts_with(family)).cloned());
        for font in fonts.iter().filter(|font| font.name.starts_with(family) && font.name.ends_with("6")) {
            let (frame, _) = console(Kind::Log, font, (1024, 768), (0, 0), &mut random);
            let reading = read(&frame, &others, None);
            assert!(
                matches!(reading.status, Status::None(Reason::UnknownFont) | Status::Uncertain),
                "{}: {}",
                font.name,
                reading.headline()
            );
            assert!(reading.lines().is_empty() && reading.headline().contains("font learn"));
        }
    }
}

#[test]
fn no_bitmap_is_one_ascii_character_here_and_another_there() {
    let mut known = std::collections::HashMap::new();
    for font in Library::shipped().fonts() {
        for glyph in font.glyphs.iter().filter(|glyph| glyph.ch.is_ascii_graphic()) {
            let ch = *known.entry((font.width, glyph.rows.clone())).or_insert(glyph.ch);
            assert_eq!(ch, glyph.ch, "{}", font.name);
        }
    }
}

#[test]
fn doubts_are_told_of_the_part_that_is_shown_however_many_there_are_elsewhere() {
    let font = Library::shipped().fonts().iter().find(|font| font.name == "t-8x14").unwrap();
    let mut screen = Screen::new(font, 1024, 768);
    for row in 0..54 {
        screen.write(row, 0, &"login: root Password: ".repeat(5), GRAY, [0; 3]);
    }
    let mut frame = screen.frame;
    // A dot of the first letter of each row is missing, and one of a letter far to the right of the last row.
    let mut miss = |row: usize, column: usize| {
        let dots = (0..14 * 8).map(|dot| (row * 14 + dot / 8) * 1024 + column * 8 + dot % 8);
        let at = dots.rev().find(|&at| frame.pixels[at] != [0; 3]).unwrap();
        frame.pixels[at] = [0; 3];
    };
    (0..54).for_each(|row| miss(row, 0));
    miss(53, 100);
    let reading = read(&frame, Library::shipped(), None);
    assert_eq!((reading.status, reading.uncertain.len()), (Status::Good, 55), "{}", reading.headline());
    let options = RenderOptions { rows: Some(50..=53), columns: Some(90..=110), ..RenderOptions::default() };
    let json = reading.json(&options);
    assert_eq!((&json["uncertain"][0]["column"], &json["uncertainCount"]), (&100.into(), &1.into()), "{json}");
    assert!(reading.render(&options).contains("\nuncertain: 53:100 "), "{}", reading.render(&options));
}

#[test]
fn lines_centered_by_pixels_are_read() {
    let font = &Library::shipped().fonts()[2];
    let lines =
        ["KERNEL PANIC!", "Please reboot your computer.", "Fatal exception in interrupt", "Attempted to kill init!"];
    let mut frame = Frame::black(1024, 768);
    for (row, line) in lines.iter().enumerate() {
        let mut screen = Screen::new(font, 1024, 768).at((1024 - line.len() * 8) / 2 % 8, 0);
        screen.frame = frame;
        screen.write(20 + row, 40, line, GRAY, [0; 3]);
        frame = screen.frame;
    }
    let reading = read(&frame, Library::shipped(), None);
    let read: Vec<String> =
        reading.lines().iter().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    assert_eq!(read, lines, "{}", reading.headline());
}

#[test]
fn a_prompt_alone_is_read_and_a_cursor_alone_is_none() {
    let library = Library::shipped();
    for (name, size) in [("vga-9x16", (720, 400)), ("kernel-8x16", (800, 600)), ("t-16x32", (1920, 1080))] {
        let font = library.fonts().iter().find(|font| font.name == name).unwrap();
        for prompt in ["#", "$", "> ", "LI", "# _", "sh-5.1#", "grub>", "a:\\>"] {
            let mut screen = Screen::new(font, size.0, size.1);
            screen.write(0, 0, prompt, GRAY, [0; 3]);
            for cursor in [None, Some(prompt.len())] {
                cursor.into_iter().for_each(|column| screen.cursor(0, column, GRAY));
                let reading = read(&screen.frame, library, None);
                let headline = reading.headline();
                assert_eq!((reading.status, reading.lines()[0].as_str()), (Status::Exact, prompt.trim()), "{headline}");
                // What loss leaves of it is not sure to be text, but it is something.
                let poor = read(&coded(&screen.frame, Mode::Quarter, 4), library, None);
                assert_ne!(poor.status, Status::None(Reason::Blank), "{name} {prompt}");
                assert!(!poor.is_text() || poor.lines()[0] == prompt.trim(), "{name} {prompt}: {}", poor.headline());
            }
        }
        let mut screen = Screen::new(font, size.0, size.1);
        screen.cursor(3, 7, GRAY);
        for frame in [coded(&screen.frame, Mode::Quarter, 4), coded(&screen.frame, Mode::Vq, 4), screen.frame] {
            assert_eq!(read(&frame, library, None).status, Status::None(Reason::Blank), "{name}");
        }
    }
}

#[test]
fn why_there_is_no_text_is_told() {
    let mut frame = Frame::black(720, 400);
    let status = |frame: &Frame| read(frame, Library::shipped(), None).status;
    assert_eq!(status(&frame), Status::None(Reason::Blank));
    for at in 0..18 {
        frame.pixels[(14 + at / 9) * 720 + at % 9] = [170, 0, 0];
    }
    assert_eq!(status(&frame), Status::None(Reason::Blank));
    for kind in [0, 3, 8] {
        let picture = picture(kind, 800, 600, &mut Random(12));
        assert_eq!(status(&picture), Status::None(Reason::Graphics), "{kind}");
    }
}

#[test]
fn hostile_pictures_are_answered() {
    for (width, height) in [(0, 0), (1, 1), (3, 700), (5000, 2), (7, 7), (33, 9)] {
        let levels: Vec<u8> = (0..width * height * 3).map(|at| (at * at % 251) as u8).collect();
        let reading = read(&Frame::from_rgb(width, height, &levels), Library::shipped(), None);
        assert!(!reading.is_text(), "{width}x{height}");
    }
}
