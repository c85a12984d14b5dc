//! The Huffman codes of data units: the four tables of baseline JPEG, and their lookup.
//!
//! Source: ITU-T T.81 tables K.3 to K.6 and section F.1.2. A code stands for a symbol, run and size in one byte: `run`
//! coefficients are zero, then comes one of `size` bits, which follow the code. A DC symbol is a size alone.
//!
//! A lookup is at most two table reads: codes of up to [`SHORT`] bits are found by the next `SHORT` bits, together with
//! the coefficient where that is within them too; the longer codes, all at the upper end of the code space, by how far
//! the next 16 bits are above the first of them.

use super::bits::Bits;

/// A table as T.81 writes it. Public because an encoder needs the same ones.
#[derive(Debug)]
pub struct Table {
    /// How many codes there are of 1, 2, ... 16 bits.
    pub counts: [u8; 16],
    /// What the codes stand for, in the order of the codes.
    pub symbols: &'static [u8],
}

/// T.81 table K.3, DC differences of luma.
pub static LUMA_DC: Table = Table {
    counts: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81 table K.4, DC differences of chroma.
pub static CHROMA_DC: Table = Table {
    counts: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81 table K.5, AC coefficients of luma.
pub static LUMA_AC: Table = Table {
    counts: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    symbols: &[
        0x01, 0x02, 0x03, 0x00, 0x04, 0x11, 0x05, 0x12, 0x21, 0x31, 0x41, 0x06, 0x13, 0x51, 0x61, 0x07, 0x22, 0x71,
        0x14, 0x32, 0x81, 0x91, 0xa1, 0x08, 0x23, 0x42, 0xb1, 0xc1, 0x15, 0x52, 0xd1, 0xf0, 0x24, 0x33, 0x62, 0x72,
        0x82, 0x09, 0x0a, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x34, 0x35, 0x36, 0x37,
        0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59,
        0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0x83,
        0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a, 0xa2, 0xa3,
        0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xc2, 0xc3,
        0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda, 0xe1, 0xe2,
        0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// T.81 table K.6, AC coefficients of chroma.
pub static CHROMA_AC: Table = Table {
    counts: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
    symbols: &[
        0x00, 0x01, 0x02, 0x03, 0x11, 0x04, 0x05, 0x21, 0x31, 0x06, 0x12, 0x41, 0x51, 0x07, 0x61, 0x71, 0x13, 0x22,
        0x32, 0x81, 0x08, 0x14, 0x42, 0x91, 0xa1, 0xb1, 0xc1, 0x09, 0x23, 0x33, 0x52, 0xf0, 0x15, 0x62, 0x72, 0xd1,
        0x0a, 0x16, 0x24, 0x34, 0xe1, 0x25, 0xf1, 0x17, 0x18, 0x19, 0x1a, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x35, 0x36,
        0x37, 0x38, 0x39, 0x3a, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58,
        0x59, 0x5a, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a,
        0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
        0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6, 0xb7, 0xb8, 0xb9, 0xba,
        0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xd2, 0xd3, 0xd4, 0xd5, 0xd6, 0xd7, 0xd8, 0xd9, 0xda,
        0xe2, 0xe3, 0xe4, 0xe5, 0xe6, 0xe7, 0xe8, 0xe9, 0xea, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9, 0xfa,
    ],
};

/// Bits that find a short code.
const SHORT: u32 = 10;
/// Room for the longer codes of any of the four tables; the constants below would not compile if it were too small.
const LONG: usize = 384;

pub(super) static LUMA_DC_LOOKUP: Lookup = Lookup::new(&LUMA_DC, Kind::Dc);
pub(super) static CHROMA_DC_LOOKUP: Lookup = Lookup::new(&CHROMA_DC, Kind::Dc);
pub(super) static LUMA_AC_LOOKUP: Lookup = Lookup::new(&LUMA_AC, Kind::Ac);
pub(super) static CHROMA_AC_LOOKUP: Lookup = Lookup::new(&CHROMA_AC, Kind::Ac);

#[derive(Clone, Copy)]
enum Kind {
    Dc,
    Ac,
}

/// The run that ends a block: beyond any place that a true run can lead to.
pub(super) const END: u8 = 64;

/// What the next bits are.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The coefficient where [`SHORT`] bits hold it, else how many bits it has.
    value: i16,
    /// Bits of the code, and of the coefficient where `value` has it; 0 where no code begins like this.
    bits: u8,
    /// Zero coefficients before it; [`END`] for the end of the block. [`Entry::BEHIND`] more where the coefficient's
    /// bits are still behind.
    run: u8,
}

impl Entry {
    const UNASSIGNED: Self = Self { value: 0, bits: 0, run: 0 };
    const BEHIND: u8 = 128;

    /// The entry of a code, `next` being its bits and those behind it, left-aligned, of which `known` are known.
    const fn new(code_bits: u32, symbol: u8, kind: Kind, next: u64, known: u32) -> Self {
        let (size, run) = match (kind, symbol >> 4, symbol & 15) {
            (Kind::Dc, _, size) => (size, 0),
            // Fifteen zeros and then a zero: the coefficient has no bits.
            (Kind::Ac, 15, 0) => (0, 15),
            (Kind::Ac, _, 0) => (0, END),
            (Kind::Ac, run, size) => (size, run),
        };
        let bits = code_bits + size as u32;
        if bits <= known {
            return Self { value: coefficient(next << code_bits, size as u32), bits: bits as u8, run };
        }
        Self { value: size as i16, bits: code_bits as u8, run: run | Self::BEHIND }
    }
}

/// A table arranged for decoding.
pub(super) struct Lookup {
    short: [Entry; 1 << SHORT],
    long: [Entry; LONG],
    /// The first 16 bits that begin with a long code.
    first_long: u32,
}

impl Lookup {
    const fn new(table: &Table, kind: Kind) -> Self {
        let mut lookup =
            Self { short: [Entry::UNASSIGNED; 1 << SHORT], long: [Entry::UNASSIGNED; LONG], first_long: 0 };
        // Codes are handed out in order: as left-aligned 16-bit numbers they follow on each other without a gap.
        let (mut next, mut index, mut length) = (0, 0, 1);
        while length <= 16 {
            if length == SHORT + 1 {
                lookup.first_long = next;
            }
            let mut left = table.counts[length as usize - 1];
            while left > 0 {
                let end = next + (1 << (16 - length));
                while next < end {
                    let known = if length <= SHORT { SHORT } else { 16 };
                    let entry = Entry::new(length, table.symbols[index], kind, (next as u64) << 48, known);
                    if length <= SHORT {
                        lookup.short[(next >> (16 - SHORT)) as usize] = entry;
                    } else {
                        lookup.long[(next - lookup.first_long) as usize] = entry;
                    }
                    next += 1 << (16 - known);
                }
                index += 1;
                left -= 1;
            }
            length += 1;
        }
        lookup
    }

    /// Takes a code and the coefficient behind it: the coefficient and the run before it; `None` where no code begins
    /// with the next bits.
    #[inline(always)]
    pub(super) fn take(&self, bits: &mut Bits) -> Option<(i16, u8)> {
        // A code and its coefficient have at most 16 + 11 bits.
        bits.refill();
        let mut entry = self.short[(bits.window() >> (64 - SHORT)) as usize];
        if entry.bits == 0 {
            let above = (bits.window() >> 48) as u32 - self.first_long;
            entry = *self.long.get(above as usize)?;
            if entry.bits == 0 {
                return None;
            }
        }
        bits.skip(entry.bits.into());
        if entry.run < Entry::BEHIND {
            return Some((entry.value, entry.run));
        }
        let size = entry.value as u32;
        let value = coefficient(bits.window(), size);
        bits.skip(size);
        Some((value, entry.run - Entry::BEHIND))
    }
}

/// The coefficient in the upper `size` bits (T.81 F.2.2.1, EXTEND): one that begins with 1 is itself, one that begins
/// with 0 is negative, counted up from `-(2^size - 1)`.
#[inline(always)]
const fn coefficient(window: u64, size: u32) -> i16 {
    // In two steps: a shift by 64 would be none.
    let value = (window >> 1 >> (63 - size)) as i16;
    let is_negative = (!window >> 63) as i16;
    value - is_negative * ((1 << size) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLES: [(&Table, &Lookup, u32); 4] = [
        (&LUMA_DC, &LUMA_DC_LOOKUP, 9),
        (&CHROMA_DC, &CHROMA_DC_LOOKUP, 11),
        (&LUMA_AC, &LUMA_AC_LOOKUP, 16),
        (&CHROMA_AC, &CHROMA_AC_LOOKUP, 16),
    ];

    #[test]
    fn the_codes_fill_the_code_space_but_for_the_one_of_all_ones() {
        for (table, _, longest) in TABLES {
            let kraft: u32 = (1..).zip(table.counts).map(|(length, count)| u32::from(count) << (16 - length)).sum();
            assert_eq!(kraft, (1 << 16) - (1 << (16 - longest)));
            let codes: usize = table.counts.iter().map(|&count| usize::from(count)).sum();
            assert_eq!(codes, table.symbols.len());
        }
    }

    #[test]
    fn each_symbol_stands_once() {
        for (table, ..) in TABLES {
            let mut symbols = table.symbols.to_vec();
            symbols.sort_unstable();
            symbols.dedup();
            assert_eq!(symbols.len(), table.symbols.len());
        }
    }

    #[test]
    fn every_code_is_found_whatever_follows_it() {
        for (table, lookup, longest) in TABLES {
            let (mut code, mut index) = (0_u32, 0);
            for length in 1..=16 {
                for _ in 0..table.counts[length as usize - 1] {
                    for rest in [0, u32::MAX >> length] {
                        let words = [code << (32 - length) | rest, 0x1234_5678];
                        let all = u64::from(words[0]) << 32 | u64::from(words[1]);
                        let stream = words.map(u32::to_le_bytes).concat();
                        let mut bits = Bits::new(&stream);
                        let symbol = table.symbols[index];
                        let size = u32::from(symbol & 15);
                        let run = if symbol == 0 && table.symbols.len() > 12 { END } else { symbol >> 4 };
                        assert_eq!(lookup.take(&mut bits), Some((coefficient(all << length, size), run)));
                        assert_eq!(bits.take(32), (all << (length + size) >> 32) as u32);
                    }
                    (code, index) = (code + 1, index + 1);
                }
                code <<= 1;
            }
            let ones = u32::MAX << (32 - longest);
            assert!(lookup.take(&mut Bits::new(&ones.to_le_bytes())).is_none());
        }
    }

    #[test]
    fn a_coefficient_that_begins_with_0_is_negative() {
        for (bits, size, value) in [(0b0, 1, -1), (0b1, 1, 1), (0b00, 2, -3), (0b01, 2, -2), (0b10, 2, 2), (0b11, 2, 3)]
        {
            assert_eq!(coefficient(bits << (64 - size), size), value);
        }
        assert_eq!((coefficient(0, 0), coefficient(u64::MAX, 0)), (0, 0));
        assert_eq!((coefficient(0, 11), coefficient(u64::MAX, 11)), (-2047, 2047));
    }
}
