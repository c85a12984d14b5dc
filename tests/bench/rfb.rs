//! RFB: one update of a 1920x1080 screen, replayed from memory in pieces of 64 KiB through a fresh session.

use ikvm_mcp::base::Frame;
use ikvm_mcp::rfb::{Encoding, Event, Options, PixelFormat, Session};

use crate::measure;
use crate::rfb_encode::{Encoder, console, greeting, photo};

/// What the pictures are computed from.
const SEED: u64 = 7;

const PIECE: usize = 64 << 10;

pub fn run() {
    let pictures = [("console", console(1920, 1080, SEED)), ("photo", photo(1920, 1080, SEED))];
    for (name, frame) in &pictures {
        for (encoding, gradient) in [
            (Encoding::RAW, false),
            (Encoding::HEXTILE, false),
            (Encoding::ZLIB, false),
            (Encoding::ZRLE, false),
            (Encoding::TIGHT, false),
            (Encoding::TIGHT, true),
        ] {
            if gradient && *name == "console" {
                continue;
            }
            let mut stream = greeting(frame.width, frame.height, &PixelFormat::WANTED);
            let mut encoder = Encoder::new();
            encoder.gradient = gradient;
            stream.extend(encoder.update(frame, encoding));
            replay(&stream, frame);
            let gradient = if gradient { ", gradient" } else { "" };
            let kib = stream.len() >> 10;
            measure(&format!("1920x1080 {name}, {encoding}{gradient}, {kib} KiB"), || replay(&stream, frame));
        }
    }
}

fn replay(stream: &[u8], picture: &Frame) -> bool {
    let mut session = Session::new(Options::default());
    for piece in stream.chunks(PIECE) {
        session.receive(piece);
        while let Some(event) = session.poll() {
            if matches!(event, Event::Updated(_)) {
                let frame = session.screen().expect("there was an update").frame();
                // Enough to know that it is the picture, and free.
                let (ours, theirs) = (&frame.pixels, &picture.pixels);
                assert!(ours.len() == theirs.len() && ours.last() == theirs.last());
                return true;
            }
        }
    }
    panic!("no update");
}
