//! What OVH's API answers, as JSON of any shape.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// Where the module finds what it uses of the crate.
use ikvm_mcp::base;

const NAME: &str = "ovh";

#[path = "../../../src/provider/ovh/answers.rs"]
mod answers;

fuzz_target!(|data: &[u8]| {
    let Ok(answer) = serde_json::from_slice::<Value>(data) else { return };
    let server = answers::server("ns1.example", &answer);
    assert_eq!(server.id, "ns1.example");
    for text in [Some(server.name), server.datacenter, server.ip, server.state, server.os].into_iter().flatten() {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    answers::Features::read(&answer);
    answers::Task::read(&answer);
    answers::Opening::read(&answer);
});
