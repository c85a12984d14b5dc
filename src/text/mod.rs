//! The text of a console's picture: bitmap fonts, and what is read with them.

mod font;
pub mod psf;

pub use font::{Font, Glyph, Library};
