//! After matching: what loss left behind becomes blank, what is no character graphics, and the cursor is found.

use super::cell::{Cell, distance};
use super::glyphs::Atlas;
use super::grid::Grid;
use super::read::{Character, Kind, Reading, differ};
use crate::base::{Frame, Rgb};

/// Cells less sure than this are graphics; less than the second, too, unless good neighbors vouch for them.
const GRAPHICS: f32 = 0.55;
const LONELY: f32 = 0.80;
const VOUCHERS: usize = 3;
const VOUCHES: f32 = 0.90;

/// Cells less sure than this may have a cursor over them.
const UNDER_CURSOR: f32 = 0.93;

/// Rows of a cursor at least, and how far it may end above the bottom of its cell, in dots.
const CURSOR_HEIGHT: usize = 2;
const CURSOR_RISE: usize = 4;

/// Cleans the cells of `reading`, and sets its cursor.
pub fn clean(reading: &mut Reading, frame: &Frame, atlas: &Atlas, main: usize, grid: &Grid) {
    fade(reading);
    underline_cursor(reading, frame, atlas, main, grid);
    graphics(reading);
    block_cursor(reading);
    dashes(reading);
}

fn contrast(cell: &Character) -> u32 {
    distance(cell.ink, cell.paper)
}

/// The cells around `at`, itself excluded.
fn around(reading: &Reading, at: usize) -> impl Iterator<Item = &Character> {
    let (row, column) = (at / reading.columns, at % reading.columns);
    let rows = row.saturating_sub(1)..(row + 2).min(reading.rows);
    let columns = column.saturating_sub(1)..(column + 2).min(reading.columns);
    rows.flat_map(move |row| columns.clone().map(move |column| row * reading.columns + column))
        .filter(move |&other| other != at)
        .map(|other| &reading.cells[other])
}

/// Ringing around characters is fainter than they are: it becomes blank.
fn fade(reading: &mut Reading) {
    let mut contrasts: Vec<u32> = reading
        .cells
        .iter()
        .filter(|cell| cell.kind == Kind::Text && cell.confidence >= VOUCHES)
        .map(contrast)
        .collect();
    contrasts.sort_unstable();
    let usual = contrasts.get(contrasts.len() / 2).copied().unwrap_or(0) as f32;
    let mut faint = Vec::new();
    for (at, cell) in reading.cells.iter().enumerate() {
        // Lines and blocks are what is left of their neighbors at an edge of the picture's own blocks.
        let is_lost = !cell.ch.is_ascii() && !cell.is_exact();
        if cell.kind != Kind::Text || cell.confidence >= VOUCHES && !is_lost {
            continue;
        }
        let own = contrast(cell) as f32;
        let strongest = around(reading, at)
            .filter(|cell| cell.kind == Kind::Text && cell.confidence >= VOUCHES)
            .map(contrast)
            .max()
            .unwrap_or(0) as f32;
        // Beside a bright color more is left of it: a bar, or nothing that looks like a letter.
        let is_remnant = matches!(cell.ch, '_' | '~') || cell.confidence < GRAPHICS;
        let most = if is_lost {
            0.6
        } else if is_remnant {
            0.5
        } else {
            0.35
        };
        if (cell.confidence < LONELY || is_lost) && (own < 0.35 * usual || own < most * strongest) || own < 0.25 * usual
        {
            faint.push(at);
        }
    }
    for at in faint {
        reading.cells[at] = Character::blank(reading.cells[at].paper);
    }
}

/// What fits no character, or fits poorly and is a rare one or has no text around.
fn graphics(reading: &mut Reading) {
    let is_graphics = |at: usize| {
        let cell = &reading.cells[at];
        let vouchers =
            || around(reading, at).filter(|cell| cell.kind == Kind::Text && cell.confidence >= VOUCHES).count();
        let is_poor = || cell.confidence < LONELY && (!cell.ch.is_ascii() || vouchers() < VOUCHERS);
        cell.kind == Kind::Text && (cell.confidence < GRAPHICS || is_poor())
    };
    let found: Vec<usize> = (0..reading.cells.len()).filter(|&at| is_graphics(at)).collect();
    for at in found {
        let cell = &mut reading.cells[at];
        *cell = Character { ch: ' ', kind: Kind::Graphics, rival: None, ..*cell };
    }
}

