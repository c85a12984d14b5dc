//! The encodings: numbers and names, and one decoder for each, fed with a rectangle's bytes as they arrive.
//!
//! Source: RFC 6143 section 7.7; rfbproto for CoRRE, zlib, Tight, TightPNG and the pseudo-encodings.
//!
//! A decoder works in units (a row, a tile, a subrectangle): it uses up the whole units at hand and leaves the
//! rest. A unit is small and is not looked at before it can be whole, so nothing is scanned again and again and
//! the result does not depend on where the input was cut.
//! Absent: zlibhex, Ultra, JPEG (21), ZYWRLE, and H.264, which is skipped; none of them is ever advertised.

mod copyrect;
mod hextile;
mod inflate;
mod raw;
mod rre;
mod tight;
mod tiles;
mod trle;
mod zlib;
mod zrle;

use std::fmt;

use super::pixel::{Colors, PixelFormat};
use super::screen::Canvas;
use crate::base::DecodeError;

use inflate::{Inflater, Window};

/// What the bytes of a rectangle are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(pub i32);

impl Encoding {
    /// Pixels as they are.
    pub const RAW: Self = Self(0);
    /// A part of the screen moved.
    pub const COPY_RECT: Self = Self(1);
    /// Rectangles of one color on a background.
    pub const RRE: Self = Self(2);
    /// The same with small rectangles.
    pub const CORRE: Self = Self(4);
    /// Tiles of 16x16, each a small RRE.
    pub const HEXTILE: Self = Self(5);
    /// Raw, deflated.
    pub const ZLIB: Self = Self(6);
    /// Palette, gradient or JPEG.
    pub const TIGHT: Self = Self(7);
    /// Tiles of 16x16: palettes and runs.
    pub const TRLE: Self = Self(15);
    /// Tiles of 64x64, deflated.
    pub const ZRLE: Self = Self(16);
    /// Video. Never advertised; some devices send it anyway.
    pub const H264: Self = Self(50);
    /// Asks Tight for JPEG of the best quality. Devices that have only JPEG want to see a quality level.
    pub const QUALITY_9: Self = Self(-23);
    /// The size of the screen.
    pub const DESKTOP_SIZE: Self = Self(-223);
    /// The update ends here, whatever its head said.
    pub const LAST_RECT: Self = Self(-224);
    /// Where the pointer is.
    pub const POINTER_POS: Self = Self(-232);
    /// The pointer's picture. Advertised, or it is drawn into the screen.
    pub const CURSOR: Self = Self(-239);
    /// The pointer's picture in two colors.
    pub const X_CURSOR: Self = Self(-240);
    /// Asks for little compression: much of it costs the BMC time.
    pub const COMPRESS_LEVEL_1: Self = Self(-255);
    /// QEMU: whether the pointer moves relatively.
    pub const QEMU_POINTER: Self = Self(-257);
    /// QEMU: extended keys are understood.
    pub const QEMU_KEYS: Self = Self(-258);
    /// QEMU: audio is understood.
    pub const QEMU_AUDIO: Self = Self(-259);
    /// Tight with PNG in place of its own compression.
    pub const TIGHT_PNG: Self = Self(-260);
    /// The keyboard's lights.
    pub const LED_STATE: Self = Self(-261);
    /// The server's name.
    pub const DESKTOP_NAME: Self = Self(-307);
    /// The size of the screen and where its monitors are.
    pub const EXTENDED_DESKTOP_SIZE: Self = Self(-308);
    /// More pointer buttons are understood.
    pub const EXTENDED_MOUSE: Self = Self(-316);
    /// VMware: the pointer's picture.
    pub const VMWARE_CURSOR: Self = Self(0x574d_5664);
    /// VMware: whether the pointer is visible.
    pub const VMWARE_CURSOR_STATE: Self = Self(0x574d_5665);
    /// VMware: where the pointer is.
    pub const VMWARE_CURSOR_POSITION: Self = Self(0x574d_5666);
    /// VMware: how keys repeat.
    pub const VMWARE_KEY_REPEAT: Self = Self(0x574d_5667);
    /// VMware: the keyboard's lights.
    pub const VMWARE_LED_STATE: Self = Self(0x574d_5668);
    /// VMware: the pixel format of the screen.
    pub const VMWARE_MODE: Self = Self(0x574d_5669);
    /// VMware: what the machine does.
    pub const VMWARE_MACHINE_STATE: Self = Self(0x574d_566a);

    const NAMES: [(Self, &str); 30] = [
        (Self::RAW, "Raw"),
        (Self::COPY_RECT, "CopyRect"),
        (Self::RRE, "RRE"),
        (Self::CORRE, "CoRRE"),
        (Self::HEXTILE, "Hextile"),
        (Self::ZLIB, "zlib"),
        (Self::TIGHT, "Tight"),
        (Self(8), "zlibhex"),
        (Self(9), "Ultra"),
        (Self::TRLE, "TRLE"),
        (Self::ZRLE, "ZRLE"),
        (Self(17), "ZYWRLE"),
        (Self(21), "JPEG"),
        (Self::H264, "H.264"),
        (Self(0x57), "ATEN AST2100"),
        (Self::QUALITY_9, "JPEG quality 9"),
        (Self::DESKTOP_SIZE, "DesktopSize"),
        (Self::LAST_RECT, "LastRect"),
        (Self::CURSOR, "Cursor"),
        (Self::X_CURSOR, "XCursor"),
        (Self::COMPRESS_LEVEL_1, "compression level 1"),
        (Self::QEMU_POINTER, "QEMU pointer motion"),
        (Self::QEMU_KEYS, "QEMU extended keys"),
        (Self::QEMU_AUDIO, "QEMU audio"),
        (Self::TIGHT_PNG, "TightPNG"),
        (Self::LED_STATE, "LED state"),
        (Self::DESKTOP_NAME, "DesktopName"),
        (Self::EXTENDED_DESKTOP_SIZE, "ExtendedDesktopSize"),
        (Self(-314), "CursorWithAlpha"),
        (Self::EXTENDED_MOUSE, "extended mouse buttons"),
    ];
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(encoding, _)| encoding == self) {
            Some((_, name)) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a decoder made of the bytes at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes used up, from the start.
    pub used: usize,
    /// Whether the rectangle is finished.
    pub done: bool,
}

