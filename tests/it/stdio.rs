//! MCP over two streams: the server in this process, and the real program.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ikvm_mcp::base::{Error, Kind};
use ikvm_mcp::mcp::Mcp;
use ikvm_mcp::serve::stdio;
use serde_json::{Value, json};

use crate::support::servers::{self, Listing, Scripted};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
/// What ending may take.
const ENDING: Duration = Duration::from_secs(3);

/// A server between two streams, of which each goes one way.
struct Session {
    input: UnixStream,
    output: BufReader<UnixStream>,
    thread: JoinHandle<Result<(), Error>>,
}

impl Session {
    fn over(listing: Listing) -> Self {
        let ((their_input, input), (output, their_output)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
        let mcp = Mcp::new(servers::ops(Scripted(listing)));
        let thread = thread::spawn(move || stdio::serve(mcp, their_input, their_output));
        Self { input, output: BufReader::new(output), thread }
    }

    fn new() -> Self {
        Self::over(Listing::Known(servers::two_servers()))
    }

    fn waiting() -> (Self, Receiver<()>, Receiver<Kind>) {
        let (listing, begins, ends) = servers::waiting();
        (Self::over(listing), begins, ends)
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.input, "{message}").unwrap();
    }

    /// The next line that comes out.
    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "cut off: {line:?}");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.next()
    }

    /// Ends the input; the messages that still came.
    fn end(self) -> Vec<Value> {
        let begun = Instant::now();
        drop(self.input);
        let rest = self.output.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        self.thread.join().unwrap().unwrap();
        assert!(begun.elapsed() < ENDING, "{:?}", begun.elapsed());
        rest
    }
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

fn list(id: impl Into<Value>) -> Value {
    request(id, "tools/call", json!({ "name": "list_servers" }))
}

fn ping(id: impl Into<Value>) -> Value {
    request(id, "ping", json!({}))
}

#[test]
fn messages_go_in_and_out_one_a_line() {
    let mut session = Session::new();
    let answer = session.ask(&request(0, "initialize", json!({ "protocolVersion": "2025-06-18" })));
    assert_eq!(answer["result"]["protocolVersion"], "2025-06-18");
    session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(session.ask(&list("a"))["result"]["structuredContent"]["servers"][0]["id"], "ns1.example");
    session.input.write_all(b"\r\n  \n").unwrap();
    assert_eq!(session.ask(&json!([ping(1), ping(2)])).as_array().unwrap().len(), 2);
    assert_eq!(session.end(), Vec::<Value>::new());
}

#[test]
fn both_eras_are_served_side_by_side() {
    let mut session = Session::new();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let answer = session.ask(&request(1, "server/discover", json!({ "_meta": meta })));
    assert_eq!(answer["result"]["resultType"], "complete");
    assert_eq!(session.ask(&request(2, "server/discover", json!({})))["error"]["code"], -32602);
    assert_eq!(session.ask(&ping(3))["result"], json!({}));
}

#[test]
fn a_line_that_is_no_message_is_answered_without_an_id_and_ends_nothing() {
    let mut session = Session::new();
    for line in [b"{\n".as_slice(), b"\xff\xfe\n", b"hello\n"] {
        session.input.write_all(line).unwrap();
        let answer = session.next();
        assert_eq!((&answer["error"]["code"], answer.get("id")), (&json!(-32700), None));
    }
    assert_eq!(session.ask(&ping(1))["id"], 1);
}

#[test]
fn a_line_above_the_limit_is_refused_and_the_next_is_read() {
    let mut session = Session::new();
    let line = vec![b' '; 5 << 20];
    session.input.write_all(&line).unwrap();
    session.send(&ping(1));
    let answer = session.next();
    assert_eq!((&answer["error"]["code"], answer.get("id")), (&json!(-32600), None));
    assert_eq!(session.ask(&ping(2))["id"], 2);
}

#[test]
fn quick_requests_overtake_a_slow_call() {
    let (mut session, begins, ends) = Session::waiting();
    session.send(&list(1));
    begins.recv_timeout(LONG).unwrap();
    assert_eq!(session.ask(&ping(2))["id"], 2);
    assert!(session.ask(&request(3, "tools/list", json!({})))["result"]["tools"].is_array());
    session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }));
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    assert_eq!(session.end(), Vec::<Value>::new());
}

#[test]
fn above_64_calls_at_work_the_next_fails_and_the_rest_is_served() {
    let (mut session, begins, _) = Session::waiting();
    for id in 0..64 {
        session.send(&list(id));
        begins.recv_timeout(LONG).unwrap();
    }
    let answer = session.ask(&list(64));
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(64), &json!(true)));
    assert_eq!(session.ask(&ping(65))["id"], 65);
    session.end();
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    let mut session = Session::new();
    for id in 0..20 {
        session.send(&list(id));
    }
    let mut ids: Vec<i64> = session.end().iter().map(|answer| answer["id"].as_i64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
}

#[test]
fn the_end_of_the_input_ends_what_is_at_work() {
    let (mut session, begins, ends) = Session::waiting();
    session.send(&list(1));
    begins.recv_timeout(LONG).unwrap();
    assert_eq!(session.end(), Vec::<Value>::new());
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
}

#[test]
fn an_output_that_nobody_reads_ends_the_session_quietly() {
    let mut session = Session::new();
    drop(session.output);
    writeln!(session.input, "{}", ping(1)).unwrap();
    let begun = Instant::now();
    assert!(session.thread.join().unwrap().is_ok());
    assert!(begun.elapsed() < ENDING, "{:?}", begun.elapsed());
}
