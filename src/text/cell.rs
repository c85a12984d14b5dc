//! One cell of the screen: its pixels, and what can be said of them before any glyph is known.

use super::scaled;
use crate::base::{Frame, Rgb};

/// Dots of a cell at most: 32 by 32.
pub const MAX_DOTS: usize = 1024;

/// Levels of the strongest channel between two colors that are told apart; less is the noise of a lossy picture.
const SEEN: u32 = 24;

/// Where a cell lies and how large it is, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its left edge.
    pub left: usize,
    /// Its top edge.
    pub top: usize,
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

/// The strongest difference between two colors in any channel.
pub fn distance(one: Rgb, other: Rgb) -> u32 {
    (0..3).map(|channel| u32::from(one[channel].abs_diff(other[channel]))).max().unwrap_or(0)
}

/// What a cell shows.
#[derive(Debug)]
pub enum Content {
    /// One color: nothing, or a block that fills the cell.
    Flat(Rgb),
    /// Exactly two colors; the second is where the dots of the mask are set.
    Two(Rgb, Rgb, Mask),
    /// More colors, as a lossy picture has and a photo.
    Many,
}

/// Dots of a cell, row by row from the top left: dot `n` is bit `n % 64` of word `n / 64`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mask([u64; MAX_DOTS / 64]);

impl Mask {
    /// No dot set.
    pub const EMPTY: Self = Self([0; MAX_DOTS / 64]);

    /// Sets dot `n`, below `MAX_DOTS`.
    pub fn set(&mut self, dot: usize) {
        self.0[dot / 64] |= 1 << (dot % 64);
    }

    /// Whether dot `n` is set.
    pub fn has(&self, dot: usize) -> bool {
        self.0[dot / 64] >> (dot % 64) & 1 == 1
    }

    /// The words that hold the first `dots`.
    pub fn words(&self, dots: usize) -> &[u64] {
        &self.0[..dots.div_ceil(64)]
    }

    /// The first `dots` the other way around.
    pub fn inverse(&self, dots: usize) -> Self {
        let mut inverse = Self::EMPTY;
        for (at, word) in inverse.0.iter_mut().enumerate().take(dots.div_ceil(64)) {
            let last = dots - at * 64;
            *word = !self.0[at] & if last < 64 { (1 << last) - 1 } else { u64::MAX };
        }
        inverse
    }

    /// In how many of the first `dots` it differs from another.
    pub fn differing(&self, other: &Self, dots: usize) -> u32 {
        self.words(dots).iter().zip(other.words(dots)).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// How many dots are set.
    pub fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The dots that are set, in order.
    pub fn dots(words: &[u64]) -> impl Iterator<Item = usize> {
        words.iter().enumerate().flat_map(|(at, &word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit as usize)
            })
        })
    }
}

/// The pixels of a cell. One buffer serves many cells.
#[derive(Default)]
pub struct Cell {
    pixels: Vec<Rgb>,
}

impl Cell {
    /// Takes the pixels at `place`, which lies on `frame`.
    pub fn take(&mut self, frame: &Frame, place: Place) -> &Self {
        self.pixels.clear();
        for y in place.top..place.top + place.height {
            let at = y * frame.width + place.left;
            self.pixels.extend_from_slice(&frame.pixels[at..at + place.width]);
        }
        self
    }

    /// Takes the pixels at `place` on a screen of `size`, from which `frame` may have been enlarged.
    pub fn take_scaled(&mut self, frame: &Frame, size: (usize, usize), place: Place) -> &Self {
        if size == (frame.width, frame.height) {
            return self.take(frame, place);
        }
        self.pixels.clear();
        scaled::take(frame, size, place, &mut self.pixels);
        self
    }

    /// How many pixels it has.
    pub fn dots(&self) -> usize {
        self.pixels.len()
    }

    /// One color, two, or more.
    pub fn content(&self) -> Content {
        let first = self.pixels[0];
        let Some(&second) = self.pixels.iter().find(|&&pixel| pixel != first) else { return Content::Flat(first) };
        let mut mask = Mask::EMPTY;
        for (dot, &pixel) in self.pixels.iter().enumerate() {
            if pixel == second {
                mask.set(dot);
            } else if pixel != first {
                return Content::Many;
            }
        }
        if distance(first, second) < SEEN { Content::Flat(first) } else { Content::Two(first, second, mask) }
    }

