//! Video headers and tile streams: frames one after another, decoded onto one picture.

#![no_main]

use ikvm_mcp::ast2500::{Decoder, HEADER_LEN, Header};
use libfuzzer_sys::fuzz_target;

/// Larger pictures cost time and find nothing that smaller ones do not.
const MAX_PIXELS: usize = 640 * 480;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new();
    let mut rest = data;
    while let Ok(Some((header, length))) = Header::parse(rest) {
        assert_eq!(length, HEADER_LEN);
        rest = &rest[length..];
        let (stream, next) = rest.split_at(rest.len().min(header.compress_size as usize));
        if header.width * header.height > MAX_PIXELS {
            return;
        }
        let before = decoder.frame();
        let update = decoder.decode(&header, stream);
        let frame = decoder.frame();
        assert_eq!(frame.pixels.len(), frame.width * frame.height);
        if let Ok(update) = update {
            assert_eq!((frame.width, frame.height), (header.width, header.height));
            assert!(update.blocks > 0 || update.reset || *frame == *before);
        }
        rest = next;
    }
});
