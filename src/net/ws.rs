//! WebSocket to a console (RFC 6455): the upgrade written by hand, the frames by tungstenite, in memory.
//!
//! Consoles bend the rules of the upgrade, so the answer is read liberally: status 101 is enough. A
//! `Sec-WebSocket-Accept` may be missing; where there is one it must be right, as every browser demands.
//!
//! | carrier | when | content |
//! |---|---|---|
//! | binary frames | `binary` was chosen, or nothing was offered | as it is |
//! | text frames | `base64` was chosen, or something was offered and nothing chosen, or the peer sends text | Base64 |
//!
//! Deliberately absent: extensions (compression), pings of our own (BMCs never answer them).

use std::io::{self, ErrorKind, Write};
use std::mem;

use httparse::{EMPTY_HEADER, ParserConfig, Status};
use ring::rand::{SecureRandom, SystemRandom};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error as WsError, Message};

use super::link::{Flow, Framing, Link, Raw};
use super::stream::{Channel, Read};
use super::tcp::CONNECT_LIMIT;
use super::{Trust, failure};
use crate::base::bytes::{clean_text, quote};
use crate::base::{Error, Kind, Url, Watch, base64};

/// The head of the answer to an upgrade; browsers allow 256 KiB, consoles send less than 1.
const MAX_HEAD: usize = 32 * 1024;
/// Characters shown of what a console says about its refusal.
const MAX_TEXT: usize = 200;
/// Headers in that head.
const MAX_HEADERS: usize = 64;
/// One message of a console, which is also the most that an IVTP packet may have.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// How an HTTP answer begins, and no frame can: it would have a reserved bit set, and a close in fragments.
/// Observed: AMI MegaRAC with its session table full answers 101 and then writes an HTTP error.
const HTTP: u8 = b'H';

/// What an upgrade asks for.
#[derive(Clone, Debug)]
pub struct Upgrade<'a> {
    /// `ws` or `wss` (`http` and `https` mean the same).
    pub url: &'a Url,
    /// Sent as they are: `Cookie`, `Origin` ...
    pub headers: Vec<(&'a str, String)>,
    /// Offered in this order: `binary`, `base64`.
    pub subprotocols: &'a [&'a str],
}

/// Connects and upgrades; once more without a subprotocol where the console calls ours a bad request. `Kind::Denied` where the console wants another login, `Kind::Busy` where it has no slot.
pub fn open(upgrade: &Upgrade<'_>, trust: &Trust, watch: &Watch) -> Result<Box<dyn Channel>, Error> {
    let doing = format!("WebSocket {}", upgrade.url);
    let mut opened = connect(upgrade, doing.clone(), trust, watch);
    let is_bad = matches!(opened, Err(Refused { status: Some(400), .. }));
    if is_bad && !upgrade.subprotocols.is_empty() {
        opened = connect(&Upgrade { subprotocols: &[], ..upgrade.clone() }, doing.clone(), trust, watch);
    }
    match opened {
        Ok(link) => Ok(Box::new(link)),
        Err(Refused { error, .. }) => Err(error.doing(doing)),
    }
}

/// Why there is no WebSocket, and the status of the answer, where there was one.
struct Refused {
    status: Option<u16>,
    error: Error,
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self { status: None, error }
    }
}

fn connect(upgrade: &Upgrade<'_>, doing: String, trust: &Trust, watch: &Watch) -> Result<Link<Frames>, Refused> {
    let key = random_key()?;
    let head = request(upgrade, &key)?;
    let link = Link::open(upgrade.url, doing, trust, watch)?;
    let watch = watch.within("the WebSocket upgrade", CONNECT_LIMIT);
    let _hook = link.shut_down_on_cancel(&watch);
    let answer = exchange(&link, &head, &watch).or_else(|error| watch.left().and(Err(error)))?;
    answer.accepted(&key, upgrade).map_err(|error| Refused { status: Some(answer.status), error })?;
    let carrier = match answer.subprotocol.as_deref() {
        Some(chosen) if chosen.eq_ignore_ascii_case("base64") => Carrier::Base64,
        None if !upgrade.subprotocols.is_empty() => Carrier::Unsaid,
        _ => Carrier::Binary,
    };
    Ok(link.framed(Frames::new(carrier), &answer.rest))
}

fn random_key() -> Result<String, Error> {
    let mut nonce = [0; 16];
    let filled = SystemRandom::new().fill(&mut nonce);
    filled.map_err(|_| Error::new(Kind::Internal, "this machine gives no random numbers"))?;
    Ok(base64::encode(&nonce))
}

