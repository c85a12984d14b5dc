//! Learns a font from pictures and what they say: for firmware whose font nobody has.
//!
//! A transcript need be neither perfect nor laid out like the screen: indents, blank lines and runs of blanks do not
//! count. A line belongs to the row whose words are as long as its own. The cells of these words then vote: a bitmap
//! means the character that most of them are said to be, and a mistyped character is outvoted.
//!
//! Deliberately absent: characters wider than a cell, and screens whose text is not all on one grid.

use std::collections::{BTreeMap, HashMap};

use super::cell::{Cell, Place};
use super::font::{Font, Glyph};
use super::read::differ;
use super::survey::Profiles;
use crate::base::Frame;

/// Cell sizes that consoles use, in dots across and down; another one has to be named.
const CELLS: [(usize, usize); 20] = [
    (9, 16),
    (8, 16),
    (8, 19),
    (8, 8),
    (9, 8),
    (8, 14),
    (9, 14),
    (16, 32),
    (10, 18),
    (10, 20),
    (12, 24),
    (11, 22),
    (12, 22),
    (14, 28),
    (8, 18),
    (8, 20),
    (9, 18),
    (16, 19),
    (9, 15),
    (6, 13),
];

/// The sizes of cell that can be learned, across and down.
pub const CELL_RANGE: std::ops::RangeInclusive<usize> = 4..=32;

/// Columns and rows of the text areas that firmware puts in the middle of the screen.
const CENTERED: [(usize, usize); 5] = [(80, 25), (100, 31), (128, 40), (160, 42), (240, 56)];

/// Where GRUB's graphical terminal begins.
const BEHIND_BORDER: (usize, usize) = (2, 10);

/// Phases tried beside those that consoles use, across and down.
const PHASES: (usize, usize) = (3, 3);

/// The share of a line's characters, in percent, that must be in words as long as the row's.
const LINE_FITS: usize = 80;

/// The share of a text, in percent, that must be found in its picture.
const TEXT_FITS: usize = 50;

/// The share of cells, in percent, that must look as their character does elsewhere. A tenth may be mistyped.
const ALIKE: usize = 85;

/// The share of a cell's dots that loss may change: one of so many.
const SPOILT: usize = 24;

/// How much better, in percent of the text, an unusual place must be than a usual one.
const CLEARLY: usize = 1;

/// A picture and what it says.
#[derive(Clone, Copy, Debug)]
pub struct Lesson<'a> {
    /// The screen, not scaled.
    pub frame: &'a Frame,
    /// Its text from the top, a line for each row; U+FFFD for what is not known.
    pub text: &'a str,
}

/// Where a line of a transcript is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which lesson, from 0.
    pub lesson: usize,
    /// The line of its text, from 1.
    pub number: usize,
}

/// A font that was learned, and how well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// The font; it has the characters that were seen.
    pub font: Font,
    /// Characters of the texts, blanks aside.
    pub characters: usize,
    /// How many of them were found in the pictures.
    pub placed: usize,
    /// Lines that fit no row.
    pub misfits: Vec<Line>,
    /// Cells said to be the one character that look like the other, which most cells with that look are said to be.
    pub contradictions: Vec<(Line, char, char)>,
    /// Characters that were seen in one cell only.
    pub seen_once: Vec<char>,
}

/// Why nothing was learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A text has no characters.
    NoText {
        /// Which lesson, from 0.
        lesson: usize,
    },
    /// A text fits its picture on no grid.
    NoGrid {
        /// Which lesson, from 0.
        lesson: usize,
        /// The share of its characters, in percent, that fit on the best grid.
        share: usize,
        /// The size of that grid's cells.
        cell: (usize, usize),
        /// The first line that fits no row of that grid.
        line: usize,
    },
    /// Cells that are said to be one character do not look alike: the texts are of other screens.
    Unlike {
        /// The share of cells, in percent, that look as their character does elsewhere.
        share: usize,
    },
}

