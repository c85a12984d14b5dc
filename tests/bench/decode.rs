//! Aspeed video: full frames of 1024x768 decoded onto a picture, and one of them all the way to the text of a PNG.
//!
//! Beside them what libjpeg-turbo's `djpeg` takes on an equal JPEG (the same picture, quantization tables and Huffman
//! codes, all in 4:4:4 or 4:2:0), less what it takes to start. Where it is not installed, a line says so.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ikvm_mcp::ast2500::tables::{chroma_quantisation, luma_quantisation};
use ikvm_mcp::ast2500::{Decoder, Header};
use ikvm_mcp::base::{Frame, base64};
use ikvm_mcp::image::{Options, render};

use crate::measure;
use crate::support::rfb_encode::{console, photo};
use crate::support::tile::{Encoder, Mode};

/// What the pictures are computed from.
const SEED: u64 = 7;

/// The quality that AMI's driver starts with.
const SELECTOR: u8 = 4;

const WIDTH: usize = 1024;
const HEIGHT: usize = 768;

pub fn run() {
    let screen = console(WIDTH, HEIGHT, SEED);
    let noise = photo(WIDTH, HEIGHT, SEED);
    let streams = [
        ("console, all JPEG 4:4:4", &screen, Mode::Jpeg),
        ("console, all JPEG 4:2:0", &screen, Mode::Quarter),
        ("console, VQ", &screen, Mode::Vq),
        ("photo-like noise, JPEG 4:4:4", &noise, Mode::Jpeg),
        ("photo-like noise, JPEG 4:2:0", &noise, Mode::Quarter),
    ];
    for (name, frame, mode) in streams {
        let (header, stream) = Encoder::with_selectors(mode, SELECTOR, 7).encode(frame);
        let (header, _) = Header::parse(&header).expect("a header of our own").expect("a whole header");
        let decoder = RefCell::new(Decoder::new());
        let kib = stream.len() >> 10;
        let ours =
            measure(&format!("{WIDTH}x{HEIGHT} {name}, {kib} KiB"), || decoder.borrow_mut().decode(&header, &stream));
        if mode != Mode::Vq {
            compare(frame, mode, ours);
        }
        if mode == Mode::Vq {
            measure(&format!("{WIDTH}x{HEIGHT} {name}, decoded, to PNG and Base64"), || {
                let mut decoder = decoder.borrow_mut();
                decoder.decode(&header, &stream).expect("a stream of our own");
                render(&decoder.frame(), &Options::default()).map(|picture| base64::encode(&picture.png))
            });
        }
    }
}

/// Says what libjpeg-turbo takes on an equal JPEG.
fn compare(frame: &Frame, mode: Mode, ours: Duration) {
    match djpeg(frame, mode) {
        Ok(theirs) => {
            let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
            println!("    djpeg (libjpeg-turbo): {:.2} ms; ours is {ratio:.2} of that", theirs.as_secs_f64() * 1e3);
        }
        Err(error) => println!("    not compared with libjpeg-turbo (package libjpeg-turbo-progs): {error}"),
    }
}

/// The best time of `djpeg` on a picture, less its best on one of a single block.
fn djpeg(frame: &Frame, mode: Mode) -> io::Result<Duration> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench-jpeg");
    fs::create_dir_all(&folder)?;
    let mut tables = String::new();
    for table in [luma_quantisation(SELECTOR), chroma_quantisation(SELECTOR)] {
        for step in table.expect("a selector that exists") {
            let _ = write!(tables, "{step} ");
        }
        tables.push('\n');
    }
    fs::write(folder.join("tables"), tables)?;
    let sampling = if mode == Mode::Quarter { "2x2" } else { "1x1" };
    let mut best = [Duration::MAX; 2];
    for (best, frame) in best.iter_mut().zip([frame, &Frame::black(8, 8)]) {
        let ppm = [format!("P6 {} {} 255\n", frame.width, frame.height).as_bytes(), frame.rgb()].concat();
        fs::write(folder.join("in.ppm"), ppm)?;
        let options = ["-baseline", "-dct", "fast", "-qtables", "tables", "-qslots", "0,1,1", "-sample", sampling];
        run_in(&folder, "cjpeg", &[&options[..], &["-outfile", "equal.jpg", "in.ppm"]].concat())?;
        for _ in 0..50 {
            let start = Instant::now();
            run_in(&folder, "djpeg", &["-dct", "fast", "-nosmooth", "-outfile", "/dev/null", "equal.jpg"])?;
            *best = start.elapsed().min(*best);
        }
    }
    Ok(best[0].saturating_sub(best[1]))
}

fn run_in(folder: &Path, program: &str, arguments: &[&str]) -> io::Result<()> {
    let status = Command::new(program).args(arguments).current_dir(folder).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{program} failed: {status}"))) }
}
