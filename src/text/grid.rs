//! Where the cells lie: the grid under which the screen's parts look most like glyphs.
//!
//! First where consoles put it: VGA's text modes at the corner, Linux' framebuffer at the corner, EDK2 centered, GRUB
//! behind its border. Else every cell size of a font is tried where the picture's edges repeat as the font's own do.

use std::collections::HashSet;

use super::cell::{Cell, Place, distance};
use super::glyphs::{Atlas, Verdict};
use super::survey::{Profiles, Survey};
use crate::base::{Frame, Rgb};

/// Cells looked at to judge a grid at most.
const SAMPLES: usize = 96;
/// After so many cells a grid with a lower score is hopeless.
const HOPELESS: [(usize, f32); 2] = [(8, 0.3), (24, 0.45)];

/// Cells looked at on all grids together: what bounds the time where patterns look a little like glyphs.
const MAX_LOOKS: usize = 3000;
/// The same for all sizes from which the screen may have been enlarged.
const MAX_LOOKS_SCALED: usize = 1500;

/// A grid with this score is right, and no other is tried.
pub const CERTAIN: f32 = 0.8;
/// What a grid must reach at least.
pub const ACCEPTED: f32 = 0.62;
/// The same where less than `ENOUGH` cells can be judged: a prompt alone on the screen.
pub const ACCEPTED_OF_FEW: f32 = 0.95;
const ENOUGH: usize = 12;
/// What cannot be told from chance, unless all of it are glyphs dot by dot.
const FEWEST: usize = 3;
const PERFECT: f32 = 0.9999;

/// A correlation below this says nothing: any cell has a nearest shape.
const CHANCE: f32 = 0.55;

/// Edges of either kind in a cell that is worth judging: lines and blank cells would fit anything.
const INFORMATIVE: usize = 3;

/// Horizontal and vertical phases tried for each font.
const PHASES: (usize, usize) = (4, 5);

/// The text modes of EDK2's graphics console, centered on the screen, in columns and rows.
const EDK2_MODES: [(usize, usize); 6] = [(80, 25), (80, 50), (100, 31), (128, 40), (160, 42), (240, 56)];
const EDK2_CELL: (usize, usize) = (8, 19);

/// Left and top of the text within GRUB's graphical terminal.
const GRUB_BORDER: (usize, usize) = (2, 10);

/// The grid of a screen's text. Rows and columns count from its first whole cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Pixels across and down of the screens it fits.
    pub screen: (usize, usize),
    /// Pixels across and down to which such a screen is brought back before it is read, where it was scaled.
    pub native: (usize, usize),
    /// Pixels left of the first column.
    pub left: usize,
    /// Pixels above the first row.
    pub top: usize,
    /// Pixels across and down a cell.
    pub cell: (usize, usize),
    /// The font most cells have.
    pub font: String,
}

impl Grid {
    /// Whether the screen was enlarged on its way.
    pub fn is_scaled(&self) -> bool {
        self.native != self.screen
    }

    /// Whole cells across.
    pub fn columns(&self) -> usize {
        (self.native.0 - self.left) / self.cell.0
    }

    /// Whole cells down.
    pub fn rows(&self) -> usize {
        (self.native.1 - self.top) / self.cell.1
    }

    /// The pixels of a cell.
    pub fn place(&self, row: usize, column: usize) -> Place {
        let (width, height) = self.cell;
        Place { left: self.left + column * width, top: self.top + row * height, width, height }
    }
}

/// A grid that was tried.
struct Trial<'a> {
    score: f32,
    cells: usize,
    atlas: &'a Atlas,
    face: usize,
    left: usize,
    top: usize,
}

impl Trial<'_> {
    /// Whether it is good enough to be read.
    fn is_accepted(&self) -> bool {
        self.cells >= ENOUGH && self.score >= ACCEPTED
            || self.cells >= FEWEST && self.score >= ACCEPTED_OF_FEW
            || self.score >= PERFECT
    }

    /// Whether nothing better needs to be looked for.
    fn is_certain(&self) -> bool {
        self.cells >= ENOUGH && self.score >= CERTAIN || self.cells >= FEWEST && self.score >= ACCEPTED_OF_FEW
    }
}

/// The best grid; `None` where none is good enough.
pub fn find(frame: &Frame, survey: &Survey, atlases: &[Atlas]) -> Option<Grid> {
    let elsewhere = || phases(survey.profiles(frame), atlases);
    // The phases are computed only once the others have failed.
    let elsewhere = std::iter::once_with(elsewhere).flatten();
    best(frame, survey, (frame.width, frame.height), atlases, elsewhere, &mut { MAX_LOOKS })
}

/// The best grid of those that consoles use, for each of the sizes that the screen may have had before it was enlarged.
pub fn find_scaled(
    frame: &Frame,
    survey: &Survey,
    sizes: Vec<(usize, usize)>,
    atlases: &[Atlas],
) -> impl Iterator<Item = Grid> {
    let mut looks = MAX_LOOKS_SCALED;
    sizes.into_iter().filter_map(move |native| best(frame, survey, native, atlases, std::iter::empty(), &mut looks))
}

