//! MCP over HTTP: real connections to the server in this process, and to the real program.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ikvm_mcp::base::{Error, Kind, Secret, Watch};
use ikvm_mcp::config::serving::{Listen, Serving};
use ikvm_mcp::mcp::Mcp;
use ikvm_mcp::serve::Stop;
use ikvm_mcp::serve::http::{Limits, Server};
use serde_json::{Value, json};

use crate::support::client::{Client, message};
use crate::support::servers::{self, Listing, Scripted};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
const EVENTS: &str = "Accept: application/json, text/event-stream";
const STATELESS: &str = "MCP-Protocol-Version: 2026-07-28\nMcp-Method: tools/call\nMcp-Name: list_servers";

/// A server that ends with the test.
struct Running {
    port: u16,
    stop: Stop,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Running {
    fn over(listing: Listing) -> Self {
        Self::start(Server::bind(&servers::loopback()).unwrap(), listing)
    }

    fn start(server: Server, listing: Listing) -> Self {
        let (port, stop) = (server.port(), server.stop());
        let mcp = Mcp::new(servers::ops(Scripted(listing)));
        Self { port, stop, thread: Some(thread::spawn(move || server.run(mcp))) }
    }

    fn new() -> Self {
        Self::over(Listing::Known(servers::two_servers()))
    }

    fn waiting() -> (Self, Receiver<()>, Receiver<Kind>) {
        let (listing, begins, ends) = servers::waiting();
        let server = Server::bind(&servers::loopback()).unwrap().with_beat(Duration::from_millis(40));
        (Self::start(server, listing), begins, ends)
    }

    fn client(&self) -> Client {
        Client::connect(self.port)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.stop();
        let ended = self.thread.take().unwrap().join();
        assert!(thread::panicking() || ended.unwrap().is_ok());
    }
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params }).to_string()
}

fn list(id: impl Into<Value>) -> String {
    request(id, "tools/call", json!({ "name": "list_servers" }))
}

/// A call that wants progress.
fn list_with_token(id: impl Into<Value>) -> String {
    request(id, "tools/call", json!({ "name": "list_servers", "_meta": { "progressToken": 0 } }))
}

fn stateless_list(id: impl Into<Value>) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request(id, "tools/call", json!({ "name": "list_servers", "_meta": meta }))
}

#[test]
fn each_rung_of_the_ladder_has_its_status() {
    let server = Running::new();
    let ping = request(1, "ping", json!({}));
    let head = |line: &str, headers: &str| {
        format!("{line} HTTP/1.1\r\n{}\r\n", headers.lines().map(|header| format!("{header}\r\n")).collect::<String>())
    };
    let good = format!("Host: localhost\nContent-Type: application/json\nContent-Length: {}", ping.len());
    let with = |more: &str| format!("{good}\n{more}");
    for (line, headers, status) in [
        ("POST /mcp", good.clone(), 200),
        ("POST /mcp?x=1", good.clone(), 200),
        ("POST /mcp/", good.clone(), 404),
        ("POST /", good.clone(), 404),
        ("POST /mcp/.well-known/oauth-protected-resource", good.clone(), 404),
        ("POST http://localhost/mcp", good.clone(), 404),
        ("GET /.well-known/oauth-authorization-server", "Host: localhost".to_owned(), 404),
        ("GET /.well-known/oauth-protected-resource/mcp", "Host: localhost".to_owned(), 404),
        ("POST /mcp", with("Origin: http://localhost:6274"), 200),
        ("POST /mcp", with("Origin: http://evil.example"), 403),
        ("POST /mcp", with("Origin: null"), 403),
        ("POST /mcp", good.replace("localhost", "evil.example"), 403),
        ("POST /mcp", good.replace("localhost", "127.0.0.1:99"), 200),
        ("POST /mcp", with("Host: evil.example"), 403),
        ("POST /mcp", good.replace("Host: localhost\n", ""), 403),
        ("GET /health", "Host: evil.example".to_owned(), 403),
        ("GET /mcp", "Host: localhost\nAccept: text/event-stream".to_owned(), 405),
        ("DELETE /mcp", "Host: localhost\nMcp-Session-Id: x".to_owned(), 405),
        ("PUT /mcp", good.clone(), 405),
        ("OPTIONS /mcp", "Host: localhost".to_owned(), 405),
        ("POST /health", good.clone(), 405),
        ("POST /mcp", good.replace("application/json", "text/plain"), 415),
        ("POST /mcp", good.replace("Content-Type: application/json\n", ""), 415),
        ("POST /mcp", good.replace("application/json", "Application/JSON; charset=utf-8"), 200),
        ("POST /mcp", with("Content-Length: 1"), 400),
        ("POST /mcp", good.replace("Content-Length: ", "Content-Length: +"), 400),
        ("POST /mcp", with("Transfer-Encoding: chunked"), 400),
        ("POST /mcp", with("MCP-Protocol-Version: 1999-01-01"), 400),
        ("POST /mcp", with("Accept: application/json"), 200),
        ("POST /mcp", with("Accept: */*"), 200),
        ("POST /mcp", with("Accept: text/event-stream"), 200),
    ] {
        let mut client = server.client();
        client.send(head(line, &headers).as_bytes());
        if headers.contains("Content-Length") {
            client.send(ping.as_bytes());
        }
        let answer = client.answer();
        assert_eq!(answer.status, status, "{line} {headers}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{line} {headers}");
        if status == 200 {
            assert_eq!(answer.json(), json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
        }
    }
}

#[test]
fn health_says_ok() {
    let server = Running::new();
    let mut client = server.client();
    client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
}

#[test]
fn an_ipv6_client_is_served_on_the_same_port() {
    let server = Running::new();
    // A machine without IPv6 has nothing to test.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        assert!(TcpStream::connect(("::1", server.port)).is_ok());
    }
}

