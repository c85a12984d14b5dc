//! The real program under load: many clients on many servers at once, then nothing left over.

use std::thread;
use std::time::Duration;

use ikvm_mcp::base::Watch;
use serde_json::json;

use crate::support::bmc::Setup;
use crate::support::program::{Program, call, look};
use crate::support::rfb_encode::console;
use crate::support::world::World;

const SERVERS: usize = 16;
const CLIENTS: usize = 64;
const LOOKS: usize = 3;
/// For each console that is open, and for all requests.
const MEMORY: usize = (SERVERS * 20 + 64) << 10;

#[test]
fn sixty_four_clients_on_sixteen_servers_all_see_their_screen_and_leave_nothing_behind() {
    let world = World::start(SERVERS, &Setup::ovh(), |number| console(1024, 768, number as u64));
    let program = Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &[], world.environment());
    call(&mut program.client(), "list_servers", json!({}));
    let before = (program.status("Threads"), program.sockets());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = program.client();
            scope.spawn(move || {
                let server = World::name(number % SERVERS);
                for _ in 0..LOOKS {
                    let (facts, is_seen) = look(&mut client, &server);
                    assert!(is_seen && facts.starts_with(&format!("server: {server}\n")), "{facts}");
                }
            });
        }
    });
    for bmc in &world.bmcs {
        assert_eq!(bmc.counts().kvm_opens, 1, "one console for all who look at a server");
    }
    let mut client = program.client();
    for number in 0..SERVERS {
        call(&mut client, "release_console", json!({ "serverId": World::name(number) }));
    }
    drop(client);
    world.bmcs.iter().for_each(|bmc| bmc.assert_all_closed());
    let peak = program.status("VmHWM");
    assert!(peak < MEMORY, "{peak} KiB");
    // The last threads and sockets end after their clients have.
    let watch = Watch::new("waiting for the last threads and sockets to end", Duration::from_secs(60));
    loop {
        let now = (program.status("Threads"), program.sockets());
        if now.0 <= before.0 && now.1 <= before.1 {
            break;
        }
        assert!(watch.left().is_ok(), "(threads, sockets): {before:?} before, {now:?} after");
        thread::yield_now();
    }
    assert!(program.interrupt(), "it ends well on Ctrl-C");
}
