//! Messages: those that we send, the types of those that arrive, and the head of a rectangle.
//!
//! Source: RFC 6143 sections 7.5 and 7.6. All numbers are big-endian. Absent: keys, pointer, clipboard.

use std::fmt;

use super::screen::Rect;
use super::{Encoding, PixelFormat};

/// What a request asks for; always for all of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Everything, as soon as possible (incremental 0).
    Full,
    /// What changes, as soon as something does (incremental 1).
    Changes,
}

/// What we say that we understand, best first. Servers choose by this order: lossless ZRLE where they can, while
/// devices that have only JPEG want to see Tight and a quality level. The message stays far below the 1,024 bytes
/// that one proxy buffers.
pub const ENCODINGS: [Encoding; 16] = [
    Encoding::ZRLE,
    Encoding::TIGHT,
    Encoding::TIGHT_PNG,
    Encoding::HEXTILE,
    Encoding::ZLIB,
    Encoding::RRE,
    Encoding::CORRE,
    Encoding::TRLE,
    Encoding::COPY_RECT,
    Encoding::RAW,
    Encoding::QUALITY_9,
    Encoding::COMPRESS_LEVEL_1,
    Encoding::DESKTOP_SIZE,
    Encoding::EXTENDED_DESKTOP_SIZE,
    Encoding::LAST_RECT,
    Encoding::CURSOR,
];

/// The same in the simple mode.
pub const SIMPLE_ENCODINGS: [Encoding; 3] = [Encoding::RAW, Encoding::HEXTILE, Encoding::DESKTOP_SIZE];

/// SetPixelFormat.
pub fn set_pixel_format(format: &PixelFormat) -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0];
    message.extend_from_slice(&format.build());
    message
}

/// SetEncodings.
pub fn set_encodings(encodings: &[Encoding]) -> Vec<u8> {
    let mut message = vec![2, 0];
    message.extend_from_slice(&(encodings.len() as u16).to_be_bytes());
    message.extend(encodings.iter().flat_map(|encoding| encoding.0.to_be_bytes()));
    message
}

/// FramebufferUpdateRequest for the rectangle from the top left corner.
pub fn update_request(request: Request, width: usize, height: usize) -> Vec<u8> {
    let [[w1, w0], [h1, h0]] = [width, height].map(|length| (length as u16).to_be_bytes());
    vec![3, (request == Request::Changes).into(), 0, 0, 0, 0, w1, w0, h1, h0]
}

/// ClientFence in answer to a ServerFence that asked for one; of its flags only those that we keep by nature,
/// for everything is handled in order.
pub fn fence_answer(flags: u32, payload: &[u8]) -> Vec<u8> {
    const IN_ORDER: u32 = 3;
    let mut message = vec![248, 0, 0, 0];
    message.extend_from_slice(&(flags & IN_ORDER).to_be_bytes());
    message.push(payload.len() as u8);
    message.extend_from_slice(payload);
    message
}

/// The type of a message that arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ServerMessage(pub u8);

impl ServerMessage {
    /// Rectangles.
    pub const FRAMEBUFFER_UPDATE: Self = Self(0);
    /// A part of the color map.
    pub const SET_COLOR_MAP_ENTRIES: Self = Self(1);
    /// A sound.
    pub const BELL: Self = Self(2);
    /// The clipboard.
    pub const SERVER_CUT_TEXT: Self = Self(3);
    /// Continuous updates are understood, or over.
    pub const END_OF_CONTINUOUS_UPDATES: Self = Self(150);
    /// To be answered when all before it is done.
    pub const SERVER_FENCE: Self = Self(248);
    /// Power control is understood.
    pub const XVP: Self = Self(250);
    /// QEMU's audio.
    pub const QEMU: Self = Self(255);

    const NAMES: [(Self, &str); 8] = [
        (Self::FRAMEBUFFER_UPDATE, "FramebufferUpdate"),
        (Self::SET_COLOR_MAP_ENTRIES, "SetColorMapEntries"),
        (Self::BELL, "Bell"),
        (Self::SERVER_CUT_TEXT, "ServerCutText"),
        (Self::END_OF_CONTINUOUS_UPDATES, "EndOfContinuousUpdates"),
        (Self::SERVER_FENCE, "ServerFence"),
        (Self::XVP, "xvp"),
        (Self::QEMU, "a QEMU message"),
    ];

    /// Whether we know how long it is. Types that a server sends only to those who advertised them are unknown.
    pub fn is_known(self) -> bool {
        Self::NAMES.iter().any(|(kind, _)| *kind == self)
    }
}

impl fmt::Display for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ServerMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The head of a rectangle: where it is, and what follows.
///
/// ```text
/// 0 x   2 y   4 width   6 height   8 encoding, 32 bits
/// ```
pub fn parse_rectangle(bytes: &[u8; 12]) -> (Rect, Encoding) {
    let [x1, x0, y1, y0, w1, w0, h1, h0, e3, e2, e1, e0] = *bytes;
    let [x, y, width, height] =
        [[x1, x0], [y1, y0], [w1, w0], [h1, h0]].map(|number| usize::from(u16::from_be_bytes(number)));
    (Rect { x, y, width, height }, Encoding(i32::from_be_bytes([e3, e2, e1, e0])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_laid_out_as_the_specification_has_them() {
        assert_eq!(
            set_pixel_format(&PixelFormat::WANTED),
            [0, 0, 0, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]
        );
        assert_eq!(set_encodings(&SIMPLE_ENCODINGS), [2, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0x21]);
        assert_eq!(update_request(Request::Full, 1920, 1080), [3, 0, 0, 0, 0, 0, 7, 128, 4, 56]);
        assert_eq!(update_request(Request::Changes, 1, 2), [3, 1, 0, 0, 0, 0, 0, 1, 0, 2]);
        assert_eq!(fence_answer(0x8000_0007, b"ab"), [248, 0, 0, 0, 0, 0, 0, 3, 2, b'a', b'b']);
    }

    #[test]
    fn the_first_messages_fit_into_the_buffer_of_a_small_proxy() {
        let length = set_pixel_format(&PixelFormat::WANTED).len() + set_encodings(&ENCODINGS).len() + 10;
        assert!(length < 256, "{length} bytes");
    }
}
