//! Which glyph a cell shows: the shapes of all fonts with that cell size, and how a cell is matched against them.
//!
//! Two colors that form a shape exactly are that shape: no font has two ASCII characters of one bitmap. All else is
//! matched by correlation, which neither brightness nor inverse video changes:
//!
//! ```text
//! two colors -> mask -> in the table?                                        exact
//! luma, or a stronger channel -> above the middle? -> mask -> in the table?  as sure as the correlation
//! the nearest by dots that differ -> the best by correlation and likelihood  as sure as the correlation
//! ```

use std::collections::HashMap;

use super::cell::{Cell, Content, Mask, Signal, distance};
use super::font::{Font, Library};
use super::read::{Character, Kind};
use crate::base::Rgb;

/// How many shapes, nearest by dots that differ, are compared by correlation.
const SHORTLIST: usize = 16;

/// A mask that equals a shape but follows the levels less well than this is looked at more closely.
const SURE: f32 = 0.93;

/// Other fonts are asked where the main one has nothing better than the first, unless it has nothing like the cell at
/// all, and win by this much at least.
const WELL: f32 = 0.965;
const HOPELESS: f32 = 0.75;
const FOREIGN: f32 = 0.03;

/// The share of its dots in which a character's rivals differ from it at most: one of so many.
const RIVALRY: u32 = 32;

/// How clearly these dots must speak for the one (see `Signal::margin`) for the other not to be named.
const CLEAR: f32 = 0.4;

/// A bitmap that some fonts have.
#[derive(Clone, Debug)]
struct Shape {
    /// The most likely character of those that fonts give it.
    ch: char,
    words: Box<[u64]>,
    ink: u32,
    /// The fonts that have it, by their place in the atlas, and what it is there: a thick line is light in one font and
    /// heavy in another.
    faces: Vec<(u16, char)>,
    /// ASCII characters in the same font that differ in a few dots only, as I and l do.
    rivals: Vec<u32>,
}

/// One font of an atlas.
#[derive(Clone, Debug)]
pub struct Face {
    /// The font's name.
    pub name: String,
    /// How many dots differ from their left neighbor, by column, over a typical text.
    pub edges_across: Vec<f32>,
    /// How many differ from their upper neighbor, by row.
    pub edges_down: Vec<f32>,
    /// The shapes that a picture which is not exact may be taken for.
    table: Table,
}

/// Shapes, ready to be compared with a cell.
#[derive(Clone, Debug, Default)]
struct Table {
    shapes: Vec<u32>,
    /// Their masks word by word: the first words of all, then the second ones, so that comparing runs over arrays.
    columns: Vec<Vec<u64>>,
}

impl Table {
    fn new(shapes: Vec<u32>, all: &[Shape], words: usize) -> Self {
        let column = |word: usize| shapes.iter().map(|&shape| all[shape as usize].words[word]).collect();
        Self { columns: (0..words).map(column).collect(), shapes }
    }
}

/// All shapes of one cell size.
#[derive(Clone, Debug)]
pub struct Atlas {
    /// Dots across a cell.
    pub width: usize,
    /// Dots down a cell.
    pub height: usize,
    /// The fonts of that size.
    pub faces: Vec<Face>,
    /// The ASCII characters of all fonts: what a grid is judged by.
    ascii: Table,
    shapes: Vec<Shape>,
    by_mask: HashMap<Box<[u64]>, u32>,
}

/// What a cell was found to show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Match {
    /// The character.
    pub ch: char,
    /// How well it fits, up to 1; exactly 1 only for two colors that form the shape dot by dot.
    pub confidence: f32,
    /// Another character that differs so little that the picture's loss may have made the difference.
    pub rival: Option<char>,
    /// Whether the cell has exactly two colors.
    pub two_colors: bool,
    /// The color of its dots.
    pub ink: Rgb,
    /// The color around them.
    pub paper: Rgb,
    shape: u32,
}

/// What matching a cell gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// One color.
    Flat(Rgb),
    /// The most likely character, however unlikely.
    Glyph(Match),
}

/// In how many dots two masks differ.
fn differing(one: &[u64], other: &[u64]) -> u32 {
    one.iter().zip(other).map(|(a, b)| (a ^ b).count_ones()).sum()
}

/// How likely a character is on a console, for what is otherwise equally good; 0 is the most likely kind.
fn rarity(ch: char) -> u8 {
    match ch {
        ' '..='~' => 0,
        '\u{2500}'..='\u{259f}' => 1,
        '\u{2190}'..='\u{21ff}' | '\u{2018}'..='\u{201f}' | '\u{2022}' | '\u{20ac}' => 2,
        '\u{25a0}'..='\u{25ff}' => 2,
        '\u{a0}'..='\u{ff}' => 3,
        _ => 4,
    }
}