    /// The signals worth matching: luma, and the one channel that shows more than luma does, as blue does on black.
    /// None where nothing can be seen.
    pub fn signals(&self) -> Vec<Signal> {
        let luma = |[red, green, blue]: Rgb| {
            ((77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue)) >> 8) as u8
        };
        let mut low = [255; 3];
        let mut high = [0; 3];
        for pixel in &self.pixels {
            for channel in 0..3 {
                low[channel] = pixel[channel].min(low[channel]);
                high[channel] = pixel[channel].max(high[channel]);
            }
        }
        let levels: Vec<u8> = self.pixels.iter().map(|&pixel| luma(pixel)).collect();
        let luma = Signal::new(levels);
        let widest = (0..3).max_by_key(|&channel| high[channel].saturating_sub(low[channel])).unwrap_or(0);
        let channel_range = high[widest].saturating_sub(low[widest]);
        let mut signals = Vec::new();
        if u32::from(channel_range) * 10 > u32::from(luma.range()) * 16 && channel_range >= Signal::FAINTEST {
            signals.push(Signal::new(self.pixels.iter().map(|pixel| pixel[widest]).collect()));
        }
        if luma.range() >= Signal::FAINTEST {
            signals.push(luma);
        }
        signals
    }

    /// The dots that are not as most of the cell's edge, `width` being its dots across, at least 2; `None` where it has
    /// one color.
    pub fn written(&self, width: usize) -> Option<Mask> {
        let mask = match self.content() {
            Content::Flat(_) => return None,
            Content::Two(_, _, mask) => mask,
            Content::Many => self.signals().first()?.bright(),
        };
        let last = self.dots() - width;
        let row = |start: usize| {
            let step = if start == 0 || start == last { 1 } else { width - 1 };
            (start..start + width).step_by(step)
        };
        let edge = (0..self.dots()).step_by(width).flat_map(row);
        let (inked, edge) = edge.fold((0, 0), |(inked, all), dot| (inked + usize::from(mask.has(dot)), all + 1));
        Some(if inked * 2 > edge { mask.inverse(self.dots()) } else { mask })
    }

    /// The mean color of the dots that are set in `words`, and of the others.
    pub fn means(&self, words: &[u64]) -> (Rgb, Rgb) {
        let mut ink = [0; 3];
        let mut all = [0; 3];
        let mut count = 0;
        for pixel in &self.pixels {
            (0..3).for_each(|channel| all[channel] += u32::from(pixel[channel]));
        }
        for dot in Mask::dots(words) {
            count += 1;
            (0..3).for_each(|channel| ink[channel] += u32::from(self.pixels[dot][channel]));
        }
        let mean = |sum: u32, count: u32| ((sum + count / 2) / count.max(1)) as u8;
        let rest = self.pixels.len() as u32 - count;
        (ink.map(|sum| mean(sum, count)), [0, 1, 2].map(|channel| mean(all[channel] - ink[channel], rest)))
    }

    /// The mean color.
    pub fn mean(&self) -> Rgb {
        self.means(&[]).1
    }

    /// The pixels, row by row.
    pub fn pixels(&self) -> &[Rgb] {
        &self.pixels
    }
}

/// A cell's levels in one channel, with the sums that matching needs.
pub struct Signal {
    levels: Vec<u8>,
    low: u8,
    high: u8,
    sum: f32,
    /// The sum of squared deviations from the mean.
    spread: f32,
}

impl Signal {
    /// Levels that ink spans at least.
    pub const FAINTEST: u8 = 20;

    /// The signal of these levels, at least one, dot by dot.
    pub fn new(levels: Vec<u8>) -> Self {
        let (mut low, mut high, mut sum, mut squares) = (255, 0, 0_u32, 0_u32);
        for &level in &levels {
            low = level.min(low);
            high = level.max(high);
            sum += u32::from(level);
            squares += u32::from(level) * u32::from(level);
        }
        let mean = sum as f32 / levels.len() as f32;
        Self { low, high, sum: sum as f32, spread: (squares as f32 - sum as f32 * mean).max(0.0), levels }
    }

    /// A cell of exactly two colors, as if they were black and white.
    pub fn of_mask(mask: &Mask, dots: usize) -> Self {
        Self::new((0..dots).map(|dot| if mask.has(dot) { 255 } else { 0 }).collect())
    }

    /// Levels between the darkest and the brightest dot.
    pub fn range(&self) -> u8 {
        self.high.saturating_sub(self.low)
    }

    /// The dots above the middle between the darkest and the brightest.
    pub fn bright(&self) -> Mask {
        let middle = (u32::from(self.low) + u32::from(self.high)).div_ceil(2);
        let mut mask = Mask::EMPTY;
        for (dot, &level) in self.levels.iter().enumerate() {
            if u32::from(level) >= middle {
                mask.set(dot);
            }
        }
        mask
    }

    /// How well the levels follow the dots of `words`, of which `ink` are set: the correlation, -1 to 1. Negative
    /// where the ink is the darker part.
    pub fn correlation(&self, words: &[u64], ink: u32) -> f32 {
        let dots = self.levels.len() as f32;
        let ink_sum: u32 = Mask::dots(words).map(|dot| u32::from(self.levels[dot])).sum();
        let ink = ink as f32;
        let scale = (self.spread * ink * (dots - ink) / dots).sqrt();
        if scale > 0.0 { (ink_sum as f32 - ink * self.sum / dots) / scale } else { 0.0 }
    }

    /// How clearly the dots in which two shapes differ speak for the one over the other: 1 where each of these dots is
    /// as the one has it, 0 half way, below 0 where they are rather as the other has them.
    pub fn margin(&self, one: &[u64], other: &[u64]) -> f32 {
        let (mut ink, mut count) = (0_u32, 0_u32);
        for dot in Mask::dots(one) {
            ink += u32::from(self.levels[dot]);
            count += 1;
        }
        let dots = self.levels.len() as f32;
        let ink_level = ink as f32 / count.max(1) as f32;
        let rest_level = (self.sum - ink as f32) / (dots - count as f32).max(1.0);
        let (mut agreed, mut differing) = (0.0, 0.0);
        for (at, (a, b)) in one.iter().zip(other).enumerate() {
            for bit in Mask::dots(&[a ^ b]) {
                let place = (f32::from(self.levels[at * 64 + bit]) - rest_level) / (ink_level - rest_level);
                agreed += if a >> bit & 1 == 1 { 2.0 * place - 1.0 } else { 1.0 - 2.0 * place };
                differing += 1.0;
            }
        }
        if differing > 0.0 { agreed / differing } else { 1.0 }
    }
}
