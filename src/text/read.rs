//! Reading a screen: the grid, each cell's character, and how sure that is.

use super::attr;
use super::cell::{Cell, MAX_DOTS, Place, distance};
use super::clean;
use super::font::Library;
use super::glyphs::{Atlas, Match, Verdict};
use super::grid::{self, Grid, Score};
use super::scaled;
use super::scene::{Scene, scene};
use super::survey::Survey;
use super::unknown;
use crate::base::{Frame, Rgb};

/// How far what was read can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Each character is a bitmap of the font, dot by dot.
    Exact,
    /// Characters are right as far as can be told; doubtful ones are listed.
    Good,
    /// Characters are right for what the picture shows, of which parts may be missing or left of an earlier screen.
    Partial,
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
    /// A picture rather than text, or too little text in a font that is not known.
    Graphics,
    /// What looks like text, in a font that is not known.
    UnknownFont,
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

/// A row with a lower score is tried with its cells moved, which must give a much better one.
const ROW_FITS: f32 = 0.7;
const MOVED_ROW_FITS: f32 = 0.85;

/// Cells of a screen that are read elsewhere than on its grid, and such that are looked for in other fonts than its own,
/// at most: what bounds the time where all of them fit poorly. Screens full of small text through the coarsest tables
/// have half as many.
const MAX_MOVES: usize = 20_000;
const MAX_SEARCHES: usize = 12_000;

/// Matches better than this vote for their fonts.
const WELL_MATCHED: f32 = 0.9;

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

/// The most that can be said of a character in a picture that was scaled, even where its dots are all there.
const MOST_SCALED: f32 = 0.999;

/// Busy tiles that a screen has at least if there is more than a cursor on it.
const FEWEST_TILES: usize = 3;

/// The share of its rectangle that a cursor fills at least, also where the picture is lossy.
const CURSOR_FILLED: f32 = 0.8;

/// Reads `frame` with the fonts of `library`, first on the grid of the last reading.
pub fn read(frame: &Frame, library: &Library, last: Option<&Grid>) -> Reading {
    if frame.is_blank() {
        return Reading::none(frame, Reason::Blank);
    }
    let atlases = library.atlases();
    if let Some(reading) = last.and_then(|grid| read_on(frame, atlases, grid)).filter(|reading| reading.is_final(frame))
    {
        return reading;
    }
    let survey = Survey::of(frame);
    if survey.busy() < FEWEST_TILES && is_cursor(frame) {
        return Reading::none(frame, Reason::Blank);
    }
    let reading = grid::find(frame, &survey, atlases).and_then(|grid| read_on(frame, atlases, &grid));
    if let Some(reading) = reading.as_ref().filter(|reading| reading.is_final(frame)) {
        return reading.clone();
    }
    let mut scaled = grid::find_scaled(frame, &survey, scaled::sizes(frame), atlases);
    if let Some(reading) = scaled.find_map(|grid| read_on(frame, atlases, &grid).filter(Reading::is_text)) {
        return reading;
    }
    match reading {
        Some(reading) if !matches!(reading.status, Status::None(_)) => reading,
        _ if unknown::is_text(frame, &survey) => Reading::none(frame, Reason::UnknownFont),
        _ => Reading::none(frame, Reason::Graphics),
    }
}

/// Whether no more than a bar or a block differs from the color of the last pixel.
fn is_cursor(frame: &Frame) -> bool {
    let pixels = &frame.pixels;
    let paper = pixels.last().copied().unwrap_or_default();
    let marked = pixels.iter().enumerate().filter(|&(_, &pixel)| differ(pixel, paper)).take(MAX_DOTS + 1);
    let marked: Vec<(usize, usize)> = marked.map(|(at, _)| (at % frame.width, at / frame.width)).collect();
    let extent = |side: fn(&(usize, usize)) -> usize| {
        let places = marked.iter().map(side);
        places.clone().max().zip(places.min()).map_or(0, |(last, first)| last - first + 1)
    };
    let area = extent(|place| place.0) * extent(|place| place.1);
    marked.len() <= MAX_DOTS && marked.len() as f32 >= CURSOR_FILLED * area as f32
}

