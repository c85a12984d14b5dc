//! The server's side of RFB, as far as tests and benchmarks need it: pictures, and encoders that write them.
//!
//! Everything is in the pixel format `PixelFormat::WANTED`. Each encoder picks what a real server would: palettes
//! where there are few colors, runs where they are shorter, raw pixels else.

use flate2::{Compress, Compression, FlushCompress};
use ikvm_mcp::base::Frame;
use ikvm_mcp::rfb::{Encoding, PixelFormat};

/// What the encoders can write.
pub const ENCODINGS: [Encoding; 8] = [
    Encoding::RAW,
    Encoding::RRE,
    Encoding::CORRE,
    Encoding::HEXTILE,
    Encoding::ZLIB,
    Encoding::TIGHT,
    Encoding::TRLE,
    Encoding::ZRLE,
];

/// A small generator of numbers that are the same on each run (Knuth's MMIX constants).
pub struct Random(pub u64);

impl Random {
    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// A text console: cells of 8x16 with random glyphs, three quarters of them on two thirds of the lines, gray on black
/// and here and there a line in another color.
pub fn console(width: usize, height: usize, seed: u64) -> Frame {
    const COLORS: [[u8; 3]; 4] = [[85, 255, 85], [255, 85, 85], [85, 255, 255], [255, 255, 255]];
    let mut random = Random(seed);
    let mut frame = Frame::black(width, height);
    let glyphs: Vec<[u8; 16]> = (0..64)
        .map(|_| std::array::from_fn(|y| if (2..13).contains(&y) { (random.below(256) & 0x7e) as u8 } else { 0 }))
        .collect();
    for line in 0..height / 16 {
        let length = if random.below(3) == 0 { 0 } else { random.below(width / 8 + 1) };
        let color = if random.below(6) == 0 { COLORS[random.below(4)] } else { [170; 3] };
        for column in 0..length {
            if random.below(4) == 0 {
                continue;
            }
            let glyph = glyphs[random.below(glyphs.len())];
            for (y, bits) in glyph.iter().enumerate() {
                for x in (0..8).filter(|x| bits >> (7 - x) & 1 != 0) {
                    frame.pixels[(line * 16 + y) * width + column * 8 + x] = color;
                }
            }
        }
    }
    frame
}

/// A photograph as compressors see it: slopes with noise of a few levels.
pub fn photo(width: usize, height: usize, seed: u64) -> Frame {
    let mut random = Random(seed);
    let mut frame = Frame::black(width, height);
    for (at, pixel) in frame.pixels.iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        *pixel = [x * 200 / width, y * 200 / height, (x + y) * 100 / (width + height)]
            .map(|level| (level + random.below(24)) as u8);
    }
    frame
}

/// What a server of version 3.8 without authentication sends up to ServerInit.
pub fn greeting(width: usize, height: usize, format: &PixelFormat) -> Vec<u8> {
    let mut bytes = b"RFB 003.008\n\x01\x01\0\0\0\0".to_vec();
    put_u16(&mut bytes, &[width, height]);
    bytes.extend(format.build());
    bytes.extend(b"\0\0\0\x04test");
    bytes
}

/// The head of an update of `count` rectangles.
pub fn update_head(count: usize) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    put_u16(&mut bytes, &[count]);
    bytes
}

/// The head of a rectangle.
pub fn rectangle_head(x: usize, y: usize, width: usize, height: usize, encoding: Encoding) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_u16(&mut bytes, &[x, y, width, height]);
    bytes.extend(encoding.0.to_be_bytes());
    bytes
}

fn put_u16(bytes: &mut Vec<u8>, numbers: &[usize]) {
    bytes.extend(numbers.iter().flat_map(|&number| u16::try_from(number).unwrap().to_be_bytes()));
}

/// A part of a picture.
struct Part {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Part {
    fn of(frame: &Frame, x: usize, y: usize, width: usize, height: usize) -> Self {
        let rows = (y..y + height).flat_map(|y| &frame.pixels[y * frame.width + x..][..width]).copied().collect();
        Self { width, height, pixels: rows }
    }

    /// Its parts of at most `edge` pixels along an edge, with their positions.
    fn tiles(&self, edge: usize) -> Vec<(usize, usize, Self)> {
        let frame = Frame { width: self.width, height: self.height, pixels: self.pixels.clone() };
        let mut tiles = Vec::new();
        for y in (0..self.height).step_by(edge) {
            for x in (0..self.width).step_by(edge) {
                let (width, height) = (edge.min(self.width - x), edge.min(self.height - y));
                tiles.push((x, y, Self::of(&frame, x, y, width, height)));
            }
        }
        tiles
    }

    /// Its colors in order of appearance; `None` where there are more than `most`.
    fn palette(&self, most: usize) -> Option<Vec<[u8; 3]>> {
        let mut palette: Vec<[u8; 3]> = Vec::new();
        for pixel in &self.pixels {
            if palette.last() != Some(pixel) && !palette.contains(pixel) {
                if palette.len() == most {
                    return None;
                }
                palette.push(*pixel);
            }
        }
        Some(palette)
    }

