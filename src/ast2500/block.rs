//! Data units: 64 coefficients out of the bits, and the inverse transform to 8 x 8 samples.
//!
//! Source: ITU-T T.81 annex F for the entropy coding; for the transform Arai, Agui, Nakajima 1988 in the integers of
//! the chip vendor's decoder (Aspeed video stream, data units): a coefficient times its multiplier, 16 fractional bits
//! dropped, then columns, then rows, each product with a constant over 256 rounded down, at the end `(x >> 3) + 128`.
//!
//! The transform is written once and runs on two kinds of numbers: 64 bits wide, which is its definition, and eight
//! 16-bit lanes at a time, which compilers turn into vector instructions. [`NARROW_LIMIT`] says when the lanes hold
//! exactly the same numbers; every data unit made of a true picture is far below it.

use std::array;
use std::num::Wrapping;
use std::ops::{Add, Sub};

use super::bits::Bits;
use super::huffman::{CHROMA_AC_LOOKUP, CHROMA_DC_LOOKUP, END, LUMA_AC_LOOKUP, LUMA_DC_LOOKUP, Lookup};
use super::tables::{AAN, ZIGZAG, chroma_quantisation, luma_quantisation};
use crate::base::DecodeError;

/// Samples of one component, column by column.
pub(super) type Samples = [[u8; 8]; 8];

/// The quantised coefficients of a data unit, row by row.
type Coefficients = [i16; 64];

/// The quantisation of a block.
pub(super) struct Tables {
    luma: Quantisation,
    chroma: Quantisation,
}

impl Tables {
    /// The tables of a selector, the luma table for both where `luma_for_chroma` says so.
    pub(super) fn new(selector: u8, luma_for_chroma: bool) -> Result<Self, DecodeError> {
        let unknown = DecodeError::Unsupported { what: "quantisation table selector", value: selector.into() };
        let luma = luma_quantisation(selector).ok_or(unknown)?;
        let chroma = if luma_for_chroma { luma } else { chroma_quantisation(selector).ok_or(unknown)? };
        Ok(Self { luma: Quantisation::new(luma), chroma: Quantisation::new(chroma) })
    }
}

/// The components of a frame, each with its predictor, which starts at 0.
pub(super) struct Components {
    y: Component,
    cb: Component,
    cr: Component,
}

impl Components {
    pub(super) fn new() -> Self {
        Self {
            y: Component::new(&LUMA_DC_LOOKUP, &LUMA_AC_LOOKUP),
            cb: Component::new(&CHROMA_DC_LOOKUP, &CHROMA_AC_LOOKUP),
            cr: Component::new(&CHROMA_DC_LOOKUP, &CHROMA_AC_LOOKUP),
        }
    }

    /// Takes a block in 4:4:4: Y, Cb, Cr. Gives its color where it has only one.
    pub(super) fn take(
        &mut self,
        bits: &mut Bits,
        tables: &Tables,
        [y, cb, cr]: &mut [Samples; 3],
    ) -> Result<Option<[u8; 3]>, DecodeError> {
        let flat_y = self.y.take(bits, &tables.luma, y)?;
        let flat_cb = self.cb.take(bits, &tables.chroma, cb)?;
        let flat_cr = self.cr.take(bits, &tables.chroma, cr)?;
        bits.check()?;
        Ok((flat_y && flat_cb && flat_cr).then(|| [y[0][0], cb[0][0], cr[0][0]]))
    }

    /// Takes a block in 4:2:0: Y top left, top right, bottom left, bottom right, then Cb and Cr.
    pub(super) fn take_quarter(
        &mut self,
        bits: &mut Bits,
        tables: &Tables,
        [luma @ .., cb, cr]: &mut [Samples; 6],
    ) -> Result<(), DecodeError> {
        for y in luma {
            self.y.take(bits, &tables.luma, y)?;
        }
        self.cb.take(bits, &tables.chroma, cb)?;
        self.cr.take(bits, &tables.chroma, cr)?;
        bits.check()
    }
}

/// One component of a frame: its codes, and where its data units stand.
struct Component {
    dc: &'static Lookup,
    ac: &'static Lookup,
    /// The DC coefficient of the data unit before.
    predictor: i16,
}

impl Component {
    fn new(dc: &'static Lookup, ac: &'static Lookup) -> Self {
        Self { dc, ac, predictor: 0 }
    }

