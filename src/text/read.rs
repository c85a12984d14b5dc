//! Reading a screen: the grid, each cell's character, and how sure that is.

use super::attr;
use super::cell::{Cell, Rgb, distance};
use super::clean;
use super::font::Library;
use super::glyphs::{Atlas, Match, Verdict};
use super::grid::{self, Grid, closeness};
use super::scene::{Scene, scene};
use super::survey::Survey;
use crate::base::Frame;

/// How far what was read can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Each character is a bitmap of the font, dot by dot.
    Exact,
    /// Characters are right as far as can be told; doubtful ones are listed.
    Good,
    /// There is text, but not in a font that is known well enough, or the picture is too poor.
    Uncertain,
    /// There is no text to be read.
    None(Reason),
}

/// Why there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// One color, or nothing but a cursor.
    Blank,
    /// A picture rather than text, or text in no font that is known.
    Graphics,
}

/// What a cell shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Blank,
    /// A character.
    Text,
    /// Something else.
    Graphics,
}

/// A cell as it was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Character {
    /// The character; a space unless `kind` is `Text`.
    pub ch: char,
    /// What the cell shows.
    pub kind: Kind,
    /// How sure the character is, up to 1; exactly 1 only where each dot is as in the font.
    pub confidence: f32,
    /// What else it may be, where the picture's loss could have made the difference.
    pub rival: Option<char>,
    /// The color of the character.
    pub ink: Rgb,
    /// The color behind it.
    pub paper: Rgb,
}

impl Character {
    /// A cell of one color.
    pub(super) fn blank(paper: Rgb) -> Self {
        Self { ch: ' ', kind: Kind::Blank, confidence: 1.0, rival: None, ink: paper, paper }
    }

    /// Whether each dot is as in the font.
    pub fn is_exact(&self) -> bool {
        self.confidence == 1.0
    }

    /// Whether it must not be passed off as right.
    fn is_doubtful(&self) -> bool {
        self.kind == Kind::Text && (self.confidence < DOUBTFUL || self.rival.is_some())
    }
}

/// Cells of one row, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The row, from 0.
    pub row: usize,
    /// The first column, from 0.
    pub first: usize,
    /// The last column.
    pub last: usize,
}

/// A character that may be another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Doubt {
    /// Its row, from 0.
    pub row: usize,
    /// Its column, from 0.
    pub column: usize,
    /// What was read.
    pub ch: char,
    /// What else it may be, if that is known.
    pub rival: Option<char>,
    /// How sure it is, up to 1.
    pub confidence: f32,
}

/// A rectangle of cells, all edges included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Its first and last row.
    pub rows: (usize, usize),
    /// Its first and last column.
    pub columns: (usize, usize),
}

/// A screen as it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Pixels across and down the screen.
    pub screen: (usize, usize),
    /// How far it can be trusted.
    pub status: Status,
    /// Where the cells lie; give it to the next reading of the same screen.
    pub grid: Option<Grid>,
    /// Cells across; 0 without a grid.
    pub columns: usize,
    /// Cells down; 0 without a grid.
    pub rows: usize,
    /// The mean confidence of the characters, up to 1.
    pub confidence: f32,
    /// The share of characters that are exact.
    pub exact_share: f32,
    /// The cells, row by row.
    pub cells: Vec<Character>,
    /// Row and column of the text cursor, where one is seen.
    pub cursor: Option<(usize, usize)>,
    /// What is highlighted by its background.
    pub selected: Vec<Span>,
    /// Characters that may be others.
    pub uncertain: Vec<Doubt>,
    /// Where there is something other than text.
    pub graphics: Vec<Area>,
}

/// Characters less sure than this are listed as doubtful.
const DOUBTFUL: f32 = 0.90;

/// The mean confidence and the share of exact characters below which a screen is not good.
const GOOD_CONFIDENCE: f32 = 0.93;
const GOOD_EXACT_SHARE: f32 = 0.97;

/// The share of doubtful characters above which a screen is not good.
const MANY_DOUBTS: f32 = 0.1;

/// Letters and digits side by side that a screen of text has at least; less where each is exact.
const FEWEST_IN_WORDS: usize = 5;
const FEWEST_EXACT: usize = 3;

/// The share of cells with more than two colors above which a picture is lossy.
const LOSSY: f32 = 0.1;

/// Busy tiles that a screen has at least if there is more than a cursor on it.
const FEWEST_TILES: usize = 3;

/// Reads `frame` with the fonts of `library`, first on the grid of the last reading.
pub fn read(frame: &Frame, library: &Library, last: Option<&Grid>) -> Reading {
    if frame.is_blank() {
        return Reading::none(frame, Reason::Blank);
    }
    let atlases = library.atlases();
    if let Some(reading) = last.and_then(|grid| read_on(frame, atlases, grid)).filter(Reading::is_text) {
        return reading;
    }
    let survey = Survey::of(frame);
    if survey.busy() < FEWEST_TILES {
        return Reading::none(frame, Reason::Blank);
    }
    grid::find(frame, &survey, atlases, true)
        .and_then(|grid| read_on(frame, atlases, &grid))
        .unwrap_or_else(|| Reading::none(frame, Reason::Graphics))
}

