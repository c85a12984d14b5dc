//! WebSocket channels, plain and over TLS: upgrades as consoles write them, carriers, cuts, ends.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ikvm_mcp::base::{Error, Kind, Url, Watch};
use ikvm_mcp::net::stream::Read;
use ikvm_mcp::net::ws::{self, Upgrade};
use ikvm_mcp::net::{Channel, Trust};
use tungstenite::{Message, WebSocket};

use super::trust;
use crate::support::LIMITS;
use crate::support::web::{Reply, Request, Stream, Web};

const LONG: Duration = Duration::from_secs(20);
const BOTH: &[&str] = &["binary", "base64"];

fn open(url: &str, subprotocols: &[&str], trust: &Trust, watch: &Watch) -> Result<Box<dyn Channel>, Error> {
    let url = Url::parse(&format!("{url}/kvm?token=secret").replacen("http", "ws", 1)).unwrap();
    let headers = vec![("Cookie", "QSESSIONID=a; garc=b".to_owned()), ("Origin", "https://bmc".to_owned())];
    ws::open(&Upgrade { url: &url, headers, subprotocols }, trust, watch)
}

fn connect(web: &Web, subprotocols: &[&str]) -> Box<dyn Channel> {
    open(&web.url(), subprotocols, &trust(), &Watch::new("testing", LONG)).unwrap()
}

fn refusal(web: &Web) -> Error {
    open(&web.url(), BOTH, &trust(), &Watch::new("testing", LONG)).err().unwrap()
}

/// Reads until `count` bytes are there.
fn read(channel: &dyn Channel, count: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < count {
        assert_eq!(channel.read(&mut bytes, Instant::now() + LONG).unwrap(), Read::Data);
    }
    bytes
}

/// What comes after all data.
fn end(channel: &dyn Channel) -> Result<Read, Error> {
    let mut ignored = Vec::new();
    loop {
        match channel.read(&mut ignored, Instant::now() + LONG) {
            Ok(Read::Data) => {}
            other => return other,
        }
    }
}

type Socket<'a> = WebSocket<&'a mut dyn Stream>;

/// The same server, without and with TLS, that upgrades with `subprotocol` and then does as told.
fn servers(subprotocol: Option<&'static str>, serve: impl Fn(Socket<'_>) + Clone + Send + Sync + 'static) -> [Web; 2] {
    let handler = move |request: &Request, stream: &mut dyn Stream| {
        serve(request.upgrade(stream, subprotocol));
        Reply::Taken
    };
    [Web::http(handler.clone()), Web::https(handler)]
}

/// A server that answers the upgrade with `head` (`KEY` stands for the right accept value) and then `rest`.
fn raw(head: &'static str, rest: &'static [u8]) -> Web {
    Web::http(move |request, stream| {
        let key = request.header("sec-websocket-key").unwrap().as_bytes();
        let key = tungstenite::handshake::derive_accept_key(key);
        let answer = [head.replace("KEY", &key).as_bytes(), rest].concat();
        stream.write_all(&answer).unwrap();
        let _ = stream.read(&mut [0; 1000]);
        Reply::Taken
    })
}

const OK: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: KEY\r\nSec-WebSocket-Protocol: binary\r\n\r\n";