/// Reads the cells of a grid. `None` where the grid is for other screens.
fn read_on(frame: &Frame, atlases: &[Atlas], grid: &Grid) -> Option<Reading> {
    if grid.screen != (frame.width, frame.height) {
        return None;
    }
    let atlas = atlases.iter().find(|atlas| (atlas.width, atlas.height) == grid.cell)?;
    let main = atlas.faces.iter().position(|face| face.name == grid.font)?;
    let (columns, rows) = (grid.columns(), grid.rows());
    let all = |main: usize| {
        let mut reader =
            Reader { frame, atlas, grid, main, cell: Cell::default(), searches: MAX_SEARCHES, moves: MAX_MOVES };
        (0..rows).flat_map(|row| reader.row(row)).collect::<Vec<Verdict>>()
    };
    let (mut main, mut matches) = (main, all(main));
    // A few cells have told which font it is when the grid was found; now all have.
    if let Some(common) = most_common_face(&matches, atlas).filter(|&common| common != main) {
        (main, matches) = (common, all(common));
    }
    let is_scaled = grid.is_scaled();
    let character = |verdict: &Verdict| match *verdict {
        Verdict::Flat(color) => Character::blank(color),
        Verdict::Glyph(found) => {
            let Match { rival, ink, paper, .. } = found;
            let confidence = if is_scaled { found.confidence.min(MOST_SCALED) } else { found.confidence };
            Character { ch: atlas.ch_in(&found, main), kind: Kind::Text, confidence, rival, ink, paper }
        }
    };
    let lossy = matches.iter().filter(|verdict| matches!(verdict, Verdict::Glyph(found) if !found.two_colors)).count();
    let glyphs = matches.iter().filter(|verdict| matches!(verdict, Verdict::Glyph(_))).count();
    let grid = Grid { font: atlas.faces[main].name.clone(), ..grid.clone() };
    let mut reading = Reading {
        columns,
        rows,
        cells: matches.iter().map(character).collect(),
        ..Reading::none(frame, Reason::Graphics)
    };
    clean::clean(&mut reading, frame, atlas, main, &grid);
    attr::mark(&mut reading);
    reading.grid = Some(grid);
    reading.judge(is_scaled || lossy as f32 > LOSSY * glyphs as f32);
    Some(reading)
}

/// Reads cells in one font of their size.
struct Reader<'a> {
    frame: &'a Frame,
    atlas: &'a Atlas,
    grid: &'a Grid,
    main: usize,
    cell: Cell,
    /// Cells that may still be looked for in other fonts.
    searches: usize,
    /// Cells that may still be read elsewhere than on the grid.
    moves: usize,
}

impl Reader<'_> {
    /// One row; where its cells do not fit, as text that is centered by pixels does not, with all cells moved right.
    fn row(&mut self, row: usize) -> Vec<Verdict> {
        let straight = self.moved(row, 0);
        let (score, glyphs) = fit(&straight);
        // No scaled screen with such text was ever seen, and it takes long.
        if score >= ROW_FITS || glyphs < FEWEST_IN_WORDS || self.grid.is_scaled() {
            return straight;
        }
        let width = self.grid.cell.0;
        let Some(left) = self.moves.checked_sub(glyphs * (width - 1)) else { return straight };
        self.moves = left;
        let moved = (1..width).map(|dots| self.moved(row, dots)).max_by(|a, b| fit(a).0.total_cmp(&fit(b).0));
        match moved.filter(|moved| fit(moved).0 >= MOVED_ROW_FITS && fit(moved).1 >= FEWEST_IN_WORDS) {
            Some(mut moved) => {
                moved.resize(straight.len(), Verdict::Flat([0; 3]));
                moved
            }
            None => straight,
        }
    }

    /// One row, its cells moved right by some dots.
    fn moved(&mut self, row: usize, dots: usize) -> Vec<Verdict> {
        let Self { frame, atlas, grid, main, ref mut cell, ref mut searches, .. } = *self;
        let columns = (grid.native.0 - grid.left - dots) / grid.cell.0;
        let place = |column| Place { left: grid.place(row, column).left + dots, ..grid.place(row, column) };
        (0..columns)
            .map(|column| atlas.read(cell.take_scaled(frame, grid.native, place(column)), main, searches))
            .collect()
    }
}

/// How well the cells of a row fit, and how many have something in them.
fn fit(verdicts: &[Verdict]) -> (f32, usize) {
    let mut score = Score::default();
    let mut glyphs = 0;
    for verdict in verdicts {
        if let Verdict::Glyph(found) = verdict {
            score.add(found.confidence, found.ink, found.paper);
            glyphs += 1;
        }
    }
    (score.mean(), glyphs)
}

