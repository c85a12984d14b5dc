//! Reading text: real screens and painted ones, lossless and through the tile encoder, and pictures that are no text.

mod painted;
mod scaled;
mod screens;
