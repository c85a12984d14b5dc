//! Pictures: from a frame to the PNG that a model reads, and its Base64.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use ikvm_mcp::base::{Frame, base64};
use ikvm_mcp::image::{Options, render};

use crate::measure;

/// What noise and its places are computed from.
const SEED: u32 = 7;

pub fn run() {
    let log = screen("24-linux-efifb-boot-login-1280x800.png");
    let pictures = [
        ("720x400 text console, shown at 2x", screen("09-linux-boot-log-vgacon.png")),
        ("1024x768 text console", wallpaper(&log, 1024, 768)),
        ("1920x1080 text console", wallpaper(&log, 1920, 1080)),
        ("1024x768 text through JPEG", wallpaper(&noisy(&log, 12), 1024, 768)),
        ("1920x1200 like a photo, must be reduced", photo(1920, 1200)),
    ];
    let options = Options::default();
    for (name, frame) in &pictures {
        let png = render(frame, &options).map_or(0, |picture| picture.png.len());
        measure(&format!("{name}, {png} bytes"), || render(frame, &options));
    }

    let console = &pictures[1].1;
    measure("1024x768 text console to PNG and Base64", || {
        render(console, &options).map(|picture| base64::encode(&picture.png))
    });
    let bytes = noise(3_000_000);
    measure("Base64 of 3 MB", || base64::encode(&bytes));
    let text = base64::encode(&bytes);
    measure("Base64 of 3 MB, back", || base64::decode(text.as_bytes()));
}

fn screen(name: &str) -> Frame {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens").join(name);
    let file = fs::read(path).expect("the screen is in testdata");
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().expect("a PNG file");
    let (width, height) = reader.info().size();
    let mut rgb = vec![0; width as usize * height as usize * 3];
    reader.next_frame(&mut rgb).expect("red, green and blue, 8 bits each");
    Frame::from_rgb(width as usize, height as usize, &rgb)
}

/// `screen` again and again over a larger area, its copies shifted so that lines do not simply repeat.
fn wallpaper(screen: &Frame, width: usize, height: usize) -> Frame {
    let mut pixels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let from_x = (x + y / screen.height * 104) % screen.width;
            let from_y = (y + x / screen.width * 112) % screen.height;
            pixels.push(screen.pixels[from_y * screen.width + from_x]);
        }
    }
    Frame { width, height, pixels }
}

/// `screen` with noise of up to `strength` levels in each block of 8x8 pixels that is not of one color, as JPEG has.
fn noisy(screen: &Frame, strength: u8) -> Frame {
    let mut frame = screen.clone();
    let at = |x, y| y * screen.width + x;
    let noise = noise(frame.rgb().len());
    for y in (0..screen.height).step_by(8) {
        for x in (0..screen.width).step_by(8) {
            let rows = || (y..screen.height.min(y + 8)).map(|y| at(x, y)..at(screen.width.min(x + 8), y));
            let first = screen.pixels[at(x, y)];
            if rows().all(|row| screen.pixels[row].iter().all(|&pixel| pixel == first)) {
                continue;
            }
            for pixel in rows().flatten() {
                for (level, noise) in frame.pixels[pixel].iter_mut().zip(&noise[pixel * 3..]) {
                    let change = noise % strength;
                    *level = if *level < 128 { *level + change } else { *level - change };
                }
            }
        }
    }
    frame
}

/// Soft waves of color under noise of 8 levels.
fn photo(width: usize, height: usize) -> Frame {
    let noise = noise(width * height * 3);
    let level = |at: usize| {
        let (x, y, channel) = (at / 3 % width, at / 3 / width, at % 3);
        let wave = (x as f64 / 90.0 + channel as f64).sin() + (y as f64 / 70.0).cos();
        (124.0 + 60.0 * wave) as u8 + noise[at] % 8
    };
    let levels: Vec<u8> = (0..width * height * 3).map(level).collect();
    Frame::from_rgb(width, height, &levels)
}

/// Bytes of a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let mut state = SEED;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}