#[test]
fn a_server_at_one_address_is_called_by_it_and_by_no_other() {
    let listen = Listen::At("127.0.0.2:0".parse().unwrap());
    let server = Server::bind(&Serving { listen, ..servers::loopback() }).unwrap();
    let server = Running::start(server, Listing::Known(servers::two_servers()));
    for (host, status) in [("127.0.0.2", 200), ("localhost", 200), ("127.0.0.3", 403)] {
        let mut client = Client::over(server.port, TcpStream::connect(("127.0.0.2", server.port)).unwrap());
        client.send(format!("GET /health HTTP/1.1\r\nHost: {host}:{}\r\n\r\n", server.port).as_bytes());
        assert_eq!(client.answer().status, status, "{host}");
    }
}

#[test]
fn one_connection_carries_many_answers_each_at_once() {
    let server = Running::new();
    let mut client = server.client();
    let times = (0..50).map(|id| {
        let begun = Instant::now();
        let answer = client.ask(&request(id, "tools/list", json!({})), "").json();
        assert_eq!(answer["id"], id);
        begun.elapsed()
    });
    // Above a packet's size: where the system waits for acknowledgements, each takes 40 ms, the fastest too.
    let fastest = times.min().unwrap();
    assert!(fastest < Duration::from_millis(40), "{fastest:?}");
}

#[test]
fn a_chunked_body_is_read_like_any_other() {
    let server = Running::new();
    let mut client = server.client();
    client.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    client.send(b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.answer().status, 100);
    let (first, second) = (r#"{"jsonrpc":"2.0","id":9,"#, r#""method":"ping"}"#);
    client.send(format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len()).as_bytes());
    assert_eq!(client.answer().json()["id"], 9);
}

#[test]
fn initialize_hands_out_a_session_that_nobody_has_to_show() {
    let server = Running::new();
    let mut client = server.client();
    let answer = client.ask(&request(0, "initialize", json!({ "protocolVersion": "2025-11-25" })), EVENTS);
    let session = answer.header("mcp-session-id").unwrap().to_owned();
    assert!(session.len() >= 32 && session.bytes().all(|byte| byte.is_ascii_graphic()));
    let ready = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for headers in [format!("Mcp-Session-Id: {session}"), "Mcp-Session-Id: of a former life".to_owned(), String::new()]
    {
        let answer = client.ask(ready, &headers);
        assert_eq!((answer.status, answer.body.len()), (202, 0));
        let answer = client.ask(&request(1, "ping", json!({})), &headers);
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    }
}