/// Reads the cells of a grid. `None` where the grid is for other screens.
fn read_on(frame: &Frame, atlases: &[Atlas], grid: &Grid) -> Option<Reading> {
    if grid.screen != (frame.width, frame.height) {
        return None;
    }
    let atlas = atlases.iter().find(|atlas| (atlas.width, atlas.height) == grid.cell)?;
    let main = atlas.faces.iter().position(|face| face.name == grid.font)?;
    let (columns, rows) = (grid.columns(), grid.rows());
    let mut votes = vec![0_usize; atlas.faces.len()];
    let mut tally = Tally::default();
    let mut matches: Vec<Option<Match>> = Vec::with_capacity(columns * rows);
    let mut cells = Vec::with_capacity(columns * rows);
    let mut cell = Cell::default();
    for row in 0..rows {
        for column in 0..columns {
            let verdict = atlas.read(cell.take(frame, grid.place(row, column)), main);
            cells.push(match verdict {
                Verdict::Flat(color) => Character::blank(color),
                Verdict::Glyph(found) => {
                    tally.count(&found);
                    if found.confidence == 1.0 {
                        atlas.faces_of(&found).iter().for_each(|&face| votes[usize::from(face)] += 1);
                    }
                    let Match { ch, confidence, rival, ink, paper, .. } = found;
                    Character { ch, kind: Kind::Text, confidence, rival, ink, paper }
                }
            });
            matches.push(if let Verdict::Glyph(found) = verdict { Some(found) } else { None });
        }
    }
    let mut reading = Reading::none(frame, Reason::Graphics);
    (reading.columns, reading.rows, reading.cells) = (columns, rows, cells);
    clean::clean(&mut reading, frame, atlas, main, grid);
    attr::mark(&mut reading);
    let mut grid = grid.clone();
    if let Some(face) = (0..votes.len()).rev().max_by_key(|&face| votes[face]).filter(|&face| votes[face] > votes[main])
    {
        grid.font.clone_from(&atlas.faces[face].name);
    }
    reading.grid = Some(grid);
    reading.judge(&tally);
    Some(reading)
}

/// What was seen before anything was cleaned up.
#[derive(Default)]
struct Tally {
    cells: usize,
    lossy: usize,
    closeness: f32,
}

impl Tally {
    fn count(&mut self, found: &Match) {
        self.cells += 1;
        self.lossy += usize::from(!found.two_colors);
        self.closeness += closeness(found.confidence);
    }
}

impl Reading {
    fn none(frame: &Frame, reason: Reason) -> Self {
        Self {
            screen: (frame.width, frame.height),
            status: Status::None(reason),
            grid: None,
            columns: 0,
            rows: 0,
            confidence: 0.0,
            exact_share: 0.0,
            cells: Vec::new(),
            cursor: None,
            selected: Vec::new(),
            uncertain: Vec::new(),
            graphics: Vec::new(),
        }
    }

    /// Whether there is text that can be trusted.
    pub fn is_text(&self) -> bool {
        matches!(self.status, Status::Exact | Status::Good)
    }

    /// The cells of a row; `row` is less than `rows`.
    pub fn row(&self, row: usize) -> &[Character] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    /// The screen's rows without trailing blanks; none unless there is text that can be trusted.
    pub fn lines(&self) -> Vec<String> {
        if !self.is_text() {
            return Vec::new();
        }
        let line = |row| self.row(row).iter().map(|cell| cell.ch).collect::<String>().trim_end().to_owned();
        (0..self.rows).map(line).collect()
    }

    /// What the screen shows, and the row that this rests on; `None` where that is unknown.
    pub fn scene(&self) -> Option<(Scene, usize)> {
        scene(&self.lines())
    }

    /// Sets the status and what it rests on.
    fn judge(&mut self, tally: &Tally) {
        let text: Vec<&Character> = self.cells.iter().filter(|cell| cell.kind == Kind::Text).collect();
        if text.is_empty() {
            return;
        }
        let count = text.len() as f32;
        let exact = text.iter().filter(|cell| cell.is_exact()).count();
        self.confidence = text.iter().map(|cell| cell.confidence).sum::<f32>() / count;
        self.exact_share = exact as f32 / count;
        let is_lossy = tally.lossy as f32 > LOSSY * tally.cells as f32;
        let fits = tally.closeness >= grid::ACCEPTED * tally.cells as f32;
        let in_words = self.letters_in_words();
        self.uncertain = self.doubts(!is_lossy);
        let doubts = self.uncertain.len() as f32 / count;
        self.status = if !fits || in_words < FEWEST_EXACT {
            Status::None(Reason::Graphics)
        } else if exact == text.len() {
            Status::Exact
        } else if in_words < FEWEST_IN_WORDS
            || self.confidence < GOOD_CONFIDENCE
            || doubts > MANY_DOUBTS
            || !is_lossy && self.exact_share < GOOD_EXACT_SHARE
        {
            Status::Uncertain
        } else {
            Status::Good
        };
    }

    /// How many letters and digits stand beside another.
    fn letters_in_words(&self) -> usize {
        let is_letter = |cell: &Character| cell.kind == Kind::Text && cell.ch.is_alphanumeric();
        let in_row = |row| {
            let cells: &[Character] = self.row(row);
            let near = |at: usize| at > 0 && is_letter(&cells[at - 1]) || cells.get(at + 1).is_some_and(is_letter);
            (0..cells.len()).filter(|&at| is_letter(&cells[at]) && near(at)).count()
        };
        (0..self.rows).map(in_row).sum()
    }

    /// The characters that may be others: in a picture without loss all that are not exact.
    fn doubts(&self, is_lossless: bool) -> Vec<Doubt> {
        let is_doubtful =
            |cell: &Character| cell.is_doubtful() || is_lossless && cell.kind == Kind::Text && !cell.is_exact();
        let cells = self.cells.iter().enumerate().filter(|(_, cell)| is_doubtful(cell));
        cells
            .map(|(at, cell)| Doubt {
                row: at / self.columns,
                column: at % self.columns,
                ch: cell.ch,
                rival: cell.rival,
                confidence: cell.confidence,
            })
            .collect()
    }
}

/// Whether two colors are told apart even where the picture is lossy.
pub(super) fn differ(one: Rgb, other: Rgb) -> bool {
    distance(one, other) > 48
}
