//! DES, as far as VNC authentication needs it: one block enciphered, and the answer to a challenge.
//!
//! Source: FIPS 46-3 (bits numbered from 1 at the most significant end, as there); RFC 6143 section 7.2.2 for the
//! challenge. Absent: deciphering, other modes, any claim of security: the protocol has nothing better here.

use crate::base::bytes::groups;

/// Which bit of the input becomes each bit of the first permutation; its inverse is the last one.
const INITIAL: [u8; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6, 64, 56, 48, 40, 32,
    24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61, 53, 45, 37, 29, 21, 13, 5, 63, 55, 47,
    39, 31, 23, 15, 7,
];

/// E: half a block widened to 48 bits.
const EXPANSION: [u8; 48] = [
    32, 1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9, 8, 9, 10, 11, 12, 13, 12, 13, 14, 15, 16, 17, 16, 17, 18, 19, 20, 21, 20, 21,
    22, 23, 24, 25, 24, 25, 26, 27, 28, 29, 28, 29, 30, 31, 32, 1,
];

/// P: the boxes' output mixed.
const MIX: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4,
    25,
];

/// PC-1: the key without its parity bits.
const KEY: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36, 63, 55,
    47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
];

/// PC-2: one round's key out of the turned halves.
const ROUND_KEY: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52, 31, 37, 47, 55, 30,
    40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

/// By how many bits both halves of the key turn before each round.
const TURNS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];

/// S1 to S8: four rows of sixteen values each.
const BOXES: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8, 4,
        1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5, 0,
        14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1, 13,
        6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9, 10,
        6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6, 4,
        2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8, 9,
        14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6, 1,
        4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2, 7,
        11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
    ],
];

const HALF_KEY: u32 = (1 << 28) - 1;

/// The bits of `value`, which is `width` bits wide, that `table` names, in its order.
fn permute(value: u64, width: u32, table: &[u8]) -> u64 {
    table.iter().fold(0, |bits, &from| bits << 1 | (value >> (width - u32::from(from)) & 1))
}

/// `permute` by the inverse of `INITIAL`.
fn unpermute(value: u64) -> u64 {
    let bits = (0..64).rev().map(|bit| value >> bit & 1);
    INITIAL.iter().zip(bits).fold(0, |whole, (&to, bit)| whole | bit << (64 - to))
}

/// The 48-bit keys of the sixteen rounds.
fn schedule(key: u64) -> [u64; 16] {
    let halves = permute(key, 64, &KEY);
    let (mut left, mut right) = ((halves >> 28) as u32, halves as u32 & HALF_KEY);
    TURNS.map(|turn| {
        left = (left << turn | left >> (28 - turn)) & HALF_KEY;
        right = (right << turn | right >> (28 - turn)) & HALF_KEY;
        permute(u64::from(left) << 28 | u64::from(right), 56, &ROUND_KEY)
    })
}

/// Half a block and one round's key, through the boxes.
fn round(half: u32, key: u64) -> u32 {
    let mixed = permute(half.into(), 32, &EXPANSION) ^ key;
    let boxed = BOXES.iter().zip((0..8).rev()).fold(0, |bits, (values, group)| {
        let six = (mixed >> (group * 6)) as usize & 0x3f;
        // The outer two bits choose the row, the inner four the column.
        let row = six >> 4 & 2 | six & 1;
        bits << 4 | u64::from(values[row * 16 + (six >> 1 & 0xf)])
    });
    permute(boxed, 32, &MIX) as u32
}

/// One block enciphered with a key whose parity bits do not matter.
pub fn encrypt(key: [u8; 8], block: [u8; 8]) -> [u8; 8] {
    let start = permute(u64::from_be_bytes(block), 64, &INITIAL);
    let (mut left, mut right) = ((start >> 32) as u32, start as u32);
    for key in schedule(u64::from_be_bytes(key)) {
        (left, right) = (right, left ^ round(right, key));
    }
    // The halves are not exchanged after the last round.
    unpermute(u64::from(right) << 32 | u64::from(left)).to_be_bytes()
}

/// The answer to the challenge of VNC authentication: its two blocks enciphered with the password's first eight
/// bytes, each with its bits in reverse order.
pub fn answer(password: &[u8], challenge: [u8; 16]) -> [u8; 16] {
    let mut key = [0; 8];
    for (key, byte) in key.iter_mut().zip(password) {
        *key = byte.reverse_bits();
    }
    let mut answer = [0; 16];
    for (to, block) in answer.chunks_exact_mut(8).zip(groups(&challenge)) {
        to.copy_from_slice(&encrypt(key, block));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap())
    }

    #[test]
    fn published_blocks_encipher_as_published() {
        for (key, plain, cipher) in [
            ("133457799bbcdff1", "0123456789abcdef", "85e813540f0ab405"),
            // FIPS 81, table B1: "Now is t".
            ("0123456789abcdef", "4e6f772069732074", "3fa40e8a984d4815"),
            // SP 500-20: known-answer tests for the initial permutation, and for a key with one bit set.
            ("0101010101010101", "95f8a5e5dd31d900", "8000000000000000"),
            ("8001010101010101", "0000000000000000", "95a8d72813daa94d"),
        ] {
            assert_eq!(encrypt(hex(key), hex(plain)), hex::<8>(cipher), "key {key}");
        }
    }

    #[test]
    fn each_row_of_a_box_holds_every_value_once() {
        for row in BOXES.iter().flat_map(|values| values.chunks(16)) {
            assert_eq!(row.iter().fold(0_u16, |seen, value| seen | 1 << value), 0xffff);
        }
    }

    #[test]
    fn challenges_are_answered_as_qemu_and_tigervnc_accept_it() {
        const COUNT: &str = "000102030405060708090a0b0c0d0e0f";
        for (password, challenge, answered) in [
            (&b""[..], "00000000000000000000000000000000", "8ca64de9c1b123a78ca64de9c1b123a7"),
            (b"secret12", "30313233343536373839616263646566", "5f15f4f0e1684cdc260ea962ab82fa3b"),
            (b"password", COUNT, "b866924125c8eebb9debc1db61c538e2"),
            (b"a", COUNT, "449407fb6f71bd517aca76866568a4e2"),
            (b"longpassword123", "ffeeddccbbaa99887766554433221100", "f4e80437d9839abed2c0bd7dcac8a5fc"),
            (b"p\xe4ss", COUNT, "49911084c4cecfdc5437ffe8f47a5cdf"),
            ("p\u{e4}ss".as_bytes(), COUNT, "270f41405c790a3d76591b21a403aced"),
        ] {
            assert_eq!(answer(password, hex(challenge)), hex::<16>(answered), "{password:?}");
        }
    }
}
