//! Text in a font that nobody has: cut into its cells it is a few shapes that come again and again.
//!
//! No font is needed to see that, nor is any character known by it. The picture's edges repeat at the size of a cell. Of
//! the grids which they suggest, one that cuts text right needs far fewer shapes than cells, and moved by half a cell it
//! needs many more: patterns do not mind how they are cut, and pictures have no shapes that come again.

use std::ops::RangeInclusive;

use super::cell::{Cell, Mask};
use super::grid::is_informative;
use super::survey::Survey;
use crate::base::Frame;

/// Cell sizes looked for, across and down.
const WIDTHS: RangeInclusive<usize> = 6..=16;
const HEIGHTS: RangeInclusive<usize> = 8..=32;

/// How many of them are tried, across and down, and how many places for each.
const SIZES: (usize, usize) = (4, 6);
const PHASES: usize = 2;

/// Cells looked at on a grid at most, and the fewest that tell text from chance.
const SAMPLES: usize = 256;
const FEWEST: usize = 64;

/// Cells looked at on all grids together at most: what bounds the time.
const MAX_LOOKS: usize = 3000;

/// Two shapes are one if they differ in no more than one of so many dots, as loss makes them differ.
const ALIKE: usize = 32;

/// Different shapes that a text has at least.
const FEWEST_SHAPES: usize = 12;

/// The share of their dots that the cells of a text set at most.
const MOST_INK: f32 = 0.35;

/// Bits that a dot of a shape takes, those beside it being known.
const BITS: f32 = 0.5;

/// What text costs at most, and how many times as much it costs where it is cut amiss, across and down.
const CHEAP: f32 = 0.5;
const AMISS: (f32, f32) = (1.2, 1.5);

/// After so many cells a higher cost will not become low enough.
const HOPELESS: [(usize, f32); 3] = [(FEWEST / 2, 0.97), (FEWEST, 0.9), (2 * FEWEST, 0.7)];

/// Whether a picture looks like text in cells of one size, whatever the font.
pub fn is_text(frame: &Frame, survey: &Survey) -> bool {
    let profiles = survey.profiles(frame);
    let widths = strongest(WIDTHS, SIZES.0, |width| profiles.strength_across(width));
    let heights = strongest(HEIGHTS, SIZES.1, |height| profiles.strength_down(height));
    let mut looks = MAX_LOOKS;
    for (width, height) in widths.iter().flat_map(|&width| heights.iter().map(move |&height| (width, height))) {
        let mut cost = |left, top| cost(frame, survey, (width, height), (left % width, top % height), &mut looks);
        for left in profiles.gaps_across(width, PHASES) {
            for top in profiles.gaps_down(height, PHASES) {
                let Some(own) = cost(left, top).filter(|&own| own <= CHEAP) else { continue };
                let mut is_dearer = |left, top, times| cost(left, top).is_some_and(|amiss| amiss >= own * times);
                if is_dearer(left, top + height / 2, AMISS.1) && is_dearer(left + width / 2, top, AMISS.0) {
                    return true;
                }
            }
        }
    }
    false
}

/// The sizes at which edges repeat most. They repeat at twice the size as well, and by chance the more the larger it is.
fn strongest(sizes: RangeInclusive<usize>, count: usize, strength: impl Fn(usize) -> f32) -> Vec<usize> {
    let mut sizes: Vec<(usize, f32)> = sizes.map(|size| (size, strength(size) / (size as f32).sqrt())).collect();
    sizes.sort_by(|a, b| b.1.total_cmp(&a.1));
    sizes.into_iter().take(count).map(|(size, _)| size).collect()
}

/// What it takes to tell the cells of a grid by their shapes, the shapes included, as a share of what it takes to tell
/// each cell by its dots; infinite where it is hopelessly high. `None` where there are too few cells, fewer shapes than
/// letters, or more ink.
fn cost(
    frame: &Frame,
    survey: &Survey,
    size: (usize, usize),
    origin: (usize, usize),
    looks: &mut usize,
) -> Option<f32> {
    let dots = size.0 * size.1;
    let cost =
        |shapes: usize, cells: usize| shapes as f32 / cells as f32 + (shapes as f32).log2() / (BITS * dots as f32);
    let mut cell = Cell::default();
    let mut shapes: Vec<Mask> = Vec::new();
    let (mut cells, mut ink) = (0, 0);
    for place in survey.cells((frame.width, frame.height), size, origin) {
        *looks = looks.checked_sub(1)?;
        if !is_informative(cell.take(frame, place), size.0) {
            continue;
        }
        let Some(mask) = cell.written(size.0) else { continue };
        cells += 1;
        ink += mask.count();
        let is_alike = |shape: &Mask| shape.differing(&mask, dots) as usize * ALIKE <= dots;
        if !shapes.iter().any(is_alike) {
            shapes.push(mask);
        }
        if HOPELESS.iter().any(|&(after, most)| cells == after && cost(shapes.len(), cells) > most) {
            return Some(f32::INFINITY);
        }
        if cells == SAMPLES {
            break;
        }
    }
    let is_written = ink as f32 <= MOST_INK * (cells * dots) as f32;
    (cells >= FEWEST && shapes.len() >= FEWEST_SHAPES && is_written).then(|| cost(shapes.len(), cells))
}
