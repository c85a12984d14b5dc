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
use std::ops::{Add, Sub};

use super::bits::Bits;
use super::huffman::{CHROMA_AC_LOOKUP, CHROMA_DC_LOOKUP, Entry, LUMA_AC_LOOKUP, LUMA_DC_LOOKUP, Lookup};
use super::tables::{AAN, ZIGZAG, chroma_quantisation, luma_quantisation};
use crate::base::DecodeError;

/// Samples of one component, row by row.
pub(super) type Samples = [[u8; 8]; 8];

/// The quantised coefficients of a data unit, row by row.
type Coefficients = [[i16; 8]; 8];

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

    /// Takes a block in 4:4:4: Y, Cb, Cr.
    pub(super) fn take(&mut self, bits: &mut Bits, tables: &Tables) -> Result<[Samples; 3], DecodeError> {
        let y = self.y.take(bits, &tables.luma)?;
        let cb = self.cb.take(bits, &tables.chroma)?;
        let cr = self.cr.take(bits, &tables.chroma)?;
        bits.check()?;
        Ok([y, cb, cr])
    }

    /// Takes a block in 4:2:0: Y top left, top right, bottom left, bottom right, then Cb and Cr.
    pub(super) fn take_quarter(&mut self, bits: &mut Bits, tables: &Tables) -> Result<[Samples; 6], DecodeError> {
        let mut units = [[[0; 8]; 8]; 6];
        let [luma @ .., cb, cr] = &mut units;
        for y in luma {
            *y = self.y.take(bits, &tables.luma)?;
        }
        *cb = self.cb.take(bits, &tables.chroma)?;
        *cr = self.cr.take(bits, &tables.chroma)?;
        bits.check()?;
        Ok(units)
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

    /// Takes one data unit.
    #[inline]
    fn take(&mut self, bits: &mut Bits, quantisation: &Quantisation) -> Result<Samples, DecodeError> {
        let unassigned = DecodeError::Malformed { what: "an unassigned Huffman code" };
        let (difference, _) = self.dc.take(bits).ok_or(unassigned)?;
        // A true picture's coefficients have 12 bits, so 16 leave room.
        let range = DecodeError::Malformed { what: "a DC coefficient out of range" };
        self.predictor = self.predictor.checked_add(difference).ok_or(range)?;

        let (mut value, mut entry) = self.ac.take(bits).ok_or(unassigned)?;
        if entry.run == Entry::END {
            return Ok([[quantisation.flat(self.predictor); 8]; 8]);
        }
        let mut coefficients = [0; 64];
        coefficients[0] = self.predictor;
        let mut place = 1;
        loop {
            place += usize::from(entry.run);
            if place > 63 {
                if entry.run == Entry::END {
                    break;
                }
                return Err(DecodeError::Malformed { what: "a run past the last coefficient" });
            }
            coefficients[usize::from(ZIGZAG[place] & 63)] = value;
            place += 1;
            if place > 63 {
                break;
            }
            (value, entry) = self.ac.take(bits).ok_or(unassigned)?;
        }
        Ok(quantisation.transform(&rows(coefficients)))
    }
}

fn rows<T: Copy>(flat: [T; 64]) -> [[T; 8]; 8] {
    array::from_fn(|row| array::from_fn(|column| flat[row * 8 + column]))
}

/// A quantisation table with the scale factors of the transform, row by row.
struct Quantisation {
    step: [[u16; 8]; 8],
    /// The multiplier of each coefficient, `step * scale * 65536` rounded down, is `whole * 65536 + rest`.
    whole: [[i16; 8]; 8],
    rest: [[i16; 8]; 8],
}

/// As long as the magnitudes of a data unit's coefficients, each times its quantisation step, sum up to at most this,
/// no number that the transform multiplies or gives back exceeds 16 bits: it is at most 1.387 * 1.387 times the sum,
/// which leaves 1,900 for what the roundings add. A block of true samples reaches 64 * 128, the difference of two 64 * 255
/// (eight times the Euclidean length of the samples, which the transform preserves).
const NARROW_LIMIT: u32 = 16_000;

