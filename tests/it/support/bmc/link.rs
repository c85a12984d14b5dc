//! The fake BMC's end of a console: a byte stream in binary or Base64 messages, or bare, cut as the test wants.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use ikvm_mcp::base::base64;
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

use crate::support::web::{Request, Stream};

/// How long a read waits before the fake looks after its screen again.
const TURN: Duration = Duration::from_millis(3);

/// How many messages are sent before the client is heard.
const MESSAGES: usize = 100;

/// How the byte stream is cut into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// What one turn of the conversation has to say, in one message.
    Whole,
    /// Messages of this many bytes, without regard to packets; the last of a turn may be shorter.
    Every(usize),
    /// Messages of 1 to 4,000 bytes, by this seed.
    Random(u32),
}

pub struct Link<'a> {
    socket: Socket<'a>,
    base64: bool,
    queue: Vec<u8>,
    random: u32,
}

enum Socket<'a> {
    Web(Box<WebSocket<&'a mut dyn Stream>>),
    Bare(&'a mut dyn Stream),
}

/// What a read brought.
pub enum Received {
    Bytes(Vec<u8>),
    Nothing,
    /// The client closed the WebSocket properly.
    Goodbye,
    /// The connection ended without that.
    Gone,
    /// What no client should send.
    Wrong(String),
}

impl<'a> Link<'a> {
    /// Answers the upgrade as the protocol wants it.
    pub fn open(request: &Request, stream: &'a mut dyn Stream, subprotocol: Option<&'static str>) -> Self {
        stream.set_read_timeout(Some(TURN));
        Self::on(Socket::Web(Box::new(request.upgrade(stream, subprotocol))), subprotocol)
    }

    /// Answers it as some BMCs do: without the proof of the key, and with more than one token in `Connection`.
    pub fn open_sloppily(stream: &'a mut dyn Stream) -> Self {
        stream.set_read_timeout(Some(TURN));
        let head = "HTTP/1.1 101 \r\nupgrade: WebSocket\r\nconnection: keep-alive, upgrade\r\n\
                    sec-websocket-protocol: binary\r\n\r\n";
        // A client that left is seen at the first read.
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.flush());
        let socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        Self::on(Socket::Web(Box::new(socket)), Some("binary"))
    }

    /// The bytes themselves.
    pub fn bare(stream: &'a mut dyn Stream) -> Self {
        stream.set_read_timeout(Some(TURN));
        Self::on(Socket::Bare(stream), Some("binary"))
    }

    fn on(socket: Socket<'a>, subprotocol: Option<&str>) -> Self {
        Self { socket, base64: subprotocol != Some("binary"), queue: Vec::new(), random: 1 }
    }

    /// Waits for a message, but only for a turn.
    pub fn receive(&mut self) -> Received {
        let socket = match &mut self.socket {
            Socket::Web(socket) => socket,
            Socket::Bare(stream) => return receive_bare(*stream),
        };
        match socket.read() {
            Ok(Message::Binary(bytes)) if !self.base64 => Received::Bytes(bytes.to_vec()),
            Ok(Message::Text(text)) if self.base64 => match base64::decode(text.as_bytes()) {
                Some(bytes) => Received::Bytes(bytes),
                None => Received::Wrong("a text message that is not Base64".to_owned()),
            },
            Ok(Message::Binary(_)) => Received::Wrong("a binary message where Base64 was agreed on".to_owned()),
            Ok(Message::Text(_)) => Received::Wrong("a text message where binary was agreed on".to_owned()),
            Ok(Message::Ping(_)) => Received::Wrong("a WebSocket ping, which BMCs never answer".to_owned()),
            Ok(Message::Close(_)) => {
                let _ = socket.flush();
                Received::Goodbye
            }
            Ok(_) => Received::Nothing,
            Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Received::Nothing
            }
            Err(_) => Received::Gone,
        }
    }

    /// Queues `bytes`; what was queued before goes first.
    pub fn send(&mut self, bytes: &[u8]) {
        self.queue.extend_from_slice(bytes);
    }

    /// Sends what is queued, or a part of it: between two parts the client is heard.
    pub fn flush(&mut self, cut: Cut) {
        let mut sent = 0;
        for _ in 0..MESSAGES {
            let rest = &self.queue[sent..];
            if rest.is_empty() {
                break;
            }
            let length = match cut {
                Cut::Whole => rest.len(),
                Cut::Every(length) => length,
                Cut::Random(seed) => {
                    // Numerical Recipes' linear congruential generator.
                    self.random = self.random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223 ^ seed);
                    (self.random >> 16) as usize % 4_000 + 1
                }
            };
            let message = &rest[..length.min(rest.len())];
            sent += message.len();
            let is_sent = match &mut self.socket {
                Socket::Bare(stream) => stream.write_all(message).and_then(|()| stream.flush()).is_ok(),
                Socket::Web(socket) if self.base64 => {
                    socket.send(Message::Text(base64::encode(message).into())).is_ok()
                }
                Socket::Web(socket) => socket.send(Message::Binary(message.to_vec().into())).is_ok(),
            };
            if !is_sent {
                // That the client is gone is seen at the next read.
                sent = self.queue.len();
                break;
            }
        }
        self.queue.drain(..sent);
    }

    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Drops what is queued: the client wants no more.
    pub fn forget(&mut self) {
        self.queue.clear();
    }

    pub fn ping(&mut self) {
        if let Socket::Web(socket) = &mut self.socket {
            let _ = socket.send(Message::Ping(b"still there?".to_vec().into()));
        }
    }

    /// Closes the WebSocket; the client's answer is its own goodbye. A bare stream is left for the client to close.
    pub fn close(&mut self) {
        if let Socket::Web(socket) = &mut self.socket {
            let _ = socket.close(None);
            let _ = socket.flush();
        }
    }

    /// Writes past the WebSocket's framing.
    pub fn write_raw(&mut self, bytes: &[u8]) {
        let stream = self.stream();
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }

    pub fn shut_down(&mut self) {
        self.stream().shut_down();
    }

    fn stream(&mut self) -> &mut dyn Stream {
        match &mut self.socket {
            Socket::Web(socket) => *socket.get_mut(),
            Socket::Bare(stream) => *stream,
        }
    }
}

/// Its end is the only goodbye that a bare stream has.
fn receive_bare(stream: &mut dyn Stream) -> Received {
    let mut bytes = [0; 4096];
    match stream.read(&mut bytes) {
        Ok(0) => Received::Goodbye,
        Ok(count) => Received::Bytes(bytes[..count].to_vec()),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Received::Nothing,
        Err(_) => Received::Gone,
    }
}
