//! The text of a console's picture: bitmap fonts, and what is read with them.
//!
//! ```text
//! frame -> grid (where the cells lie) -> cell -> glyphs (which shape it is) -> clean, attr -> Reading -> render
//! ```

mod attr;
mod cell;
mod clean;
mod font;
mod glyphs;
mod grid;
pub mod learn;
pub mod psf;
mod read;
mod render;
mod scaled;
mod scene;
mod survey;
mod unknown;

pub use font::{Font, Glyph, Library};
pub use grid::Grid;
pub use read::{Area, Character, Doubt, Kind, Reading, Reason, Span, Status, read};
pub use render::RenderOptions;
pub use scene::{Scene, scene};
