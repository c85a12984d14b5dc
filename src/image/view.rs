//! A rectangle of a frame, read in place.

use super::Region;
use crate::base::{Frame, Rgb};

/// The pixels of `region`, which lies within `frame`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    frame: &'a Frame,
    region: Region,
}

impl<'a> View<'a> {
    /// `region` of `frame`, clipped before and so not empty.
    pub fn new(frame: &'a Frame, region: Region) -> Self {
        Self { frame, region }
    }

    /// All of `frame`, which is not empty.
    pub fn whole(frame: &'a Frame) -> Self {
        Self::new(frame, Region::whole(frame))
    }

    pub fn width(&self) -> usize {
        self.region.width
    }

    pub fn height(&self) -> usize {
        self.region.height
    }

    /// The rows from the top.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [Rgb]> {
        let Region { x, y, width, height } = self.region;
        self.frame.rows().skip(y).take(height).map(move |row| &row[x..x + width])
    }
}