fn request(upgrade: &Upgrade<'_>, key: &str) -> Result<String, Error> {
    let target = upgrade.url.target();
    // A path may have come percent-encoded in the URL of a viewer.
    if target.contains(|ch: char| ch.is_control() || ch.is_whitespace()) {
        return Err(Error::new(Kind::Peer, "its path has a space or a control character"));
    }
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: {key}\r\n",
        upgrade.url.authority()
    );
    if !upgrade.subprotocols.is_empty() {
        head.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", upgrade.subprotocols.join(", ")));
    }
    for (name, value) in &upgrade.headers {
        if name.is_empty()
            || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
        {
            return Err(Error::new(Kind::Usage, format!("{} is no name of a header", clean_text(name))));
        }
        // A cookie may have come percent-encoded in a URL.
        if value.chars().any(char::is_control) {
            return Err(Error::new(Kind::Peer, format!("the value for {name} has a control character")));
        }
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    Ok(head + "\r\n")
}

/// The parts of the answer that matter.
struct Answer {
    status: u16,
    subprotocol: Option<String>,
    accept: Option<String>,
    location: Option<String>,
    /// What came behind the head.
    rest: Vec<u8>,
}

fn exchange(link: &Link<Raw>, head: &str, watch: &Watch) -> Result<Answer, Error> {
    link.transmit(head.as_bytes())?;
    let mut received = Vec::new();
    loop {
        match link.receive(&mut received, watch.deadline())? {
            Read::Data => {}
            Read::TimedOut => return Err(watch.timeout()),
            Read::Closed => {
                let what = if received.is_empty() { "without an answer" } else { "in the middle of its answer" };
                return Err(Error::new(Kind::Peer, format!("it closed the connection {what}")));
            }
        }
        if let Some(answer) = Answer::parse(&received)? {
            return Ok(answer);
        }
        if received.len() > MAX_HEAD {
            return Err(Error::new(Kind::Peer, format!("the head of its answer exceeds {} KiB", MAX_HEAD / 1024)));
        }
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let mut parsed = httparse::Response::new(&mut headers);
        let mut liberal = ParserConfig::default();
        liberal
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .ignore_invalid_headers_in_responses(true);
        let length = match liberal.parse_response(&mut parsed, bytes) {
            Ok(Status::Complete(length)) => length,
            Ok(Status::Partial) => return Ok(None),
            Err(error) => {
                let what = format!("its answer is not HTTP ({error})");
                return Err(Error::new(Kind::Peer, what).hint("check the port, and whether it wants https (wss)"));
            }
        };
        let header = |name: &str| {
            let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(String::from_utf8_lossy(found.value).trim().to_owned()).filter(|value| !value.is_empty())
        };
        Ok(Some(Self {
            status: parsed.code.unwrap_or_default(),
            subprotocol: header("sec-websocket-protocol"),
            accept: header("sec-websocket-accept"),
            location: header("location"),
            rest: bytes[length..].to_vec(),
        }))
    }

    fn accepted(&self, key: &str, upgrade: &Upgrade<'_>) -> Result<(), Error> {
        let says = |what: String| match self.text() {
            Some(text) => format!("{what}: {}", quote(&text)),
            None => what,
        };
        match self.status {
            101 => match &self.accept {
                Some(accept) if *accept != accept_key(key) => {
                    Err(Error::new(Kind::Peer, "it answers the upgrade without understanding it"))
                }
                _ => Ok(()),
            },
            401 | 403 => Err(Error::new(Kind::Denied, says(format!("it refuses us (HTTP {})", self.status)))),
            429 | 503 => Err(Error::new(Kind::Busy, says(format!("it has no room for us now (HTTP {})", self.status)))),
            300..=399 => {
                let place = self.location.as_deref().and_then(|location| upgrade.url.join(location).ok());
                let kind = if place.as_ref().is_some_and(is_login) { Kind::Denied } else { Kind::Peer };
                let place = place.map_or("nowhere".to_owned(), |place| place.to_string());
                Err(Error::new(kind, format!("it sends us to {place} (HTTP {})", self.status)))
            }
            404 => {
                Err(Error::new(Kind::NotFound, "there is no WebSocket at this path (HTTP 404)").hint("check the path"))
            }
            status => Err(Error::new(Kind::Peer, says(format!("it answers the upgrade with HTTP {status}")))),
        }
    }

    /// What the console says about its refusal, as far as it came with the head; no HTML.
    fn text(&self) -> Option<String> {
        let text = clean_text(&String::from_utf8_lossy(&self.rest));
        let text: String = text.trim().chars().take(MAX_TEXT).collect();
        (!text.is_empty() && !text.starts_with('<')).then_some(text)
    }
}

/// Whether a BMC sends browsers there that are not logged in.
fn is_login(url: &Url) -> bool {
    let path = url.path.to_ascii_lowercase();
    path.contains("login") || path.contains("signin") || path.contains("auth") || path == "/" || path == "/index.html"
}

