//! Screens that were enlarged on their way are read as they were drawn, and never passed off as exact.

use ikvm_mcp::text::{Library, Status, read};

use super::painted::wrong;
use crate::support::consoles::{Kind, Random, console};
use crate::support::paint::Screen;
use crate::support::scale::Filter;
use crate::support::tile::{Mode, coded};

#[test]
fn enlarged_screens_are_read_as_they_were_drawn() {
    let mut random = Random(15);
    let cases = [
        ("vga-9x16", (720, 400), [(800, 600), (1024, 768), (1440, 800)]),
        ("kernel-8x16", (640, 480), [(800, 600), (1024, 768), (1280, 720)]),
        ("unifont-8x16", (1024, 768), [(1280, 1024), (1920, 1080), (2048, 1536)]),
    ];
    for (at, (name, size, enlarged)) in cases.into_iter().enumerate() {
        let font = Library::shipped().fonts().iter().find(|font| font.name == name).unwrap();
        let kind = [Kind::Log, Kind::Tokens, Kind::Menu][at];
        let (frame, text) = console(kind, font, size, (0, 0), &mut random);
        for to in enlarged {
            for filter in [Filter::Bilinear, Filter::Bicubic, Filter::Lanczos] {
                let frame = filter.scaled(&frame, to);
                let reading = read(&frame, Library::shipped(), None);
                let name = format!("{name} {kind:?} to {to:?} {filter:?}: {}", reading.headline());
                assert_eq!((wrong(&reading, &text), reading.status), (0, Status::Good), "{name}");
                assert!(name.contains(&format!("scaled from {}x{}", size.0, size.1)), "{name}");
                assert_eq!(read(&frame, Library::shipped(), reading.grid.as_ref()), reading, "{name}");
            }
        }
    }
}

#[test]
fn dots_enlarged_to_squares_are_read_and_are_not_called_exact() {
    let font = &Library::shipped().fonts()[1];
    let (frame, text) = console(Kind::Tokens, font, (720, 400), (0, 0), &mut Random(16));
    let reading = read(&Filter::Nearest.scaled(&frame, (1440, 800)), Library::shipped(), None);
    assert_eq!((wrong(&reading, &text), reading.status), (0, Status::Good), "{}", reading.headline());
    // One and a half times: some dots become two pixels wide, others one.
    let reading = read(&Filter::Nearest.scaled(&frame, (1080, 600)), Library::shipped(), None);
    assert!(wrong(&reading, &text) <= reading.uncertain.len(), "{}", reading.headline());
}

#[test]
fn a_doubled_screen_is_not_read_in_a_large_font_that_knows_some_of_it() {
    for name in ["vga-8x16", "kernel-8x16", "debian-8x16", "rhel-8x16"] {
        let font = Library::shipped().fonts().iter().find(|font| font.name == name).unwrap();
        let lines = "─│┌┐└┘═║╔╗╚╝▀▓".chars().filter(|&ch| font.rows(ch).is_some()).collect::<String>();
        let text: Vec<String> = (0..20).map(|at| format!("Boot Option #{at} [Enabled] {lines} if above")).collect();
        let frame = Screen::new(font, 640, 400).lines(&text.join("\n")).frame;
        let frame = Filter::Nearest.scaled(&frame, (1280, 800));
        let reading = read(&frame, Library::shipped(), None);
        assert_eq!((wrong(&reading, &text), reading.status), (0, Status::Good), "{name}: {}", reading.headline());
        assert_eq!(read(&frame, Library::shipped(), reading.grid.as_ref()), reading, "{name}");
        // Nor on the grid that the large font had when it knew all of the screen.
        let plain = Screen::new(font, 640, 400).lines("Boot Option\nGNU").frame;
        let large = read(&Filter::Nearest.scaled(&plain, (1280, 800)), Library::shipped(), None);
        assert_eq!(read(&frame, Library::shipped(), large.grid.as_ref()), reading, "{name}: {}", large.headline());
    }
}

#[test]
fn an_enlarged_screen_is_read_through_the_encoder() {
    let font = &Library::shipped().fonts()[1];
    let (frame, text) = console(Kind::Log, font, (720, 400), (0, 0), &mut Random(17));
    let frame = coded(&Filter::Bilinear.scaled(&frame, (1024, 768)), Mode::Quarter, 4);
    let reading = read(&frame, Library::shipped(), None);
    assert_eq!((wrong(&reading, &text), reading.status), (0, Status::Good), "{}", reading.headline());
}
