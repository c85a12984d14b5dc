//! Hextile: tiles of 16x16 pixels in rows, each raw or a small RRE.
//!
//! Source: RFC 6143 section 7.7.4. A unit is a tile.
//!
//! ```text
//! flags | background, if 2 | foreground, if 4 | if 8: count of subrectangles |
//!         count x (color, if 16 | x:4 y:4 | width-1:4 height-1:4)
//! ```
//! With flag 1 the tile's pixels follow, and the other flags mean nothing. Background and foreground last until
//! they are set again, across raw tiles too.

use super::super::pixel::Colors;
use super::super::screen::{Canvas, Rect};
use super::{Reader, Step};

const RAW: u8 = 1;
const BACKGROUND: u8 = 1 << 1;
const FOREGROUND: u8 = 1 << 2;
const SUBRECTANGLES: u8 = 1 << 3;
const COLORED: u8 = 1 << 4;

/// Pixels along an edge of a tile; at the right and at the bottom tiles are smaller.
const EDGE: usize = 16;

/// Decodes one rectangle.
#[derive(Debug, Default)]
pub struct Hextile {
    x: usize,
    y: usize,
    background: [u8; 3],
    foreground: [u8; 3],
}

impl Hextile {
    /// Paints the whole tiles in `input`.
    pub fn decode(&mut self, input: &[u8], canvas: &mut Canvas, colors: &Colors) -> Step {
        let mut reader = Reader::new(input);
        while self.y < canvas.height() && canvas.width() > 0 {
            let tile = Rect {
                x: self.x,
                y: self.y,
                width: EDGE.min(canvas.width() - self.x),
                height: EDGE.min(canvas.height() - self.y),
            };
            let Some(body) = whole_tile(&mut reader, tile.area(), colors.size()) else {
                return Step { used: input.len() - reader.rest.len(), done: false };
            };
            self.paint(body, tile, canvas, colors);
            self.x += EDGE;
            if self.x >= canvas.width() {
                (self.x, self.y) = (0, self.y + EDGE);
            }
        }
        Step { used: input.len() - reader.rest.len(), done: true }
    }

    /// Paints `tile` from its bytes, which are whole.
    fn paint(&mut self, body: &[u8], tile: Rect, canvas: &mut Canvas, colors: &Colors) {
        let mut reader = Reader::new(body);
        let flags = reader.byte().unwrap_or_default();
        if flags & RAW != 0 {
            for (y, row) in reader.rest.chunks_exact(tile.width * colors.size()).enumerate() {
                colors.row(row, canvas.row(tile.x, tile.y + y, tile.width));
            }
            return;
        }
        if flags & BACKGROUND != 0 {
            self.background = reader.color(colors).unwrap_or_default();
        }
        if flags & FOREGROUND != 0 {
            self.foreground = reader.color(colors).unwrap_or_default();
        }
        canvas.fill(tile, self.background);
        if flags & SUBRECTANGLES == 0 {
            return;
        }
        let color_size = if flags & COLORED != 0 { colors.size() } else { 0 };
        reader.byte();
        for subrectangle in reader.rest.chunks_exact(color_size + 2) {
            let (color, geometry) = subrectangle.split_at(color_size);
            let color = if color.is_empty() { self.foreground } else { colors.color(color) };
            let [x, y] = [geometry[0] >> 4, geometry[0] & 0xf].map(usize::from);
            let [width, height] = [geometry[1] >> 4, geometry[1] & 0xf].map(|less| usize::from(less) + 1);
            let (width, height) = (width.min(tile.width.saturating_sub(x)), height.min(tile.height.saturating_sub(y)));
            canvas.fill(Rect { x: tile.x + x, y: tile.y + y, width, height }, color);
        }
    }
}

/// Takes a tile of `area` pixels off the reader, if all of it is there; else nothing.
fn whole_tile<'a>(reader: &mut Reader<'a>, area: usize, pixel: usize) -> Option<&'a [u8]> {
    let flags = *reader.rest.first()?;
    let has = |flag: u8| usize::from(flags & flag != 0);
    let length = if flags & RAW != 0 {
        1 + area * pixel
    } else {
        let head = 1 + (has(BACKGROUND) + has(FOREGROUND)) * pixel;
        match flags & SUBRECTANGLES {
            0 => head,
            _ => head + 1 + usize::from(*reader.rest.get(head)?) * (has(COLORED) * pixel + 2),
        }
    };
    reader.take(length)
}
