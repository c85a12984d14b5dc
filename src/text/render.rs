//! A reading as text for a model or a person, and as JSON.
//!
//! Rows are the machine's own words and nothing else: all remarks stand before or behind them.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::attr::runs;
use super::read::{Doubt, Reading, Reason, Status};

/// Doubtful characters that are listed at most.
const MOST_DOUBTS: usize = 20;

/// How a reading is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// Only these rows, from 0.
    pub rows: Option<RangeInclusive<usize>>,
    /// Only these columns, from 0.
    pub columns: Option<RangeInclusive<usize>>,
    /// Also the colors of what differs from the rest of its row.
    pub attributes: bool,
    /// The layout as it is, with frames, empty rows and the indent.
    pub frames: bool,
}

impl Status {
    /// `exact`, `good`, `partial`, `uncertain` or `none`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Good => "good",
            Self::Partial => "partial",
            Self::Uncertain => "uncertain",
            Self::None(_) => "none",
        }
    }

    /// What is to be known and done where there is no text that can be trusted.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Exact | Self::Good => None,
            Self::Partial => Some("parts of the picture may be missing or left of an earlier screen; look again"),
            Self::Uncertain => Some(
                "text in a font that is not known well enough to be read, or in a picture too poor; call get_screenshot \
                 (`ikvm-mcp font learn` makes a font of such screens for IKVM_FONTS)",
            ),
            Self::None(Reason::Blank) => Some("nothing on the screen but perhaps a cursor"),
            Self::None(Reason::Graphics) => {
                Some("graphics, or too little text in a font that is not known; call get_screenshot")
            }
            Self::None(Reason::UnknownFont) => Some(
                "looks like text in a font that is not known; call get_screenshot (`ikvm-mcp font learn` makes a font of \
                 such screens for IKVM_FONTS)",
            ),
        }
    }
}

impl Reading {
    /// The first line of `render`: what the screen is, and how far its text can be trusted.
    pub fn headline(&self) -> String {
        let (width, height) = self.screen;
        let mut line = format!("screen {width}x{height}");
        if let Some(grid) = self.grid.as_ref().filter(|_| self.is_text()) {
            // Writing to a String cannot fail.
            if grid.is_scaled() {
                let _ = write!(line, " scaled from {}x{}", grid.native.0, grid.native.1);
            }
            let _ = write!(line, " text {}x{} font {}", self.columns, self.rows, grid.font);
        }
        let _ = write!(line, " {}", self.status.name());
        if let Some(advice) = self.status.advice() {
            let _ = write!(line, ": {advice}");
        }
        line
    }

    /// The headline, the numbered rows, and what there is to say about them.
    pub fn render(&self, options: &RenderOptions) -> String {
        let mut text = self.headline() + "\n";
        if !self.is_text() {
            return text;
        }
        let rows = self.shown(options);
        let indent = |row: &str| row.chars().take_while(|&ch| ch == ' ').count();
        let common = if options.frames { 0 } else { rows.iter().map(|(_, row)| indent(row)).min().unwrap_or(0) };
        let digits = self.rows.saturating_sub(1).to_string().len();
        for (number, row) in &rows {
            let _ = write!(text, "{number:digits$}|{}", row.chars().skip(common).collect::<String>());
            text += if self.selected.iter().any(|span| span.row == *number) { " <selected>\n" } else { "\n" };
        }
        if let Some((scene, row)) = self.scene() {
            let _ = writeln!(text, "shows: {} (row {row})", scene.name());
        }
        let is_shown = |row: &usize| is_in(&options.rows, *row);
        for span in self.selected.iter().filter(|span| is_shown(&span.row)) {
            let _ = writeln!(text, "selected: row {} cols {}-{}", span.row, span.first, span.last);
        }
        if let Some((row, column)) = self.cursor {
            let _ = writeln!(text, "cursor: {row},{column}");
        }
        if options.attributes {
            for run in (0..self.rows).filter(is_shown).flat_map(|row| runs(self, row)) {
                let span = run.span;
                let _ = writeln!(
                    text,
                    "colors: row {} cols {}-{} {} on {}",
                    span.row, span.first, span.last, run.ink, run.paper
                );
            }
        }
        let doubts: Vec<String> = self.shown_doubts(options).map(ToString::to_string).collect();
        if !doubts.is_empty() {
            let _ = write!(text, "uncertain: {}", doubts[..doubts.len().min(MOST_DOUBTS)].join("; "));
            text += &match doubts.len().saturating_sub(MOST_DOUBTS) {
                0 => "\n".to_owned(),
                more => format!("; and {more} more\n"),
            };
        }
        for area in &self.graphics {
            let _ = writeln!(text, "graphics: {area}");
        }
        text
    }

