//! What the integration tests share: fakes, encoders, test data.

pub mod bmc;
pub mod client;
pub mod consoles;
pub mod ovh;
pub mod paint;
pub mod pictures;
pub mod program;
pub mod proxy;
pub mod rfb_encode;
pub mod scale;
pub mod secrets;
pub mod servers;
pub mod tile;
pub mod vnc;
pub mod web;
pub mod world;

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ikvm_mcp::base::Frame;

/// For a wait that is to end by its limit: one after another, until the work got as far as the test wants it to get.
/// A machine that has much to do may need more than the first.
pub const LIMITS: [Duration; 4] =
    [Duration::from_millis(400), Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(30)];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ast2500")
}

/// A recorded frame of testdata/ast2500: its header and its tiles.
pub fn recorded(name: &str) -> Vec<u8> {
    ["hdr", "bin"].map(|part| fs::read(folder().join(format!("{name}.{part}"))).unwrap()).concat()
}

/// The picture that a recorded frame makes.
pub fn picture(name: &str) -> Frame {
    read_png(&folder().join(format!("{name}.png")))
}

/// A PNG of 8 bits a channel as a frame.
pub fn read_png(path: &Path) -> Frame {
    let mut decoder = png::Decoder::new(BufReader::new(File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    if info.color_type == png::ColorType::Grayscale {
        rgb = rgb.iter().flat_map(|&gray| [gray; 3]).collect();
    } else {
        assert_eq!(info.color_type, png::ColorType::Rgb, "{}", path.display());
    }
    Frame::from_rgb(info.width as usize, info.height as usize, &rgb)
}
