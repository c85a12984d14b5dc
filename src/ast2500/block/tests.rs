//! Tests of the data units: the two transforms against each other, the predictor, runs and their end.

use super::*;
use crate::ast2500::huffman::{LUMA_AC_LOOKUP, LUMA_DC_LOOKUP};
use crate::ast2500::tables::{SELECTORS, chroma_quantisation, luma_quantisation};

fn luma() -> Component {
    Component::new(&LUMA_DC_LOOKUP, &LUMA_AC_LOOKUP)
}

fn ones() -> Quantisation {
    Quantisation::new([1; 64])
}

fn take(component: &mut Component, bits: &mut Bits) -> Result<Samples, DecodeError> {
    let mut samples = [[0; 8]; 8];
    let is_flat = component.take(bits, &ones(), &mut samples)?;
    assert!(!is_flat || samples == [[samples[0][0]; 8]; 8]);
    Ok(samples)
}

fn narrow(quantisation: &Quantisation, coefficients: &Coefficients) -> Samples {
    let mut samples = [[0; 8]; 8];
    quantisation.transform_narrow(coefficients, &mut samples);
    samples
}

fn wide(quantisation: &Quantisation, coefficients: &Coefficients) -> Samples {
    let mut samples = [[0; 8]; 8];
    quantisation.transform_wide(coefficients, &mut samples);
    samples
}

/// A stream of 32-bit words out of its bits from the first on, white space aside.
fn stream(bits: &str) -> Vec<u8> {
    let mut digits: Vec<u32> = bits.chars().filter_map(|digit| digit.to_digit(2)).collect();
    digits.resize(digits.len().next_multiple_of(32), 0);
    digits.chunks(32).flat_map(|word| word.iter().fold(0, |word, bit| word << 1 | bit).to_le_bytes()).collect()
}

#[test]
fn multipliers_are_the_exact_products_rounded_down() {
    // The scale factors in units of 10^-9.
    let scale = AAN.map(|factor| (factor * 1e9).round() as u128);
    for step in 1..=185 {
        let quantisation = Quantisation::new([step; 64]);
        for place in 0..64 {
            let exact = u128::from(step) * scale[place / 8] * scale[place % 8] * 65_536 / 10_u128.pow(18);
            let (whole, rest) = (quantisation.whole[place], quantisation.rest[place]);
            assert_eq!(i128::from(whole) * 65_536 + i128::from(rest), exact as i128, "{step} at {place}");
        }
    }
    let tables = (0..SELECTORS as u8).flat_map(|s| [luma_quantisation(s).unwrap(), chroma_quantisation(s).unwrap()]);
    assert_eq!(tables.flatten().max(), Some(185));
}

#[test]
fn sixteen_bits_are_enough_at_the_limit() {
    // What is multiplied or given back is a linear function of the coefficients, roundings aside, and takes its extremes
    // over all coefficients within the limit where one of them has all of it.
    let limit = NARROW_LIMIT as i16;
    for place in 0..64 {
        for value in [limit, -limit, limit - 1, 1 - limit] {
            let mut coefficients = [0; 64];
            coefficients[place] = value;
            assert_eq!(narrow(&ones(), &coefficients), wide(&ones(), &coefficients), "{place}");
        }
    }
}

#[test]
fn the_two_transforms_agree_on_random_coefficients() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut within = 0;
    for round in 0..4_000 {
        let quantisation = Quantisation::new(luma_quantisation(round as u8 % SELECTORS as u8).unwrap());
        let mut coefficients = [0_i16; 64];
        for _ in 0..random(64) {
            let range = 2 << random(8);
            coefficients[random(64) as usize] = random(range) as i16 - (range / 2) as i16;
        }
        let sum: u32 = (0..64).map(|place| quantisation.magnitude(place, coefficients[place])).sum();
        if sum <= NARROW_LIMIT {
            within += 1;
            assert_eq!(narrow(&quantisation, &coefficients), wide(&quantisation, &coefficients));
        }
    }
    assert!(within > 2_000, "{within} of 4000 were within the limit");
}

#[test]
fn a_dc_coefficient_alone_is_what_the_transform_makes_of_it() {
    for table in [luma_quantisation(0).unwrap(), chroma_quantisation(0).unwrap(), luma_quantisation(10).unwrap()] {
        let quantisation = Quantisation::new(table);
        for dc in -3_000..3_000 {
            let mut coefficients = [0; 64];
            coefficients[0] = dc;
            assert_eq!([[quantisation.flat(dc); 8]; 8], wide(&quantisation, &coefficients), "{dc}");
        }
    }
}

#[test]
fn the_predictor_adds_up_and_must_not_leave_its_range() {
    // DC: 00 no difference, 1110 + 7 bits; AC: 1010 end of the block.
    let bytes = stream("11110 1111111 1010  00 1010  11110 0000000 1010");
    let (mut bits, mut component) = (Bits::new(&bytes), luma());
    let samples = [(); 3].map(|()| take(&mut component, &mut bits).unwrap()[0][0]);
    assert_eq!(samples, [128 + 127 / 8, 128 + 127 / 8, 128]);

    // 111111110 + 11 bits: 2047 more each time.
    let bytes = stream(&"111111110 11111111111 1010 ".repeat(17));
    let (mut bits, mut component) = (Bits::new(&bytes), luma());
    for _ in 0..16 {
        assert_eq!(take(&mut component, &mut bits), Ok([[255; 8]; 8]));
    }
    assert!(take(&mut component, &mut bits).is_err());
}

#[test]
fn sixteen_zeros_lead_up_to_the_last_coefficient_and_no_further() {
    let take = |code: &str| take(&mut luma(), &mut Bits::new(&stream(code)));
    let zeros = "11111111001";
    // Run 14 of size 1 after three times sixteen zeros: the last coefficient, with no end of the block behind it.
    let run14 = "1111111111101011";
    let last = take(&format!("00 {zeros} {zeros} {zeros} {run14} 1"));
    let mut coefficients = [0; 64];
    coefficients[63] = 1;
    assert_eq!(last, Ok(wide(&ones(), &coefficients)));
    // Run 15 would be one past it.
    let run15 = "1111111111110101";
    assert!(take(&format!("00 {zeros} {zeros} {zeros} {run15} 1")).is_err());
    assert!(take(&format!("00 {zeros} {zeros} {zeros} {zeros}")).is_err());
    assert_eq!(take(&format!("00 {zeros} {zeros} {zeros} 1010")), Ok([[128; 8]; 8]));
}

#[test]
fn a_code_of_all_ones_is_unassigned() {
    assert!(take(&mut luma(), &mut Bits::new(&stream("00 1111111111111111"))).is_err());
    assert!(take(&mut luma(), &mut Bits::new(&stream("111111111"))).is_err());
}
