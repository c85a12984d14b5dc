//! Reading text: real screens with their text, lossless and through the tile encoder.

mod screens;