/// What likelihood adds to a correlation.
fn prior(ch: char) -> f32 {
    [0.012, 0.006, 0.0, -0.02, -0.04][usize::from(rarity(ch))]
}

impl Atlas {
    /// The atlases of a library, one for each cell size in the order of its fonts.
    pub fn of(library: &Library) -> Vec<Self> {
        let mut atlases: Vec<Self> = Vec::new();
        for font in library.fonts() {
            let at = atlases.iter().position(|atlas| (atlas.width, atlas.height) == (font.width, font.height));
            let at = at.unwrap_or_else(|| {
                atlases.push(Self::new(font.width, font.height));
                atlases.len() - 1
            });
            atlases[at].add(font);
        }
        // A font may have nothing but blanks.
        atlases.retain(|atlas| !atlas.shapes.is_empty());
        for atlas in &mut atlases {
            let shapes =
                (0..).zip(&atlas.shapes).filter(|(_, shape)| rarity(shape.ch) == 0).map(|(at, _)| at).collect();
            atlas.ascii = Table::new(shapes, &atlas.shapes, atlas.dots().div_ceil(64));
        }
        atlases
    }

    fn new(width: usize, height: usize) -> Self {
        Self { width, height, faces: Vec::new(), ascii: Table::default(), shapes: Vec::new(), by_mask: HashMap::new() }
    }

    /// How many dots a cell has.
    pub fn dots(&self) -> usize {
        self.width * self.height
    }

    fn add(&mut self, font: &Font) {
        let face = self.faces.len() as u16;
        let dots = self.dots();
        let mut shapes = Vec::new();
        for glyph in &font.glyphs {
            let mut mask = Mask::EMPTY;
            for dot in 0..dots {
                if glyph.rows[dot / self.width] >> (self.width - 1 - dot % self.width) & 1 == 1 {
                    mask.set(dot);
                }
            }
            let ink = mask.count();
            // Such cells have one color.
            if ink == 0 || ink == dots as u32 {
                continue;
            }
            let words: Box<[u64]> = mask.words(dots).into();
            let known = *self.by_mask.entry(words.clone()).or_insert(self.shapes.len() as u32);
            match self.shapes.get_mut(known as usize) {
                Some(shape) => {
                    shape.faces.push((face, glyph.ch));
                    if rarity(glyph.ch) < rarity(shape.ch) {
                        shape.ch = glyph.ch;
                    }
                }
                None => self.shapes.push(Shape {
                    ch: glyph.ch,
                    words,
                    ink,
                    faces: vec![(face, glyph.ch)],
                    rivals: Vec::new(),
                }),
            }
            shapes.push(known);
        }
        self.find_rivals(&shapes);
        shapes.retain(|&shape| rarity(self.shapes[shape as usize].ch) < 4);
        let words = dots.div_ceil(64);
        let (edges_across, edges_down) = edges(font);
        let table = Table::new(shapes, &self.shapes, words);
        self.faces.push(Face { name: font.name.clone(), edges_across, edges_down, table });
    }

    /// Lets the shapes of a font know the ASCII characters that differ from them in a few dots only.
    fn find_rivals(&mut self, shapes: &[u32]) {
        let most = self.dots() as u32 / RIVALRY;
        let is_ascii = |shape: &&u32| rarity(self.shapes[**shape as usize].ch) == 0;
        let ascii: Vec<u32> = shapes.iter().filter(is_ascii).copied().collect();
        for &one in shapes {
            for &other in &ascii {
                let [a, b] = [one, other].map(|at| &self.shapes[at as usize]);
                let is_near = a.ink.abs_diff(b.ink) <= most && differing(&a.words, &b.words) <= most;
                if a.ch != b.ch && is_near && !a.rivals.contains(&other) {
                    self.shapes[one as usize].rivals.push(other);
                }
            }
        }
    }

    /// The fonts that have the shape of a match.
    pub fn faces_of(&self, found: &Match) -> impl Iterator<Item = usize> {
        self.shapes[found.shape as usize].faces.iter().map(|&(face, _)| usize::from(face))
    }

    /// What the shape of a match is in a font; the most likely character if the font does not have it.
    pub fn ch_in(&self, found: &Match, face: usize) -> char {
        let shape = &self.shapes[found.shape as usize];
        shape.faces.iter().find(|&&(of, _)| usize::from(of) == face).map_or(shape.ch, |&(_, ch)| ch)
    }

    /// What `cell` shows, most likely in the font `main`; each search through the other fonts is one of `searches` less.
    pub fn read(&self, cell: &Cell, main: usize, searches: &mut usize) -> Verdict {
        self.look(cell, |signal| {
            let found = self.close(signal, Some(main)).unwrap_or_else(|| self.nearest(signal, main, searches));
            self.settle(found, signal)
        })
    }

