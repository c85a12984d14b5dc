#!/usr/bin/env python3
"""Packs the fonts of src/text/fonts/ from the packages they come from; src/text/fonts/README.md says how to run it."""

import gzip
import struct
import sys
import zlib
from pathlib import Path

FONTS = Path(__file__).resolve().parents[2] / "src/text/fonts"

# What a console shows where code page 437 has control characters.
CP437_LOW = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437 = CP437_LOW + bytes(range(32, 127)).decode() + "⌂" + bytes(range(128, 256)).decode("cp437")
CP850 = CP437_LOW + bytes(range(32, 127)).decode() + "⌂" + bytes(range(128, 256)).decode("cp850")

# The characters worth reading. More of them would only make more of them look alike.
REPERTOIRE = {chr(code) for code in [*range(0x20, 0x7F), *range(0xA0, 0x100)]}
REPERTOIRE |= {ch for ch in CP437 if 0x2190 <= ord(ch) <= 0x21FF or 0x2500 <= ord(ch) <= 0x25FF}
REPERTOIRE |= set("‘’‚“”„–—…•€™") | set("━┃┏┓┗┛┣┫┳┻╋")


def bits(bitmap, width, height):
    """The rows of a PSF bitmap as numbers, the leftmost dot highest."""
    stride = (width + 7) // 8
    rows = [int.from_bytes(bitmap[at : at + stride], "big") for at in range(0, stride * height, stride)]
    return [row >> (stride * 8 - width) for row in rows]


def raw(data, height, page):
    """256 glyphs, 8 dots wide, nothing else."""
    glyphs = {}
    for code, ch in enumerate(page):
        glyphs.setdefault(ch, bits(data[code * height :][:height], 8, height))
    return 8, height, glyphs


def psf(path):
    """A PSF1 or PSF2 file with its table."""
    data = gzip.decompress(path.read_bytes())
    if data[:2] == b"\x36\x04":
        width, height, count, at = 8, data[3], 512 if data[2] & 1 else 256, 4
        table = data[at + count * height :].decode("utf-16-le", "surrogatepass").split("\uffff")
        lists = [entry.split("\ufffe")[0] for entry in table]
    else:
        _, at, _, count, size, height, width = struct.unpack("<7I", data[4:32])
        lists = [entry.split(b"\xfe")[0].decode() for entry in data[at + count * size :].split(b"\xff")]
    size = (width + 7) // 8 * height
    glyphs = {}
    for slot in range(count):
        for ch in lists[slot]:
            glyphs.setdefault(ch, bits(data[at + slot * size :][:size], width, height))
    return width, height, glyphs


def adapter(rom, height):
    """The table of a height in a VGA BIOS: the one place where codes 00, 20 and FF are blank and DB is full."""
    glyph = lambda at, code: rom[at + code * height :][:height]
    fits = lambda at: not any(glyph(at, 0) + glyph(at, 0x20) + glyph(at, 0xFF)) and glyph(at, 0xDB) == b"\xff" * height
    (at,) = [at for at in range(len(rom) - 256 * height) if fits(at) and any(glyph(at, 0x41))]
    return raw(rom[at : at + 256 * height], height, CP437)


def fill(font, *others):
    """What a font lacks of the repertoire, from others of its family."""
    width, height, glyphs = font
    for other_width, other_height, more in others:
        assert (other_width, other_height) == (width, height)
        glyphs = more | glyphs
    return width, height, glyphs


def gzipped(data):
    """Without a name, a time and a system, so that the same data makes the same bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15, 9)
    packed = deflate.compress(data) + deflate.flush()
    return b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff" + packed + struct.pack("<2I", zlib.crc32(data), len(data))


def save(name, font):
    """Writes a font as PSF2 in gzip, by character, each bitmap once."""
    width, height, glyphs = font
    stride = (width + 7) // 8
    bitmaps = {}
    for ch in sorted(REPERTOIRE & glyphs.keys()):
        bitmaps.setdefault(b"".join((row << (stride * 8 - width)).to_bytes(stride, "big") for row in glyphs[ch]), ch)
    header = struct.pack("<4s7I", b"\x72\xb5\x4a\x86", 0, 32, 1, len(bitmaps), stride * height, height, width)
    table = b"".join(ch.encode() + b"\xff" for ch in bitmaps.values())
    packed = gzipped(header + b"".join(bitmaps) + table)
    path = FONTS / f"{name}-{width}x{height}.psf.gz"
    path.write_bytes(packed)
    print(f"{path.name:28} {len(bitmaps):4} glyphs {len(packed):6} bytes")
    return len(packed)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: pack.py FOLDER; it holds what the packages were unpacked into")
    folder = Path(sys.argv[1])
    rom = (folder / "usr/share/seabios/vgabios-stdvga.bin").read_bytes()
    vga = {height: adapter(rom, height) for height in (8, 14, 16)}
    cp850 = (folder / "vga-framebuffer/font_testing/cp850-8x16").read_bytes()
    fonts = [
        ("vga", vga[16]),
        ("vga", vga[14]),
        ("vga", vga[8]),
        ("kernel", fill(raw(cp850, 16, CP850), vga[16])),
    ]
    print(sum(save(*font) for font in fonts), "bytes")


if __name__ == "__main__":
    main()