#[test]
fn a_refusal_in_the_stateless_era_has_its_http_status() {
    let server = Running::new();
    let mut client = server.client();
    assert_eq!(client.ask(&stateless_list(1), STATELESS).status, 200);
    let answer = client.ask(&stateless_list(1), &STATELESS.replace("list_servers", "x"));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32020)));
    let answer = client.ask("{", "");
    assert_eq!((answer.status, answer.json().get("id")), (400, None));
}

#[test]
fn a_quick_tool_answers_without_a_stream() {
    let server = Running::new();
    let answer = server.client().ask(&list(1), EVENTS).json();
    assert!(answer["result"]["structuredContent"]["servers"].is_array());
}

#[test]
fn a_slow_tool_answers_with_a_stream_that_ends_with_the_answer() {
    let server = Running::new();
    let look = request(1, "tools/call", json!({ "name": "get_screenshot", "arguments": { "serverId": "ns9" } }));
    let mut client = server.client();
    let head = client.ask(&look, EVENTS);
    assert!(head.is_stream() && head.status == 200);
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    let answer = message(&client.event().unwrap());
    assert_eq!((&answer["id"], &answer["result"]["isError"]), (&json!(1), &json!(true)));
    assert_eq!(client.event(), None);
    // The same connection, and a client that reads JSON alone, or not so new an HTTP.
    for accept in ["Accept: application/json", "Accept: text/event-stream;q=0, */*", ""] {
        assert_eq!(client.ask(&look, accept).json()["id"], 1, "{accept}");
    }
    let mut client = server.client();
    let kind = "Content-Type: application/json\r\nAccept: text/event-stream\r\nHost: localhost";
    client.send(format!("POST /mcp HTTP/1.0\r\n{kind}\r\nContent-Length: {}\r\n\r\n{look}", look.len()).as_bytes());
    assert_eq!(client.answer().json()["id"], 1);
    assert!(client.is_closed());
}

#[test]
fn who_waits_is_told_of_progress_that_grows() {
    let (server, begins, _) = Running::waiting();
    let mut client = server.client();
    assert!(client.ask(&list_with_token(1), EVENTS).is_stream());
    begins.recv_timeout(LONG).unwrap();
    let mut last = 0.0;
    for _ in 0..5 {
        let told = message(&client.event().unwrap());
        assert_eq!(told["method"], "notifications/progress");
        assert_eq!(told["params"]["progressToken"], 0);
        assert!(told["params"]["message"].as_str().unwrap().starts_with("waiting for the test"), "{told}");
        let progress = told["params"]["progress"].as_f64().unwrap();
        assert!(progress > last, "{progress} after {last}");
        last = progress;
    }
}

#[test]
fn who_wants_no_progress_is_kept_awake_with_comments() {
    let (server, begins, _) = Running::waiting();
    let mut client = server.client();
    assert!(client.ask(&list(1), EVENTS).is_stream());
    begins.recv_timeout(LONG).unwrap();
    for _ in 0..3 {
        assert!(client.event().unwrap().starts_with(": "));
    }
}

#[test]
fn a_cancelled_call_ends_its_stream_without_an_answer() {
    let (server, begins, ends) = Running::waiting();
    let mut client = server.client();
    assert!(client.ask(&list(1), &format!("{EVENTS}\nMcp-Session-Id: s")).is_stream());
    begins.recv_timeout(LONG).unwrap();
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(server.client().ask(cancel, "Mcp-Session-Id: s").status, 202);
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    while let Some(event) = client.event() {
        assert!(event.starts_with(": "), "{event}");
    }
    // A client that reads JSON alone learns that there is nothing.
    client.post(&list(2), "Mcp-Session-Id: s");
    begins.recv_timeout(LONG).unwrap();
    assert_eq!(server.client().ask(&cancel.replace(":1}", ":2}"), "Mcp-Session-Id: s").status, 202);
    assert_eq!(client.answer().status, 202);
}

