//! The fake BMC itself, proved with a client that is nothing but a WebSocket and a few strings.

use std::io::{Read, Write};
use std::net::TcpStream;

use ikvm_mcp::base::base64;
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use crate::support::bmc::packet::{Packet, VALIDATED, VIDEO, Validation, packet};
use crate::support::bmc::{Bmc, Cut, Setup, SignOn};
use crate::support::recorded;

/// A browser in miniature, over plain HTTP.
struct Browser {
    host: String,
    cookie: String,
    garc: String,
}

impl Browser {
    /// Signs on through the viewer page.
    fn sign_on(url: &str) -> Self {
        let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut browser = Self { host: host.to_owned(), cookie: String::new(), garc: String::new() };
        let page = browser.ask("GET", &format!("/{path}"));
        browser.cookie = between(&page, "QSESSIONID=", ";").to_owned();
        browser.garc = between(&page, "\"garc\", \"", "\"").to_owned();
        browser
    }

    /// Head and body of the answer.
    fn ask(&self, method: &str, path: &str) -> String {
        let Self { host, cookie, garc } = self;
        let mut socket = TcpStream::connect(host).unwrap();
        write!(
            socket,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nOrigin: http://{host}\r\n\
             Referer: http://{host}/viewer.html\r\nX-CSRFTOKEN: {garc}\r\n\
             Cookie: QSESSIONID={cookie}; __Host-garc={garc}; garc={garc}\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }

    fn console(&self) -> Console {
        let mut request = format!("ws://{}/kvm", self.host).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("Cookie", format!("QSESSIONID={}", self.cookie).parse().unwrap());
        headers.insert("Origin", format!("http://{}", self.host).parse().unwrap());
        headers.insert("Sec-WebSocket-Protocol", "binary, base64".parse().unwrap());
        let (socket, answer) = tungstenite::client(request, TcpStream::connect(&self.host).unwrap()).unwrap();
        let base64 = answer.headers()["sec-websocket-protocol"] == "base64";
        Console { socket, base64, input: Vec::new() }
    }
}

struct Console {
    socket: WebSocket<TcpStream>,
    base64: bool,
    input: Vec<u8>,
}

impl Console {
    fn send(&mut self, bytes: Vec<u8>) {
        let message =
            if self.base64 { Message::Text(base64::encode(&bytes).into()) } else { Message::Binary(bytes.into()) };
        self.socket.send(message).unwrap();
    }

