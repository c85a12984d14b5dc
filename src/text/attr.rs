//! What colors say: bars of another background mark what is selected.

use super::read::{Area, Character, Kind, Reading, Span, differ};

/// Cells that a bar has at least.
const SHORTEST: usize = 3;

/// Sets what is selected and where graphics are.
pub fn mark(reading: &mut Reading) {
    reading.selected = (0..reading.rows).flat_map(|row| bars(reading, row)).collect();
    reading.graphics = areas(reading);
}

/// Runs of cells in a row whose paper differs from that of the rows above and below.
fn bars(reading: &Reading, row: usize) -> Vec<Span> {
    let stands_out = |column: usize| {
        let paper = reading.row(row)[column].paper;
        let differs = |other: usize| differ(reading.row(other)[column].paper, paper);
        (row == 0 || differs(row - 1)) && (row + 1 == reading.rows || differs(row + 1))
    };
    let cells = reading.row(row);
    let mut bars = Vec::new();
    let mut first = 0;
    while first < cells.len() {
        let paper = cells[first].paper;
        let length = (first..cells.len())
            .take_while(|&column| stands_out(column) && !differ(cells[column].paper, paper))
            .count();
        let is_edge_row = row == 0 || row + 1 == reading.rows;
        let is_title = is_edge_row && length == cells.len();
        let has_text = cells[first..first + length].iter().any(|cell| cell.kind == Kind::Text);
        if length >= SHORTEST && has_text && !is_title {
            bars.push(Span { row, first, last: first + length - 1 });
        }
        first += length.max(1);
    }
    bars
}

/// Rectangles around graphics that touch each other's rows and columns.
fn areas(reading: &Reading) -> Vec<Area> {
    let mut areas: Vec<Area> = Vec::new();
    for (at, cell) in reading.cells.iter().enumerate() {
        if cell.kind != Kind::Graphics {
            continue;
        }
        let (row, column) = (at / reading.columns, at % reading.columns);
        let touches =
            |area: &&mut Area| row <= area.rows.1 + 1 && column + 1 >= area.columns.0 && column <= area.columns.1 + 1;
        match areas.iter_mut().find(touches) {
            Some(area) => {
                area.rows.1 = row;
                area.columns = (area.columns.0.min(column), area.columns.1.max(column));
            }
            None => areas.push(Area { rows: (row, row), columns: (column, column) }),
        }
    }
    areas
}

/// The name of a color among the sixteen of VGA.
pub fn color_name(color: [u8; 3]) -> &'static str {
    let far = |other: [u8; 3]| (0..3).map(|at| u32::from(color[at].abs_diff(other[at])).pow(2)).sum::<u32>();
    VGA_COLORS.iter().min_by_key(|(_, other)| far(*other)).map_or("", |(name, _)| name)
}

/// The palette of VGA's text modes.
const VGA_COLORS: [(&str, [u8; 3]); 16] = [
    ("black", [0x00, 0x00, 0x00]),
    ("blue", [0x00, 0x00, 0xaa]),
    ("green", [0x00, 0xaa, 0x00]),
    ("cyan", [0x00, 0xaa, 0xaa]),
    ("red", [0xaa, 0x00, 0x00]),
    ("magenta", [0xaa, 0x00, 0xaa]),
    ("brown", [0xaa, 0x55, 0x00]),
    ("gray", [0xaa, 0xaa, 0xaa]),
    ("dark gray", [0x55, 0x55, 0x55]),
    ("bright blue", [0x55, 0x55, 0xff]),
    ("bright green", [0x55, 0xff, 0x55]),
    ("bright cyan", [0x55, 0xff, 0xff]),
    ("bright red", [0xff, 0x55, 0x55]),
    ("bright magenta", [0xff, 0x55, 0xff]),
    ("yellow", [0xff, 0xff, 0x55]),
    ("white", [0xff, 0xff, 0xff]),
];

/// A run of cells in the same colors, within a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where.
    pub span: Span,
    /// The name of the characters' color.
    pub ink: &'static str,
    /// The name of the color behind them.
    pub paper: &'static str,
}

/// The runs of characters in a row whose colors are not those of most of its characters.
pub fn runs(reading: &Reading, row: usize) -> Vec<Run> {
    let cells = reading.row(row);
    let colors = |cell: &Character| (color_name(cell.ink), color_name(cell.paper));
    let mut counts: Vec<((&str, &str), usize)> = Vec::new();
    for cell in cells.iter().filter(|cell| cell.kind == Kind::Text) {
        let colors = colors(cell);
        match counts.iter_mut().find(|(known, _)| *known == colors) {
            Some((_, count)) => *count += 1,
            None => counts.push((colors, 1)),
        }
    }
    let Some(&(usual, _)) = counts.iter().rev().max_by_key(|(_, count)| *count) else { return Vec::new() };
    let mut runs: Vec<Run> = Vec::new();
    for (column, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.kind == Kind::Text) {
        let (ink, paper) = colors(cell);
        if (ink, paper) == usual {
            continue;
        }
        let blanks_only = |last: usize| cells[last + 1..column].iter().all(|cell| cell.kind != Kind::Text);
        match runs.last_mut() {
            Some(run) if (run.ink, run.paper) == (ink, paper) && blanks_only(run.span.last) => run.span.last = column,
            _ => runs.push(Run { span: Span { row, first: column, last: column }, ink, paper }),
        }
    }
    runs
}
