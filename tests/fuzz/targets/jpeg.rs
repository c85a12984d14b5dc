//! JPEG pictures, as consoles send them.

#![no_main]

use ikvm_mcp::base::jpeg;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(frame) = jpeg::decode(data) {
        assert_eq!(frame.pixels.len(), frame.width * frame.height);
    }
});
