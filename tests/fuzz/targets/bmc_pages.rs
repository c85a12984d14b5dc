//! The pages of a BMC, from the viewer's to the WebSocket upgrade: a real listener gives the input's answers in turn.
//!
//! Answers are separated by two zero bytes. One that begins with `HTTP/` is sent as it is, any other as the body of
//! a page; when they are used up, connections are closed without one.

#![no_main]

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use ikvm_mcp::base::{Access, Certificate, Route, Secret, Watch};
use ikvm_mcp::console;
use ikvm_mcp::net::Trust;
use libfuzzer_sys::fuzz_target;

static ANSWERS: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());
static BMC: OnceLock<(u16, Trust)> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let (port, trust) = BMC.get_or_init(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port on loopback");
        let port = listener.local_addr().expect("a bound port").port();
        thread::spawn(move || listener.incoming().flatten().for_each(answer));
        (port, Trust::system())
    });
    *ANSWERS.lock().expect("no panic in the listener") = split(data);
    let access = Access {
        route: Route::Viewer(Secret::new(format!("http://127.0.0.1:{port}/viewer?token=abc"))),
        certificate: Certificate::Authorities,
        expires: None,
        notes: Vec::new(),
    };
    let opened = console::open(&access, trust, &Watch::new("fuzzing", Duration::from_millis(200)));
    assert!(opened.is_err(), "a console without video");
});

fn split(data: &[u8]) -> VecDeque<Vec<u8>> {
    let mut answers = VecDeque::from([Vec::new()]);
    for part in data.split(|&byte| byte == 0) {
        match part {
            [] => answers.push_back(Vec::new()),
            part => answers.back_mut().expect("never empty").extend_from_slice(part),
        }
    }
    answers
}

fn answer(mut stream: TcpStream) {
    let mut head = [0; 4096];
    if stream.read(&mut head).is_err() {
        return;
    }
    let Some(answer) = ANSWERS.lock().expect("no panic here").pop_front() else { return };
    let whole = if answer.starts_with(b"HTTP/") {
        answer
    } else {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", answer.len());
        [head.as_bytes(), &answer].concat()
    };
    // The client may have seen enough.
    let _ = stream.write_all(&whole);
}