    /// Its runs of one color within each row, but for the background's: column, row, length, color.
    fn runs(&self, background: [u8; 3]) -> Vec<(usize, usize, usize, [u8; 3])> {
        let mut runs = Vec::new();
        for (y, row) in self.pixels.chunks(self.width).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|one, other| one == other) {
                if run[0] != background {
                    runs.push((x, y, run.len(), run[0]));
                }
                x += run.len();
            }
        }
        runs
    }
}

fn pixel([red, green, blue]: [u8; 3]) -> [u8; 4] {
    [blue, green, red, 0]
}

fn compact([red, green, blue]: [u8; 3]) -> [u8; 3] {
    [blue, green, red]
}

/// The encoders of one connection, with its zlib streams.
pub struct Encoder {
    zlib: Compress,
    zrle: Compress,
    tight: Compress,
    /// Whether Tight uses its gradient where there are many colors.
    pub gradient: bool,
}

impl Encoder {
    /// With fresh streams.
    pub fn new() -> Self {
        let stream = || Compress::new(Compression::new(6), true);
        Self { zlib: stream(), zrle: stream(), tight: stream(), gradient: false }
    }

    /// One update with all of `frame`, in rectangles as tall as servers make them in this encoding.
    pub fn update(&mut self, frame: &Frame, encoding: Encoding) -> Vec<u8> {
        let (across, down) = match encoding {
            Encoding::CORRE => (48, 48),
            Encoding::TIGHT => (2_048, (65_536 / frame.width).max(1)),
            Encoding::ZLIB => (frame.width, (131_072 / 4 / frame.width).max(1)),
            _ => (frame.width, frame.height),
        };
        let mut bytes = update_head(frame.width.div_ceil(across) * frame.height.div_ceil(down));
        for y in (0..frame.height).step_by(down) {
            for x in (0..frame.width).step_by(across) {
                let (width, height) = (across.min(frame.width - x), down.min(frame.height - y));
                bytes.extend(rectangle_head(x, y, width, height, encoding));
                self.rectangle(&Part::of(frame, x, y, width, height), encoding, &mut bytes);
            }
        }
        bytes
    }

    fn rectangle(&mut self, part: &Part, encoding: Encoding, bytes: &mut Vec<u8>) {
        match encoding {
            Encoding::RAW => bytes.extend(part.pixels.iter().copied().flat_map(pixel)),
            Encoding::RRE | Encoding::CORRE => rre(part, encoding == Encoding::CORRE, bytes),
            Encoding::HEXTILE => part.tiles(16).iter().for_each(|(_, _, tile)| hextile(tile, bytes)),
            Encoding::ZLIB => {
                let raw: Vec<u8> = part.pixels.iter().copied().flat_map(pixel).collect();
                with_length(bytes, &deflate(&mut self.zlib, &raw));
            }
            Encoding::TRLE => part.tiles(16).iter().for_each(|(_, _, part)| tile(part, bytes)),
            Encoding::ZRLE => {
                let mut tiles = Vec::new();
                part.tiles(64).iter().for_each(|(_, _, part)| tile(part, &mut tiles));
                with_length(bytes, &deflate(&mut self.zrle, &tiles));
            }
            Encoding::TIGHT => self.tight(part, bytes),
            other => panic!("no encoder for {other}"),
        }
    }

    fn tight(&mut self, part: &Part, bytes: &mut Vec<u8>) {
        let (control, filter, data) = match part.palette(256) {
            Some(palette) if palette.len() == 1 => {
                bytes.push(0x80);
                bytes.extend(palette[0]);
                return;
            }
            Some(palette) => {
                let mut filter = vec![1, (palette.len() - 1) as u8];
                filter.extend(palette.as_flattened());
                let bits = if palette.len() == 2 { 1 } else { 8 };
                (0x40, filter, indexes(part, &palette, bits))
            }
            None if self.gradient => (0x40, vec![2], gradient(part)),
            None => (0x00, vec![], part.pixels.concat()),
        };
        bytes.push(control);
        bytes.extend(filter);
        if data.len() < 12 {
            bytes.extend(data);
            return;
        }
        let packed = deflate(&mut self.tight, &data);
        let length = packed.len();
        let [low, middle, high] = [length & 0x7f, length >> 7 & 0x7f, length >> 14].map(|part| part as u8);
        match length {
            0..0x80 => bytes.push(low),
            0x80..0x4000 => bytes.extend([low | 0x80, middle]),
            _ => bytes.extend([low | 0x80, middle | 0x80, high]),
        }
        bytes.extend(packed);
    }
}

fn with_length(bytes: &mut Vec<u8>, data: &[u8]) {
    bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
}