    /// Takes one data unit. Says whether all its samples are the same because it has no coefficient but DC.
    fn take(
        &mut self,
        bits: &mut Bits,
        quantisation: &Quantisation,
        samples: &mut Samples,
    ) -> Result<bool, DecodeError> {
        let unassigned = DecodeError::Malformed { what: "an unassigned Huffman code" };
        let (difference, _) = self.dc.take(bits).ok_or(unassigned)?;
        // A true picture's coefficients have 12 bits, so 16 leave room.
        let range = DecodeError::Malformed { what: "a DC coefficient out of range" };
        self.predictor = self.predictor.checked_add(difference).ok_or(range)?;

        let (mut value, mut run) = self.ac.take(bits).ok_or(unassigned)?;
        if run == END {
            *samples = [[quantisation.flat(self.predictor); 8]; 8];
            return Ok(true);
        }
        let mut coefficients = [0; 64];
        coefficients[0] = self.predictor;
        let mut sum = quantisation.magnitude(0, self.predictor);
        let mut place = 1;
        loop {
            place += usize::from(run);
            if place > 63 {
                if run == END {
                    break;
                }
                return Err(DecodeError::Malformed { what: "a run past the last coefficient" });
            }
            let natural = usize::from(ZIGZAG[place] & 63);
            coefficients[natural] = value;
            sum += quantisation.magnitude(natural, value);
            place += 1;
            if place > 63 {
                break;
            }
            (value, run) = self.ac.take(bits).ok_or(unassigned)?;
        }
        if sum <= NARROW_LIMIT {
            quantisation.transform_narrow(&coefficients, samples);
        } else {
            quantisation.transform_wide(&coefficients, samples);
        }
        Ok(false)
    }
}

/// A quantisation table with the scale factors of the transform, row by row.
struct Quantisation {
    step: [u16; 64],
    /// The multiplier of each coefficient, `step * scale * 65536` rounded down, is `whole * 65536 + rest`.
    whole: [i16; 64],
    rest: [i16; 64],
}

/// As long as the magnitudes of a data unit's coefficients, each times its quantisation step, sum up to at most this,
/// no number that the transform multiplies or gives back exceeds 16 bits: it is at most 1.387 * 1.387 times the sum,
/// which leaves 1,900 for what the roundings add. A block of true samples reaches 64 * 128, the difference of two 64 * 255
/// (eight times the Euclidean length of the samples, which the transform preserves).
const NARROW_LIMIT: u32 = 16_000;

impl Quantisation {
    fn new(step: [u16; 64]) -> Self {
        let multipliers: [i32; 64] =
            array::from_fn(|place| (f64::from(step[place]) * AAN[place / 8] * AAN[place % 8] * 65_536.0) as i32);
        // The rest is signed, so the whole part is rounded to the nearest.
        let whole = multipliers.map(|multiplier| ((multiplier + (1 << 15)) >> 16) as i16);
        let rest = multipliers.map(|multiplier| multiplier as i16);
        Self { step, whole, rest }
    }

    /// The samples of a data unit that has a DC coefficient only: all the same, as the transform gives them.
    fn flat(&self, dc: i16) -> u8 {
        // The multiplier has no fraction here.
        (((i32::from(self.whole[0]) * i32::from(dc)) >> 3) + 128).clamp(0, 255) as u8
    }

    /// A coefficient's magnitude times its quantisation step.
    #[inline(always)]
    fn magnitude(&self, place: usize, coefficient: i16) -> u32 {
        u32::from(coefficient.unsigned_abs()) * u32::from(self.step[place])
    }

    /// The transform in 16 bits, for sums of magnitudes up to [`NARROW_LIMIT`]. Not inlined, as [`along`].
    #[inline(never)]
    fn transform_narrow(&self, coefficients: &Coefficients, samples: &mut Samples) {
        let mut scaled = [[Wrapping(0); 8]; 8];
        for (place, scaled) in scaled.as_flattened_mut().iter_mut().enumerate() {
            let fraction = high_product(self.rest[place], coefficients[place]);
            *scaled = Wrapping(self.whole[place]) * Wrapping(coefficients[place]) + Wrapping(fraction);
        }
        let done = inverse(&scaled);
        for column in 0..8 {
            for row in 0..8 {
                // An eighth of 16 bits leaves room for the 128.
                samples[column][row] = ((done[column][row].0 >> 3) + 128).clamp(0, 255) as u8;
            }
        }
    }

