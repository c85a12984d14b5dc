//! A rectangle of a frame, read in place.

use super::Region;
use crate::base::Frame;

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

    /// The rows from the top, three bytes a pixel.
    pub fn rows(self) -> impl ExactSizeIterator<Item = &'a [u8]> {
        let Region { x, y, width, height } = self.region;
        let rows = self.frame.rgb.chunks_exact(self.frame.width * 3);
        rows.skip(y).take(height).map(move |row| &row[x * 3..(x + width) * 3])
    }
}
