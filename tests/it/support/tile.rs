//! An encoder of Aspeed's tile video: what a fake BMC sends, and what the bench decodes.
//!
//! Source: Aspeed video stream; ITU-T T.81 annex F for the data units. The first frame is full, later ones carry the
//! blocks that differ from what was sent before. The colors of a VQ block are those that decode nearest to the screen's,
//! so that it is lossless wherever YCbCr can say them, as it can the sixteen of VGA. Deliberately absent: low JPEG and
//! pass 2.

use std::collections::HashMap;
use std::f64::consts::PI;

use ikvm_mcp::ast2500::tables::{ZIGZAG, chroma_quantisation, luma_quantisation};
use ikvm_mcp::ast2500::{CHROMA_AC, CHROMA_DC, Decoder, HEADER_LEN, Header, LUMA_AC, LUMA_DC, Table, rgb};
use ikvm_mcp::base::Frame;

/// What kinds of blocks are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 4:4:4, blocks of at most four colors as VQ, others as JPEG.
    Vq,
    /// 4:4:4, all JPEG.
    Jpeg,
    /// 4:2:0, all JPEG.
    Quarter,
}

/// What lies between the base code of a block and the one with a position.
const POSITIONED: u32 = 0x8;
const JPEG: u32 = 0x0;
const VQ_1: u32 = 0x5;
const END: u32 = 0x9;

/// An encoder with the picture that the other side has.
pub struct Encoder {
    mode: Mode,
    luma_selector: u8,
    advance_selector: u8,
    frame_number: u32,
    sent: Frame,
    colors: HashMap<[u8; 3], [u8; 3]>,
}

impl Encoder {
    /// An encoder with the selectors that AMI's driver starts with.
    pub fn new(mode: Mode) -> Self {
        Self::with_selectors(mode, 4, 7)
    }

    /// An encoder with its own selectors, 0 (coarsest) to 10.
    pub fn with_selectors(mode: Mode, luma_selector: u8, advance_selector: u8) -> Self {
        Self { mode, luma_selector, advance_selector, frame_number: 0, sent: Frame::default(), colors: HashMap::new() }
    }

    /// Makes the next frame a full one, as a request for a full screen does.
    pub fn force_full(&mut self) {
        self.sent = Frame::default();
    }

    /// The header and the stream of the next frame.
    pub fn encode(&mut self, frame: &Frame) -> ([u8; HEADER_LEN], Vec<u8>) {
        self.frame_number += 1;
        let is_full = (self.sent.width, self.sent.height) != (frame.width, frame.height);
        let edge = if self.mode == Mode::Quarter { 16 } else { 8 };
        let (columns, rows) = (frame.width.div_ceil(edge), frame.height.div_ceil(edge));
        let mut writer = Writer::new(self.luma_selector);
        let mut next = (0, 0);
        for row in 0..rows {
            for column in 0..columns {
                let block = pixels(frame, column * edge, row * edge, edge);
                if !is_full && block == pixels(&self.sent, column * edge, row * edge, edge) {
                    continue;
                }
                let position = (next != (column, row)).then_some((column, row));
                self.encode_block(&mut writer, &block, position);
                next = if column + 1 < columns { (column + 1, row) } else { (0, (row + 1) % rows) };
            }
        }
        writer.bits.put(END, 4);
        let stream = writer.bits.finish();
        self.sent = frame.clone();
        (self.header(frame, is_full, columns * rows, stream.len()), stream)
    }

    fn encode_block(&mut self, writer: &mut Writer, block: &[[u8; 3]], position: Option<(usize, usize)>) {
        let mut colors: Vec<[u8; 3]> = Vec::new();
        for color in block {
            if colors.len() <= 4 && !colors.contains(color) {
                colors.push(*color);
            }
        }
        if self.mode != Mode::Vq || colors.len() > 4 {
            writer.code(JPEG, position);
            return writer.jpeg(block);
        }
        let index_bits = [0, 0, 1, 2, 2][colors.len()];
        let indices: Vec<usize> =
            block.iter().map(|pixel| colors.iter().position(|color| color == pixel).unwrap()).collect();
        // The fourth of three colors is one that nobody points at.
        colors.resize(1 << index_bits, colors[0]);
        let entries: Vec<[u8; 3]> = colors.iter().map(|&color| self.nearest(color)).collect();
        writer.code(VQ_1 + index_bits, position);
        writer.vq(&entries, &indices, index_bits);
    }