#[test]
fn a_closed_stream_cancels_in_the_stateless_era_alone() {
    let (server, begins, ends) = Running::waiting();
    let mut client = server.client();
    assert!(client.ask(&list(1), &format!("{EVENTS}\nMcp-Session-Id: s")).is_stream());
    begins.recv_timeout(LONG).unwrap();
    drop(client);
    let mut client = server.client();
    assert!(client.ask(&stateless_list(1), &format!("{EVENTS}\n{STATELESS}")).is_stream());
    begins.recv_timeout(LONG).unwrap();
    drop(client);
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    // The call of the other goes on until it is cancelled by name.
    assert!(ends.try_recv().is_err());
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(server.client().ask(cancel, "Mcp-Session-Id: s").status, 202);
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
}

#[test]
fn a_client_that_ends_its_side_while_it_waits_has_gone_and_is_told_nothing() {
    let (server, begins, _ends) = Running::waiting();
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    Client::over(server.port, stream.try_clone().unwrap()).post(&list(1), "");
    begins.recv_timeout(LONG).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut told = Vec::new();
    stream.read_to_end(&mut told).unwrap();
    assert_eq!(told, b"");
}

#[test]
fn above_64_calls_at_work_the_next_is_turned_away_and_the_rest_is_served() {
    let (server, begins, ends) = Running::waiting();
    let mut clients = Vec::new();
    for id in 0..64 {
        let mut client = server.client();
        client.post(&list(id), "Mcp-Session-Id: s");
        clients.push(client);
    }
    for _ in 0..64 {
        begins.recv_timeout(LONG).unwrap();
    }
    let answer = server.client().ask(&list(64), "");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("5")));
    assert_eq!(server.client().ask(&request(1, "ping", json!({})), "").status, 200);
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    assert_eq!(server.client().ask(cancel, "Mcp-Session-Id: s").status, 202);
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    assert_eq!(clients[7].answer().status, 202);
    // There is room again.
    clients[7].post(&list(64), "");
    begins.recv_timeout(LONG).unwrap();
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Running::new();
    let mut client = server.client();
    for id in 0..100 {
        client.post(&request(id, "ping", json!({})), "");
    }
    for id in 0..100 {
        assert_eq!(client.answer().json()["id"], id);
    }
}

#[test]
fn a_panic_ends_its_own_request_and_no_other() {
    let server = Running::over(Listing::Panics);
    let mut client = server.client();
    assert_eq!(client.ask(&list(1), EVENTS).json()["error"]["code"], -32603);
    assert_eq!(client.ask(&request(2, "ping", json!({})), "").json()["id"], 2);
}

#[test]
fn a_busy_port_is_a_sentence_that_names_the_setting() {
    let server = Running::new();
    let serving = Serving { listen: Listen::Loopback(server.port), ..servers::loopback() };
    let error = Server::bind(&serving).err().unwrap();
    assert_eq!(error.kind(), Kind::Busy);
    let told = error.to_string();
    assert!(told.contains(&server.port.to_string()) && told.contains("PORT"), "{told}");
}

