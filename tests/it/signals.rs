//! What ends the real program from outside: whatever it is at, its session at the BMC is logged out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use ikvm_mcp::base::Frame;

use crate::support::bmc::{Bmc, Setup, Video};
use crate::support::ovh::FakeOvh;
use crate::support::program::{Program, look};
use crate::support::recorded;
use crate::support::rfb_encode::console;
use crate::support::web::ca_file;
use crate::support::world::World;

fn start(ovh: &FakeOvh, args: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    command.env_clear().envs(ovh.environment()).env("SSL_CERT_FILE", ca_file()).args(args);
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Sends signals, one right after the other; the exit status that they lead to.
fn end(mut child: Child, signals: &[&str]) -> Option<i32> {
    let id = child.id();
    let kills: Vec<String> = signals.iter().map(|signal| format!("kill {signal} {id}")).collect();
    assert!(Command::new("sh").args(["-c", &kills.join("; ")]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
fn a_command_that_is_ended_logs_out_and_has_not_succeeded() {
    let ovh = FakeOvh::start_tls();
    for signals in [&["-INT"][..], &["-TERM"], &["-HUP"], &["-INT", "-INT", "-TERM"]] {
        let bmc = Bmc::start(Setup::ovh());
        bmc.show_recorded(recorded("screen-grub-720x400"));
        ovh.state().set_access(&bmc.viewer_url(), 600);
        let child = start(&ovh, &["wait", "ns1.example", "--text", "nowhere"]);
        bmc.wait_until("a picture sent", |counts| counts.frames > 0);
        assert_eq!(end(child, signals), Some(1), "{signals:?}");
        bmc.assert_all_closed();
    }
}

#[test]
fn a_check_that_is_ended_on_its_way_comes_back() {
    let setup = Setup { video: vec![Video::Nothing], ..Setup::ovh() };
    let World { ovh, bmcs } = World::start(1, &setup, |_| Frame::black(8, 8));
    let child = start(&ovh, &["check", "ns1.example"]);
    bmcs[0].wait_until("a screen asked for", |counts| counts.packets(11) > 0);
    assert_eq!(end(child, &["-INT"]), Some(1));
    bmcs[0].assert_all_closed();
}

#[test]
fn a_server_that_is_ended_has_done_what_it_should() {
    let ovh = FakeOvh::start_tls();
    let mut child = start(&ovh, &["stdio"]);
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut answer).unwrap();
    assert_eq!(answer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n");
    assert_eq!(end(child, &["-TERM"]), Some(0));
}

#[test]
fn a_terminal_that_is_closed_may_say_so_twice() {
    let world = World::start(2, &Setup::ovh(), |number| console(640, 480, number as u64));
    let program = Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &[], world.environment());
    let mut client = program.client();
    for number in 0..2 {
        let (facts, is_seen) = look(&mut client, &World::name(number));
        assert!(is_seen, "{facts}");
    }
    program.signal("HUP");
    program.signal("HUP");
    assert!(program.wait());
    world.bmcs.iter().for_each(|bmc| bmc.assert_all_closed());
}

#[test]
fn under_nohup_a_closed_terminal_ends_nothing() {
    let script = "trap '' HUP; exec \"$0\" --demo";
    let program = Program::serve("/bin/sh", &["-c", script, env!("CARGO_BIN_EXE_ikvm-mcp")], Vec::new());
    program.signal("HUP");
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert_eq!(program.client().ask(ping, "").status, 200);
    assert!(program.interrupt());
}