    /// The Y, Cb and Cr that decode nearest to a color of the screen.
    fn nearest(&mut self, color: [u8; 3]) -> [u8; 3] {
        *self.colors.entry(color).or_insert_with(|| {
            let guess = ycbcr(color);
            // Clamping makes far neighbors of black, white and the pure colors equal to them.
            let around =
                |component: usize| (-5..=5).map(move |step| (guess[component] + f64::from(step)).round() as u8);
            let candidates = around(0).flat_map(|y| around(1).flat_map(move |cb| around(2).map(move |cr| [y, cb, cr])));
            let error = |candidate: &[u8; 3]| -> u32 {
                rgb(*candidate).iter().zip(color).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
            };
            candidates.min_by_key(error).unwrap()
        })
    }

    fn header(&self, frame: &Frame, is_full: bool, blocks: usize, stream: usize) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        let (width, height) = (frame.width as u16, frame.height as u16);
        put(0, &1_u16.to_le_bytes());
        put(2, &(HEADER_LEN as u16).to_le_bytes());
        for at in [4, 13, 30] {
            put(at, &width.to_le_bytes());
            put(at + 2, &height.to_le_bytes());
        }
        for at in [8, 17] {
            put(at, &32_u16.to_le_bytes()); // depth
            put(at + 2, &60_u16.to_le_bytes()); // refresh
        }
        put(26, &self.frame_number.to_le_bytes());
        put(42, &[if self.mode == Mode::Quarter { 0 } else { 3 }]); // compression mode
        put(43, &[16, self.luma_selector]);
        put(47, &[self.advance_selector, 16]);
        put(49, &(blocks as u32).to_le_bytes());
        put(55, &[u8::from(self.mode == Mode::Quarter)]);
        put(57, &[u8::from(!is_full)]); // differential
        put(69, &(stream as u32).to_le_bytes());
        header
    }
}

/// A picture as it arrives: encoded with one selector, and decoded again.
pub fn coded(frame: &Frame, mode: Mode, selector: u8) -> Frame {
    let (header, stream) = Encoder::with_selectors(mode, selector, selector).encode(frame);
    let (header, _) = Header::parse(&header).unwrap().unwrap();
    let mut decoder = Decoder::new();
    decoder.decode(&header, &stream).unwrap();
    (*decoder.frame()).clone()
}

/// Y, Cb and Cr of a color: BT.601, studio swing.
fn ycbcr(color: [u8; 3]) -> [f64; 3] {
    let [r, g, b] = color.map(f64::from);
    [
        16.0 + (65.738 * r + 129.057 * g + 25.064 * b) / 256.0,
        128.0 + (-37.945 * r - 74.494 * g + 112.439 * b) / 256.0,
        128.0 + (112.439 * r - 94.154 * g - 18.285 * b) / 256.0,
    ]
}

/// The pixels of a block, row by row; beyond the picture its last row and column go on.
fn pixels(frame: &Frame, left: usize, top: usize, edge: usize) -> Vec<[u8; 3]> {
    let pixel = |x: usize, y: usize| frame.pixels[y.min(frame.height - 1) * frame.width + x.min(frame.width - 1)];
    (0..edge * edge).map(|at| pixel(left + at % edge, top + at / edge)).collect()
}

/// A frame's stream being written, with what the decoder knows meanwhile.
struct Writer {
    bits: BitWriter,
    luma: [u16; 64],
    chroma: [u16; 64],
    predictors: [i32; 3],
    cache: [[u8; 3]; 4],
    codes: [HashMap<u8, (u32, u32)>; 4],
    cosines: [[f64; 8]; 8],
}

impl Writer {
    fn new(selector: u8) -> Self {
        Self {
            bits: BitWriter::default(),
            luma: luma_quantisation(selector).unwrap(),
            chroma: chroma_quantisation(selector).unwrap(),
            predictors: [0; 3],
            cache: [[0, 128, 128], [255, 128, 128], [128, 128, 128], [192, 128, 128]],
            codes: [&LUMA_DC, &LUMA_AC, &CHROMA_DC, &CHROMA_AC].map(codes),
            cosines: std::array::from_fn(|k| {
                let scale = if k == 0 { 1.0 / 8.0_f64.sqrt() } else { 0.5 };
                std::array::from_fn(|x| scale * ((2 * x + 1) as f64 * k as f64 * PI / 16.0).cos())
            }),
        }
    }

    fn code(&mut self, code: u32, position: Option<(usize, usize)>) {
        match position {
            Some((column, row)) => {
                self.bits.put(code | POSITIONED, 4);
                self.bits.put(column as u32, 8);
                self.bits.put(row as u32, 8);
            }
            None => self.bits.put(code, 4),
        }
    }

