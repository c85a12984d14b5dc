//! Frames out of the fragments that video packets carry.
//!
//! Source: AMI MegaRAC, video fragments. The payload of a video packet is
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | u16 | fragment number from 0; bit 15 marks the last of its frame |
//! | 2 | rest | the frame's next bytes, about 30,000 |
//!
//! and a frame is the 86-byte header of the video engine, which names the length of the tile stream, and that stream.
//! Viewers go by the last bit or by the length, so either ends a frame here. Some consoles put a JPEG picture there.

use std::collections::VecDeque;

use super::jpeg::{START, Scan, Scanner};
use super::{Event, MAX_FRAME, Refusal};
use crate::base::DecodeError;
use crate::base::bytes::{u16_le, u32_le};

/// The length of the header of an Aspeed frame; it names it itself.
pub const VIDEO_HEADER: usize = 86;

const HEADER_LENGTH_AT: usize = 2;
const STREAM_LENGTH_AT: usize = 69;
const LAST: u16 = 1 << 15;

/// Puts fragments together.
#[derive(Debug, Default)]
pub struct Assembler {
    state: State,
    bytes: Vec<u8>,
    scanner: Scanner,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// For the first fragment of a frame.
    #[default]
    Waiting,
    /// The same, and told already that fragments were lost.
    Lost,
    /// In the middle of a frame; this is the next fragment.
    Gathering(u16),
    /// The frame was whole by its length; if this fragment comes, it only ends it.
    Trailing(u16),
}

impl Assembler {
    /// Takes the payload of one video packet; what it completes goes to `events`.
    pub fn receive(&mut self, payload: &[u8], events: &mut VecDeque<Event>) -> Result<(), DecodeError> {
        if payload.starts_with(&START) {
            // No fragment number: as such it would be far beyond the longest frame.
            events.push_back(Event::Jpeg(payload.to_vec()));
            return Ok(());
        }
        let number =
            u16_le(payload, 0).ok_or(DecodeError::Malformed { what: "a video packet of less than 2 bytes" })?;
        let (index, last, data) = (number & !LAST, number & LAST != 0, &payload[2..]);
        match self.state {
            State::Gathering(next) if index == next => {}
            State::Trailing(next) if index == next => {
                self.state = if last { State::Waiting } else { State::Trailing(next.wrapping_add(1)) };
                return Ok(());
            }
            state => {
                // A frame that never ended, or one that we did not see begin: its blocks are missing for good.
                let torn = matches!(state, State::Gathering(_)) || index != 0;
                if torn && state != State::Lost {
                    events.push_back(Event::Lost);
                }
                self.bytes.clear();
                self.scanner = Scanner::default();
                if index != 0 {
                    self.state = State::Lost;
                    return Ok(());
                }
            }
        }
        let length = self.bytes.len() + data.len();
        if length > VIDEO_HEADER + MAX_FRAME {
            return Err(DecodeError::TooLarge { what: "video frame", got: length as u64, max: MAX_FRAME as u64 });
        }
        self.bytes.extend_from_slice(data);
        let whole = match self.whole(last)? {
            Some(event) => {
                events.push_back(event);
                true
            }
            None => last,
        };
        self.state = match index.wrapping_add(1) {
            _ if last => State::Waiting,
            next if whole => State::Trailing(next),
            next => State::Gathering(next),
        };
        Ok(())
    }

