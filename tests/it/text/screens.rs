//! Every screen of testdata/screens against its text, as it is and after the tile encoder.

use std::fs;
use std::path::{Path, PathBuf};

use ikvm_mcp::base::Frame;
use ikvm_mcp::text::{Library, Reading, Reason, Status, read};

use crate::support::read_png;
use crate::support::tile::{Mode, coded};

/// A screen with its text.
struct Screen {
    name: String,
    frame: Frame,
    text: Vec<String>,
}

impl Screen {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
        let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.sort();
        assert!(paths.len() >= 14, "{} screens", paths.len());
        paths
            .iter()
            .map(|path| Self {
                name: path.file_stem().unwrap().to_string_lossy().into_owned(),
                frame: read_png(&path.with_extension("png")),
                text: fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect(),
            })
            .collect()
    }

    /// Whether the text is that of the screen's cells, rather than of its rows without frames and indents.
    fn is_by_cell(&self) -> bool {
        !self.name.starts_with("17") && !self.name.starts_with("20")
    }

    /// What is wrong with a reading of this screen.
    fn errors(&self, reading: &Reading) -> Vec<String> {
        let name = &self.name;
        if !reading.is_text() {
            return vec![format!("{name}: {}", reading.headline())];
        }
        if self.is_by_cell() { self.cell_errors(reading) } else { self.row_errors(reading) }
    }

    fn cell_errors(&self, reading: &Reading) -> Vec<String> {
        let name = &self.name;
        let mut errors = Vec::new();
        for row in 0..reading.rows.max(self.text.len()) {
            let truth: Vec<char> = self.text.get(row).map_or("", String::as_str).chars().collect();
            for column in 0..reading.columns.max(truth.len()) {
                let truth = truth.get(column).copied().unwrap_or(' ');
                let got =
                    if row < reading.rows && column < reading.columns { reading.row(row)[column].ch } else { ' ' };
                let is_free = truth == '\u{fffd}' || reading.cursor == Some((row, column));
                if got != truth && !is_free {
                    errors.push(format!("{name} {row}:{column} {got:?} for {truth:?}"));
                }
            }
        }
        errors
    }

    /// Rows without frames and indents; of screen 20, whose text was sent over a serial line, ASCII only.
    fn row_errors(&self, reading: &Reading) -> Vec<String> {
        let only_ascii = self.name.starts_with("20");
        let plain = |line: &String| {
            let is_kept = |ch: &char| !('\u{2500}'..='\u{257f}').contains(ch) && (!only_ascii || ch.is_ascii());
            line.chars().filter(is_kept).collect::<String>().trim().to_owned()
        };
        let rows = |lines: &[String]| lines.iter().map(plain).filter(|line| !line.is_empty()).collect::<Vec<_>>();
        let (got, truth) = (rows(&reading.lines()), rows(&self.text));
        let mut errors: Vec<String> = got
            .iter()
            .zip(&truth)
            .flat_map(|(got, truth)| {
                let differing = got.chars().zip(truth.chars()).filter(|(got, truth)| got != truth).count();
                let all = differing + got.chars().count().abs_diff(truth.chars().count());
                std::iter::repeat_n(format!("{}: {got:?} for {truth:?}", self.name), all)
            })
            .collect();
        if got.len() != truth.len() {
            errors.push(format!("{}: {} rows for {}", self.name, got.len(), truth.len()));
        }
        errors
    }

    fn characters(&self) -> usize {
        self.text.iter().map(|line| line.chars().filter(|ch| !ch.is_whitespace()).count()).sum()
    }
}

/// What is wrong with all screens after `change`.
fn errors(change: impl Fn(&Frame) -> Frame) -> Vec<String> {
    let read = |screen: &Screen| screen.errors(&read(&change(&screen.frame), Library::shipped(), None));
    Screen::all().iter().flat_map(read).collect()
}

#[test]
fn screens_without_loss_are_read_exactly() {
    for screen in Screen::all() {
        let reading = read(&screen.frame, Library::shipped(), None);
        assert_eq!(screen.errors(&reading), [""; 0]);
        assert_eq!((reading.status, reading.exact_share), (Status::Exact, 1.0), "{}", screen.name);
        let again = read(&screen.frame, Library::shipped(), reading.grid.as_ref());
        assert_eq!(again, reading, "{} on the grid of the last reading", screen.name);
    }
}

#[test]
fn screens_in_a_font_that_is_not_known_are_told_from_pictures() {
    for (name, family) in [("17", "unifont-"), ("18", "vga-"), ("20", "edk2-"), ("28", "t-")] {
        let fonts = Library::shipped().fonts().iter().filter(|font| !font.name.starts_with(family)).cloned();
        let screen = Screen::all().into_iter().find(|screen| screen.name.starts_with(name)).unwrap();
        let reading = read(&screen.frame, &Library::of(fonts), None);
        assert_eq!(reading.status, Status::None(Reason::UnknownFont), "{}", screen.name);
        assert!(reading.lines().is_empty());
    }
}

#[test]
fn screens_through_the_encoder_are_read_without_a_wrong_character() {
    for (mode, selector) in [(Mode::Vq, 4), (Mode::Jpeg, 4), (Mode::Quarter, 4)] {
        assert_eq!(errors(|frame| coded(frame, mode, selector)), [""; 0], "{mode:?} at selector {selector}");
    }
}

#[test]
fn screens_through_the_coarsest_tables_are_read_with_hardly_a_wrong_character() {
    let all: usize = Screen::all().iter().map(Screen::characters).sum();
    for mode in [Mode::Jpeg, Mode::Quarter] {
        let errors = errors(|frame| coded(frame, mode, 0));
        assert!(errors.len() * 2000 <= all, "{mode:?}: {} of {all} characters: {errors:#?}", errors.len());
    }
}
