//! Peers that want too much: whatever they send, the program's memory stays within what the README states.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::{fs, thread};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use ikvm_mcp::rfb::Encoding;
use serde_json::json;

use crate::support::bmc::{Setup, Video};
use crate::support::ovh::{FakeOvh, Fault};
use crate::support::program::{Program, call, look};
use crate::support::rfb_encode::{console, rectangle_head, update_head};
use crate::support::web::{Web, ca_file};
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

/// As large as the fields of RFB get.
const MOST: [u8; 4] = [255; 4];

/// A server of RFB that says all of this at once, and from then on the rest again and again.
fn rfb(said: Vec<u8>, forever: &'static [u8]) -> Web {
    Web::raw(false, move |stream| {
        let mut talk = || -> io::Result<()> {
            stream.write_all(&said)?;
            while !forever.is_empty() {
                stream.write_all(forever)?;
            }
            io::copy(stream, &mut io::sink()).map(drop)
        };
        // The client hangs up, sooner or later.
        let _ = talk();
    })
}

/// The server's side of the handshake, in which it lets everybody in, up to the length of its name.
fn init(width: u16, height: u16) -> Vec<u8> {
    let format = [32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0];
    [b"RFB 003.008\n\x01\x01\0\0\0\0", &width.to_be_bytes()[..], &height.to_be_bytes(), &format].concat()
}

/// The whole handshake for a screen of 64x48, and this.
fn then(said: &[&[u8]]) -> Vec<u8> {
    [&init(64, 48)[..], &[0; 4], &said.concat()].concat()
}

/// An update of the whole screen, or of another rectangle, in this encoding.
fn update(width: usize, height: usize, encoding: Encoding, content: &[u8]) -> Vec<u8> {
    then(&[&update_head(1), &rectangle_head(0, 0, width, height, encoding), content])
}

/// 64 MiB of zeros as zlib, with the length before it.
fn bomb() -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(vec![0; 4], Compression::best());
    io::copy(&mut io::Read::take(io::repeat(0), 64 << 20), &mut encoder).unwrap();
    let mut bytes = encoder.finish().unwrap();
    let length = bytes.len() as u32 - 4;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[test]
fn a_vnc_server_whose_lengths_and_sizes_are_at_their_extremes_costs_neither_memory_nor_time() {
    let filler = vec![b'x'; 1 << 20];
    let none_of_65535 = [&[0, 0, 255, 255][..], &rectangle_head(0, 0, 0, 0, Encoding::RAW).repeat(65_535)].concat();
    let server = |name: &'static str, said: Vec<u8>| (name, rfb(said, b""));
    let servers = [
        server("reason", [b"RFB 003.008\n\0", &MOST[..], &filler].concat()),
        server("types", [b"RFB 003.008\n\xff", &[200; 255][..]].concat()),
        server("size", [&init(65_535, 65_535)[..], &[0; 4]].concat()),
        server("name", [&init(64, 48)[..], &MOST, &filler].concat()),
        server("text", then(&[&[3, 0, 0, 0], &MOST, &filler])),
        server("rectangles", then(&[&none_of_65535])),
        server("colors", then(&[&[1, 0, 0, 0, 255, 255], &filler])),
        server("raw", update(65_535, 65_535, Encoding::RAW, &filler)),
        server("rre", update(64, 48, Encoding::RRE, &[&MOST, &filler[..]].concat())),
        server("zlib", update(64, 48, Encoding::ZLIB, &[&MOST, &filler[..]].concat())),
        server("zrle", update(64, 48, Encoding::ZRLE, &[&MOST, &filler[..]].concat())),
        server("tight", update(64, 48, Encoding::TIGHT, &[&[0, 255, 255, 255], &filler[..]].concat())),
        server("bomb", update(64, 48, Encoding::ZRLE, &bomb())),
        server("desktop", update(65_535, 65_535, Encoding::DESKTOP_SIZE, &[])),
        server("cursor", update(65_535, 65_535, Encoding::CURSOR, &filler)),
        ("bells", rfb(then(&[]), &[2; 4096])),
        ("updates", rfb(then(&[]), &[0; 4096])),
    ];
    let mut hosts = String::new();
    for (name, web) in &servers {
        writeln!(hosts, "[[server]]\nid = \"{name}\"\nconsole = \"vnc://127.0.0.1:{}\"", web.port()).unwrap();
    }
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("hostile-vnc.toml");
    fs::write(&file, hosts).unwrap();
    let program = Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &["--hosts", file.to_str().unwrap()], Vec::new());
    thread::scope(|scope| {
        for (name, _) in &servers {
            let mut client = program.client();
            scope.spawn(move || {
                let (told, is_seen) = look(&mut client, name);
                assert!(!is_seen && told.starts_with(&format!("screenshot of {name}: ")), "{told}");
                assert_eq!(told.lines().count(), 1, "{told}");
            });
        }
    });
    let peak = program.status("VmHWM");
    assert!(peak < MEMORY, "{peak} KiB");
    assert!(call(&mut program.client(), "list_servers", json!({}))["isError"] != json!(true));
}

#[test]
fn an_api_that_answers_too_much_is_a_sentence_and_costs_no_memory() {
    let names: Vec<String> = (0..200_000).map(|number| format!("ns{number}.example")).collect();
    let names = serde_json::to_string(&names).unwrap().leak();
    let deep = "[".repeat(1 << 20).leak();
    for (fault, what) in [
        (Fault::Huge, "4 MiB, the limit"),
        (Fault::Body(200, names), "OVH lists 200000 servers, more than 10000, the limit"),
        (Fault::Body(200, deep), "half a body instead of JSON"),
    ] {
        let ovh = FakeOvh::start_tls();
        ovh.fail("GET /dedicated/server", 99, fault);
        let mut environment = ovh.environment();
        environment.push(("SSL_CERT_FILE", ca_file().display().to_string()));
        let program = Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &[], environment);
        let mut client = program.client();
        let answer = call(&mut client, "list_servers", json!({})).to_string();
        assert!(answer.contains(what), "{answer:.1000}");
        let peak = program.status("VmHWM");
        assert!(peak < MEMORY, "{peak} KiB");
    }
}