    /// The same in haste and in no particular font, for ASCII and what is exact.
    pub fn glance(&self, cell: &Cell) -> Verdict {
        self.look(cell, |signal| self.close(signal, None).unwrap_or_else(|| self.nearest_in(&self.ascii, signal)))
    }

    fn look(&self, cell: &Cell, mut nearest: impl FnMut(&Signal) -> Found) -> Verdict {
        match cell.content() {
            Content::Flat(color) => Verdict::Flat(color),
            Content::Two(paper, ink, mask) => Verdict::Glyph(self.exact(paper, ink, &mask).unwrap_or_else(|| {
                // As black and white: the two colors may have the same luma.
                let found = nearest(&Signal::of_mask(&mask, cell.dots()));
                Match { two_colors: true, ..self.colored(found, cell) }
            })),
            Content::Many => {
                let best = cell.signals().iter().map(nearest).max_by(|a, b| a.confidence.total_cmp(&b.confidence));
                best.map_or_else(|| Verdict::Flat(cell.mean()), |found| Verdict::Glyph(self.colored(found, cell)))
            }
        }
    }

    /// The shape that two colors form, either of them being the ink.
    fn exact(&self, first: Rgb, second: Rgb, mask: &Mask) -> Option<Match> {
        let upright = self.by_mask.get(mask.words(self.dots())).map(|&shape| (shape, second, first));
        let inverse =
            self.by_mask.get(mask.inverse(self.dots()).words(self.dots())).map(|&shape| (shape, first, second));
        // Both for halves of a block: then paper is rather dark.
        let (shape, ink, paper) = [upright, inverse].into_iter().flatten().min_by_key(|&(shape, _, paper)| {
            (rarity(self.shapes[shape as usize].ch), paper.iter().map(|&level| u32::from(level)).sum::<u32>())
        })?;
        Some(Match {
            ch: self.shapes[shape as usize].ch,
            confidence: 1.0,
            rival: None,
            two_colors: true,
            ink,
            paper,
            shape,
        })
    }

    /// The shape that the bright or the dark half of a signal forms exactly, if it follows the levels well. Among all
    /// fonts there is some shape for a cell that was spoilt: where `main` is known, it must be in that font.
    fn close(&self, signal: &Signal, main: Option<usize>) -> Option<Found> {
        let bright = signal.bright();
        let upright = self.by_mask.get(bright.words(self.dots()));
        let shape = *upright.or_else(|| self.by_mask.get(bright.inverse(self.dots()).words(self.dots())))?;
        let faces = &self.shapes[shape as usize].faces;
        let is_likely = main.is_none_or(|main| faces.iter().any(|&(face, _)| usize::from(face) == main));
        let found = self.found(shape, signal);
        (is_likely && found.confidence > SURE).then_some(found)
    }

    fn found(&self, shape: u32, signal: &Signal) -> Found {
        let Shape { words, ink, .. } = &self.shapes[shape as usize];
        let confidence = signal.correlation(words, *ink).abs().min(0.999);
        Found { shape, confidence, rival: None }
    }

    /// The better of a shape and its rivals, and the rival that the signal may as well be.
    fn settle(&self, found: Found, signal: &Signal) -> Found {
        let rank = |found: &Found| found.confidence + prior(self.shapes[found.shape as usize].ch);
        let rivals = self.shapes[found.shape as usize].rivals.iter().map(|&rival| self.found(rival, signal));
        let Some(rival) = rivals.max_by(|a, b| rank(a).total_cmp(&rank(b))) else { return found };
        let (best, other) = if rank(&rival) > rank(&found) { (rival, found) } else { (found, rival) };
        let [best_words, other_words] = [&best, &other].map(|found| &self.shapes[found.shape as usize].words);
        let is_clear = signal.margin(best_words, other_words) >= CLEAR;
        Found { rival: (!is_clear).then_some(self.shapes[other.shape as usize].ch), ..best }
    }

    /// The most likely shape for a signal.
    fn nearest(&self, signal: &Signal, main: usize, searches: &mut usize) -> Found {
        let mut best = self.nearest_in(&self.faces[main].table, signal);
        if (HOPELESS..WELL).contains(&best.confidence) && *searches > 0 {
            *searches -= 1;
            for (_, face) in self.faces.iter().enumerate().filter(|&(at, _)| at != main) {
                let other = self.nearest_in(&face.table, signal);
                if other.confidence - FOREIGN > best.confidence {
                    best = Found { confidence: other.confidence - FOREIGN, ..other };
                }
            }
        }
        best
    }

