//! From YCbCr to RGB: BT.601 with studio swing, each product rounded by itself.
//!
//! Source: Aspeed video stream, color. `P(c, x) = (fix(c) * x + 32768) >> 16`, where `fix(c)` is `c * 65536` rounded,
//! the sign apart; with y = P(1.164, Y - 16), u = Cb - 128, v = Cr - 128:
//! R = y + P(1.597656, v); G = y + P(-0.390625, u) + P(-0.8125, v); B = y + P(2.015625, u); each clamped to 0..=255.

use super::block::Samples;

/// A color nobody drew: black.
pub const BLACK: [u8; 3] = [16, 128, 128];

const Y: i32 = 76_284; // 1.164
const R_FROM_V: i32 = 104_704; // 1.597656
const G_FROM_U: i32 = -25_600; // -0.390625
const G_FROM_V: i32 = -53_248; // -0.8125
const B_FROM_U: i32 = 132_096; // 2.015625

/// The RGB of one color given as Y, Cb and Cr.
pub fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let ([r, g], b) = convert(y, cb, cr);
    [r as u8, g as u8, b as u8]
}

/// The pixels of a tile: of each its red and green, `red + green * 256`, and its blue.
pub(super) fn pixels([y, cb, cr]: [&Samples; 3], pixels: &mut [[[u16; 2]; 8]; 8]) {
    for column in 0..8 {
        for row in 0..8 {
            let ([r, g], b) = convert(y[column][row], cb[column][row], cr[column][row]);
            pixels[column][row] = [r | g << 8, b];
        }
    }
}

/// Red and green, and blue, each 0 to 255.
#[inline(always)]
fn convert(y: u8, cb: u8, cr: u8) -> ([u16; 2], u16) {
    let y = product::<Y>(i16::from(y) - 16);
    let u = i16::from(cb) - 128;
    let v = i16::from(cr) - 128;
    let r = (y + product::<R_FROM_V>(v)).clamp(0, 255) as u16;
    let g = (y + product::<G_FROM_U>(u) + product::<G_FROM_V>(v)).clamp(0, 255) as u16;
    let b = (y + product::<B_FROM_U>(u)).clamp(0, 255) as u16;
    ([r, g], b)
}

/// `(FIX * x + 32768) >> 16` in 16 bits: the factor's whole part by itself, so that the rest is below a half; the sum
/// with 32768 carries exactly where the lower half of the product is at least as large.
#[inline(always)]
fn product<const FIX: i32>(x: i16) -> i16 {
    let whole = const { ((FIX + (1 << 15)) >> 16) as i16 };
    let rest = const { (FIX - (((FIX + (1 << 15)) >> 16) << 16)) as i16 };
    let upper = ((i32::from(rest) * i32::from(x)) >> 16) as i16;
    let carry = (rest.wrapping_mul(x) as u16 >> 15) as i16;
    whole * x + upper + carry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_rounded_factors() {
        let fix = |factor: f64| (factor.abs() * 65536.0 + 0.5).floor() as i32 * factor.signum() as i32;
        let factors = [1.164, 1.597656, -0.390625, -0.8125, 2.015625];
        assert_eq!([Y, R_FROM_V, G_FROM_U, G_FROM_V, B_FROM_U], factors.map(fix));
    }

    #[test]
    fn a_product_in_16_bits_equals_its_definition() {
        fn check<const FIX: i32>() {
            for x in -128..=255 {
                assert_eq!(i32::from(product::<FIX>(x)), (FIX * i32::from(x) + 32768) >> 16, "{FIX} * {x}");
            }
        }
        check::<Y>();
        check::<R_FROM_V>();
        check::<G_FROM_U>();
        check::<G_FROM_V>();
        check::<B_FROM_U>();
    }

    #[test]
    fn studio_swing_reaches_black_and_white_and_clamps_beyond() {
        assert_eq!(rgb(BLACK), [0, 0, 0]);
        assert_eq!(rgb([235, 128, 128]), [255, 255, 255]);
        assert_eq!(rgb([0, 128, 128]), [0, 0, 0]);
        assert_eq!(rgb([255, 255, 255]), [255, 125, 255]);
        // Red and blue use up v and u alone; green both, each product rounded by itself.
        assert_eq!(rgb([128, 129, 129]), [132, 129, 132]);
    }
}
