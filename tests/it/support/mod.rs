//! What the integration tests share: fakes, encoders, test data.

// The tests of the AMI console use the rest.
#[allow(dead_code, unused_imports)]
pub mod bmc;
pub mod client;
pub mod ovh;
pub mod rfb_encode;
pub mod servers;
pub mod tile;
pub mod web;

use std::path::Path;

/// A recorded frame of testdata/ast2500: its header and its tiles.
pub fn recorded(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/ast2500");
    ["hdr", "bin"].map(|part| std::fs::read(folder.join(format!("{name}.{part}"))).unwrap()).concat()
}
