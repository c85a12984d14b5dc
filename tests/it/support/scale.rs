//! Pictures made larger as boards and hypervisors do it: by the nearest pixel, or in between by a kernel.

use std::f64::consts::PI;

use ikvm_mcp::base::Frame;

/// How levels between pixels are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    Nearest,
    Bilinear,
    Bicubic,
    Lanczos,
}

impl Filter {
    /// What a pixel weighs at a distance in pixels.
    fn weight(self, distance: f64) -> f64 {
        let x = distance.abs();
        match self {
            Self::Nearest => f64::from(u8::from(x < 0.5)),
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => 1.5 * x.powi(3) - 2.5 * x.powi(2) + 1.0,
            Self::Bicubic if x < 2.0 => -0.5 * x.powi(3) + 2.5 * x.powi(2) - 4.0 * x + 2.0,
            Self::Lanczos if x < 1e-9 => 1.0,
            Self::Lanczos if x < 3.0 => 3.0 * (PI * x).sin() * (PI * x / 3.0).sin() / (PI * x).powi(2),
            Self::Bicubic | Self::Lanczos => 0.0,
        }
    }

    /// The old pixels in each new one along an edge, with their weights.
    fn shares(self, old: usize, new: usize) -> Vec<Vec<(usize, f64)>> {
        let share = |at: usize| {
            let center = (at as f64 + 0.5) * old as f64 / new as f64 - 0.5;
            if self == Self::Nearest {
                return vec![(center.round().clamp(0.0, (old - 1) as f64) as usize, 1.0)];
            }
            let near = center.floor() as isize - 2..=center.floor() as isize + 3;
            let weights: Vec<(usize, f64)> = near
                .map(|pixel| (pixel.clamp(0, old as isize - 1) as usize, self.weight(pixel as f64 - center)))
                .filter(|&(_, weight)| weight != 0.0)
                .collect();
            let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
            weights.into_iter().map(|(pixel, weight)| (pixel, weight / sum)).collect()
        };
        (0..new).map(share).collect()
    }

    /// `frame` in another size.
    pub fn scaled(self, frame: &Frame, (width, height): (usize, usize)) -> Frame {
        let (across, down) = (self.shares(frame.width, width), self.shares(frame.height, height));
        let mut wide = vec![0.0; width * frame.height * 3];
        for (at, level) in wide.iter_mut().enumerate() {
            let (y, x, channel) = (at / 3 / width, at / 3 % width, at % 3);
            let old = |pixel: usize| f64::from(frame.pixels[y * frame.width + pixel][channel]);
            *level = across[x].iter().map(|&(pixel, weight)| weight * old(pixel)).sum();
        }
        let level = |at: usize| {
            let (y, rest) = (at / (width * 3), at % (width * 3));
            let sum: f64 = down[y].iter().map(|&(row, weight)| weight * wide[row * width * 3 + rest]).sum();
            sum.round().clamp(0.0, 255.0) as u8
        };
        let levels: Vec<u8> = (0..width * height * 3).map(level).collect();
        Frame::from_rgb(width, height, &levels)
    }
}
