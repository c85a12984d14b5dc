//! The bitmap fonts of text consoles: what the program ships, what users add, and VGA's 9-dot forms of both.
//!
//! The files of `fonts/` are PSF2 like any user's; `fonts/README.md` says where each comes from.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::glyphs::Atlas;
use super::psf;
use crate::base::bytes::is_unseen;

/// Orders characters that look alike by which of them a console shows: ASCII, then lines and blocks (Debian's fonts
/// have one bitmap for dashes and lines), then by code point.
pub(super) fn preference(ch: char) -> (bool, bool, char) {
    (!ch.is_ascii(), !('\u{2500}'..='\u{259f}').contains(&ch), ch)
}

/// One character's bitmap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glyph {
    /// The character; never one that is not seen, such as a control character.
    pub ch: char,
    /// One number for each dot row, from the top; the leftmost dot is bit `width - 1`, a set bit is foreground.
    pub rows: Vec<u32>,
}

/// A font whose characters all have the same size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Font {
    /// A family and the size of the cell: `vga-8x16`.
    pub name: String,
    /// Dots across a cell, 1 to 32.
    pub width: usize,
    /// Dots down a cell, 1 to 32.
    pub height: usize,
    /// By character. No two have the same bitmap; a character may have two bitmaps.
    pub glyphs: Vec<Glyph>,
}

/// Heights of the fonts that VGA's text mode shows, in dots.
const TEXT_MODE_HEIGHTS: [usize; 3] = [8, 14, 16];

impl Font {
    /// A font of these glyphs, without characters that are not seen. Of characters that look alike, such as Latin A and
    /// Cyrillic А, the one that consoles show most stands for all.
    pub fn new(name: impl Into<String>, width: usize, height: usize, mut glyphs: Vec<Glyph>) -> Self {
        glyphs.retain(|glyph| !is_unseen(glyph.ch));
        glyphs.sort_by_key(|glyph| preference(glyph.ch));
        let mut seen = HashSet::new();
        glyphs.retain(|glyph| seen.insert(glyph.rows.clone()));
        glyphs.sort_by_key(|glyph| glyph.ch);
        Self { name: name.into(), width, height, glyphs }
    }

    /// The bitmap of a character, the first if it has two; each row as in [`Glyph::rows`].
    pub fn rows(&self, ch: char) -> Option<&[u32]> {
        let at = self.glyphs.partition_point(|glyph| glyph.ch < ch);
        self.glyphs.get(at).filter(|glyph| glyph.ch == ch).map(|glyph| &glyph.rows[..])
    }

    /// What VGA's text mode makes of a font 8 dots wide: a ninth column, blank but for the line characters, where
    /// it repeats the eighth. `None` for a font of another size.
    pub fn nine_dots(&self) -> Option<Self> {
        if self.width != 8 || !TEXT_MODE_HEIGHTS.contains(&self.height) {
            return None;
        }
        let wider = |glyph: &Glyph, repeat: u32| Glyph {
            ch: glyph.ch,
            rows: glyph.rows.iter().map(|row| row << 1 | row & repeat).collect(),
        };
        let mut glyphs = Vec::with_capacity(self.glyphs.len());
        for glyph in &self.glyphs {
            // By character code in truth: C0 to DF of code page 437, which are lines and blocks. The shades are
            // B0 to B2: an adapter leaves their ninth column blank, QEMU repeats them too.
            match glyph.ch {
                '\u{2591}'..='\u{2593}' => glyphs.extend([wider(glyph, 0), wider(glyph, 1)]),
                '\u{2500}'..='\u{259f}' => glyphs.push(wider(glyph, 1)),
                _ => glyphs.push(wider(glyph, 0)),
            }
        }
        let family = self.name.strip_suffix(&format!("-8x{}", self.height)).unwrap_or(&self.name);
        Some(Self::new(format!("{family}-9x{}", self.height), 9, self.height, glyphs))
    }
}

/// A file of `fonts/`, with its name.
macro_rules! shipped {
    ($($name:literal)*) => {
        [$(($name, include_bytes!(concat!("fonts/", $name, ".psf.gz")).as_slice())),*]
    };
}

/// What the program ships, the most likely first.
const SHIPPED: [(&str, &[u8]); 26] = shipped! {
    "vga-8x16" "kernel-8x16" "unifont-8x16" "t-8x16" "t-bold-8x16" "debian-8x16" "rhel-8x16"
    "edk2-8x19"
    "vga-8x8" "vga-8x14" "t-8x14" "t-bold-8x14"
    "t-16x32" "t-bold-16x32" "debian-16x32"
    "t-10x18" "t-bold-10x18" "t-10x20" "t-bold-10x20" "t-11x22" "t-bold-11x22"
    "t-12x24" "t-bold-12x24" "t-14x28" "t-bold-14x28"
    "gallant-12x22"
};

/// The fonts to read with.
#[derive(Clone, Debug)]
pub struct Library {
    fonts: Vec<Font>,
    atlases: OnceLock<Vec<Atlas>>,
}

impl Library {
    /// What the program ships; unpacked once.
    pub fn shipped() -> &'static Self {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        LIBRARY.get_or_init(|| {
            let fonts =
                SHIPPED.map(|(name, file)| psf::parse(name, file).unwrap_or_else(|error| panic!("{name}: {error}")));
            Self::of(fonts)
        })
    }

    /// These fonts and their 9-dot forms, and no others.
    pub fn of(fonts: impl IntoIterator<Item = Font>) -> Self {
        Self { fonts: Vec::new(), atlases: OnceLock::new() }.with(fonts)
    }

    /// Puts more fonts, and their 9-dot forms, behind those there are.
    #[must_use]
    pub fn with(mut self, fonts: impl IntoIterator<Item = Font>) -> Self {
        for font in fonts {
            let nine_dots = font.nine_dots();
            self.fonts.push(font);
            self.fonts.extend(nine_dots);
        }
        self.atlases = OnceLock::new();
        self
    }

    /// Their glyphs by cell size, put in order once.
    pub(super) fn atlases(&self) -> &[Atlas] {
        self.atlases.get_or_init(|| Atlas::of(self))
    }

    /// All of them, each 9-dot form right behind its font.
    pub fn fonts(&self) -> &[Font] {
        &self.fonts
    }
}