fn best<'a>(
    frame: &Frame,
    survey: &Survey,
    native: (usize, usize),
    atlases: &'a [Atlas],
    elsewhere: impl Iterator<Item = (&'a Atlas, usize, usize)>,
    looks: &mut usize,
) -> Option<Grid> {
    let mut best: Option<Trial> = None;
    let priors = priors(native.0, native.1);
    let of_size = |cell: (usize, usize)| atlases.iter().find(move |atlas| (atlas.width, atlas.height) == cell);
    let corners = atlases.iter().map(|atlas| (atlas, 0, 0));
    let usual = priors.into_iter().filter_map(|(cell, left, top)| of_size(cell).map(|atlas| (atlas, left, top)));
    for (atlas, left, top) in usual.chain(corners).chain(elsewhere) {
        if *looks == 0 {
            break;
        }
        let Some(trial) = judge(frame, survey, native, (atlas, left, top), looks) else { continue };
        let is_better = best.as_ref().is_none_or(|best| trial.score > best.score);
        if trial.is_certain() {
            best = Some(trial);
            break;
        }
        if is_better {
            best = Some(trial);
        }
    }
    let best = best.filter(Trial::is_accepted)?;
    let screen = (frame.width, frame.height);
    let cell = (best.atlas.width, best.atlas.height);
    let font = best.atlas.faces[best.face].name.clone();
    Some(Grid { screen, native, left: best.left, top: best.top, cell, font })
}

/// Cell sizes and origins that consoles use on a screen of this size.
fn priors(width: usize, height: usize) -> Vec<((usize, usize), usize, usize)> {
    let mut priors = Vec::new();
    if width == 720 {
        priors.extend([(9, 16), (9, 8), (9, 14)].map(|cell| (cell, 0, 0)));
    }
    priors.push(((8, 16), 0, 0));
    let (cell_width, cell_height) = EDK2_CELL;
    let full = (width / cell_width, height / cell_height);
    for (columns, rows) in EDK2_MODES.into_iter().chain([full]) {
        if let (Some(across), Some(down)) =
            (width.checked_sub(columns * cell_width), height.checked_sub(rows * cell_height))
        {
            let prior = (EDK2_CELL, across / 2 % cell_width, down / 2 % cell_height);
            if !priors.contains(&prior) {
                priors.push(prior);
            }
        }
    }
    priors.push(((8, 16), GRUB_BORDER.0, GRUB_BORDER.1));
    priors
}

/// Scores the grid of `atlas` at an origin. `None` where no cell can be judged, or there are no looks left.
fn judge<'a>(
    frame: &Frame,
    survey: &Survey,
    native: (usize, usize),
    (atlas, left, top): (&'a Atlas, usize, usize),
    looks: &mut usize,
) -> Option<Trial<'a>> {
    let mut votes = vec![0_usize; atlas.faces.len()];
    let mut cell = Cell::default();
    let mut sum = Score::default();
    let mut cells = 0;
    for place in survey.cells(native, (atlas.width, atlas.height), (left, top)).take(4 * SAMPLES) {
        *looks = looks.checked_sub(1)?;
        if !is_informative(cell.take_scaled(frame, native, place), atlas.width) {
            continue;
        }
        if let Verdict::Glyph(found) = atlas.glance(&cell) {
            cells += 1;
            sum.add(found.confidence, found.ink, found.paper);
            if found.confidence > 0.9 {
                atlas.faces_of(&found).for_each(|face| votes[face] += 1);
            }
        }
        let is_hopeless = HOPELESS.iter().any(|&(after, score)| cells == after && sum.mean() < score);
        if cells == SAMPLES || is_hopeless {
            break;
        }
    }
    // The first of those with the most votes.
    let face = (0..votes.len()).rev().max_by_key(|&face| votes[face]).unwrap_or(0);
    (cells > 0).then(|| Trial { score: sum.mean(), cells, atlas, face, left, top })
}

/// How well cells fit their shapes: 0 for what any cell reaches, 1 for a perfect fit. A cell weighs as much as it can be
/// seen, so that what loss leaves around characters counts for little.
#[derive(Default)]
pub struct Score {
    sum: f32,
    weight: f32,
}

impl Score {
    /// Counts a cell.
    pub fn add(&mut self, confidence: f32, ink: Rgb, paper: Rgb) {
        let weight = (distance(ink, paper) as f32).powi(2);
        self.sum += weight * ((confidence - CHANCE) / (1.0 - CHANCE)).clamp(0.0, 1.0);
        self.weight += weight;
    }

    /// The mean of all cells; 0 without any.
    pub fn mean(&self) -> f32 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

/// Whether a cell has edges of both kinds, as characters have.
pub fn is_informative(cell: &Cell, width: usize) -> bool {
    let pixels = cell.pixels();
    let is_edge = |&(&a, &b): &(&Rgb, &Rgb)| distance(a, b) > u32::from(Survey::EDGE);
    let has_edges = |step: usize| pixels.iter().zip(&pixels[step..]).filter(is_edge).nth(INFORMATIVE - 1).is_some();
    // Steps from the end of one row to the begin of the next count too, which does no harm.
    has_edges(1) && has_edges(width)
}

/// Where each font's own edges fit those of the picture best, the best first.
fn phases<'a>(profiles: &Profiles, atlases: &'a [Atlas]) -> impl Iterator<Item = (&'a Atlas, usize, usize)> + use<'a> {
    let mut trials = Vec::new();
    for atlas in atlases {
        for face in &atlas.faces {
            let across = profiles.phases_across(&face.edges_across, PHASES.0);
            let down = profiles.phases_down(&face.edges_down, PHASES.1);
            for &(left, fit_across) in &across {
                trials.extend(down.iter().map(|&(top, fit_down)| (fit_across + fit_down, atlas, left, top)));
            }
        }
    }
    trials.sort_by(|a, b| b.0.total_cmp(&a.0));
    // Fonts of one size agree about most phases.
    let mut tried = HashSet::new();
    trials.retain(|&(_, atlas, left, top)| tried.insert((atlas.width, atlas.height, left, top)));
    trials.into_iter().map(|(_, atlas, left, top)| (atlas, left, top))
}