/// The last full-width bar in the lower part of a cell, where it stands alone; what is left of the cell is read.
fn underline_cursor(reading: &mut Reading, frame: &Frame, atlas: &Atlas, main: usize, grid: &Grid) {
    let mut cell = Cell::default();
    let mut bar_at = |at: usize, cells: &[Character]| {
        let character = &cells[at];
        let is_block = ('\u{2580}'..='\u{259f}').contains(&character.ch);
        if character.kind != Kind::Text || character.confidence >= UNDER_CURSOR && !is_block {
            return None;
        }
        cell.take_scaled(frame, grid.native, grid.place(at / grid.columns(), at % grid.columns()));
        let paper = paper_around(cells, grid.columns(), at);
        bar(&cell, atlas.width, paper).map(|rows| (rows, paper))
    };
    for at in (0..reading.cells.len()).rev() {
        let Some((rows, paper)) = bar_at(at, &reading.cells) else { continue };
        let column = at % reading.columns;
        let beside = [column.checked_sub(1).map(|_| at - 1), (column + 1 < reading.columns).then_some(at + 1)];
        if beside.into_iter().flatten().any(|other| bar_at(other, &reading.cells).is_some()) {
            continue;
        }
        cell.take_scaled(frame, grid.native, grid.place(at / reading.columns, column));
        let under = atlas.read_beside(&cell, main, rows, paper).filter(|under| under.confidence >= LONELY);
        reading.cells[at] = under.unwrap_or_else(|| Character::blank(paper));
        reading.cursor = Some((at / reading.columns, column));
        return;
    }
}

/// The paper of the cell before, or else behind.
fn paper_around(cells: &[Character], columns: usize, at: usize) -> Rgb {
    let other = if at % columns == 0 { at + 1 } else { at - 1 };
    cells.get(other).map_or([0; 3], |cell| cell.paper)
}

/// The rows of a cursor: at least two full ones in the lower half that end near the bottom.
fn bar(cell: &Cell, width: usize, paper: Rgb) -> Option<(usize, usize)> {
    let rows: Vec<bool> =
        cell.pixels().chunks_exact(width).map(|row| row.iter().all(|&pixel| differ(pixel, paper))).collect();
    let height = rows.len();
    let end = rows.iter().rposition(|&is_full| is_full)? + 1;
    let begin = rows[..end].iter().rposition(|&is_full| !is_full).map_or(0, |row| row + 1);
    let is_cursor = end - begin >= CURSOR_HEIGHT && begin >= height / 2 && end + CURSOR_RISE >= height;
    is_cursor.then_some((begin, end))
}

/// A cell in inverse video where no other is.
fn block_cursor(reading: &mut Reading) {
    if reading.cursor.is_some() {
        return;
    }
    let columns = reading.columns;
    let is_lone = |at: usize| {
        let cell = &reading.cells[at];
        cell.kind != Kind::Graphics
            && at % columns > 0
            && at % columns + 1 < columns
            && around(reading, at).all(|other| differ(other.paper, cell.paper))
    };
    let mut lone = (0..reading.cells.len()).filter(|&at| is_lone(at));
    if let (Some(at), None) = (lone.next(), lone.next()) {
        reading.cursor = Some((at / columns, at % columns));
    }
}

/// A line that no other goes on from is a dash, however much it looks like one.
fn dashes(reading: &mut Reading) {
    let is_line = |cell: &Character| ('\u{2500}'..='\u{257f}').contains(&cell.ch);
    for at in 0..reading.cells.len() {
        let column = at % reading.columns;
        let beside = [column.checked_sub(1).map(|_| at - 1), (column + 1 < reading.columns).then_some(at + 1)];
        let goes_on = beside.into_iter().flatten().any(|other| is_line(&reading.cells[other]));
        let cell = &mut reading.cells[at];
        if cell.ch == '─' && !cell.is_exact() && !goes_on {
            cell.ch = '-';
        }
    }
}