#[test]
fn a_body_above_the_limit_is_refused_and_read_away() {
    let server = Running::new();
    let ping = request(1, "ping", json!({}));
    let most = " ".repeat((4 << 20) - ping.len()) + &ping;
    assert_eq!(server.client().ask(&most, "").status, 200);
    let mut client = server.client();
    client.post(&format!("{most} "), "");
    assert_eq!(client.answer().status, 413);
    let mut client = server.client();
    client.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    client.send(format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{most} \r\n0\r\n\r\n", most.len() + 1).as_bytes());
    assert_eq!(client.answer().status, 413);
}

#[test]
fn an_announced_body_of_any_size_ends_nothing_but_its_own_request() {
    let server = Running::new();
    for length in ["200000000000", "18446744073709551615", "5000000", "99999999999999999999999"] {
        for sent in ["", "some of it"] {
            let mut client = server.client();
            let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
            client.send(format!("{head}{length}\r\n\r\n{sent}").as_bytes());
            let status = client.answer().status;
            assert!(matches!(status, 400 | 413), "{length}: {status}");
            drop(client);
            assert_eq!(server.client().ask(&request(1, "ping", json!({})), "").status, 200);
        }
    }
}

#[test]
fn stopping_ends_what_is_at_work() {
    let (server, begins, ends) = Running::waiting();
    let mut client = server.client();
    assert!(client.ask(&list(1), EVENTS).is_stream());
    begins.recv_timeout(LONG).unwrap();
    let begun = Instant::now();
    drop(server);
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn nothing_of_a_request_is_looked_at_before_its_token() {
    const TOKEN: &str = "0123456789abcdef";
    let serving = Serving { token: Some(Secret::new(TOKEN)), ..servers::loopback() };
    let server = Running::start(Server::bind(&serving).unwrap(), Listing::Known(servers::two_servers()));
    let ping = request(1, "ping", json!({}));
    for header in [
        String::new(),
        "Authorization: Bearer".to_owned(),
        format!("Authorization: {TOKEN}"),
        format!("Authorization: Basic {TOKEN}"),
        format!("Authorization: Bearer {}", &TOKEN[1..]),
        format!("Authorization: Bearer {TOKEN}0"),
        format!("Authorization: Bearer {TOKEN}\nAuthorization: Bearer {TOKEN}"),
    ] {
        let answer = server.client().ask(&ping, &header);
        assert_eq!(answer.status, 401, "{header}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{header}");
    }
    for head in ["GET / HTTP/1.1", "DELETE /mcp HTTP/1.1", "POST /mcp HTTP/1.1\r\nContent-Length: 99999999999"] {
        let mut client = server.client();
        client.send(format!("{head}\r\nHost: evil.example\r\n\r\n").as_bytes());
        assert_eq!(client.answer().status, 401, "{head}");
    }
    for scheme in ["Bearer", "bearer"] {
        assert_eq!(server.client().ask(&ping, &format!("Authorization: {scheme} {TOKEN}")).status, 200);
    }
    let mut client = server.client();
    client.send(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.answer().status, 200);
}

/// A server that is as short of patience as `limits` says.
fn impatient(listing: Listing, limits: Limits) -> Running {
    Running::start(Server::bind(&servers::loopback()).unwrap().with_limits(limits), listing)
}

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn who_says_nothing_for_long_loses_the_connection() {
    let limits = Limits { idle: SHORT, ..Limits::default() };
    let server = impatient(Listing::Known(servers::two_servers()), limits);
    assert!(server.client().is_closed());
    let mut client = server.client();
    assert_eq!(client.ask(&request(1, "ping", json!({})), "").status, 200);
    assert!(client.is_closed());
}

#[test]
fn a_head_or_a_body_that_takes_too_long_is_refused() {
    for (limits, start) in [
        (Limits { head: SHORT, ..Limits::default() }, "POST /mcp HTTP/1.1\r\nHost: loc"),
        (
            Limits { body: SHORT, ..Limits::default() },
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
            application/json\r\nContent-Length: 9\r\n\r\n{",
        ),
        (
            Limits { body: SHORT, ..Limits::default() },
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
            application/json\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
        ),
    ] {
        let server = impatient(Listing::Known(servers::two_servers()), limits);
        let mut client = server.client();
        client.send(start.as_bytes());
        assert_eq!(client.answer().status, 408, "{start}");
        assert!(client.is_closed());
    }
}

#[test]
fn who_does_not_read_the_answer_loses_it() {
    let servers = vec![servers::two_servers().remove(0); 100_000];
    let server = impatient(Listing::Known(servers), Limits { piece: SHORT, ..Limits::default() });
    let mut client = server.client();
    client.post(&list(1), "");
    // While nobody reads, only its own connection is held up, and then it ends.
    assert_eq!(server.client().ask(&request(2, "ping", json!({})), "").json()["id"], 2);
    let watch = Watch::new("waiting for the end", LONG);
    while client.try_send(b" ").is_ok() {
        assert!(watch.left().is_ok());
    }
}
