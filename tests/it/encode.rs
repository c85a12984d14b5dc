//! The tests' own encoder against the decoder: what goes in comes out, and differential frames carry what changed.

use crate::support::tile::{Encoder, Mode};
use ikvm_mcp::ast2500::{Decoder, HEADER_LEN, Header, Update};
use ikvm_mcp::base::Frame;

/// A console in the colors of VGA text mode, which YCbCr can say exactly: cells of 8 x 16 pixels, one or two colors
/// each.
fn console(width: usize, height: usize, seed: usize) -> Frame {
    let vga = |number: usize| match number % 16 {
        6 => [170, 85, 0],
        number => [4, 2, 1].map(|bit| 170 * u8::from(number & bit != 0) + 85 * u8::from(number & 8 != 0)),
    };
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        let cell = x / 8 * 7 + y / 16 * 13 + seed;
        let is_ink = (x * 5 + y * 3 + x * y + cell) % 7 < 3 && cell % 4 != 0;
        vga(if is_ink { cell } else { seed })
    };
    Frame { width, height, pixels: (0..width * height).map(pixel).collect() }
}

/// Colors that flow into each other.
fn gradient(width: usize, height: usize) -> Frame {
    let wave = |phase: usize| (127.5 + 127.5 * (phase as f64 / 23.0).sin()) as u8;
    let pixel = |at: usize| {
        let (x, y) = (at % width, at / width);
        [wave(x), wave(x + y), wave(2 * y)]
    };
    Frame { width, height, pixels: (0..width * height).map(pixel).collect() }
}

fn decode(decoder: &mut Decoder, (header, stream): &([u8; HEADER_LEN], Vec<u8>)) -> Update {
    let (header, _) = Header::parse(header).unwrap().unwrap();
    assert_eq!(header.compress_size as usize, stream.len());
    decoder.decode(&header, stream).unwrap()
}

/// The mean square of the differences.
fn error(a: &Frame, b: &Frame) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let squares = a.rgb().iter().zip(b.rgb()).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2));
    squares.sum::<f64>() / a.rgb().len() as f64
}

#[test]
fn blocks_of_few_colors_come_through_without_loss() {
    for (width, height) in [(64, 48), (91, 53), (7, 3)] {
        let mut decoder = Decoder::new();
        for seed in 0..16 {
            let frame = console(width, height, seed);
            let update = decode(&mut decoder, &Encoder::new(Mode::Vq).encode(&frame));
            assert!(update.all_vq && update.complete);
            assert!(*decoder.frame() == frame, "{width} x {height}, seed {seed}");
        }
    }
}

#[test]
fn pictures_come_through_jpeg_with_little_loss_in_every_mode_and_selector() {
    let frame = gradient(91, 53);
    for (mode, at_worst, at_best) in [(Mode::Vq, 60.0, 4.0), (Mode::Jpeg, 60.0, 4.0), (Mode::Quarter, 300.0, 250.0)] {
        let errors: Vec<f64> = (0..=10)
            .map(|selector| {
                let mut decoder = Decoder::new();
                let update = decode(&mut decoder, &Encoder::with_selectors(mode, selector, 7).encode(&frame));
                assert!(update.complete && !update.all_vq);
                error(&decoder.frame(), &frame)
            })
            .collect();
        assert!(errors[0] < at_worst && errors[10] < at_best && errors[10] < errors[0], "{mode:?}: {errors:?}");
    }
}

#[test]
fn a_later_frame_carries_the_blocks_that_changed() {
    for mode in [Mode::Vq, Mode::Jpeg, Mode::Quarter] {
        let (mut encoder, mut decoder) = (Encoder::new(mode), Decoder::new());
        let mut frame = console(91, 53, 1);
        assert!(decode(&mut decoder, &encoder.encode(&frame)).complete);
        assert_eq!(decode(&mut decoder, &encoder.encode(&frame)).blocks, 0);

        // Two neighbors and one far away, at the lower right corner.
        for (x, y) in [(15, 20), (16, 20), (90, 52)] {
            let pixel = &mut frame.pixels[y * 91 + x];
            *pixel = if *pixel == [255; 3] { [0; 3] } else { [255; 3] };
        }
        let update = decode(&mut decoder, &encoder.encode(&frame));
        assert_eq!((update.blocks, update.complete, update.reset), (3, true, false), "{mode:?}");
        if mode == Mode::Vq {
            assert!(*decoder.frame() == frame);
        }

        encoder.force_full();
        let mut fresh = Decoder::new();
        assert!(decode(&mut fresh, &encoder.encode(&frame)).complete);
        assert!(error(&fresh.frame(), &decoder.frame()) < 0.01, "{mode:?}");
    }
}
