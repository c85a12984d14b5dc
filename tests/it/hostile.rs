//! Peers that want too much: whatever they send, the program's memory stays within what the README states.

use serde_json::json;

use crate::support::bmc::{Setup, Video};
use crate::support::program::{Program, call, look};
use crate::support::rfb_encode::console;
use crate::support::world::World;

/// What a frame of the largest size, 64 MiB, may cost with all else, in KiB. Without a limit it would be more.
const MEMORY: usize = 160 << 10;

#[test]
fn a_bmc_that_sends_too_much_costs_no_more_memory_than_a_console_may() {
    for video in [Video::Endless, Video::Huge, Video::Flood, Video::Corrupt] {
        let setup = Setup { video: vec![video.clone()], ..Setup::ovh() };
        let world = World::start(1, &setup, |_| console(1920, 1200, 7));
        let program = Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &[], world.environment());
        let mut client = program.client();
        let (facts, is_seen) = look(&mut client, &World::name(0));
        assert!(!is_seen, "{video:?}: {facts}");
        let peak = program.status("VmHWM");
        assert!(peak < MEMORY, "{video:?}: {peak} KiB");
        // It lives, and answers others.
        assert!(call(&mut client, "list_servers", json!({}))["isError"] != json!(true), "{video:?}");
    }
}