/// The font that has most of the shapes; the first of those that have as many.
fn most_common_face(matches: &[Verdict], atlas: &Atlas) -> Option<usize> {
    let mut votes = vec![0_usize; atlas.faces.len()];
    for verdict in matches {
        match verdict {
            Verdict::Glyph(found) if found.confidence > WELL_MATCHED => {
                atlas.faces_of(found).for_each(|face| votes[face] += 1);
            }
            _ => {}
        }
    }
    (0..votes.len()).rev().max_by_key(|&face| votes[face]).filter(|&face| votes[face] > 0)
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

    /// The same of a picture that is not whole.
    pub fn of_part(&self) -> Self {
        Self { status: if self.is_text() { Status::Partial } else { self.status }, ..self.clone() }
    }

    /// Whether there is text that can be trusted.
    pub fn is_text(&self) -> bool {
        matches!(self.status, Status::Exact | Status::Good | Status::Partial)
    }

    /// Whether there is text that no other grid can give more of. Where all dots of `frame` were doubled, a font of large
    /// cells may know most of the characters, and that of half the size knows all.
    fn is_final(&self, frame: &Frame) -> bool {
        let is_whole = self.status == Status::Exact && self.graphics.is_empty();
        self.is_text() && (is_whole || self.grid.as_ref().is_some_and(Grid::is_scaled) || !scaled::is_doubled(frame))
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
    fn judge(&mut self, is_lossy: bool) {
        let text: Vec<&Character> = self.cells.iter().filter(|cell| cell.kind == Kind::Text).collect();
        if text.is_empty() {
            return;
        }
        let count = text.len() as f32;
        let exact = text.iter().filter(|cell| cell.is_exact()).count();
        self.confidence = text.iter().map(|cell| cell.confidence).sum::<f32>() / count;
        self.exact_share = exact as f32 / count;
        let mut score = Score::default();
        let inked = self.cells.iter().filter(|cell| cell.kind != Kind::Blank);
        inked.for_each(|cell| score.add(cell.confidence, cell.ink, cell.paper));
        let fits = score.mean() >= grid::ACCEPTED;
        let in_words = self.letters_in_words();
        self.uncertain = self.doubts(!is_lossy);
        let doubts = self.uncertain.len() as f32 / count;
        let is_prompt = || exact == text.len() && self.is_prompt();
        self.status = if !fits || in_words < FEWEST_EXACT && !is_prompt() {
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

    /// Whether there is nothing but characters, and one of them is no mere dot or line.
    fn is_prompt(&self) -> bool {
        let is_telling = |cell: &Character| cell.ch.is_ascii_alphanumeric() || matches!(cell.ch, '#' | '$' | '%' | '>');
        self.cells.iter().all(|cell| cell.kind != Kind::Graphics) && self.cells.iter().any(is_telling)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_only_moved_and_a_cell_only_looked_for_elsewhere_while_there_is_time() {
        let (library, line) = (Library::shipped(), "Fatal exception in interrupt");
        let font = library.fonts().iter().find(|font| font.name == "kernel-8x16").unwrap();
        let mut frame = Frame::black(640, 16);
        for (column, ch) in line.chars().enumerate() {
            for (y, row) in font.rows(ch).unwrap().iter().enumerate() {
                for x in (0..8).filter(|x| row >> (7 - x) & 1 == 1) {
                    frame.pixels[y * 640 + column * 8 + x + 5] = [170; 3];
                }
            }
        }
        let atlas = library.atlases().iter().find(|atlas| (atlas.width, atlas.height) == (8, 16)).unwrap();
        let main = atlas.faces.iter().position(|face| face.name == font.name).unwrap();
        let grid =
            Grid { screen: (640, 16), native: (640, 16), left: 0, top: 0, cell: (8, 16), font: font.name.clone() };
        let row = |searches, moves| {
            let mut reader = Reader { frame: &frame, atlas, grid: &grid, main, cell: Cell::default(), searches, moves };
            (fit(&reader.row(0)).0, reader.searches, reader.moves)
        };
        let (score, searches, moves) = row(MAX_SEARCHES, MAX_MOVES);
        assert!(score == 1.0 && searches < MAX_SEARCHES && moves < MAX_MOVES, "{score} {searches} {moves}");
        let (score, searches, moves) = row(0, 100);
        assert!(score < ROW_FITS && (searches, moves) == (0, 100), "{score} {searches} {moves}");
    }
}
