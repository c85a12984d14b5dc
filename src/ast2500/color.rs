//! From YCbCr to RGB: BT.601 with studio swing, each product rounded by itself.
//!
//! Source: Aspeed video stream, color. `P(c, x) = (fix(c) * x + 32768) >> 16`, where `fix(c)` is `c * 65536` rounded,
//! the sign apart; with y = P(1.164, Y - 16), u = Cb - 128, v = Cr - 128:
//! R = y + P(1.597656, v); G = y + P(-0.390625, u) + P(-0.8125, v); B = y + P(2.015625, u); each clamped to 0..=255.

/// A color nobody drew: black.
pub const BLACK: [u8; 3] = [16, 128, 128];

const Y: i32 = 76_284; // 1.164
const R_FROM_V: i32 = 104_704; // 1.597656
const G_FROM_U: i32 = -25_600; // -0.390625
const G_FROM_V: i32 = -53_248; // -0.8125
const B_FROM_U: i32 = 132_096; // 2.015625

/// The RGB of one color given as Y, Cb and Cr.
pub fn rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let [[r], [g], [b]] = rgb_lanes(&[y], &[cb], &[cr]);
    [r, g, b]
}

/// The RGB of `N` pixels at once: their red, their green, their blue.
#[inline(always)]
pub(super) fn rgb_lanes<const N: usize>(y: &[u8; N], cb: &[u8; N], cr: &[u8; N]) -> [[u8; N]; 3] {
    let mut rgb = [[0; N]; 3];
    for lane in 0..N {
        let y = product::<Y>(i16::from(y[lane]) - 16);
        let u = i16::from(cb[lane]) - 128;
        let v = i16::from(cr[lane]) - 128;
        rgb[0][lane] = (y + product::<R_FROM_V>(v)).clamp(0, 255) as u8;
        rgb[1][lane] = (y + product::<G_FROM_U>(u) + product::<G_FROM_V>(v)).clamp(0, 255) as u8;
        rgb[2][lane] = (y + product::<B_FROM_U>(u)).clamp(0, 255) as u8;
    }
    rgb
}

/// `(FIX * x + 32768) >> 16` in 16 bits: the factor's whole part by itself, so that the rest is below a half.
#[inline(always)]
fn product<const FIX: i32>(x: i16) -> i16 {
    let whole = const { (FIX + (1 << 15)) >> 16 };
    let rest = const { FIX - (((FIX + (1 << 15)) >> 16) << 16) };
    let rounded = (rest * i32::from(x) + (1 << 15)) >> 16;
    whole as i16 * x + rounded as i16
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