impl Quantisation {
    fn new(table: [u16; 64]) -> Self {
        let step = rows(table);
        let multipliers: [[i32; 8]; 8] = array::from_fn(|row| {
            array::from_fn(|column| (f64::from(step[row][column]) * AAN[row] * AAN[column] * 65_536.0) as i32)
        });
        // The rest is signed, so the whole part is rounded to the nearest.
        let whole = multipliers.map(|row| row.map(|multiplier| ((multiplier + (1 << 15)) >> 16) as i16));
        let rest = multipliers.map(|row| row.map(|multiplier| multiplier as i16));
        Self { step, whole, rest }
    }

    /// The samples of a data unit that has a DC coefficient only: all the same, as the transform gives them.
    fn flat(&self, dc: i16) -> u8 {
        // The multiplier has no fraction here.
        sample(i32::from(self.whole[0][0]) * i32::from(dc))
    }

    #[inline]
    fn transform(&self, coefficients: &Coefficients) -> Samples {
        let mut sum = 0;
        for (row, steps) in coefficients.iter().zip(&self.step) {
            for (coefficient, &step) in row.iter().zip(steps) {
                sum += u32::from(coefficient.unsigned_abs()) * u32::from(step);
            }
        }
        if sum <= NARROW_LIMIT { self.transform_narrow(coefficients) } else { self.transform_wide(coefficients) }
    }

    /// The transform in 16 bits, for sums up to [`NARROW_LIMIT`].
    #[inline]
    fn transform_narrow(&self, coefficients: &Coefficients) -> Samples {
        let scaled = array::from_fn(|row| {
            Lanes(array::from_fn(|column| {
                let coefficient = coefficients[row][column];
                let fraction = high_product(self.rest[row][column], coefficient);
                self.whole[row][column].wrapping_mul(coefficient).wrapping_add(fraction)
            }))
        });
        let columns_done = transpose(butterfly(scaled));
        let rows_done = transpose(butterfly(columns_done));
        rows_done.map(|row| row.0.map(|value| sample(i32::from(value))))
    }

    /// The transform by its definition.
    #[cold]
    fn transform_wide(&self, coefficients: &Coefficients) -> Samples {
        let scaled: [[i64; 8]; 8] = array::from_fn(|row| {
            array::from_fn(|column| {
                let multiplier = i64::from(self.whole[row][column]) * 65_536 + i64::from(self.rest[row][column]);
                (multiplier * i64::from(coefficients[row][column])) >> 16
            })
        });
        let columns: [[i64; 8]; 8] = array::from_fn(|column| butterfly(scaled.map(|row| row[column])));
        array::from_fn(|row| {
            butterfly(columns.map(|column| column[row])).map(|value| ((value >> 3) + 128).clamp(0, 255) as u8)
        })
    }
}

fn sample(value: i32) -> u8 {
    ((value >> 3) + 128).clamp(0, 255) as u8
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

/// Eight numbers of 16 bits. Sums wrap: they may pass through 16 bits as long as they come back.
#[derive(Clone, Copy)]
struct Lanes([i16; 8]);

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Self(array::from_fn(|lane| self.0[lane].wrapping_add(other.0[lane])))
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Self(array::from_fn(|lane| self.0[lane].wrapping_sub(other.0[lane])))
    }
}

impl Number for Lanes {
    /// The factor over 256 is a whole number, which needs no rounding, and a rest of less than a half in magnitude.
    #[inline(always)]
    fn times<const FACTOR: i32>(self) -> Self {
        let whole = const { ((FACTOR + 128) >> 8) as i16 };
        let rest = const { ((FACTOR - (((FACTOR + 128) >> 8) << 8)) << 8) as i16 };
        Self(self.0.map(|value| whole.wrapping_mul(value).wrapping_add(high_product(rest, value))))
    }
}

/// The upper 16 bits of the product.
#[inline(always)]
fn high_product(a: i16, b: i16) -> i16 {
    ((i32::from(a) * i32::from(b)) >> 16) as i16
}

#[inline(always)]
fn transpose(rows: [Lanes; 8]) -> [Lanes; 8] {
    array::from_fn(|column| Lanes(array::from_fn(|row| rows[row].0[column])))
}

#[cfg(test)]
mod tests;
