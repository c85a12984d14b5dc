//! Hostile clients against the real program: it lives, its memory is bounded, and honest clients are served meanwhile.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use ikvm_mcp::base::Watch;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::program::Program;

/// What the program may have had in memory at its worst, in KiB: far below what any of this sends.
const MOST_MEMORY: usize = 96 << 10;

const HEAD: &str = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";

/// The real program with its demo servers.
struct Target(Program);

impl Target {
    fn start() -> Self {
        Self(Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &["--demo"], Vec::new()))
    }

    fn client(&self) -> Client {
        self.0.client()
    }

    fn socket(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.0.port)).unwrap()
    }

    /// An honest client, who comes anew.
    fn serves(&self) {
        assert_eq!(self.client().ask(&ping(1), "").json()["id"], 1);
    }

    /// It has lived through everything.
    fn ends_well(self) {
        self.serves();
        let most = self.0.status("VmHWM");
        assert!(most < MOST_MEMORY, "{most} KiB");
        let said = self.0.end();
        assert!(!said.contains("panicked"), "{said}");
    }
}

fn ping(id: u32) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string()
}

#[test]
fn a_thousand_who_say_nothing_or_half_a_head_keep_nobody_out() {
    let program = Target::start();
    let mut crowd = Vec::new();
    for number in 0..1000 {
        let mut socket = program.socket();
        let said: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /mcp HT",
            _ => {
                b"POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
            }
        };
        // Whoever has to go by now is told by the system.
        let _ = socket.write_all(said);
        crowd.push(socket);
        if number % 100 == 0 {
            program.serves();
        }
    }
    program.serves();
    assert!(program.0.status("Threads") < 300, "{}", program.0.status("Threads"));
    program.ends_well();
}

#[test]
fn ten_thousand_requests_on_one_connection_are_answered_one_after_the_other() {
    let program = Target::start();
    let mut socket = program.socket();
    let mut reader = Client::over(program.0.port, socket.try_clone().unwrap());
    let writer = std::thread::spawn(move || {
        for id in 0..10_000 {
            let message = ping(id);
            write!(socket, "{HEAD}Content-Length: {}\r\n\r\n{message}", message.len()).unwrap();
        }
    });
    for id in 0..10_000 {
        assert_eq!(reader.answer().json()["id"], id);
        if id == 100 {
            program.serves();
            assert!(program.0.status("Threads") < 40, "{}", program.0.status("Threads"));
        }
    }
    writer.join().unwrap();
    program.ends_well();
}

#[test]
fn a_head_without_end_is_refused_at_its_limit() {
    let program = Target::start();
    for line in ["A: ", "A: b\r\n"] {
        let mut client = program.client();
        client.send(b"POST /mcp HTTP/1.1\r\n");
        for _ in 0..(40 << 10) / line.len() {
            client.send(line.as_bytes());
        }
        assert_eq!(client.answer().status, 431);
    }
    program.ends_well();
}

#[test]
fn lengths_that_lie_end_their_own_connection_and_no_other() {
    let program = Target::start();
    let message = ping(1);
    // Less than announced, then nothing more.
    let mut socket = program.socket();
    write!(socket, "{HEAD}Content-Length: {}\r\n\r\n{message}", message.len() + 1).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
    // More than announced: the rest is the next request, and none.
    let mut client = program.client();
    client.send(format!("{HEAD}Content-Length: {}\r\n\r\n{message}GARBAGE\r\n\r\n", message.len()).as_bytes());
    assert_eq!((client.answer().status, client.answer().status), (200, 400));
    assert!(client.is_closed());
    for chunk in ["zz\r\n", "1\r\nab\r\n", "ffffffffffffffff1\r\n", "400001\r\n", &format!("1;{}", "x".repeat(4000))] {
        let mut client = program.client();
        client.send(format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n{chunk}").as_bytes());
        let status = client.answer().status;
        assert!(matches!(status, 400 | 413), "{chunk}: {status}");
    }
    program.ends_well();
}

#[test]
fn json_as_deep_or_as_dense_as_it_gets_is_answered() {
    let program = Target::start();
    for (depth, code) in [(10_000, -32700), (1_000_000, -32600)] {
        assert_eq!(program.client().ask(&"[".repeat(depth), "").json()["error"]["code"], code);
    }
    // Small on the wire, large in memory.
    let dense = format!("[{}0]", r#"{"":0},"#.repeat(500_000));
    assert_eq!(program.client().ask(&dense, "").json()["error"]["code"], -32600);
    program.ends_well();
}

#[test]
fn who_hangs_up_in_the_middle_is_forgotten() {
    let program = Target::start();
    let message = ping(1);
    let whole = format!("{HEAD}Content-Length: {}\r\n\r\n{message}", message.len());
    for number in 0..500 {
        let mut socket = program.socket();
        let end = number * whole.len() / 500;
        socket.write_all(&whole.as_bytes()[..end]).unwrap();
    }
    program.ends_well();
}

#[test]
fn many_large_messages_at_once_are_not_all_in_memory() {
    let program = Target::start();
    let large = format!("{}{}", " ".repeat((4 << 20) - 100), ping(1));
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| {
                let status = program.client().ask(&large, "").status;
                assert!(matches!(status, 200 | 503), "{status}");
            });
        }
        for _ in 0..40 {
            program.serves();
        }
    });
    program.ends_well();
}

#[test]
fn a_machine_out_of_descriptors_is_served_again_when_there_are_some() {
    let limited = format!("ulimit -n 40; exec {} --demo", env!("CARGO_BIN_EXE_ikvm-mcp"));
    let program = Target(Program::serve("/bin/sh", &["-c", &limited], Vec::new()));
    let mut crowd: Vec<TcpStream> = (0..80).map(|_| program.socket()).collect();
    for socket in &mut crowd {
        let _ = socket.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    drop(crowd);
    // Those who have hung up are still being noticed.
    let watch = Watch::new("waiting for descriptors", Duration::from_secs(60));
    let is_served = || {
        let mut client = program.client();
        client.post(&ping(1), "");
        client.is_answered() && client.answer().status == 200
    };
    while !is_served() {
        assert!(watch.left().is_ok());
    }
}

#[test]
fn a_line_of_a_hundred_megabytes_is_refused_and_the_next_is_read() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"))
        .args(["stdio", "--demo"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let piece = vec![b'['; 1 << 20];
    for _ in 0..100 {
        input.write_all(&piece).unwrap();
    }
    writeln!(input, "\n{}", ping(7)).unwrap();
    let mut next = || serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["error"]["code"], -32600);
    assert_eq!(next()["id"], 7);
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let most: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim_matches(['\t', ' ', 'k', 'B'])
        .parse()
        .unwrap();
    assert!(most < 48 << 10, "{most} KiB");
    drop(input);
    assert!(child.wait().unwrap().success());
}