#[test]
fn the_upgrade_request_is_written_as_browsers_write_it() {
    let (told, heads) = mpsc::channel();
    let web = Web::http(move |request, stream| {
        told.send(request.clone()).unwrap();
        let _ = request.upgrade(stream, Some("binary"));
        Reply::Taken
    });
    connect(&web, BOTH);
    let head: Request = heads.recv().unwrap();
    assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/kvm?token=secret"));
    let host = web.url().replace("http://", "");
    let key = head.header("Sec-WebSocket-Key").unwrap();
    assert_eq!(key.len(), 24);
    let expected = [
        ("Host", host.as_str()),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", key),
        ("Sec-WebSocket-Protocol", "binary, base64"),
        ("Cookie", "QSESSIONID=a; garc=b"),
        ("Origin", "https://bmc"),
    ];
    assert_eq!(head.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn each_carrier_takes_bytes_both_ways() {
    // What the server chose, what was offered, whether our bytes must come as text.
    for (chosen, offered, as_text) in [
        (Some("binary"), BOTH, false),
        (Some("base64"), BOTH, true),
        (None, BOTH, true),
        (None, &[], false),
        (Some("unasked"), &[], false),
    ] {
        for web in servers(chosen, move |mut socket| {
            let message = socket.read().unwrap();
            assert_eq!(message.is_text(), as_text, "{chosen:?}");
            if as_text {
                assert_eq!(message.to_text().unwrap(), "AAH/");
            } else {
                assert_eq!(message.clone().into_data().as_ref(), [0, 1, 255]);
            }
            socket.send(message).unwrap();
            let _ = socket.read();
        }) {
            let channel = connect(&web, offered);
            channel.send(&[0, 1, 255]).unwrap();
            assert_eq!(read(&*channel, 3), [0, 1, 255], "{chosen:?}");
            channel.close();
        }
    }
}

#[test]
fn where_nothing_was_chosen_the_first_message_decides() {
    for web in servers(None, |mut socket| {
        socket.send(Message::binary(b"RFB 003.008\n".to_vec())).unwrap();
        assert_eq!(socket.read().unwrap(), Message::binary(b"hi".to_vec()));
    }) {
        let channel = connect(&web, BOTH);
        assert_eq!(read(&*channel, 12), b"RFB 003.008\n");
        channel.send(b"hi").unwrap();
        assert_eq!(end(&*channel).unwrap(), Read::Closed);
    }
    for web in servers(Some("binary"), |mut socket| {
        socket.send(Message::text("aGk=")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("aGk="));
    }) {
        let channel = connect(&web, BOTH);
        assert_eq!(read(&*channel, 2), b"hi");
        channel.send(b"hi").unwrap();
        assert_eq!(end(&*channel).unwrap(), Read::Closed);
    }
}

#[test]
fn what_comes_in_the_same_packet_as_the_101_is_not_lost() {
    let web = raw(OK, &[0x82, 2, 7, 8]);
    assert_eq!(read(&*connect(&web, BOTH), 2), [7, 8]);
    // Nor is the end.
    let web = raw(OK, &[0x82, 1, 7, 0x88, 0]);
    let channel = connect(&web, BOTH);
    assert_eq!(read(&*channel, 1), [7]);
    assert_eq!(end(&*channel).unwrap(), Read::Closed);
}

#[test]
fn frames_arrive_whole_however_they_are_cut() {
    let handler = |request: &Request, stream: &mut dyn Stream| {
        let _ = request.upgrade(stream, Some("binary"));
        // 200 bytes with a 16-bit length, a ping in the middle of a message in two fragments, an empty message.
        let mut wire = vec![0x82, 126, 0, 200];
        wire.extend([5; 200]);
        wire.extend([0x02, 1, 6, 0x89, 2, b'h', b'i', 0x80, 1, 7, 0x82, 0, 0x82, 1, 8]);
        for byte in wire {
            stream.write_all(&[byte]).unwrap();
            stream.flush().unwrap();
        }
        // The pong, masked.
        let mut pong = [0; 8];
        stream.read_exact(&mut pong).unwrap();
        assert_eq!(pong[..2], [0x8a, 0x82]);
        assert_eq!([pong[6] ^ pong[2], pong[7] ^ pong[3]], *b"hi");
        Reply::Taken
    };
    for web in [Web::http(handler), Web::https(handler)] {
        let channel = connect(&web, BOTH);
        let bytes = read(&*channel, 203);
        assert_eq!(bytes[..200], [5; 200]);
        assert_eq!(bytes[200..], [6, 7, 8]);
        assert_eq!(end(&*channel).unwrap(), Read::Closed);
    }
}

#[test]
fn a_large_message_arrives_whole_and_a_huge_one_is_refused_at_its_header() {
    for web in servers(Some("binary"), |mut socket| {
        let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        socket.send(Message::binary(big)).unwrap();
        let _ = socket.read();
    }) {
        let bytes = read(&*connect(&web, BOTH), 3_000_000);
        assert!(bytes.iter().zip(0_u32..).all(|(byte, n)| *byte == (n % 251) as u8));
    }
    let web = raw(OK, &[0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1]); // 16 MiB and a byte
    let error = end(&*connect(&web, BOTH)).unwrap_err();
    assert_eq!(error.kind(), Kind::Peer);
    assert!(error.to_string().ends_with("it sent a message of more than 16 MiB"), "{error}");
}

#[test]
fn any_thread_may_send_while_one_waits_to_read() {
    for web in servers(Some("binary"), |mut socket| {
        while let Ok(message) = socket.read() {
            if message.is_binary() && socket.send(message).is_err() {
                break;
            }
        }
    }) {
        let channel = connect(&web, BOTH);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| read(&*channel, 4 * 50 * 1000));
            for _ in 0..4 {
                scope.spawn(|| (0..50).for_each(|_| channel.send(&[3; 1000]).unwrap()));
            }
            assert_eq!(reader.join().unwrap(), vec![3; 4 * 50 * 1000]);
        });
    }
}

