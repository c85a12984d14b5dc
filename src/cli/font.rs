//! The fonts of users: those they add, and `font learn`, which makes one of pictures and their texts.

use std::path::{Path, PathBuf};

use crate::base::{Error, Frame, Kind, log, png};
use crate::config::fonts::{self, FontFile};
use crate::text::learn::{self, Learned, Lesson, Misfit};
use crate::text::{Font, Library, psf};

/// More than any transcript of a screen holds: 240 by 67 characters of four bytes are 64 KiB.
const MAX_TEXT: u64 = 256 * 1024;

/// More than any picture of a screen takes.
const MAX_PICTURE: u64 = 64 * 1024 * 1024;

/// Lines and characters named one by one at most.
const MAX_NAMED: usize = 10;

/// What `font learn` is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Learn {
    /// The pictures.
    pub images: Vec<PathBuf>,
    /// Their texts, in the same order.
    pub texts: Vec<PathBuf>,
    /// Where the font goes.
    pub output: PathBuf,
    /// The size of a cell, in pixels across and down, where it is known.
    pub cell: Option<(usize, usize)>,
}

/// The fonts that the program ships and those that the user adds; `None` where there are only the former. Says on
/// stderr which files are no fonts.
pub fn library() -> Option<Library> {
    let (files, notes) = fonts::from_environment();
    notes.iter().for_each(log::line);
    let font = |FontFile { path, name, bytes }: &FontFile| {
        let font = psf::parse(name, bytes);
        font.inspect_err(|error| log::line(format_args!("IKVM_FONTS: {}: {error}; it is not used", path.display())))
            .ok()
    };
    let added: Vec<Font> = files.iter().filter_map(font).collect();
    (!added.is_empty()).then(|| Library::shipped().clone().with(added))
}

/// Learns the font, writes it, and says on stderr how well it went.
pub fn learn(asked: &Learn) -> Result<(), Error> {
    let frames: Vec<Frame> = asked.images.iter().map(|file| picture(file)).collect::<Result<_, _>>()?;
    let texts: Vec<String> = asked.texts.iter().map(|file| text(file)).collect::<Result<_, _>>()?;
    let lessons: Vec<Lesson<'_>> = frames.iter().zip(&texts).map(|(frame, text)| Lesson { frame, text }).collect();
    let name = asked.output.file_stem().unwrap_or_default().to_string_lossy();
    let learned = learn::learn(&name, &lessons, asked.cell).map_err(|misfit| explain(asked, &texts, misfit))?;
    std::fs::write(&asked.output, psf::build(&learned.font)).map_err(|error| {
        Error::new(Kind::Internal, format!("cannot write {}: {error}", asked.output.display()))
            .hint("name another file with -o")
    })?;
    for line in report(asked, &texts, &learned) {
        log::line(&line);
    }
    Ok(())
}

/// The picture of a screen in a PNG file.
pub fn picture(file: &Path) -> Result<Frame, Error> {
    png::decode(&read(file, MAX_PICTURE)?).map_err(|error| {
        Error::from(error).hint("name a PNG of the whole screen, not scaled, with --image").doing(reading(file))
    })
}

fn text(file: &Path) -> Result<String, Error> {
    let bytes = read(file, MAX_TEXT)?;
    String::from_utf8(bytes).map_err(|_| {
        Error::new(Kind::Usage, "it is not UTF-8")
            .hint("name the picture's text, a line for each row, with --text")
            .doing(reading(file))
    })
}

fn read(file: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(limit + 1).read_to_end(&mut bytes))
        .map_err(|error| Error::new(Kind::Usage, error.to_string()).doing(reading(file)))?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(Kind::Usage, format!("it is longer than {} KiB", limit / 1024)).doing(reading(file)));
    }
    Ok(bytes)
}

fn reading(file: &Path) -> String {
    format!("reading {}", file.display())
}

/// The line of a transcript, as an error or a note quotes it.
fn quoted(text: &str, number: usize) -> String {
    let line = text.lines().nth(number - 1).unwrap_or_default().trim();
    let short: String = line.chars().take(60).collect();
    if short.len() < line.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

fn explain(asked: &Learn, texts: &[String], misfit: Misfit) -> Error {
    const SAME: &str = "check that text and picture are of the same screen";
    let size = if asked.cell.is_some() { "leave out --cell" } else { "give the size of a cell with --cell" };
    let (what, hint, lesson) = match misfit {
        Misfit::NoText { lesson } => {
            let what = format!("{} is blank", asked.texts[lesson].display());
            (what, "write the picture's text into it, a line for each row".to_owned(), lesson)
        }
        Misfit::NoGrid { lesson, share, cell: (width, height), line } => {
            let what = format!(
                "only {share} % of {} fits the picture, best in cells of {width}x{height}; line {line}, {}, fits no row",
                asked.texts[lesson].display(),
                quoted(&texts[lesson], line)
            );
            (what, format!("{SAME} and that the picture is not scaled, or {size}"), lesson)
        }
        Misfit::Unlike { share } => {
            let what = format!("only {share} % of the cells look like others that are said to be the same character");
            (what, format!("{SAME}, or {size}"), 0)
        }
    };
    Error::new(Kind::Usage, what).hint(hint).doing(format!("learning from {}", asked.images[lesson].display()))
}

/// How well it went, and what would make it better.
fn report(asked: &Learn, texts: &[String], learned: &Learned) -> Vec<String> {
    let Learned { font, placed, characters, misfits, contradictions, seen_once } = learned;
    let share = placed * 100 / characters.max(&1);
    let mut lines = vec![format!(
        "{}: {} characters of {}x{} dots, from {placed} of {characters} ({share} %) in the texts",
        asked.output.display(),
        font.glyphs.len() - 1,
        font.width,
        font.height,
    )];
    for line in misfits.iter().take(MAX_NAMED) {
        let file = asked.texts[line.lesson].display();
        let text = quoted(&texts[line.lesson], line.number);
        lines.push(format!("{file}, line {}: {text} fits no row; count its words' letters", line.number));
    }
    for (line, said, looks_like) in contradictions.iter().take(MAX_NAMED) {
        let file = asked.texts[line.lesson].display();
        lines.push(format!("{file}, line {}: a {said:?} looks like {looks_like:?}; it did not count", line.number));
    }
    let more = misfits.len().saturating_sub(MAX_NAMED) + contradictions.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        lines.push(format!("and {more} more that did not count"));
    }
    if !seen_once.is_empty() {
        lines.push(format!("seen in one cell only, so check them in the text: {}", spaced(seen_once)));
    }
    let unseen: Vec<char> = ('!'..='~').filter(|&ch| font.rows(ch).is_none()).collect();
    if !unseen.is_empty() {
        lines.push(format!(
            "not learned: {}; add the --image and --text of another screen that shows them",
            spaced(&unseen)
        ));
    }
    lines
}

fn spaced(characters: &[char]) -> String {
    characters.iter().map(char::to_string).collect::<Vec<_>>().join(" ")
}
