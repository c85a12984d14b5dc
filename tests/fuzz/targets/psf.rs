//! Console fonts in PSF, gzipped or not: what was read is written and read again the same.

#![no_main]

use ikvm_mcp::text::psf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(font) = psf::parse("fuzzed", data) else { return };
    let again = psf::parse("fuzzed", &psf::build(&font)).expect("a font that was read can be written");
    assert_eq!(psf::build(&again), psf::build(&font));
});