/// What the server must make of our key (RFC 6455 section 4.2.2, 5.4).
fn accept_key(key: &str) -> String {
    let digest = sha1_smol::Sha1::from(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11")).digest();
    base64::encode(&digest.bytes())
}

/// How content travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Binary,
    Base64,
    /// Base64, unless the peer's first message is binary.
    Unsaid,
}

/// WebSocket frames over what lies below.
struct Frames {
    context: WebSocketContext,
    memory: Memory,
    carrier: Carrier,
    /// Whether anything came after the upgrade.
    begun: bool,
}

/// What tungstenite takes for the connection.
#[derive(Default)]
struct Memory {
    arrived: Vec<u8>,
    read: usize,
    written: Vec<u8>,
}

impl Frames {
    fn new(carrier: Carrier) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(64 * 1024)
            .write_buffer_size(0)
            .max_frame_size(Some(MAX_MESSAGE))
            .max_message_size(Some(MAX_MESSAGE));
        let context = WebSocketContext::new(Role::Client, Some(config));
        Self { context, memory: Memory::default(), carrier, begun: false }
    }

    fn drain(&mut self, content: &mut Vec<u8>) -> Result<Flow, Error> {
        loop {
            match self.context.read(&mut self.memory) {
                Ok(Message::Binary(bytes)) => {
                    if self.carrier == Carrier::Unsaid {
                        self.carrier = Carrier::Binary;
                    }
                    content.extend_from_slice(&bytes);
                }
                Ok(Message::Text(text)) => {
                    self.carrier = Carrier::Base64;
                    let bytes = base64::decode(text.as_bytes())
                        .ok_or_else(|| Error::new(Kind::Peer, "it sent a text message that is not Base64"))?;
                    content.extend_from_slice(&bytes);
                }
                // Observed on OpenBMC: `Max sessions are already connected`.
                Ok(Message::Close(Some(close))) if !close.reason.is_empty() => {
                    let what = format!("it closed the connection: {}", quote(&close.reason));
                    return Err(Error::new(Kind::Peer, what));
                }
                // Pings were answered, a close will be followed by the end.
                Ok(_) => {}
                Err(WsError::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Ok(Flow::Open),
                Err(WsError::ConnectionClosed | WsError::AlreadyClosed) => return Ok(Flow::Ended),
                Err(error) => return Err(Self::explain(error)),
            }
            if !self.context.can_read() {
                return Ok(Flow::Ended);
            }
        }
    }

    fn explain(error: WsError) -> Error {
        match error {
            WsError::Io(error) => failure::explain(error),
            WsError::Capacity(_) => {
                Error::new(Kind::Peer, format!("it sent a message of more than {} MiB", MAX_MESSAGE >> 20))
            }
            other => {
                Error::new(Kind::Peer, format!("it broke the WebSocket protocol ({})", clean_text(&other.to_string())))
            }
        }
    }
}

impl Framing for Frames {
    fn receive(&mut self, bytes: &[u8], content: &mut Vec<u8>, answer: &mut Vec<u8>) -> Result<Flow, Error> {
        let is_first = !bytes.is_empty() && !mem::replace(&mut self.begun, true);
        if is_first && bytes[0] == HTTP {
            let what = "it took the connection and then refused it: all its console slots are in use";
            let hint = "close another viewer, or wait up to 30 min until the BMC drops dead ones";
            return Err(Error::new(Kind::Busy, what).hint(hint));
        }
        self.memory.arrived.extend_from_slice(bytes);
        let flow = self.drain(content);
        // In memory this only fails once the connection has ended, and then nothing need be answered.
        let _ = self.context.flush(&mut self.memory);
        answer.append(&mut self.memory.written);
        flow
    }

    fn wrap(&mut self, content: &[u8], wire: &mut Vec<u8>) -> Result<(), Error> {
        let message = match self.carrier {
            Carrier::Binary => Message::binary(content.to_vec()),
            Carrier::Base64 | Carrier::Unsaid => Message::text(base64::encode(content)),
        };
        let sent = self.context.write(&mut self.memory, message).and_then(|()| self.context.flush(&mut self.memory));
        sent.map_err(Self::explain)?;
        wire.append(&mut self.memory.written);
        Ok(())
    }

    fn goodbye(&mut self, wire: &mut Vec<u8>) {
        let _ = self.context.close(&mut self.memory, None);
        wire.append(&mut self.memory.written);
    }
}

impl io::Read for Memory {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = io::Read::read(&mut &self.arrived[self.read..], buffer)?;
        self.read += count;
        if self.read == self.arrived.len() {
            self.arrived.clear();
            self.read = 0;
        }
        if count == 0 { Err(ErrorKind::WouldBlock.into()) } else { Ok(count) }
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
