//! The picture of an AMI console: frames decoded one onto another.

use std::sync::Arc;

use crate::ast2500::{Decoder, Header};
use crate::base::{DecodeError, Frame, jpeg};

/// The console's kind where its video is the Aspeed engine's.
pub(super) const ASPEED: &str = "AMI MegaRAC, Aspeed video";
/// The console's kind where its video is bare pictures.
const JPEG: &str = "AMI MegaRAC, JPEG video";

/// The picture so far, and how good it is.
#[derive(Default)]
pub(super) struct Screen {
    decoder: Decoder,
    /// The picture; none while there is no video.
    pub(super) frame: Option<Arc<Frame>>,
    /// Whether every part of it was drawn, and nothing since was lost.
    pub(super) complete: bool,
    /// Whether refinements may follow: not after a picture, nor after blocks that are final.
    pub(super) is_final: bool,
    is_jpeg: bool,
}

impl Screen {
    /// A screen without a picture.
    pub(super) fn new() -> Self {
        Self { is_final: true, ..Self::default() }
    }

    /// Draws a frame: header and tile stream. What of a broken one could be drawn stays.
    pub(super) fn draw(&mut self, frame: &[u8]) -> Result<(), DecodeError> {
        let short = DecodeError::Malformed { what: "a frame shorter than its header" };
        let (header, length) = Header::parse(frame)?.ok_or(short)?;
        let result = self.decoder.decode(&header, &frame[length..]);
        self.is_jpeg = false;
        let picture = self.decoder.frame();
        self.frame = Some(picture).filter(|picture| picture.width > 0);
        match result {
            Ok(update) => {
                self.complete = update.complete;
                self.is_final = update.all_vq && (self.is_final || update.reset);
                Ok(())
            }
            Err(error) => {
                self.complete = false;
                Err(error)
            }
        }
    }

    /// Takes a picture that is a JPEG.
    pub(super) fn show(&mut self, picture: &[u8]) -> Result<(), DecodeError> {
        self.frame = Some(Arc::new(jpeg::decode(picture)?));
        (self.complete, self.is_final, self.is_jpeg) = (true, true, true);
        Ok(())
    }

    /// There is no video any more; what comes next begins from black.
    pub(super) fn blank(&mut self) {
        *self = Self { is_jpeg: self.is_jpeg, ..Self::new() };
    }

    /// The console's kind, by its video.
    pub(super) fn kind(&self) -> &'static str {
        if self.is_jpeg { JPEG } else { ASPEED }
    }
}
