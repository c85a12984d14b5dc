//! From a frame to the PNG picture that a model reads: dim text made brighter, small text larger, few bytes.
//!
//! ```text
//! frame -> view (region) -> palette, if at most 256 colors -> enhance (curve) -> png (enlarged row by row)
//!                                                              `-> scale (reduced), when a limit asks for it
//! ```
//!
//! Only whole factors enlarge, each pixel to a square, so that glyphs keep their shape. Why the limits: a model's
//! service refuses pictures beyond 2000 pixels along an edge once a conversation holds more than 20 of them, and with
//! the picture the whole conversation; some clients refuse answers above 1 MB, Base64 included.

mod enhance;
mod palette;
mod png;
mod scale;
mod view;

#[cfg(test)]
mod tests;

use std::fmt;

use self::enhance::Curve;
use self::png::{Pixels, TooLarge};
use self::view::View;
use crate::base::Frame;

/// The largest factor for a whole screen: 8x16 glyphs read well at 16x32, and no better beyond.
const MAX_SCALE: usize = 2;

/// The largest factor for a region, where single pixels may be looked at.
const MAX_REGION_SCALE: usize = 8;

/// What to make of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The screen's own pixels: neither brighter nor larger, and not held to the limits below.
    pub raw: bool,
    /// Pixels along the longer edge of the picture at most.
    pub max_edge: usize,
    /// Bytes of the PNG file at most.
    pub max_bytes: usize,
    /// The part of the screen to show; all of it if `None`.
    pub region: Option<Region>,
}

impl Default for Options {
    fn default() -> Self {
        Self { raw: false, max_edge: 2000, max_bytes: 700_000, region: None }
    }
}

/// A rectangle on the screen, in the screen's own pixels from the top left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its leftmost column.
    pub x: usize,
    /// Its topmost row.
    pub y: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

impl Region {
    /// All of `frame`.
    pub fn whole(frame: &Frame) -> Self {
        Self { x: 0, y: 0, width: frame.width, height: frame.height }
    }

    /// The part of it that lies on `frame`, or `None` if no pixel does.
    pub fn clipped(self, frame: &Frame) -> Option<Self> {
        let width = self.width.min(frame.width.checked_sub(self.x)?);
        let height = self.height.min(frame.height.checked_sub(self.y)?);
        (width > 0 && height > 0).then_some(Self { width, height, ..self })
    }
}

/// How large a pixel of the screen is in the picture. Displays as `2x` or `0.61x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// A square of this many pixels a side.
    Up(usize),
    /// Less than a pixel: this fraction of one a side. Pixels are averaged.
    Down(f64),
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up(factor) => write!(f, "{factor}x"),
            Self::Down(fraction) => write!(f, "{fraction:.2}x"),
        }
    }
}

/// A PNG file and what must be known to read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The file.
    pub png: Vec<u8>,
    /// Pixels across, in the file.
    pub width: usize,
    /// Pixels down, in the file.
    pub height: usize,
    /// The part of the screen that it shows.
    pub region: Region,
    /// The size of a screen's pixel in it.
    pub scale: Scale,
    /// What a reader would not expect, such as a limit that made the picture smaller: clauses without a full stop.
    pub notes: Vec<String>,
}