    /// The transform by its definition, for any coefficients.
    #[cold]
    fn transform_wide(&self, coefficients: &Coefficients, samples: &mut Samples) {
        let mut scaled = [[0; 8]; 8];
        for (place, scaled) in scaled.as_flattened_mut().iter_mut().enumerate() {
            let multiplier = i64::from(self.whole[place]) * 65_536 + i64::from(self.rest[place]);
            *scaled = (multiplier * i64::from(coefficients[place])) >> 16;
        }
        *samples = inverse(&scaled).map(|column| column.map(|value| ((value >> 3) + 128).clamp(0, 255) as u8));
    }
}

/// Both dimensions of the inverse transform: from rows of coefficients to columns of samples.
#[inline(always)]
fn inverse<N: Number>(coefficients: &[[N; 8]; 8]) -> [[N; 8]; 8] {
    let (mut lines, mut turned) = (*coefficients, *coefficients);
    along(coefficients, &mut lines);
    rotate(&lines, &mut turned);
    rotate(&turned, &mut lines);
    rotate(&lines, &mut turned);
    along(&turned, &mut lines);
    lines
}

/// One dimension of the inverse transform, across the lines, for eight places in them at once. Not inlined: in memory the
/// loop becomes vector instructions, while arrays that compilers have taken apart do not.
#[inline(never)]
fn along<N: Number>(from: &[[N; 8]; 8], to: &mut [[N; 8]; 8]) {
    for lane in 0..8 {
        let done = butterfly(array::from_fn(|line| from[line][lane]));
        for line in 0..8 {
            to[line][lane] = done[line];
        }
    }
}

/// A third of a transposition: the uppermost of the six bits of each number's place becomes the lowest. By itself it is
/// a few vector instructions; what compilers make of three in one moves number by number, hence no inlining.
#[inline(never)]
fn rotate<N: Number>(from: &[[N; 8]; 8], to: &mut [[N; 8]; 8]) {
    for line in 0..8 {
        for lane in 0..8 {
            to[line][lane] = from[line / 2 + lane % 2 * 4][line % 2 * 4 + lane / 2];
        }
    }
}

/// What the transform calculates with.
trait Number: Copy + Add<Output = Self> + Sub<Output = Self> {
    /// `(FACTOR * self) >> 8`.
    fn times<const FACTOR: i32>(self) -> Self;
}

impl Number for i64 {
    fn times<const FACTOR: i32>(self) -> Self {
        (i64::from(FACTOR) * self) >> 8
    }
}

/// One dimension of the inverse transform, input and output in their natural order.
#[inline(always)]
fn butterfly<N: Number>(x: [N; 8]) -> [N; 8] {
    // Even part.
    let (sum04, difference04) = (x[0] + x[4], x[0] - x[4]);
    let sum26 = x[2] + x[6];
    let difference26 = (x[2] - x[6]).times::<362>() - sum26;
    let (even0, even3) = (sum04 + sum26, sum04 - sum26);
    let (even1, even2) = (difference04 + difference26, difference04 - difference26);

    // Odd part.
    let (sum53, difference53) = (x[5] + x[3], x[5] - x[3]);
    let (sum17, difference17) = (x[1] + x[7], x[1] - x[7]);
    let odd0 = sum17 + sum53;
    let rotated = (difference53 + difference17).times::<473>();
    let odd1 = difference53.times::<-669>() + rotated - odd0;
    let odd2 = (sum17 - sum53).times::<362>() - odd1;
    let odd3 = difference17.times::<277>() - rotated + odd2;

    [even0 + odd0, even1 + odd1, even2 + odd2, even3 - odd3, even3 + odd3, even2 - odd2, even1 - odd1, even0 - odd0]
}

/// Sums wrap: they may pass through 16 bits as long as they come back.
impl Number for Wrapping<i16> {
    /// The factor over 256 is a whole number, which needs no rounding, and a rest of less than a half in magnitude.
    #[inline(always)]
    fn times<const FACTOR: i32>(self) -> Self {
        let whole = const { ((FACTOR + 128) >> 8) as i16 };
        let rest = const { ((FACTOR - (((FACTOR + 128) >> 8) << 8)) << 8) as i16 };
        Wrapping(whole) * self + Wrapping(high_product(rest, self.0))
    }
}

/// The upper 16 bits of the product.
#[inline(always)]
fn high_product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

#[cfg(test)]
mod tests;
