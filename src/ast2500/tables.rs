//! The numeric tables: zigzag order, quantisation, the scale factors of the transform.
//!
//! Source: ITU-T T.81 figure A.6, tables K.1 and K.2; the fractions of the selectors are observed (Aspeed video stream,
//! quantisation tables). Public because an encoder needs the same ones.

/// How many quantisation selectors there are: 0 to 7 on AMI boards, 8 to 10 on ATEN boards.
pub const SELECTORS: usize = 11;

/// Where the k-th coefficient of a data unit belongs, row by row (T.81 figure A.6).
pub const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, //
    12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28, //
    35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, //
    58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// T.81 table K.1.
const LUMA: [u16; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, //
    12, 12, 14, 19, 26, 58, 60, 55, //
    14, 13, 16, 24, 40, 57, 69, 56, //
    14, 17, 22, 29, 51, 87, 80, 62, //
    18, 22, 37, 56, 68, 109, 103, 77, //
    24, 35, 55, 64, 81, 104, 113, 92, //
    49, 64, 78, 87, 103, 121, 120, 101, //
    72, 92, 95, 98, 112, 100, 103, 99,
];

/// T.81 table K.2.
const CHROMA: [u16; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, //
    18, 21, 26, 66, 99, 99, 99, 99, //
    24, 26, 56, 99, 99, 99, 99, 99, //
    47, 66, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99, //
    99, 99, 99, 99, 99, 99, 99, 99,
];

/// What each selector makes of the tables of T.81, in 32nds.
const LUMA_FRACTION: [u16; SELECTORS] = [40, 35, 29, 23, 18, 12, 6, 4, 4, 3, 2];
const CHROMA_FRACTION: [u16; SELECTORS] = [60, 52, 43, 35, 26, 18, 9, 6, 5, 4, 3];

/// The luma quantisation table of a selector, row by row; `None` for a selector that does not exist.
pub fn luma_quantisation(selector: u8) -> Option<[u16; 64]> {
    scaled(&LUMA, &LUMA_FRACTION, selector)
}

/// The chroma quantisation table of a selector, row by row; `None` for a selector that does not exist.
pub fn chroma_quantisation(selector: u8) -> Option<[u16; 64]> {
    scaled(&CHROMA, &CHROMA_FRACTION, selector)
}

fn scaled(table: &[u16; 64], fractions: &[u16; SELECTORS], selector: u8) -> Option<[u16; 64]> {
    let fraction = *fractions.get(usize::from(selector))?;
    Some(table.map(|step| (step * fraction / 32).max(1)))
}

/// Scale factor of each row and column in the transform of Arai, Agui and Nakajima: 1 for the first, else
/// cos(k pi / 16) sqrt(2), to as many digits as the engine's decoders have.
pub(super) const AAN: [f64; 8] =
    [1.0, 1.387039845, 1.306562965, 1.175875602, 1.0, 0.785694958, 0.541196100, 0.275899379];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zigzag_visits_every_coefficient_once_in_steps_to_a_neighbor() {
        let mut seen = [false; 64];
        for place in ZIGZAG {
            assert!(!std::mem::replace(&mut seen[usize::from(place)], true));
        }
        for pair in ZIGZAG.windows(2) {
            let across = (pair[1] % 8).abs_diff(pair[0] % 8);
            let down = (pair[1] / 8).abs_diff(pair[0] / 8);
            assert!(across.max(down) == 1, "{pair:?}");
        }
    }

    #[test]
    fn the_first_rows_are_the_observed_ones() {
        let first_row = |table: Option<[u16; 64]>| -> [u16; 8] { *table.unwrap().first_chunk().unwrap() };
        assert_eq!(first_row(luma_quantisation(0)), [20, 13, 12, 20, 30, 50, 63, 76]);
        assert_eq!(first_row(luma_quantisation(4)), [9, 6, 5, 9, 13, 22, 28, 34]);
        assert_eq!(first_row(luma_quantisation(7)), [2, 1, 1, 2, 3, 5, 6, 7]);
        assert_eq!(first_row(chroma_quantisation(0)), [31, 33, 45, 88, 185, 185, 185, 185]);
        assert_eq!(first_row(chroma_quantisation(4)), [13, 14, 19, 38, 80, 80, 80, 80]);
        assert_eq!(first_row(chroma_quantisation(7)), [3, 3, 4, 8, 18, 18, 18, 18]);
    }

    #[test]
    fn selectors_go_from_coarse_to_fine_and_end_at_ten() {
        for table in [luma_quantisation, chroma_quantisation] {
            for selector in 1..11 {
                let (coarse, fine) = (table(selector - 1).unwrap(), table(selector).unwrap());
                assert!(coarse.iter().zip(fine).all(|(&coarse, fine)| coarse >= fine && fine >= 1));
            }
            assert_eq!(table(11), None);
        }
    }
}