#[test]
fn closing_says_goodbye_and_wakes_the_reader() {
    let (told, messages) = mpsc::channel();
    for web in servers(Some("binary"), move |mut socket| {
        socket.send(Message::binary(vec![1])).unwrap();
        told.send(socket.read()).unwrap();
    }) {
        let channel = connect(&web, BOTH);
        assert_eq!(read(&*channel, 1), [1]);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| end(&*channel));
            channel.close();
            assert_eq!(reader.join().unwrap().unwrap(), Read::Closed);
        });
        channel.close();
        assert!(matches!(messages.recv().unwrap(), Ok(Message::Close(_))));
        assert_eq!(channel.send(b"late").unwrap_err().kind(), Kind::Peer);
    }
}

#[test]
fn a_wait_that_ends_without_data_says_so_and_loses_nothing() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let web = Web::http(move |request, stream| {
        let _ = request.upgrade(stream, Some("binary"));
        stream.write_all(&[0x82, 2, 7]).unwrap(); // half a frame
        gone.lock().unwrap().recv().unwrap();
        stream.write_all(&[8]).unwrap();
        let _ = stream.read(&mut [0; 100]);
        Reply::Taken
    });
    let channel = connect(&web, BOTH);
    let mut bytes = Vec::new();
    assert_eq!(channel.read(&mut bytes, Instant::now() + Duration::from_millis(30)).unwrap(), Read::TimedOut);
    go.send(()).unwrap();
    assert_eq!(read(&*channel, 2), [7, 8]);
}

#[test]
fn a_peer_that_goes_away_without_a_word_has_closed() {
    for web in servers(Some("binary"), |mut socket| {
        socket.send(Message::binary(vec![1])).unwrap();
        socket.get_mut().shut_down(); // with TLS: no close_notify
    }) {
        let channel = connect(&web, BOTH);
        assert_eq!(read(&*channel, 1), [1]);
        assert_eq!(end(&*channel).unwrap(), Read::Closed);
        assert_eq!(end(&*channel).unwrap(), Read::Closed);
    }
}

#[test]
fn a_reset_is_an_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (go, gone) = mpsc::channel::<()>();
    let server = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let _ = socket.read(&mut [0; 1000]);
        socket.write_all(OK.replace("Sec-WebSocket-Accept: KEY\r\n", "").as_bytes()).unwrap();
        gone.recv().unwrap(); // dropping the socket with unread bytes resets the connection
    });
    let channel = open(&url, BOTH, &trust(), &Watch::new("testing", LONG)).unwrap();
    channel.send(b"unread").unwrap();
    go.send(()).unwrap();
    assert_eq!(end(&*channel).unwrap(), Read::Closed);
    server.join().unwrap();
}

#[test]
fn loose_upgrades_are_taken_and_a_false_one_is_not() {
    for head in [
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: upgrade, keep-alive\r\n\
         sec-websocket-accept:KEY\r\nsec-websocket-protocol: binary\r\n\r\n",
        "HTTP/1.1 101 \r\nSec-WebSocket-Protocol : binary\r\n\r\n",
        "HTTP/1.1 101 OK\nSec-WebSocket-Protocol: binary\n\n",
        "HTTP/1.0 101 OK\r\nContent-Length: 0\r\nSec-WebSocket-Protocol: binary\r\nbroken header\r\n\r\n",
    ] {
        assert_eq!(read(&*connect(&raw(head, &[0x82, 1, 7]), BOTH), 1), [7], "{head}");
    }
    let error = refusal(&raw("HTTP/1.1 101 OK\r\nSec-WebSocket-Accept: abc=\r\n\r\n", b""));
    assert!(error.to_string().ends_with("it answers the upgrade without understanding it"), "{error}");
}

#[test]
fn an_upgrade_that_is_refused_says_by_whom_and_how() {
    for (head, kind, sentence) in [
        ("HTTP/1.1 401 Unauthorized\r\n\r\n", Kind::Denied, "it refuses us (HTTP 401)"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Kind::Denied, "it refuses us (HTTP 403)"),
        ("HTTP/1.1 302 Found\r\nLocation: /login.html?back=kvm\r\n\r\n", Kind::Denied, "/login.html (HTTP 302)"),
        (
            "HTTP/1.1 307 Moved\r\nLocation: https://elsewhere.example/kvm\r\n\r\n",
            Kind::Peer,
            "https://elsewhere.example/kvm",
        ),
        ("HTTP/1.1 503 Busy\r\n\r\n", Kind::Busy, "it has no room for us now (HTTP 503)"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", Kind::NotFound, "there is no WebSocket at this path (HTTP 404)"),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", Kind::Peer, "it answers the upgrade with HTTP 200"),
        ("RFB 003.008\n", Kind::Peer, "its answer is not HTTP"),
    ] {
        let web = raw(head, b"");
        let error = refusal(&web);
        assert_eq!(error.kind(), kind, "{head}");
        let begin = format!("WebSocket {}/kvm: ", web.url().replacen("http", "ws", 1));
        assert!(error.to_string().starts_with(&begin) && error.to_string().contains(sentence), "{error}");
    }
    let endless = Web::http(|_, stream| {
        stream.write_all(b"HTTP/1.1 101 OK\r\nX-Long: ").unwrap();
        while stream.write_all(b"and more and more and more and more").is_ok() {}
        Reply::Taken
    });
    assert!(refusal(&endless).to_string().contains("exceeds 32 KiB"));
    let mute = Web::http(|_, _| Reply::Taken);
    assert!(refusal(&mute).to_string().ends_with("it closed the connection without an answer"), "{}", refusal(&mute));
}