    /// The rows to show, with their numbers.
    fn shown(&self, options: &RenderOptions) -> Vec<(usize, String)> {
        let shown = |(column, ch): (usize, char)| {
            let is_line = ('\u{2500}'..='\u{257f}').contains(&ch) && !options.frames;
            is_in(&options.columns, column).then_some(if is_line { ' ' } else { ch })
        };
        (0..self.rows)
            .filter(|&row| is_in(&options.rows, row))
            .map(|row| {
                let text: String = self.row(row).iter().map(|cell| cell.ch).enumerate().filter_map(shown).collect();
                (row, text.trim_end().to_owned())
            })
            .filter(|(_, text)| options.frames || !text.is_empty())
            .collect()
    }

    /// The doubtful characters among those to show.
    fn shown_doubts<'a>(&'a self, options: &'a RenderOptions) -> impl Iterator<Item = &'a Doubt> {
        self.uncertain.iter().filter(|doubt| is_in(&options.rows, doubt.row) && is_in(&options.columns, doubt.column))
    }

    /// The same as `render` in parts. Positions are `[row, column]`, areas have their last row and column within.
    pub fn json(&self, options: &RenderOptions) -> Value {
        let text: Vec<String> =
            if self.is_text() { self.shown(options).into_iter().map(|(_, row)| row).collect() } else { Vec::new() };
        let selected: Vec<Value> =
            self.selected.iter().map(|span| json!({"row": span.row, "columns": [span.first, span.last]})).collect();
        let uncertain: Vec<Value> = self
            .shown_doubts(options)
            .take(MOST_DOUBTS)
            .map(|doubt| json!({"row": doubt.row, "column": doubt.column, "ch": doubt.ch.to_string(), "rival": doubt.rival.map(String::from), "confidence": rounded(doubt.confidence)}))
            .collect();
        let graphics: Vec<Value> = self
            .graphics
            .iter()
            .map(|area| json!({"rows": [area.rows.0, area.rows.1], "columns": [area.columns.0, area.columns.1]}))
            .collect();
        let grid = self.grid.as_ref();
        json!({
            "status": self.status.name(),
            "advice": self.status.advice(),
            "confidence": rounded(self.confidence),
            "exactShare": rounded(self.exact_share),
            "columns": self.columns,
            "rows": self.rows,
            "cell": grid.map(|grid| [grid.cell.0, grid.cell.1]),
            "scaledFrom": grid.filter(|grid| grid.is_scaled()).map(|grid| [grid.native.0, grid.native.1]),
            "font": grid.map(|grid| grid.font.as_str()),
            "shows": self.scene().map(|(scene, row)| json!({"what": scene.name(), "row": row})),
            "cursor": self.cursor.map(|(row, column)| [row, column]),
            "selected": selected,
            "uncertain": uncertain,
            "uncertainCount": self.shown_doubts(options).count(),
            "graphics": graphics,
            "text": text.join("\n"),
        })
    }
}

/// Whether a row or column is among those asked for, or all are.
fn is_in(range: &Option<RangeInclusive<usize>>, at: usize) -> bool {
    range.as_ref().is_none_or(|range| range.contains(&at))
}

/// In thousandths: a model has no use for more digits. Rounded down, so that only 1 is 1.
fn rounded(share: f32) -> f64 {
    (f64::from(share) * 1000.0).floor() / 1000.0
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{} '{}'", self.row, self.column, self.ch)?;
        if let Some(rival) = self.rival {
            write!(f, "|'{rival}'")?;
        }
        write!(f, " {:.2}", rounded(self.confidence))
    }
}

impl std::fmt::Display for super::read::Area {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rows {}-{} cols {}-{}", self.rows.0, self.rows.1, self.columns.0, self.columns.1)
    }
}
