//! The bits of a stream: 32-bit little-endian words, each used from its most significant bit down.
//!
//! Past the end there are zeros, so that a look ahead needs no check; whoever *used* one of them finds out with
//! [`Bits::check`], once for each block.

use crate::base::DecodeError;
use crate::base::bytes::u32_le;

/// A cursor over the bits of a stream.
pub(super) struct Bits<'a> {
    stream: &'a [u8],
    /// Words taken into the window, those past the end included.
    taken: usize,
    /// The bits not used yet, from the most significant down; zeros below them.
    window: u64,
    /// How many bits of the window are not used yet.
    held: u32,
}

impl<'a> Bits<'a> {
    /// Bytes behind the last whole word are no bits: the first bits of a word are in its last byte.
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Self { stream, taken: 0, window: 0, held: 0 }
    }

    /// Fills the window up to at least 32 bits.
    #[inline(always)]
    pub(super) fn refill(&mut self) {
        if self.held < 32 {
            let word = u32_le(self.stream, self.taken * 4).unwrap_or(0);
            self.taken += 1;
            self.window |= u64::from(word) << (32 - self.held);
            self.held += 32;
        }
    }

    /// The window: the next bits from the most significant down, at least 32 of them right after [`Bits::refill`].
    #[inline(always)]
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    /// Uses up `count` bits of the window.
    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.window <<= count;
        self.held -= count;
    }

    /// The next `count` bits as a number, `count` from 1 to 32.
    #[inline(always)]
    pub(super) fn take(&mut self, count: u32) -> u32 {
        self.refill();
        let value = (self.window >> (64 - count)) as u32;
        self.skip(count);
        value
    }

    /// An error once more bits were used than the stream has.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<(), DecodeError> {
        // The words of the window that are wholly unused were not needed yet.
        if self.taken - self.held as usize / 32 > self.stream.len() / 4 {
            return Err(DecodeError::Malformed { what: "the video stream is truncated" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_swapped_and_read_from_the_top() {
        let mut bits = Bits::new(&[0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a]);
        assert_eq!([bits.take(4), bits.take(12), bits.take(32), bits.take(16)], [0x1, 0x234, 0x5678_9abc, 0xdef0]);
        assert_eq!(bits.check(), Ok(()));
    }

    #[test]
    fn looking_past_the_end_sees_zeros_and_using_them_is_noticed() {
        let mut bits = Bits::new(&[0xff; 7]);
        bits.take(31);
        bits.refill();
        assert_eq!(bits.window(), 1 << 63);
        assert_eq!(bits.check(), Ok(()));
        bits.take(1);
        assert_eq!(bits.check(), Ok(()));
        bits.take(1);
        assert!(bits.check().is_err());
        assert!(Bits::new(&[]).check().is_ok());
    }
}
