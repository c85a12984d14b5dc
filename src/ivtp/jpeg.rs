//! Finds where a JPEG picture ends, in a stream that arrives in pieces.
//!
//! Source: ITU-T T.81, Annex B. Segments are stepped over by their length, so that a thumbnail inside one does not end
//! the picture; in entropy-coded data only a real marker counts (not `FF 00`, not a restart marker).
//! Deliberately absent: any look at what the segments say; that is the decoder's.

use super::MAX_FRAME;
use crate::base::DecodeError;

/// How a picture begins: start of image, and the first byte of the marker that must follow.
pub const START: [u8; 3] = [0xff, 0xd8, 0xff];

/// Where the search for the end of one picture is.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Everything before was stepped over.
    at: usize,
    in_entropy_data: bool,
}

/// What is known about the picture at the start of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scan {
    /// Its end has not arrived.
    More,
    /// It is this many bytes long.
    Whole(usize),
    /// It is none: after this many bytes it broke off.
    Broken(usize),
}

impl Scanner {
    /// Looks on in `bytes`, which begin with the picture's first byte, and grow from call to call.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Scan, DecodeError> {
        let scan = self.step(bytes);
        // A picture may be as long as a frame of video, and not wait for more than that either.
        let length = if let Scan::More = scan { self.at.max(bytes.len()) } else { self.at };
        if length > MAX_FRAME {
            return Err(DecodeError::TooLarge { what: "JPEG picture", got: length as u64, max: MAX_FRAME as u64 });
        }
        Ok(scan)
    }

    fn step(&mut self, bytes: &[u8]) -> Scan {
        loop {
            if self.in_entropy_data {
                let rest = bytes.get(self.at..).unwrap_or_default();
                self.at += rest.iter().position(|&byte| byte == 0xff).unwrap_or(rest.len());
            }
            let Some(&[first, marker]) = bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
                return Scan::More;
            };
            match marker {
                _ if first != 0xff => return Scan::Broken(self.at),
                // Fill bytes before a marker.
                0xff => self.at += 1,
                // A stuffed FF, a restart.
                0x00 | 0xd0..=0xd7 if self.in_entropy_data => self.at += 2,
                0x00 => return Scan::Broken(self.at),
                0x01 | 0xd0..=0xd7 => self.at += 2,
                0xd8 if self.at == 0 => self.at += 2,
                // The next picture begins where this one should go on.
                0xd8 => return Scan::Broken(self.at),
                0xd9 => {
                    self.at += 2;
                    return Scan::Whole(self.at);
                }
                _ => {
                    let Some(&length) = bytes.get(self.at + 2..).and_then(|rest| rest.first_chunk()) else {
                        return Scan::More;
                    };
                    let length = usize::from(u16::from_be_bytes(length));
                    // The length counts itself.
                    if length < 2 {
                        return Scan::Broken(self.at);
                    }
                    self.at += 2 + length;
                    // Start of scan: entropy-coded data follow its header.
                    self.in_entropy_data = marker == 0xda;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: &[u8] = &[
        0xff, 0xd8, // start
        0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xd9, 0, 0, // a segment with a thumbnail in it
        0xff, 0xff, 0xda, 0, 3, 7, // fill, start of scan
        1, 0xff, 0, 0xd9, 0xff, 0xd3, 2, 0xff, 0xff, 0, // entropy-coded data: stuffing, restart, fill
        0xff, 0xc4, 0, 2, // a table between two scans
        0xff, 0xda, 0, 2, 9, // the second scan
        0xff, 0xd9, // end
    ];

    #[test]
    fn the_end_is_found_when_its_last_byte_arrives_and_not_before() {
        let mut scanner = Scanner::default();
        for length in 0..PICTURE.len() {
            assert_eq!(scanner.scan(&PICTURE[..length]), Ok(Scan::More), "{length}");
        }
        assert_eq!(scanner.scan(PICTURE), Ok(Scan::Whole(PICTURE.len())));
        let more = [PICTURE, &[0xff, 0xd9]].concat();
        assert_eq!(Scanner::default().scan(&more), Ok(Scan::Whole(PICTURE.len())));
    }

    #[test]
    fn what_breaks_off_says_where() {
        for (bytes, at) in [
            (&[0xff, 0xd8, 0xff, 0xe0, 0, 2, 7, 7][..], 6), // no marker where one must be
            (&[0xff, 0xd8, 0xff, 0xe0, 0, 1, 7, 7], 2),     // a segment shorter than its length
            (&[0xff, 0xd8, 0xff, 0xda, 0, 2, 5, 0xff, 0xd8, 0xff], 7), // the next picture too early
            (&[0xff, 0xd8, 0xff, 0x00], 2),
        ] {
            assert_eq!(Scanner::default().scan(bytes), Ok(Scan::Broken(at)), "{bytes:x?}");
        }
    }
}