/// The picture of `frame`, or `None` where there is nothing to show: the frame has no pixels, or the region lies
/// beside it.
///
/// Unless `raw`, levels are raised as far as they stay apart, then the largest whole factor is taken (2 at most, 8 for
/// a region) that keeps to both limits. Where even 1 does not, the picture is reduced until it does.
pub fn render(frame: &Frame, options: &Options) -> Option<Picture> {
    let asked = options.region.unwrap_or(Region::whole(frame));
    let region = asked.clipped(frame)?;
    let view = View::new(frame, region);
    let indexed = palette::index(&view);
    let curve = match &indexed {
        _ if options.raw => enhance::identity(),
        Some(indexed) => enhance::curve([indexed.colors.as_flattened()]),
        None => enhance::curve(view.rows().map(<[_]>::as_flattened)),
    };
    let pixels = indexed.map_or(Pixels::Rgb(view), Pixels::Indexed);

    let edge = region.width.max(region.height);
    let (largest, limit) = match options.region {
        _ if options.raw => (1, usize::MAX),
        None => (MAX_SCALE.min(options.max_edge / edge), options.max_bytes),
        Some(_) => (MAX_REGION_SCALE.min(options.max_edge / edge), options.max_bytes),
    };
    let mut picture = Picture {
        png: Vec::new(),
        width: region.width,
        height: region.height,
        region,
        scale: Scale::Up(1),
        notes: Vec::new(),
    };
    if region != asked {
        picture.notes.push(format!("the region was clipped to the screen, {}x{} px", frame.width, frame.height));
    }

    let mut start = options.max_edge.max(1);
    for factor in (1..=largest).rev() {
        match png::encode(&pixels, &curve, factor, limit) {
            Ok(png) => {
                picture.width = region.width * factor;
                picture.height = region.height * factor;
                picture.scale = Scale::Up(factor);
                picture.png = png;
                if factor < largest {
                    let limit = kilobytes(limit);
                    picture.notes.push(format!("enlarged {factor}x instead of {largest}x to keep within {limit}"));
                }
                if options.raw {
                    picture.warn_of_size(options);
                }
                return Some(picture);
            }
            Err(TooLarge { estimate }) => start = smaller(edge, estimate, limit),
        }
    }
    picture.reduce(&view, &curve, start, options);
    Some(picture)
}

impl Picture {
    /// Fills in the largest reduction of `view` that has at most `edge` pixels along its longer edge and, as a file,
    /// keeps to the limit.
    fn reduce(&mut self, view: &View, curve: &Curve, mut edge: usize, options: &Options) {
        let full = view.width().max(view.height());
        loop {
            self.scale = Scale::Down(edge as f64 / full as f64);
            [self.width, self.height] =
                [view.width(), view.height()].map(|length| ((length * edge + full / 2) / full).max(1));
            let small = scale::reduce(view, curve, self.width, self.height);
            let view = View::whole(&small);
            let pixels = palette::index(&view).map_or(Pixels::Rgb(view), Pixels::Indexed);
            // One pixel is the end, whatever the limit.
            let limit = if edge == 1 { usize::MAX } else { options.max_bytes };
            match png::encode(&pixels, &enhance::identity(), 1, limit) {
                Ok(png) => {
                    self.png = png;
                    break;
                }
                Err(TooLarge { estimate }) => edge = smaller(edge, estimate, limit),
            }
        }
        // A reduction for the sake of bytes begins below this edge.
        let limit = match edge == options.max_edge {
            true => format!("{edge} px along an edge"),
            false => kilobytes(options.max_bytes),
        };
        self.notes.push(format!("scaled down to {}x{} px to keep within {limit}", self.width, self.height));
    }

    /// Notes the limits that a raw picture does not keep.
    fn warn_of_size(&mut self, options: &Options) {
        let edge = self.width.max(self.height);
        if edge > options.max_edge {
            self.notes.push(format!("{edge} px along an edge; above {} px some clients refuse it", options.max_edge));
        }
        if self.png.len() > options.max_bytes {
            let (size, limit) = (kilobytes(self.png.len()), kilobytes(options.max_bytes));
            self.notes.push(format!("{size} large; above {limit} some clients refuse it"));
        }
    }
}

/// The next edge to try when a picture with this `edge` has about `estimate` bytes. Bytes go with the area; a little
/// less, as averaged text has more colors than text.
fn smaller(edge: usize, estimate: usize, limit: usize) -> usize {
    let fraction = (limit as f64 / estimate as f64).sqrt() * 0.93;
    ((edge as f64 * fraction) as usize).clamp(1, (edge - 1).max(1))
}

fn kilobytes(bytes: usize) -> String {
    format!("{} kB", bytes.div_ceil(1000))
}
