//! The brightness boost: makes dim text readable and keeps every level apart.
//!
//! Consoles write in dim colors on black: dark gray (85), blue (170 in one channel), gray (170). Multiplying with a
//! clamp would send 85 and 170 to the same white, and a firmware menu's disabled entries would look like the enabled
//! ones. So the boost is one curve for red, green and blue (grays stay gray) that is strictly increasing over the
//! levels which the picture really has: colors that differ in the picture differ in the result, and in the same
//! direction.

/// The exponent of the target curve, between 1 (no change) and 0. At 0.6 dark gray 85 becomes 132 and blue 170
/// becomes 200, while gray on white and gray on black still differ clearly.
const GAMMA: f64 = 0.6;

/// What each level, 0 to 255, becomes.
pub type Curve = [u8; 256];

/// The curve that changes nothing.
pub fn identity() -> Curve {
    std::array::from_fn(|level| level as u8)
}

/// The curve for a picture whose pixels, or all their colors, are in `rows`. It keeps 0 and 255, and darkens nothing.
///
/// The target of a level is `255 * (level / 255) ^ GAMMA`. Walking from bright to dark, a level becomes its target or
/// one less than the next brighter level became, whichever is darker. As targets are never darker than their levels
/// and the brighter level got at least its own value, one less than that is still at least this level: nothing is
/// darkened and nothing falls below 0. A picture that uses all 256 levels has no room, and is left as it is.
pub fn curve<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> Curve {
    let present = levels(rows);
    let mut curve = identity();
    let mut ceiling = 255;
    for level in (0..=255_u8).rev().filter(|&level| present[usize::from(level)]) {
        let target = (255.0 * (f64::from(level) / 255.0).powf(GAMMA)).round() as u8;
        let boosted = target.min(ceiling);
        curve[usize::from(level)] = boosted;
        // Where there is no darker one, no level follows.
        ceiling = boosted.saturating_sub(1);
    }
    curve
}

/// Which levels occur in `rows`, in whatever channel.
fn levels<'a>(rows: impl IntoIterator<Item = &'a [u8]>) -> [bool; 256] {
    let mut present = [false; 256];
    for row in rows {
        for &level in row {
            present[usize::from(level)] = true;
        }
        if present.iter().all(|&is| is) {
            break;
        }
    }
    present
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets of levels from sparse to full, dense at the dark end, the bright end and in between.
    fn sets() -> Vec<Vec<u8>> {
        let mut sets: Vec<Vec<u8>> = vec![
            vec![],
            vec![0],
            vec![255],
            vec![0, 85, 170, 255],
            vec![254, 255],
            vec![0, 1],
            (0..=100).collect(),
            (100..=255).collect(),
            (60..200).collect(),
            (0..=255).collect(),
        ];
        // A fixed linear congruential sequence picks the rest.
        let mut state = 1_u32;
        for share in 1..16 {
            sets.push(
                (0..=255)
                    .filter(|_| {
                        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                        state >> 28 < share
                    })
                    .collect(),
            );
        }
        sets
    }

    #[test]
    fn levels_that_occur_stay_apart_in_their_order_and_none_gets_darker() {
        for levels in sets() {
            let curve = curve([&levels[..]]);
            let boosted: Vec<u8> = levels.iter().map(|&level| curve[usize::from(level)]).collect();
            assert!(boosted.is_sorted_by(|dark, bright| dark < bright), "{levels:?} became {boosted:?}");
            assert!(
                boosted.iter().zip(&levels).all(|(after, before)| after >= before),
                "{levels:?} became {boosted:?}"
            );
        }
    }

    #[test]
    fn black_and_white_stay_what_they_are() {
        for levels in sets() {
            let curve = curve([&levels[..], &[0, 255]]);
            assert_eq!((curve[0], curve[255]), (0, 255));
        }
    }

    #[test]
    fn the_vga_levels_reach_the_targets_of_the_curve() {
        let curve = curve([&[0, 85, 170, 255][..]]);
        assert_eq!([0, 85, 170, 255].map(|level: usize| curve[level]), [0, 132, 200, 255]);
    }

    #[test]
    fn a_picture_of_all_levels_has_no_room_for_a_boost() {
        assert_eq!(curve([&identity()[..]]), identity());
    }
}
