//! The colors of VQ blocks: a cache of four, which lives for one frame.
//!
//! Source: Aspeed video stream, VQ blocks. An entry is 1 bit `new`, 2 bits `slot`, and for a new color 24 bits, Y, Cb
//! and Cr from the top, that go into the slot. All entries of a block are read before its pixels: an entry stands for
//! what is in its slot then, even if a later entry of the same block replaced it.

use super::bits::Bits;
use crate::base::DecodeError;

/// A block of at most four colors.
#[derive(Clone, Copy)]
pub(super) struct Block {
    /// Its colors as Y, Cb and Cr; those beyond the block's number of colors mean nothing.
    pub(super) colors: [[u8; 3]; 4],
    /// Bits of an index: 0, 1 or 2 for 1, 2 or 4 colors.
    pub(super) index_bits: u32,
    /// The indices of each row, the first pixel's uppermost, in the lower bits.
    pub(super) rows: [u16; 8],
}

impl Block {
    /// A block of one color.
    pub(super) fn of(color: [u8; 3]) -> Self {
        Self { colors: [color; 4], index_bits: 0, rows: [0; 8] }
    }

    /// Which color a pixel has.
    pub(super) fn index(&self, column: usize, row: usize) -> usize {
        let behind = (7 - column as u32) * self.index_bits;
        usize::from(self.rows[row]) >> behind & ((1 << self.index_bits) - 1)
    }
}

/// The color cache.
pub(super) struct Cache([[u8; 3]; 4]);

impl Cache {
    /// As it is at the start of each frame: black, white, middle gray, light gray.
    pub(super) fn new() -> Self {
        Self([[0, 128, 128], [255, 128, 128], [128, 128, 128], [192, 128, 128]])
    }

    /// Takes a block whose indices have `index_bits` bits: 0, 1 or 2 for 1, 2 or 4 colors.
    pub(super) fn take(&mut self, bits: &mut Bits, index_bits: u32) -> Result<Block, DecodeError> {
        let mut slots = [0; 4];
        for slot in &mut slots[..1 << index_bits] {
            let is_new = bits.take(1) == 1;
            *slot = bits.take(2) as usize;
            if is_new {
                let [_, y, cb, cr] = bits.take(24).to_be_bytes();
                self.0[*slot] = [y, cb, cr];
            }
        }
        let mut rows = [0; 8];
        if index_bits > 0 {
            for row in &mut rows {
                *row = bits.take(8 * index_bits) as u16;
            }
        }
        bits.check()?;
        Ok(Block { colors: slots.map(|slot| self.0[slot]), index_bits, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(cache: &mut Cache, index_bits: u32, words: &[u32]) -> Block {
        let stream: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        cache.take(&mut Bits::new(&stream), index_bits).unwrap()
    }

    #[test]
    fn an_entry_is_a_slot_or_a_new_color_in_it() {
        let mut cache = Cache::new();
        // Slot 1; a new color in slot 2; the first pixels, the second color twice.
        let words = [0b_001_110 << 26 | 0x123456 << 2 | 0b11, 0, 0, 0];
        let block = take(&mut cache, 1, &words);
        assert_eq!(block.colors[..2], [[255, 128, 128], [0x12, 0x34, 0x56]]);
        assert_eq!(block.rows, [0b1100_0000, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!([0, 1, 2, 7].map(|column| block.index(column, 0)), [1, 1, 0, 0]);
        assert_eq!(take(&mut cache, 0, &[0b_010 << 29]).colors[0], [0x12, 0x34, 0x56]);
    }

    #[test]
    fn a_later_entry_that_replaces_a_slot_changes_the_earlier_one() {
        let words = [0b_001_101 << 26 | 0x123456 << 2, 0, 0, 0];
        assert_eq!(take(&mut Cache::new(), 1, &words).colors[..2], [[0x12, 0x34, 0x56]; 2]);
    }

    #[test]
    fn four_colors_have_indices_of_two_bits_from_the_top() {
        // Slots 0 to 3, then the row 0 1 2 3 3 2 1 0.
        let words = [0b000_001_010_011 << 20 | 0b00_01_10_11_11_10_01_00 << 4, 0, 0, 0, 0];
        let block = take(&mut Cache::new(), 2, &words);
        assert_eq!(block.colors, [[0, 128, 128], [255, 128, 128], [128, 128, 128], [192, 128, 128]]);
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(|column| block.index(column, 0)), [0, 1, 2, 3, 3, 2, 1, 0]);
    }

    #[test]
    fn a_block_without_its_last_pixel_is_truncated() {
        // 4 entries and 128 bits of pixels are 140 bits: 4 words and 12 bits.
        assert!(Cache::new().take(&mut Bits::new(&[0; 16]), 2).is_err());
        assert!(Cache::new().take(&mut Bits::new(&[0; 20]), 2).is_ok());
    }
}
