//! RRE and CoRRE: a background and rectangles of one color on it.
//!
//! Source: RFC 6143 section 7.7.3; rfbproto for CoRRE, whose positions and sizes are bytes. A unit is a
//! subrectangle.
//!
//! ```text
//! count of subrectangles, 32 bits | background, a pixel | count x (pixel | x | y | width | height)
//! ```

use super::super::pixel::Colors;
use super::super::screen::{Canvas, Rect};
use super::{Reader, Step};
use crate::base::DecodeError;

/// How often the subrectangles may paint the whole rectangle over. Servers paint a pixel twice or so; without a
/// limit, twelve bytes could ask for megabytes of painting. Together with an update's own limit it is some seconds of
/// work for the largest screen.
const MAX_LAYERS: usize = 8;

/// How positions and sizes are written.
#[derive(Clone, Copy, Debug)]
pub enum Geometry {
    /// In 16 bits: RRE.
    Wide,
    /// In bytes: CoRRE.
    Small,
}

/// Decodes one rectangle.
#[derive(Debug)]
pub struct Rre {
    geometry: Geometry,
    left: Option<usize>,
    budget: usize,
}

impl Rre {
    /// For a new rectangle.
    pub fn new(geometry: Geometry) -> Self {
        Self { geometry, left: None, budget: 0 }
    }

    /// Paints the whole subrectangles in `input`.
    pub fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Result<Step, DecodeError> {
        let mut reader = Reader::new(input);
        let whole = Rect { x: 0, y: 0, width: canvas.width(), height: canvas.height() };
        let mut left = match self.left {
            Some(left) => left,
            None => {
                let (Some(count), Some(background)) = (reader.u32(), reader.color(colors)) else {
                    return Ok(Step { used: 0, done: false });
                };
                canvas.fill(whole, background);
                self.budget = whole.area() * MAX_LAYERS;
                count
            }
        };
        let mut used = input.len() - reader.rest.len();
        while left > 0 {
            let Some((color, area)) = subrectangle(&mut reader, self.geometry, colors) else {
                break;
            };
            let visible = area.width.min(whole.width) * area.height.min(whole.height);
            self.budget = self
                .budget
                .checked_sub(visible)
                .ok_or(DecodeError::Malformed { what: "RRE subrectangles paint their rectangle over and over" })?;
            canvas.fill(area, color);
            left -= 1;
            used = input.len() - reader.rest.len();
        }
        self.left = Some(left);
        Ok(Step { used, done: left == 0 })
    }
}

fn subrectangle(reader: &mut Reader, geometry: Geometry, colors: &Colors) -> Option<([u8; 3], Rect)> {
    let color = reader.color(colors)?;
    let mut number = || match geometry {
        Geometry::Wide => reader.u16(),
        Geometry::Small => reader.byte().map(usize::from),
    };
    Some((color, Rect { x: number()?, y: number()?, width: number()?, height: number()? }))
}