/// The next part of a zlib stream, flushed.
fn deflate(stream: &mut Compress, data: &[u8]) -> Vec<u8> {
    let before = stream.total_in();
    let mut packed = Vec::with_capacity(data.len() / 2 + 64);
    loop {
        let read = (stream.total_in() - before) as usize;
        stream.compress_vec(&data[read..], &mut packed, FlushCompress::Sync).unwrap();
        if packed.len() < packed.capacity() {
            return packed;
        }
        packed.reserve(packed.len());
    }
}

fn rre(part: &Part, small: bool, bytes: &mut Vec<u8>) {
    let background = part.pixels[0];
    let runs = part.runs(background);
    bytes.extend(u32::try_from(runs.len()).unwrap().to_be_bytes());
    bytes.extend(pixel(background));
    for (x, y, length, color) in runs {
        bytes.extend(pixel(color));
        if small {
            bytes.extend([x, y, length, 1].map(|number| u8::try_from(number).unwrap()));
        } else {
            put_u16(bytes, &[x, y, length, 1]);
        }
    }
}

fn hextile(tile: &Part, bytes: &mut Vec<u8>) {
    let background = tile.pixels[0];
    let runs = tile.runs(background);
    let is_two_colored = tile.palette(2).is_some();
    let length = runs.len() * if is_two_colored { 2 } else { 6 };
    if length + 10 > tile.pixels.len() * 4 {
        bytes.push(1);
        bytes.extend(tile.pixels.iter().copied().flat_map(pixel));
        return;
    }
    bytes.push(match (runs.is_empty(), is_two_colored) {
        (true, _) => 2,
        (false, true) => 2 | 4 | 8,
        (false, false) => 2 | 8 | 16,
    });
    bytes.extend(pixel(background));
    if runs.is_empty() {
        return;
    }
    if is_two_colored {
        bytes.extend(pixel(runs[0].3));
    }
    bytes.push(u8::try_from(runs.len()).unwrap());
    for (x, y, length, color) in runs {
        if !is_two_colored {
            bytes.extend(pixel(color));
        }
        bytes.extend([(x << 4 | y) as u8, ((length - 1) << 4) as u8]);
    }
}

/// Indexes into a palette of `bits` each, from the top of a byte, rows padded.
fn indexes(part: &Part, palette: &[[u8; 3]], bits: usize) -> Vec<u8> {
    let mut packed = Vec::new();
    for row in part.pixels.chunks(part.width) {
        for group in row.chunks(8 / bits) {
            let mut byte = 0;
            for (at, color) in group.iter().enumerate() {
                let index = palette.iter().position(|entry| entry == color).unwrap();
                byte |= index << (8 - bits * (at + 1));
            }
            packed.push(byte as u8);
        }
    }
    packed
}

fn gradient(part: &Part) -> Vec<u8> {
    let at = |x: usize, y: usize| {
        if x == 0 || y == 0 { [0; 3] } else { part.pixels[(y - 1) * part.width + x - 1] }
    };
    let mut differences = Vec::new();
    for (y, row) in part.pixels.chunks(part.width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            let (left, above, above_left) = (at(x, y + 1), at(x + 1, y), at(x, y));
            for part in 0..3 {
                let sum = i32::from(left[part]) + i32::from(above[part]) - i32::from(above_left[part]);
                differences.push(pixel[part].wrapping_sub(sum.clamp(0, 255) as u8));
            }
        }
    }
    differences
}

/// A tile of TRLE or ZRLE in the shortest of its forms.
fn tile(part: &Part, bytes: &mut Vec<u8>) {
    let mut forms = vec![[&[0], part.pixels.iter().copied().map(compact).collect::<Vec<_>>().as_flattened()].concat()];
    let mut runs = vec![128];
    for run in part.pixels.chunk_by(|one, other| one == other) {
        runs.extend(compact(run[0]));
        run_length(run.len(), &mut runs);
    }
    forms.push(runs);
    if let Some(palette) = part.palette(127) {
        let count = palette.len();
        let colors: Vec<u8> = palette.iter().copied().flat_map(compact).collect();
        match count {
            1 => forms.push([&[1], &colors[..]].concat()),
            2..=16 => {
                let bits = [1, 2, 4][usize::from(count > 2) + usize::from(count > 4)];
                forms.push([&[count as u8], &colors[..], &indexes(part, &palette, bits)].concat());
            }
            _ => {}
        }
        if count > 1 {
            let mut runs = [&[128 + count as u8], &colors[..]].concat();
            for run in part.pixels.chunk_by(|one, other| one == other) {
                let index = palette.iter().position(|entry| *entry == run[0]).unwrap() as u8;
                if run.len() == 1 {
                    runs.push(index);
                } else {
                    runs.push(index | 0x80);
                    run_length(run.len(), &mut runs);
                }
            }
            forms.push(runs);
        }
    }
    bytes.extend(forms.iter().min_by_key(|form| form.len()).unwrap());
}

fn run_length(length: usize, bytes: &mut Vec<u8>) {
    bytes.extend(std::iter::repeat_n(255, (length - 1) / 255));
    bytes.push(((length - 1) % 255) as u8);
}