/// Pixels in the three ways that encodings write them.
#[derive(Clone, Debug)]
pub struct Formats {
    /// PIXEL: as the pixel format says.
    pub pixel: Colors,
    /// CPIXEL, of TRLE and ZRLE.
    pub compact: Colors,
    /// TPIXEL, of Tight.
    pub tight: Colors,
}

impl Formats {
    /// For pixels of `format`.
    pub fn new(format: &PixelFormat) -> Self {
        Self {
            pixel: Colors::new(format),
            compact: Colors::new(&format.compact()),
            tight: Colors::new(&format.tight()),
        }
    }

    /// Sets an entry of the color map. Whether that changed it.
    pub fn set_entry(&mut self, index: usize, color: [u8; 3]) -> bool {
        let Self { pixel, compact, tight } = self;
        [pixel, compact, tight].map(|colors| colors.set_entry(index, color)).contains(&true)
    }
}

/// The zlib streams, which last as long as the connection, and the window that they are inflated through.
#[derive(Debug, Default)]
pub struct Streams {
    zlib: Inflater,
    zrle: Inflater,
    tight: [Inflater; 4],
    window: Window,
}

/// Decodes one rectangle.
#[derive(Debug)]
pub enum Decoder {
    /// Rows of pixels.
    Raw(raw::Raw),
    /// Where from: it has no state.
    CopyRect,
    /// RRE and CoRRE.
    Rre(rre::Rre),
    /// Tiles of 16x16.
    Hextile(hextile::Hextile),
    /// Deflated rows.
    Zlib(zlib::Zlib),
    /// Tight and TightPNG.
    Tight(tight::Tight),
    /// Tiles of 16x16.
    Trle(trle::Trle),
    /// Deflated tiles of 64x64.
    Zrle(zrle::Zrle),
}

impl Decoder {
    /// The decoder for the next rectangle; `None` for an encoding that has none.
    pub fn new(encoding: Encoding) -> Option<Self> {
        Some(match encoding {
            Encoding::RAW => Self::Raw(raw::Raw::default()),
            Encoding::COPY_RECT => Self::CopyRect,
            Encoding::RRE => Self::Rre(rre::Rre::new(rre::Geometry::Wide)),
            Encoding::CORRE => Self::Rre(rre::Rre::new(rre::Geometry::Small)),
            Encoding::HEXTILE => Self::Hextile(hextile::Hextile::default()),
            Encoding::ZLIB => Self::Zlib(zlib::Zlib::default()),
            Encoding::TIGHT => Self::Tight(tight::Tight::new(tight::Flavor::Plain)),
            Encoding::TIGHT_PNG => Self::Tight(tight::Tight::new(tight::Flavor::Png)),
            Encoding::TRLE => Self::Trle(trle::Trle::default()),
            Encoding::ZRLE => Self::Zrle(zrle::Zrle::default()),
            _ => return None,
        })
    }

    /// Paints what the whole units at the start of `input` say. Called with the unused bytes again and more,
    /// until the rectangle is finished; an error is final.
    pub fn decode(
        &mut self,
        input: &[u8],
        canvas: &mut Canvas,
        formats: &Formats,
        streams: &mut Streams,
    ) -> Result<Step, DecodeError> {
        match self {
            Self::Raw(raw) => Ok(raw.decode(input, canvas, &formats.pixel)),
            Self::CopyRect => Ok(copyrect::decode(input, canvas)),
            Self::Rre(rre) => rre.decode(input, canvas, &formats.pixel),
            Self::Hextile(hextile) => Ok(hextile.decode(input, canvas, &formats.pixel)),
            Self::Zlib(zlib) => zlib.decode(input, canvas, &formats.pixel, streams),
            Self::Tight(tight) => tight.decode(input, canvas, &formats.tight, streams),
            Self::Trle(trle) => trle.decode(input, canvas, &formats.compact),
            Self::Zrle(zrle) => zrle.decode(input, canvas, &formats.compact, streams),
        }
    }
}

/// Takes bytes off the front of a slice; `None` past its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    pub fn u16(&mut self) -> Option<usize> {
        Some(usize::from(self.byte()?) << 8 | usize::from(self.byte()?))
    }

    pub fn u32(&mut self) -> Option<usize> {
        Some(self.u16()? << 16 | self.u16()?)
    }

    pub fn color(&mut self, colors: &Colors) -> Option<[u8; 3]> {
        Some(colors.color(self.take(colors.size())?))
    }
}

#[cfg(test)]
mod tests;