    fn nearest_in(&self, table: &Table, signal: &Signal) -> Found {
        let dots = self.dots() as u32;
        let bright = signal.bright();
        let mut differing = vec![0_u32; table.shapes.len()];
        for (column, &word) in table.columns.iter().zip(bright.words(self.dots())) {
            for (sum, shape) in differing.iter_mut().zip(column) {
                *sum += (shape ^ word).count_ones();
            }
        }
        // The nearest in either polarity, sorted.
        let mut shortlist = [(u32::MAX, 0_u32); SHORTLIST];
        for (&differing, &shape) in differing.iter().zip(&table.shapes) {
            let key = differing.min(dots - differing);
            if key < shortlist[SHORTLIST - 1].0 {
                let at = shortlist.partition_point(|&(other, _)| other <= key);
                shortlist[at..].rotate_right(1);
                shortlist[at] = (key, shape);
            }
        }
        let mut best = Found { shape: 0, confidence: 0.0, rival: None };
        let mut rank = f32::MIN;
        for &(_, shape) in shortlist.iter().filter(|&&(key, _)| key < u32::MAX) {
            let found = self.found(shape, signal);
            let its_rank = found.confidence + prior(self.shapes[shape as usize].ch);
            if its_rank > rank {
                (best, rank) = (found, its_rank);
            }
        }
        best
    }

    fn colored(&self, found: Found, cell: &Cell) -> Match {
        let Shape { ch, words, .. } = &self.shapes[found.shape as usize];
        let (ink, paper) = cell.means(words);
        let Found { shape, confidence, rival } = found;
        Match { ch: *ch, confidence, rival, two_colors: false, ink, paper, shape }
    }

    /// What `cell` shows beside its dot rows `begin` to `end`, which are hidden, on a known paper. `None` where all
    /// else is paper.
    pub fn read_beside(&self, cell: &Cell, main: usize, (begin, end): (usize, usize), paper: Rgb) -> Option<Character> {
        let hidden = begin * self.width..end * self.width;
        let level = |(dot, &pixel): (usize, &Rgb)| if hidden.contains(&dot) { 0 } else { distance(pixel, paper) as u8 };
        let signal = Signal::new(cell.pixels().iter().enumerate().map(level).collect());
        if signal.range() < Signal::FAINTEST {
            return None;
        }
        let mut best: Option<(f32, Mask, u32)> = None;
        let mut rival = None;
        for &at in &self.faces[main].table.shapes {
            let shape = &self.shapes[at as usize];
            let mut seen = Mask::EMPTY;
            Mask::dots(&shape.words).filter(|dot| !hidden.contains(dot)).for_each(|dot| seen.set(dot));
            let fit = signal.correlation(seen.words(self.dots()), seen.count());
            match &best {
                Some((most, _, _)) if fit < *most => {}
                Some((_, mask, other)) if *mask == seen => {
                    let other = self.shapes[*other as usize].ch;
                    if rarity(shape.ch) == 0 || rarity(other) > 0 {
                        rival = Some(other);
                    }
                }
                _ => (best, rival) = (Some((fit, seen, at)), None),
            }
        }
        let (fit, seen, at) = best?;
        let shape = &self.shapes[at as usize];
        let (ink, _) = cell.means(seen.words(self.dots()));
        let is_whole = fit > 0.9995 && rival.is_none();
        let confidence = if is_whole { 1.0 } else { fit.clamp(0.0, 0.999) };
        Some(Character { ch: shape.ch, kind: Kind::Text, confidence, rival, ink, paper })
    }
}

/// A shape and how well it fits.
struct Found {
    shape: u32,
    confidence: f32,
    rival: Option<char>,
}

/// What consoles show, to weigh the characters of a font by.
const TYPICAL: &str = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0) [ 1.330641] \
    CPU: 0 PID: 1 Comm: swapper/0 Not tainted; Press enter to boot the selected OS; Welcome to Debian GNU/Linux";

/// How often a dot differs from its left neighbor, by column, and from its upper one, by row, in a typical text.
fn edges(font: &Font) -> (Vec<f32>, Vec<f32>) {
    let mut across = vec![0.0; font.width];
    let mut down = vec![0.0; font.height];
    for rows in TYPICAL.chars().filter_map(|ch| font.rows(ch)) {
        let mut above = 0;
        for (&row, down) in rows.iter().zip(down.iter_mut()) {
            let steps = row ^ (row >> 1);
            for (x, across) in across.iter_mut().enumerate() {
                *across += (steps >> (font.width - 1 - x) & 1) as f32;
            }
            *down += (row ^ above).count_ones() as f32;
            above = row;
        }
        // The last row's dots end at the next cell's first.
        down[0] += above.count_ones() as f32;
        across[0] += rows.iter().filter(|&&row| row & 1 == 1).count() as f32;
    }
    (across, down)
}
