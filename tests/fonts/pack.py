#!/usr/bin/env python3
"""Packs the fonts of src/text/fonts/ from the packages they come from; src/text/fonts/README.md says how to run it."""

import gzip
import lzma
import struct
import sys
import uuid
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


def pcf(path, width):
    """A font of X11 in PCF: the tables of bitmaps, metrics and encodings, all with the highest byte and bit first."""
    data = gzip.decompress(path.read_bytes())
    numbers = lambda at, layout: struct.unpack_from(">" + layout, data, at)
    (count,) = struct.unpack_from("<I", data, 4)
    tables = {kind: (at, layout) for kind, layout, _, at in struct.iter_unpack("<4I", data[8 : 8 + 16 * count])}
    (accelerators, _), (metrics, compact), (bitmaps, layout), (encodings, _) = (tables[kind] for kind in (2, 4, 8, 32))
    assert compact & 0x100 and layout & 0xC == 0xC
    pad = 1 << (layout & 3)
    ascent, descent = numbers(accelerators + 12, "2i")
    (count,) = numbers(bitmaps + 4, "I")
    offsets = numbers(bitmaps + 8, f"{count}I")
    first_low, last_low, first_high, last_high, _ = numbers(encodings + 4, "5H")
    glyphs = {}
    for place, code in enumerate((high << 8) + low for high in range(first_high, last_high + 1) for low in range(first_low, last_low + 1)):
        (slot,) = numbers(encodings + 14 + 2 * place, "H")
        if slot == 0xFFFF or chr(code) not in REPERTOIRE:
            continue
        left, right, advance, up, down = (value - 0x80 for value in numbers(metrics + 6 + 5 * slot, "5B"))
        if advance != width:
            continue
        stride = ((right - left) + 8 * pad - 1) // (8 * pad) * pad
        start = bitmaps + 8 + 4 * count + 16 + offsets[slot]
        rows = bits(data[start : start + stride * (up + down)], 8 * stride, up + down)
        shift = 8 * stride - width + left
        rows = [row >> shift if shift >= 0 else row << -shift for row in rows]
        glyphs[chr(code)] = [0] * (ascent - up) + rows + [0] * (descent - down)
    return width, ascent + descent, glyphs


def adapter(rom, height):
    """The table of a height in a VGA BIOS: the one place where codes 00, 20 and FF are blank and DB is full."""
    glyph = lambda at, code: rom[at + code * height :][:height]
    fits = lambda at: not any(glyph(at, 0) + glyph(at, 0x20) + glyph(at, 0xFF)) and glyph(at, 0xDB) == b"\xff" * height
    (at,) = [at for at in range(len(rom) - 256 * height) if fits(at) and any(glyph(at, 0x41))]
    return raw(rom[at : at + 256 * height], height, CP437)


def firmware(volume):
    """The narrow glyphs of a UEFI firmware: entries of code, attributes, 19 rows, from the space to a null code."""
    guid = uuid.UUID("EE4E5898-3914-4259-9D6E-DC7BD79403CF").bytes_le  # a section packed with LZMA
    section = volume.index(guid) - 4
    (offset,) = struct.unpack_from("<H", volume, section + 20)
    drivers = lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(volume[section + offset :])
    at = drivers.index(b" \0\0" + bytes(19) + b"!\0\0")
    glyphs = {}
    while (code := struct.unpack_from("<H", drivers, at)[0]) != 0:
        glyphs[chr(code)] = list(drivers[at + 3 : at + 22])
        at += 22
    return 8, 19, glyphs


def outlines(path, width, height):
    """A TrueType font whose outlines go around its dots: each edge turns the dots to its right over."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen
    from fontTools.ttLib import TTFont

    font = TTFont(path)
    shapes, top, unit = font.getGlyphSet(), font["hhea"].ascent, (font["hhea"].ascent - font["hhea"].descent) / height
    glyphs = {}
    for code, name in font.getBestCmap().items():
        pen = DecomposingRecordingPen(shapes)
        shapes[name].draw(pen)
        rows = [0] * height
        corners = []
        for _, points in pen.value:
            corners.extend(points)
            if points:
                continue
            for (x, y), (_, other) in zip(corners, corners[1:] + corners[:1]):
                (begin, end) = sorted(round((top - edge) / unit) for edge in (y, other))
                for row in range(begin, end):
                    rows[row] ^= (1 << width - round(x / unit)) - 1
            corners = []
        glyphs[chr(code)] = rows
    return width, height, glyphs


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


def preference(ch):
    """Orders characters that look alike by which of them a console shows: ASCII, lines and blocks, others."""
    return not ch.isascii(), not "\u2500" <= ch <= "\u259f", ch


def save(name, font):
    """Writes a font as PSF2 in gzip, by character, each bitmap once."""
    width, height, glyphs = font
    stride = (width + 7) // 8
    bitmaps = {}
    for ch in sorted(REPERTOIRE & glyphs.keys(), key=preference):
        bitmaps.setdefault(b"".join((row << (stride * 8 - width)).to_bytes(stride, "big") for row in glyphs[ch]), ch)
    bitmaps = dict(sorted(bitmaps.items(), key=lambda item: item[1]))
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
    share = folder / "usr/share"
    rom = (share / "seabios/vgabios-stdvga.bin").read_bytes()
    vga = {height: adapter(rom, height) for height in (8, 14, 16)}
    kernel = raw((folder / "vga-framebuffer/font_testing/cp850-8x16").read_bytes(), 16, CP850)
    debian = {size: psf(share / f"consolefonts/Uni2-VGA{size}.psf.gz") for size in ("16", "32x16")}
    terminus = lambda width, height, weight: pcf(share / f"fonts/X11/misc/ter-u{height}{weight}_unicode.pcf.gz", width)
    fonts = [
        ("vga", vga[16]),
        ("vga", vga[14]),
        ("vga", vga[8]),
        ("kernel", fill(kernel, vga[16])),
        # The slashed zero and the short hyphen of eurlatgr are those of Terminus.
        ("rhel", (8, 16, vga[16][2] | {"0": terminus(8, 16, "b")[2]["0"], "-": terminus(8, 16, "n")[2]["-"]})),
        ("unifont", pcf(share / "fonts/X11/misc/unifont.pcf.gz", 8)),
        ("edk2", firmware((share / "OVMF/OVMF_CODE.fd").read_bytes())),
        ("debian", fill(debian["16"], kernel, vga[16])),
        ("debian", debian["32x16"]),
        ("gallant", outlines(share / "fonts/xscreensaver/gallant12x22.ttf", 12, 22)),
    ]
    for width, height in ((8, 14), (8, 16), (10, 18), (10, 20), (11, 22), (12, 24), (14, 28), (16, 32)):
        fonts += [("t", terminus(width, height, "n")), ("t-bold", terminus(width, height, "b"))]
    print(sum(save(*font) for font in fonts), "bytes")


if __name__ == "__main__":
    main()