/// Learns a font from lessons in one font; `cell` is the size of its cells where it is known.
pub fn learn(name: &str, lessons: &[Lesson<'_>], cell: Option<(usize, usize)>) -> Result<Learned, Misfit> {
    let mut votes = Votes::default();
    let mut learned_cell = cell;
    let (mut characters, mut misfits) = (0, Vec::new());
    for (lesson, &Lesson { frame, text }) in lessons.iter().enumerate() {
        let lines = lines(text);
        let length: usize = lines.iter().map(|line| line.length).sum();
        if length == 0 {
            return Err(Misfit::NoText { lesson });
        }
        let cells = learned_cell.as_ref().map_or(&CELLS[..], std::slice::from_ref);
        let best = best_grid(frame, &lines, cells, &votes);
        let pairs = best.as_ref().map_or(&[][..], |(_, pairs)| pairs);
        let fits = |line: usize| pairs.iter().any(|pair| pair.line == line);
        let unfit = || (0..lines.len()).filter(|&line| !fits(line)).map(|line| lines[line].number);
        let placed: usize = pairs.iter().map(|pair| pair.fit.weight).sum();
        let Some((grid, pairs)) = best.as_ref().filter(|_| placed * 100 >= TEXT_FITS * length) else {
            let (share, line) = (placed * 100 / length, unfit().next().unwrap_or(1));
            let cell = best.as_ref().map_or(cells[0], |(grid, _)| grid.cell);
            return Err(Misfit::NoGrid { lesson, share, cell, line });
        };
        votes.count(lesson, frame, grid, &lines, pairs);
        learned_cell = Some(grid.cell);
        characters += length;
        misfits.extend(unfit().map(|number| Line { lesson, number }));
    }
    let (width, height) = learned_cell.ok_or(Misfit::NoText { lesson: 0 })?;
    let (placed, owners) = (votes.ballots.len(), votes.owners());
    let mut contradictions = Vec::new();
    let mut cells: BTreeMap<char, Vec<&Bitmap>> = BTreeMap::new();
    for ballot in &votes.ballots {
        match owners.get(&ballot.bitmap) {
            Some(&owner) if owner == ballot.ch => cells.entry(owner).or_default().push(&ballot.bitmap),
            Some(&owner) => contradictions.push((ballot.line, ballot.ch, owner)),
            None => {}
        }
    }
    let seen_once = cells.iter().filter(|(_, cells)| cells.len() == 1).map(|(&ch, _)| ch).collect();
    let font = Font::new(name, width, height, glyphs(cells, width, height));
    let is_alike = |ballot: &&Ballot| {
        let differing =
            |rows: &[u32]| -> u32 { rows.iter().zip(&ballot.bitmap).map(|(a, b)| (a ^ b).count_ones()).sum() };
        font.rows(ballot.ch).is_some_and(|rows| differing(rows) as usize * SPOILT <= width * height)
    };
    let alike = votes.ballots.iter().filter(is_alike).count();
    if alike * 100 < ALIKE * placed {
        return Err(Misfit::Unlike { share: alike * 100 / placed });
    }
    Ok(Learned { font, characters, placed, misfits, contradictions, seen_once })
}

/// A line of a transcript that is not blank.
struct TextLine {
    /// From 1.
    number: usize,
    words: Vec<Vec<char>>,
    /// Characters in its words.
    length: usize,
}

fn lines(text: &str) -> Vec<TextLine> {
    let lines = text.lines().enumerate().map(|(at, line)| {
        let words: Vec<Vec<char>> = line.split_whitespace().map(|word| word.chars().collect()).collect();
        TextLine { number: at + 1, length: words.iter().map(Vec::len).sum(), words }
    });
    lines.filter(|line| line.length > 0).collect()
}

/// Where cells lie.
#[derive(Clone, Copy)]
struct Grid {
    cell: (usize, usize),
    left: usize,
    top: usize,
}

impl Grid {
    fn place(&self, row: usize, column: usize) -> Place {
        let (width, height) = self.cell;
        Place { left: self.left + column * width, top: self.top + row * height, width, height }
    }

    /// The words of each row: the first column and the number of cells side by side that are not of one color.
    fn words(&self, frame: &Frame) -> Vec<Vec<(usize, usize)>> {
        let (columns, rows) = ((frame.width - self.left) / self.cell.0, (frame.height - self.top) / self.cell.1);
        let row = |row| {
            let mut words: Vec<(usize, usize)> = Vec::new();
            for column in (0..columns).filter(|&column| is_written(frame, self.place(row, column))) {
                match words.last_mut() {
                    Some((first, length)) if *first + *length == column => *length += 1,
                    _ => words.push((column, 1)),
                }
            }
            words
        };
        (0..rows).map(row).collect()
    }
}

/// Whether a cell has more than one color.
fn is_written(frame: &Frame, place: Place) -> bool {
    let row = |y: usize| &frame.pixels[y * frame.width + place.left..][..place.width];
    let first = row(place.top)[0];
    (place.top..place.top + place.height).any(|y| row(y).iter().any(|&pixel| pixel != first && differ(pixel, first)))
}

/// Grids worth trying on a picture: first where consoles put theirs, then where its edges say.
fn grids(frame: &Frame, profiles: &Profiles, cell: (usize, usize)) -> Vec<Grid> {
    let (width, height) = cell;
    let rest = (frame.width % width / 2, frame.height % height / 2);
    let mut origins = vec![(0, 0), rest, BEHIND_BORDER];
    for (columns, rows) in CENTERED {
        if let (Some(across), Some(down)) =
            (frame.width.checked_sub(columns * width), frame.height.checked_sub(rows * height))
        {
            origins.push((across / 2 % width, down / 2 % height));
        }
    }
    for left in profiles.gaps_across(width, PHASES.0) {
        for top in profiles.gaps_down(height, PHASES.1) {
            origins.push((left, top));
        }
    }
    let mut grids: Vec<Grid> = Vec::new();
    for (left, top) in origins {
        let is_new = !grids.iter().any(|grid| (grid.left, grid.top) == (left, top));
        if is_new && left + width <= frame.width && top + height <= frame.height {
            grids.push(Grid { cell, left, top });
        }
    }
    grids
}

/// A line of a transcript and the row that it belongs to.
struct Pair {
    line: usize,
    row: usize,
    fit: Fit,
}

/// How a line lies over a row.
#[derive(Clone, Default)]
struct Fit {
    /// Words of the line and of the row that belong together.
    words: Vec<(usize, usize)>,
    /// Characters in these words.
    weight: usize,
}

/// The grid on which the most of a text is in place and, of those, the cells of a character look alike the most.
fn best_grid(frame: &Frame, lines: &[TextLine], cells: &[(usize, usize)], votes: &Votes) -> Option<(Grid, Vec<Pair>)> {
    let profiles = Profiles::of(frame);
    let length: usize = lines.iter().map(|line| line.length).sum();
    let mut best: Option<(usize, Grid, Vec<Pair>)> = None;
    for &cell in cells {
        for grid in grids(frame, &profiles, cell) {
            let rows = grid.words(frame);
            let pairs = pairs(lines, &rows);
            let placed: usize = pairs.iter().map(|pair| pair.fit.weight).sum();
            let so_far = best.as_ref().map_or(0, |(score, ..)| *score);
            // Each character counts once for its place and once for looking like the others.
            if 2 * placed + votes.ballots.len() <= so_far {
                continue;
            }
            let mut votes = votes.clone();
            votes.count(0, frame, &grid, lines, &pairs);
            // What stands in no row of the text speaks against a grid: half as high, each row would be there twice.
            let written: usize = rows.iter().flatten().map(|&(_, length)| length).sum();
            let score = placed + votes.agreement() - written.saturating_sub(placed).min(placed) / 2;
            if score > so_far + CLEARLY * length / 100 {
                best = Some((score, grid, pairs));
            }
        }
    }
    best.map(|(_, grid, pairs)| (grid, pairs))
}

/// Which lines belong to which rows, in order, so that the most characters are in words of the same length.
fn pairs(lines: &[TextLine], rows: &[Vec<(usize, usize)>]) -> Vec<Pair> {
    let fits: Vec<Vec<Fit>> = lines.iter().map(|line| rows.iter().map(|row| Fit::of(line, row)).collect()).collect();
    let order = common(lines.len(), rows.len(), |line, row| fits[line][row].weight);
    order.into_iter().map(|(line, row)| Pair { line, row, fit: fits[line][row].clone() }).collect()
}

impl Fit {
    /// How a line lies over the words of a row; of no weight where too little of it does.
    fn of(line: &TextLine, row: &[(usize, usize)]) -> Self {
        let alike = |word: usize, place: usize| {
            let length = line.words[word].len();
            if length == row[place].1 { length } else { 0 }
        };
        let words = common(line.words.len(), row.len(), alike);
        let weight: usize = words.iter().map(|&(word, _)| line.words[word].len()).sum();
        if weight * 100 >= LINE_FITS * line.length { Self { words, weight } } else { Self::default() }
    }
}

/// The heaviest pairs of two sequences that keep the order of both; pairs of no weight are none.
fn common(ours: usize, theirs: usize, weight: impl Fn(usize, usize) -> usize) -> Vec<(usize, usize)> {
    // The best weight from each place to both ends.
    let mut best = vec![vec![0; theirs + 1]; ours + 1];
    for our in (0..ours).rev() {
        for their in (0..theirs).rev() {
            let apart = best[our + 1][their].max(best[our][their + 1]);
            best[our][their] = apart.max(weight(our, their) + best[our + 1][their + 1]);
        }
    }
    let (mut our, mut their, mut pairs) = (0, 0, Vec::new());
    while our < ours && their < theirs {
        if best[our][their] == best[our + 1][their] {
            our += 1;
        } else if best[our][their] == best[our][their + 1] {
            their += 1;
        } else {
            pairs.push((our, their));
            (our, their) = (our + 1, their + 1);
        }
    }
    pairs
}

/// A cell's dots, as in [`Glyph::rows`].
type Bitmap = Vec<u32>;

/// A cell that is said to be a character.
#[derive(Clone)]
struct Ballot {
    line: Line,
    ch: char,
    bitmap: Bitmap,
}

#[derive(Clone, Default)]
struct Votes {
    ballots: Vec<Ballot>,
}

impl Votes {
    /// Has the cells of a picture vote.
    fn count(&mut self, lesson: usize, frame: &Frame, grid: &Grid, lines: &[TextLine], pairs: &[Pair]) {
        let rows = grid.words(frame);
        let mut cell = Cell::default();
        for pair in pairs {
            let line = &lines[pair.line];
            for &(word, place) in &pair.fit.words {
                let (first, _) = rows[pair.row][place];
                for (column, &ch) in (first..).zip(&line.words[word]) {
                    let bitmap = bitmap(cell.take(frame, grid.place(pair.row, column)), grid.cell.0);
                    let line = Line { lesson, number: line.number };
                    if let Some(bitmap) = bitmap.filter(|_| ch != char::REPLACEMENT_CHARACTER) {
                        self.ballots.push(Ballot { line, ch, bitmap });
                    }
                }
            }
        }
    }

    /// How many cells look as most cells of their character do.
    fn agreement(&self) -> usize {
        let mut counts: HashMap<(char, &Bitmap), usize> = HashMap::new();
        for ballot in &self.ballots {
            *counts.entry((ballot.ch, &ballot.bitmap)).or_default() += 1;
        }
        let mut most: HashMap<char, usize> = HashMap::new();
        for ((ch, _), count) in counts {
            let most = most.entry(ch).or_default();
            *most = count.max(*most);
        }
        most.values().sum()
    }

    /// The character that most cells with a bitmap are said to be; none where two are said as often.
    fn owners(&self) -> HashMap<&Bitmap, char> {
        let mut counts: HashMap<&Bitmap, BTreeMap<char, usize>> = HashMap::new();
        for ballot in &self.ballots {
            *counts.entry(&ballot.bitmap).or_default().entry(ballot.ch).or_default() += 1;
        }
        let owner = |counts: &BTreeMap<char, usize>| {
            let (&ch, &most) = counts.iter().max_by_key(|&(_, &count)| count)?;
            (counts.values().filter(|&&count| count == most).count() == 1).then_some(ch)
        };
        counts.iter().filter_map(|(&bitmap, counts)| Some((bitmap, owner(counts)?))).collect()
    }
}

/// The space and the shape of each character by its cells.
fn glyphs(cells: BTreeMap<char, Vec<&Bitmap>>, width: usize, height: usize) -> Vec<Glyph> {
    let mut glyphs = vec![Glyph { ch: ' ', rows: vec![0; height] }];
    // By support: of two characters that come to look alike, the one that more cells speak for stays.
    let mut characters: Vec<(char, Vec<&Bitmap>)> = cells.into_iter().collect();
    characters.sort_by_key(|(_, cells)| std::cmp::Reverse(cells.len()));
    for (ch, cells) in characters {
        let rows = shape(&cells, width);
        if glyphs.iter().all(|glyph| glyph.rows != rows) {
            glyphs.push(Glyph { ch, rows });
        }
    }
    glyphs
}

/// What cells of one character have in common: the bitmap of half of them or, in a lossy picture, the dots of most.
fn shape(cells: &[&Bitmap], width: usize) -> Bitmap {
    let mut counts: HashMap<&Bitmap, usize> = HashMap::new();
    for &cell in cells {
        *counts.entry(cell).or_default() += 1;
    }
    if let Some((&bitmap, _)) = counts.iter().find(|&(_, &count)| count * 2 > cells.len()) {
        return bitmap.clone();
    }
    let is_set =
        |row: usize, bit: usize| cells.iter().filter(|cell| cell[row] >> bit & 1 == 1).count() * 2 > cells.len();
    let row = |row| (0..width).filter(|&bit| is_set(row, bit)).fold(0, |dots, bit| dots | 1 << bit);
    (0..cells[0].len()).map(row).collect()
}

/// The dots of a cell that are written; none in a cell of one color.
fn bitmap(cell: &Cell, width: usize) -> Option<Bitmap> {
    let mask = cell.written(width)?;
    let row = |y: usize| (0..width).fold(0, |row, x| row << 1 | u32::from(mask.has(y * width + x)));
    Some((0..cell.dots() / width).map(row).collect())
}