    /// What the gathered bytes are, once they are all there.
    fn whole(&mut self, last: bool) -> Result<Option<Event>, DecodeError> {
        if self.bytes.starts_with(&START) {
            let ended = last || matches!(self.scanner.scan(&self.bytes)?, Scan::Whole(_) | Scan::Broken(_));
            return Ok(ended.then(|| Event::Jpeg(std::mem::take(&mut self.bytes))));
        }
        if let Some(length) =
            u16_le(&self.bytes, HEADER_LENGTH_AT).filter(|&length| usize::from(length) != VIDEO_HEADER)
        {
            return Ok(Some(Event::Refused(Refusal::ForeignVideo(length))));
        }
        let Some(named) = u32_le(&self.bytes, STREAM_LENGTH_AT).filter(|_| self.bytes.len() >= VIDEO_HEADER) else {
            return Ok(last.then_some(Event::Lost));
        };
        // Newer viewers use three bytes of the length, and firmware exists that leaves something else in the fourth.
        let named = (named & 0x00ff_ffff) as usize;
        if self.bytes.len() == VIDEO_HEADER && (last || named == 0) {
            return Ok(Some(Event::Empty));
        }
        if !last && self.bytes.len() - VIDEO_HEADER < named {
            return Ok(None);
        }
        let stream = &self.bytes[VIDEO_HEADER..];
        // Tiles could begin like that too, but not go on like a picture to its end.
        if stream.starts_with(&START) && matches!(Scanner::default().scan(stream)?, Scan::Whole(_)) {
            return Ok(Some(Event::Jpeg(stream.to_vec())));
        }
        Ok(Some(Event::Video(std::mem::take(&mut self.bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header that names a stream of `length` bytes.
    fn header(length: u32) -> Vec<u8> {
        let mut header = vec![0; VIDEO_HEADER];
        header[HEADER_LENGTH_AT] = 86;
        header[STREAM_LENGTH_AT..][..4].copy_from_slice(&length.to_le_bytes());
        header
    }

    fn fragment(number: u16, data: &[u8]) -> Vec<u8> {
        [&number.to_le_bytes(), data].concat()
    }

    fn events(payloads: &[Vec<u8>]) -> Vec<Event> {
        let (mut assembler, mut events) = (Assembler::default(), VecDeque::new());
        for payload in payloads {
            assembler.receive(payload, &mut events).unwrap();
        }
        events.into()
    }

    fn frame(length: u32, stream: &[u8]) -> Vec<u8> {
        [&header(length), stream].concat()
    }

    #[test]
    fn a_frame_ends_with_its_last_bit_or_with_its_length() {
        let whole = frame(4, b"abcd");
        let by_bit = [fragment(0, &whole[..50]), fragment(1, &whole[50..88]), fragment(2 | LAST, &whole[88..])];
        assert_eq!(events(&by_bit), [Event::Video(whole.clone())]);
        let by_length = [fragment(0, &whole[..89]), fragment(1, &whole[89..])];
        assert_eq!(events(&by_length), [Event::Video(whole.clone())]);
        let short = [fragment(0, &whole[..87]), fragment(1 | LAST, b"b")];
        assert_eq!(events(&short), [Event::Video(frame(4, b"ab"))]);
    }

    #[test]
    fn a_last_fragment_after_the_whole_length_is_no_gap() {
        let whole = frame(2, b"ab");
        let payloads = [fragment(0, &whole), fragment(1 | LAST, b""), fragment(LAST, &whole)];
        assert_eq!(events(&payloads), [Event::Video(whole.clone()), Event::Video(whole)]);
    }

    #[test]
    fn a_gap_drops_the_frame_and_is_told_once() {
        let whole = frame(6, b"abcdef");
        let gap = [fragment(0, &whole[..88]), fragment(2, b"d"), fragment(3, b"e"), fragment(4 | LAST, b"f")];
        assert_eq!(events(&gap), [Event::Lost]);
        let torn = [fragment(0, &whole[..88]), fragment(LAST, &whole)];
        assert_eq!(events(&torn), [Event::Lost, Event::Video(whole.clone())]);
        let late = [fragment(7, b"x"), fragment(8, b"x"), fragment(LAST, &whole), fragment(3, b"x")];
        assert_eq!(events(&late), [Event::Lost, Event::Video(whole), Event::Lost]);
    }

    #[test]
    fn a_header_alone_says_that_there_is_no_video() {
        assert_eq!(events(&[fragment(0, &header(0))]), [Event::Empty]);
        assert_eq!(events(&[fragment(LAST, &header(500))]), [Event::Empty]);
        assert_eq!(events(&[fragment(0, &header(500))]), []);
        assert_eq!(events(&[fragment(LAST, &header(0)[..80])]), [Event::Lost]);
    }

    #[test]
    fn the_top_byte_of_the_length_is_not_believed() {
        let whole = frame(0xfe00_0003, b"abc");
        assert_eq!(events(&[fragment(0, &whole[..88]), fragment(1, &whole[88..])]), [Event::Video(whole)]);
    }

    #[test]
    fn a_header_of_another_engine_is_refused_by_its_length() {
        let refused = Event::Refused(Refusal::ForeignVideo(0x2222));
        assert_eq!(events(&[fragment(0, &[0x22; 34])]), [refused]);
    }

    #[test]
    fn a_jpeg_picture_passes_in_one_payload_and_in_fragments() {
        let picture = [0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];
        let expected = [Event::Jpeg(picture.to_vec())];
        assert_eq!(events(&[picture.to_vec()]), expected);
        assert_eq!(events(&[fragment(0, &picture[..7]), fragment(1, &picture[7..])]), expected);
        assert_eq!(events(&[fragment(0, &picture[..7]), fragment(1 | LAST, &picture[7..])]), expected);
        assert_eq!(events(&[fragment(0, &frame(11, &picture))]), expected);
        let tiles = frame(4, &picture[..4]);
        assert_eq!(events(&[fragment(0, &tiles)]), [Event::Video(tiles)]);
    }

    #[test]
    fn a_frame_without_end_is_too_large() {
        let (mut assembler, mut events) = (Assembler::default(), VecDeque::new());
        let data = vec![0_u8; 8 << 20];
        let mut outcome = assembler.receive(&fragment(0, &frame(0xff_ffff, b"")), &mut events);
        for index in 1..=9 {
            outcome = outcome.and_then(|()| {
                // The length is reached at 16 MiB, so a stream that goes on only trails.
                assembler.receive(&fragment(index, &data), &mut events)
            });
        }
        assert_eq!(outcome, Ok(()));
        assert_eq!(events.len(), 1);
        // A JPEG picture has no length that could end it.
        let mut outcome = assembler.receive(&fragment(0, &[0xff, 0xd8, 0xff, 0xda, 0, 2]), &mut events);
        for index in 1..=9 {
            outcome = outcome.and_then(|()| assembler.receive(&fragment(index, &data), &mut events));
        }
        assert!(matches!(outcome, Err(DecodeError::TooLarge { .. })), "{outcome:?}");
    }
}