#[test]
fn http_after_the_upgrade_means_that_the_slots_are_full() {
    for rest in [&b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"[..], b"HT"] {
        let error = end(&*connect(&raw(OK, rest), BOTH)).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("all its console slots are in use; close another viewer"), "{error}");
    }
    // Any other break of the protocol is something else: reserved bits, a masked frame.
    for rest in [&[0x82, 1, 7, 0xc2, 1, 7][..], &[0x82, 0x81, 0, 0, 0, 0, 7]] {
        let error = end(&*connect(&raw(OK, rest), BOTH)).unwrap_err();
        assert_eq!(error.kind(), Kind::Peer);
        assert!(error.to_string().contains("it broke the WebSocket protocol ("), "{error}");
    }
    let error = end(&*connect(&raw(OK, &[0x81, 1, b'*']), BOTH)).unwrap_err();
    assert!(error.to_string().ends_with("it sent a text message that is not Base64"), "{error}");
}

#[test]
fn a_control_character_in_a_header_never_reaches_the_wire() {
    let url = Url::parse("ws://127.0.0.1:9/").unwrap();
    let headers = vec![("Cookie", "a=1\r\nX-Injected: 1".to_owned())];
    let upgrade = Upgrade { url: &url, headers, subprotocols: BOTH };
    let error = ws::open(&upgrade, &trust(), &Watch::new("testing", LONG)).err().unwrap();
    assert!(error.to_string().ends_with("the value for Cookie has a control character"), "{error}");
}

#[test]
fn a_path_that_is_more_than_a_path_never_reaches_the_wire() {
    let url = Url::parse("ws://127.0.0.1:9/").unwrap().with("ws", "/ HTTP/1.1\r\nX-Injected: 1");
    let upgrade = Upgrade { url: &url, headers: Vec::new(), subprotocols: BOTH };
    let error = ws::open(&upgrade, &trust(), &Watch::new("testing", LONG)).err().unwrap();
    assert!(error.to_string().ends_with("its path has a space or a control character"), "{error}");
}

#[test]
fn a_silent_server_times_out_by_the_name_of_the_stage() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (scheme, stage) in [("http", "the WebSocket upgrade"), ("https", "the TLS handshake")] {
        let url = format!("{scheme}://{address}");
        let tried = |limit: &Duration| open(&url, BOTH, &trust(), &Watch::new("testing", *limit)).err().unwrap();
        let error = LIMITS.iter().map(tried).find(|error| error.kind() == Kind::Timeout(stage)).expect(stage);
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[test]
fn cancelling_ends_each_stage_of_opening_at_once() {
    for scheme in ["http", "https"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let watch = Watch::new("testing", LONG);
        let canceller = watch.clone();
        let server = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            socket.read_exact(&mut [0; 10]).unwrap(); // the client waits for our answer now, or will soon
            canceller.cancel();
            // The client hangs up.
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).map_or_else(|error| error.kind() == ErrorKind::ConnectionReset, |_| true)
        });
        let began = Instant::now();
        let error = open(&url, BOTH, &trust(), &watch).err().unwrap();
        assert_eq!(error.kind(), Kind::Cancelled, "{scheme}: {error}");
        assert!(began.elapsed() < LONG / 2);
        assert!(server.join().unwrap());
    }
}

#[test]
fn a_server_that_closes_in_the_tls_handshake_or_speaks_no_tls_says_so() {
    for (answer, sentence) in [
        (&b""[..], "it closed the connection during the TLS handshake"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "it does not speak TLS on this port; use the scheme without TLS"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let _ = socket.read(&mut [0; 4000]);
            socket.write_all(answer).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let error = open(&url, BOTH, &trust(), &Watch::new("testing", LONG)).err().unwrap();
        let begin = format!("WebSocket {}/kvm: ", url.replacen("http", "ws", 1));
        assert!(error.to_string().starts_with(&(begin + sentence)), "{error}");
        server.join().unwrap();
    }
}

#[test]
fn a_wrong_certificate_is_refused_before_the_cookie_is_sent() {
    let web = Web::https_as("expired", |_, _| panic!("the request came through"));
    let error = refusal(&web);
    assert!(error.to_string().contains("its certificate expired on 2021-01-01T00:00:00Z"), "{error}");
}