    /// The bytes of the next message.
    fn message(&mut self) -> Vec<u8> {
        match self.socket.read().unwrap() {
            Message::Binary(bytes) if !self.base64 => bytes.to_vec(),
            Message::Text(text) if self.base64 => base64::decode(text.as_bytes()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The next packet of this type: its payload.
    fn wait_for(&mut self, kind: u16) -> Vec<u8> {
        loop {
            let length = self.input.get(2..6).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()) as usize);
            match length {
                Some(length) if self.input.len() >= 8 + length => {
                    let packet: Vec<u8> = self.input.drain(..8 + length).collect();
                    if packet[..2] == kind.to_le_bytes() {
                        return packet[8..].to_vec();
                    }
                }
                _ => {
                    let message = self.message();
                    self.input.extend(message);
                }
            }
        }
    }

    fn close(mut self) {
        self.socket.close(None).unwrap();
        while self.socket.read().is_ok() {}
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap_or_else(|| panic!("no {before} in {text}")).1;
    rest.split_once(after).unwrap().0
}

/// The body of packet 18 as the longer variant has it.
fn validation(token: &str, client_ip: &str, server_ip: &str) -> Vec<u8> {
    let mut body = vec![0; 438];
    for (at, text) in
        [(1, token), (130, client_ip), (195, "domain/username"), (324, "00-00-00-00-00-00"), (373, server_ip)]
    {
        body[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    body
}

/// Signs on, opens the console and validates it with the token in `answer`.
fn open(browser: &Browser, answer: &str) -> (Console, Vec<u8>) {
    let field = |name: &str| between(answer, &format!("\"{name}\": \""), "\"");
    let body = validation(field("token"), field("client_ip"), field("server_ip"));
    let mut console = browser.console();
    console.wait_for(23);
    console.send([packet(58, 1, &[]), packet(18, 1, &body), packet(6, 0, &[])].concat());
    let validated = console.wait_for(VALIDATED);
    (console, validated)
}

const TOKEN: &str = "/api/settings/media/h5viewercfg";

#[test]
fn the_fake_bmc_shows_its_screen_to_a_right_client_however_it_cuts_its_messages() {
    for (cut, subprotocol) in
        [(Cut::Whole, "binary"), (Cut::Every(1), "binary"), (Cut::Every(40_000), "base64"), (Cut::Random(7), "base64")]
    {
        let bmc = Bmc::start_plain(Setup { cut, subprotocol: Some(subprotocol), ..Setup::default() });
        let screen = recorded("screen-boot-log-720x400-jpeg");
        bmc.show_recorded(screen.clone());
        let browser = Browser::sign_on(&bmc.viewer_url());
        let (mut console, validated) = open(&browser, &browser.ask("GET", TOKEN));
        assert_eq!(validated, [1, 0]);
        let mut frame = Vec::new();
        for number in 0.. {
            let piece = console.wait_for(VIDEO);
            frame.extend_from_slice(&piece[2..]);
            let last = piece[1] & 0x80 != 0;
            assert_eq!(u16::from_le_bytes([piece[0], piece[1] & 0x7f]), number);
            assert_eq!(last, frame.len() == screen.len());
            if last {
                break;
            }
        }
        assert_eq!(frame, screen);
        console.send(packet(8, 0, &[]));
        console.close();
        assert!(browser.ask("DELETE", "/api/session").starts_with("HTTP/1.1 200"));
        bmc.assert_all_closed();
        let counts = bmc.counts();
        assert_eq!((counts.sessions, counts.logouts, counts.kvm_opens, counts.stops, counts.goodbyes), (1, 1, 1, 1, 1));
        assert_eq!(counts.requests, ["GET /viewer", &format!("GET {TOKEN}"), "DELETE /api/session"]);
    }
}

#[test]
fn the_fake_bmc_gives_the_login_page_for_a_session_that_ended() {
    for sign_on in [SignOn::Script, SignOn::SetCookie] {
        let bmc = Bmc::start_plain(Setup { sign_on, ..Setup::default() });
        let url = bmc.viewer_url();
        let browser = Browser::sign_on(&url);
        assert!(browser.ask("DELETE", "/api/session").starts_with("HTTP/1.1 200"));
        assert!(browser.ask("GET", TOKEN).contains("\"code\": 1009"));
        let (_, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        assert!(browser.ask("GET", &format!("/{path}")).contains("type=\"password\""));
    }
}

#[test]
fn the_fake_bmc_takes_a_token_once_and_complains_about_what_is_left_open() {
    let bmc = Bmc::start_plain(Setup::default());
    let browser = Browser::sign_on(&bmc.viewer_url());
    let answer = browser.ask("GET", TOKEN);
    let (first, validated) = open(&browser, &answer);
    assert_eq!(validated, [1, 0]);
    let (second, validated) = open(&browser, &answer);
    assert_eq!(validated, [0]);
    second.close();
    browser.ask("DELETE", "/api/session");
    drop(first);
    bmc.wait_until("both consoles closed", |counts| counts.kvm_ends == 2);
    assert_eq!(
        bmc.complaints(),
        [
            "a KVM token that is unknown, used, or of another session",
            "logged out before the console was told to stop",
            "a client left without packet 8",
            "a client left without closing the WebSocket",
        ]
    );
}

#[test]
fn the_fake_bmc_wants_every_field_of_the_validation_right() {
    let right = validation("T", "198.51.100.7", "192.0.2.44");
    let wrong = |at: usize| {
        let mut payload = right.clone();
        payload[at] ^= 0x20;
        Validation::parse(&Packet { kind: 18, status: 1, payload }, false).unwrap_err()
    };
    assert_eq!(wrong(0), "token type 32, not that of a web session");
    assert_eq!(wrong(129), "the token is not padded with NUL");
    assert_eq!(wrong(194), "the client address is not padded with NUL");
    assert_eq!(wrong(323), "the user name is not padded with NUL");
    assert_eq!(wrong(324), "the MAC address \u{10}0-00-00-00-00-00");
    assert_eq!(wrong(437), "the server address is not padded with NUL");
    let short = Packet { kind: 18, status: 1, payload: right[..86].to_vec() };
    assert_eq!(Validation::parse(&short, false).unwrap_err(), "a validation body of 86 bytes");
}
