//! The reader of console text, on pictures of a few colors.
//!
//! Two bytes say how large the picture is, twelve are four colors, then come pixels of two bits, again and again.

#![no_main]

use std::sync::LazyLock;

use ikvm_mcp::base::bytes::groups;
use ikvm_mcp::base::{Frame, Rgb};
use ikvm_mcp::text::{Library, RenderOptions, read};
use libfuzzer_sys::fuzz_target;

static LIBRARY: LazyLock<&Library> = LazyLock::new(Library::shipped);

fuzz_target!(|data: &[u8]| {
    let Some(([width, height], rest)) = data.split_first_chunk() else { return };
    let Some((colors, pixels)) = rest.split_first_chunk::<12>() else { return };
    if pixels.is_empty() {
        return;
    }
    let (width, height) = (usize::from(*width) * 2, usize::from(*height));
    let colors: Vec<Rgb> = groups(colors).collect();
    let pixel = |at: usize| colors[usize::from(pixels[at / 4 % pixels.len()] >> (at % 4 * 2) & 3)];
    let frame = Frame { width, height, pixels: (0..width * height).map(pixel).collect() };

    let reading = read(&frame, &LIBRARY, None);
    let text = reading.render(&RenderOptions::default());
    assert!(!text.contains(|ch: char| ch.is_control() && ch != '\n'), "{text:?}");
    assert_eq!(reading.cells.len(), reading.rows * reading.columns);
});
