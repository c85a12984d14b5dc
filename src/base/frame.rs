//! A picture of a screen.

/// Pixels in rows from the top left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// Red, green, blue, 8 bits each; exactly `width * height * 3` bytes.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// A black picture.
    pub fn black(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![0; width * height * 3] }
    }

    /// Whether all pixels have the same color (an empty picture has).
    pub fn is_blank(&self) -> bool {
        // Shifted by one pixel, a picture of one color equals itself.
        self.rgb.len() < 3 || self.rgb[3..] == self.rgb[..self.rgb.len() - 3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_of_one_color_is_blank_whatever_the_color() {
        let mut frame = Frame { width: 2, height: 2, rgb: [7, 8, 9].repeat(4) };
        assert!(frame.is_blank());
        assert!(Frame::black(4, 4).is_blank() && Frame::default().is_blank());
        frame.rgb[11] = 0;
        assert!(!frame.is_blank());
    }
}