    fn vq(&mut self, colors: &[[u8; 3]], indices: &[usize], index_bits: u32) {
        // A color keeps its slot; a new one goes where no color of this block is.
        for color in colors {
            let known = self.cache.iter().position(|cached| cached == color);
            let slot = known.unwrap_or_else(|| {
                let slot = self.cache.iter().position(|cached| !colors.contains(cached)).unwrap();
                self.cache[slot] = *color;
                slot
            });
            self.bits.put(u32::from(known.is_none()) << 2 | slot as u32, 3);
            if known.is_none() {
                color.iter().for_each(|&component| self.bits.put(component.into(), 8));
            }
        }
        if index_bits > 0 {
            indices.iter().for_each(|&index| self.bits.put(index as u32, index_bits));
        }
    }

    fn jpeg(&mut self, block: &[[u8; 3]]) {
        let colors: Vec<[f64; 3]> = block.iter().map(|&color| ycbcr(color)).collect();
        let component = |number: usize| colors.iter().map(move |color| color[number]);
        if block.len() == 64 {
            for number in 0..3 {
                self.data_unit(number, &component(number).collect::<Vec<f64>>());
            }
            return;
        }
        let luma: Vec<f64> = component(0).collect();
        for (left, top) in [(0, 0), (8, 0), (0, 8), (8, 8)] {
            let quarter: Vec<f64> = (0..64).map(|at| luma[(top + at / 8) * 16 + left + at % 8]).collect();
            self.data_unit(0, &quarter);
        }
        for number in 1..3 {
            let samples: Vec<f64> = component(number).collect();
            let mean_of_4 = |at: usize| {
                let first = at / 8 * 32 + at % 8 * 2;
                (samples[first] + samples[first + 1] + samples[first + 16] + samples[first + 17]) / 4.0
            };
            self.data_unit(number, &(0..64).map(mean_of_4).collect::<Vec<f64>>());
        }
    }

    fn data_unit(&mut self, component: usize, samples: &[f64]) {
        let (table, dc, ac) = if component == 0 { (&self.luma, 0, 1) } else { (&self.chroma, 2, 3) };
        let mut half = [0.0; 64];
        for (at, sum) in half.iter_mut().enumerate() {
            let (row, k) = (at / 8, at % 8);
            *sum = (0..8).map(|x| (samples[row * 8 + x] - 128.0) * self.cosines[k][x]).sum();
        }
        let quantised = ZIGZAG.map(|place| {
            let (k, column) = (usize::from(place / 8), usize::from(place % 8));
            let sum: f64 = (0..8).map(|y| half[y * 8 + column] * self.cosines[k][y]).sum();
            (sum / f64::from(table[usize::from(place)])).round() as i32
        });

        let difference = quantised[0] - self.predictors[component];
        self.predictors[component] = quantised[0];
        self.coefficient(dc, 0, difference);
        let mut run = 0;
        for &value in &quantised[1..] {
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                self.symbol(ac, 0xf0);
                run -= 16;
            }
            self.coefficient(ac, run, value);
            run = 0;
        }
        if run > 0 {
            self.symbol(ac, 0x00);
        }
    }

    /// Run and size, then the value: a negative one as itself less one, without the bits above its size.
    fn coefficient(&mut self, table: usize, run: u8, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        self.symbol(table, run << 4 | size as u8);
        if size > 0 {
            let bits = if value < 0 { value - 1 } else { value } as u32;
            self.bits.put(bits & ((1 << size) - 1), size);
        }
    }

    fn symbol(&mut self, table: usize, symbol: u8) {
        let (code, length) = self.codes[table][&symbol];
        self.bits.put(code, length);
    }
}

/// The code of each symbol and its length (T.81 annex C).
fn codes(table: &Table) -> HashMap<u8, (u32, u32)> {
    let mut codes = HashMap::new();
    let mut symbols = table.symbols.iter();
    let mut code = 0;
    for (length, &count) in (1..).zip(&table.counts) {
        for &symbol in symbols.by_ref().take(count.into()) {
            codes.insert(symbol, (code, length));
            code += 1;
        }
        code <<= 1;
    }
    codes
}

/// Bits into 32-bit little-endian words, each filled from the top.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl BitWriter {
    fn put(&mut self, bits: u32, count: u32) {
        self.held = self.held << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.bytes.extend_from_slice(&((self.held >> self.count) as u32).to_le_bytes());
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put(0, 32 - self.count);
        }
        self.bytes
    }
}
