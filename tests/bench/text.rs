//! Text: how long a screen takes to be read, and the large sweeps for accuracy that `make test` has no time for.

use std::hint::black_box;
use std::time::Instant;

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::{Font, Library, Reading, Reason, Status, read};

use crate::measure;
use crate::support::consoles::{Kind, Random, console};
use crate::support::pictures::{KINDS, STRANGE_WRITING, picture};
use crate::support::tile::{Mode, coded};

pub fn run() {
    speed();
    not_text();
    pictures();
    unknown_fonts();
    fonts();
}

fn look(frame: &Frame) -> Reading {
    read(frame, Library::shipped(), None)
}

fn speed() {
    let mut random = Random(1);
    for (font, size) in [("vga-9x16", (720, 400)), ("kernel-8x16", (1024, 768)), ("kernel-8x16", (1920, 1080))] {
        let font = Library::shipped().fonts().iter().find(|known| known.name == font).expect("a shipped font");
        let (frame, _) = console(Kind::Log, font, size, (0, 0), &mut random);
        let lossy = coded(&frame, Mode::Jpeg, 4);
        let name = format!("{}x{} kernel log", size.0, size.1);
        let last = look(&frame).grid;
        measure(&format!("{name}, first look"), || look(&frame));
        measure(&format!("{name}, on the last grid"), || read(&frame, Library::shipped(), last.as_ref()));
        measure(&format!("{name}, lossy, first look"), || look(&lossy));
        measure(&format!("{name}, lossy, on the last grid"), || read(&lossy, Library::shipped(), last.as_ref()));
        let photo = picture(3, size.0, size.1, &mut random);
        measure(&format!("{}x{} like a photo, no text", size.0, size.1), || look(&photo));
        let desktop = picture(6, size.0, size.1, &mut random);
        measure(&format!("{}x{} windows, no text", size.0, size.1), || look(&desktop));
    }
}

/// What the slowest of some pictures of each kind takes to be told from text.
fn not_text() {
    for kind in 0..KINDS {
        let mut random = Random(21);
        let frames: Vec<Frame> = (0..8).map(|_| picture(kind, 1920, 1080, &mut random)).collect();
        let time = |frame: &Frame| {
            let begin = Instant::now();
            black_box(look(frame));
            begin.elapsed()
        };
        let best = |frame: &Frame| (0..3).map(|_| time(frame)).min().unwrap_or_default();
        let slowest = frames.iter().map(best).max().unwrap_or_default();
        println!("1920x1080 picture of kind {kind}, no text, the slowest of 8: {:.0} ms", slowest.as_secs_f64() * 1e3);
    }
}

/// A thousand pictures that are no consoles.
fn pictures() {
    let mut random = Random(11);
    let sizes = [(640, 480), (720, 400), (800, 600), (1024, 768), (1920, 1080)];
    let (mut count, mut mistaken) = (0, 0);
    for _ in 0..1000 / KINDS / sizes.len() {
        for kind in 0..KINDS {
            for (width, height) in sizes {
                let reading = look(&picture(kind, width, height, &mut random));
                assert!(!reading.is_text(), "kind {kind}, {width}x{height}: {}", reading.headline());
                let is_unknown = reading.status == Status::None(Reason::UnknownFont);
                mistaken += usize::from(is_unknown && kind != STRANGE_WRITING);
                count += 1;
            }
        }
    }
    println!("{count} pictures that are no consoles: none read as text, {mistaken} taken for text in an unknown font");
}

/// Every font without the fonts of its family: is its text told from pictures?
fn unknown_fonts() {
    let mut random = Random(14);
    let family = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    for kind in [Kind::Log, Kind::Tokens, Kind::Menu] {
        let (mut unknown, mut uncertain, mut graphics, mut near) = (0, 0, 0, 0);
        for font in Library::shipped().fonts() {
            let others = |other: &&Font| family(&other.name) != family(&font.name);
            let library = Library::of(Library::shipped().fonts().iter().filter(others).cloned());
            for size in [(720, 400), (1024, 768), (1920, 1080)] {
                let offset = (random.below(font.width), random.below(font.height));
                let (frame, _) = console(kind, font, size, offset, &mut random);
                match read(&frame, &library, None).status {
                    Status::None(Reason::UnknownFont) => unknown += 1,
                    Status::None(_) => graphics += 1,
                    Status::Uncertain => uncertain += 1,
                    Status::Exact | Status::Good | Status::Partial => near += 1,
                }
            }
        }
        println!(
            "{kind:?} without the family of its font: {unknown} in an unknown font, {uncertain} uncertain, {graphics} \
             taken for graphics, {near} read with a near one"
        );
    }
}

/// Every font in many sizes at random offsets.
fn fonts() {
    let sizes = [(640, 480), (800, 600), (1024, 768), (1280, 1024), (1600, 900), (1920, 1080), (1920, 1200)];
    let modes = [
        (Some(Mode::Vq), 4),
        (Some(Mode::Jpeg), 4),
        (Some(Mode::Quarter), 4),
        (Some(Mode::Jpeg), 0),
        (Some(Mode::Quarter), 0),
    ];
    for (mode, selector) in [(None, 0)].into_iter().chain(modes) {
        let mut random = Random(12);
        let (mut wrong, mut silent, mut all, mut unread) = (0, 0, 0, 0);
        for font in Library::shipped().fonts() {
            for kind in [Kind::Log, Kind::Tokens, Kind::Menu] {
                let size = if font.width == 9 { (720, 400) } else { sizes[random.below(sizes.len())] };
                let offset = (random.below(font.width), random.below(font.height));
                let (frame, text) = console(kind, font, size, offset, &mut random);
                let frame = mode.map_or_else(|| frame.clone(), |mode| coded(&frame, mode, selector));
                let reading = look(&frame);
                all += text.iter().map(|line| line.chars().filter(|&ch| ch != ' ').count()).sum::<usize>();
                unread += usize::from(!reading.is_text());
                if reading.is_text() {
                    let errors = errors(&reading, &text);
                    wrong += errors;
                    silent += errors.saturating_sub(reading.uncertain.len());
                }
            }
        }
        println!(
            "{} at selector {selector}: of {all} characters {wrong} wrong, at least {silent} of them not marked; {unread} screens not read",
            mode.map_or_else(|| "no loss".to_owned(), |mode| format!("{mode:?}"))
        );
    }
}

fn errors(reading: &Reading, text: &[String]) -> usize {
    let got = reading.lines();
    let in_row = |row: usize| {
        let ch = |line: Option<&String>, column: usize| line.and_then(|line| line.chars().nth(column)).unwrap_or(' ');
        (0..reading.columns).filter(|&column| ch(got.get(row), column) != ch(text.get(row), column)).count()
    };
    (0..reading.rows).map(in_row).sum()
}
