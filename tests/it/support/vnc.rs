//! A fake RFB server: a real listener, over TCP (TLS may begin inside it) or WebSocket, that lets clients in as its
//! setup says, notes everything they send, and answers requests for the screen as the test says.

mod greet;
mod wire;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use ikvm_mcp::base::Frame;
use ikvm_mcp::base::bytes::groups;
use ikvm_mcp::rfb::{Encoding, PixelFormat};

use super::bmc::link::Link;
use super::rfb_encode::Encoder;
use super::web::{Reply, Request, Stream, Web};
pub use greet::Security;
use wire::{Gone, Wire};

/// How long a test waits for the fake to see something.
const PATIENCE: Duration = Duration::from_secs(20);

/// How the server lets clients in.
#[derive(Clone)]
pub struct Setup {
    /// What it says first, without the newline.
    pub version: &'static str,
    pub security: Security,
    /// Pixels across and down, as ServerInit tells them.
    pub size: (usize, usize),
    pub format: PixelFormat,
    pub name: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        let format = PixelFormat::WANTED;
        Self { version: "RFB 003.008", security: Security::None, size: (64, 48), format, name: "fake" }
    }
}

/// A request for the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The how manieth of its connection, from 0.
    pub number: usize,
    /// Everything, not only what changes.
    pub full: bool,
    /// Pixels across and down.
    pub size: (usize, usize),
}

/// What the server sends in answer to a request: bytes of messages, or the end of the connection.
pub type Answer = dyn Fn(Asked) -> Said + Send + Sync;

/// What a server says.
pub enum Said {
    Bytes(Vec<u8>),
    /// These, and then it closes the connection.
    Last(Vec<u8>),
}

/// What the fake saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub connections: usize,
    /// Connections that ended.
    pub ended: usize,
    /// The requests of the last connection.
    pub asked: Vec<Asked>,
    /// The encodings that the last SetEncodings named.
    pub encodings: Vec<i32>,
    /// The pixel format that the last SetPixelFormat wanted.
    pub format: Option<Vec<u8>>,
    /// Whether ClientInit shared the screen.
    pub shared: Option<bool>,
    /// The payload of each ClientFence.
    pub fences: Vec<Vec<u8>>,
    /// Messages that nobody who only looks may send.
    pub forbidden: Vec<u8>,
    /// Of the last upgrade request: its target and its headers.
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Seen {
    /// The first header of this name in the last upgrade request.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The server. Dropping it ends its connections; a client that sent what it must not makes the test fail.
pub struct Vnc {
    shared: Arc<Shared>,
    door: Door,
}

enum Door {
    /// Somebody else's, who calls [`Vnc::serve`].
    None,
    Tcp {
        address: SocketAddr,
        thread: Option<JoinHandle<()>>,
    },
    Web(Web),
}

struct Shared {
    setup: Setup,
    answer: Box<Answer>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    seen: Seen,
    /// What is to be sent unasked.
    pushed: VecDeque<Vec<u8>>,
    stopping: bool,
    threads: Vec<JoinHandle<()>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.state().seen);
        self.changed.notify_all();
    }
}

impl Vnc {
    /// Serves `vnc://127.0.0.1:PORT`.
    pub fn tcp(setup: Setup, answer: impl Fn(Asked) -> Said + Send + Sync + 'static) -> Self {
        Self::tcp_at(Ipv4Addr::LOCALHOST.into(), setup, answer)
    }

    /// The same at another address of this machine.
    pub fn tcp_at(ip: IpAddr, setup: Setup, answer: impl Fn(Asked) -> Said + Send + Sync + 'static) -> Self {
        let shared = share(setup, answer);
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for socket in listener.incoming() {
                let mut state = for_thread.state();
                if state.stopping {
                    return;
                }
                let (Ok(socket), shared) = (socket, Arc::clone(&for_thread)) else { continue };
                state.threads.push(std::thread::spawn(move || shared.serve(&mut wire::tcp(socket))));
            }
        });
        Self { shared, door: Door::Tcp { address, thread: Some(thread) } }
    }

    /// Serves `ws://127.0.0.1:PORT/websockify` with this subprotocol, chosen whatever is offered.
    pub fn ws(
        setup: Setup,
        subprotocol: Option<&'static str>,
        answer: impl Fn(Asked) -> Said + Send + Sync + 'static,
    ) -> Self {
        let shared = share(setup, answer);
        let handler = web_handler(Arc::clone(&shared), subprotocol);
        Self { shared, door: Door::Web(Web::http(handler)) }
    }

    /// The same with TLS under it.
    pub fn wss(setup: Setup, answer: impl Fn(Asked) -> Said + Send + Sync + 'static) -> Self {
        let shared = share(setup, answer);
        let handler = web_handler(Arc::clone(&shared), Some("binary"));
        Self { shared, door: Door::Web(Web::https(handler)) }
    }

    /// A server behind another's door.
    pub fn inside(setup: Setup, answer: impl Fn(Asked) -> Said + Send + Sync + 'static) -> Self {
        Self { shared: share(setup, answer), door: Door::None }
    }

    /// Speaks RFB over a WebSocket that somebody else's door let in.
    pub fn serve(&self, request: &Request, stream: &mut dyn Stream, subprotocol: Option<&'static str>) {
        self.shared.serve_web(request, stream, subprotocol);
    }

    /// A server that shows one picture, in this encoding.
    pub fn showing(setup: Setup, picture: Frame, encoding: Encoding) -> Self {
        let setup = Setup { size: (picture.width, picture.height), ..setup };
        Self::tcp(setup, pictures(vec![picture], encoding))
    }

    pub fn url(&self) -> String {
        match &self.door {
            Door::Tcp { address, .. } => format!("vnc://{address}"),
            Door::None => panic!("a server inside another has no URL"),
            Door::Web(web) => format!("{}/websockify", web.url().replacen("http", "ws", 1)),
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.shared.state().seen.clone()
    }

    /// Sends this to whoever is connected.
    pub fn push(&self, bytes: Vec<u8>) {
        self.shared.state().pushed.push_back(bytes);
    }

    /// Waits until what was seen is as wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Seen) -> bool) -> Seen {
        let wait = self.shared.changed.wait_timeout_while(self.shared.state(), PATIENCE, |state| !wanted(&state.seen));
        let (state, timeout) = wait.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "the server never saw {what}: {:?}", state.seen);
        state.seen.clone()
    }
}

fn share(setup: Setup, answer: impl Fn(Asked) -> Said + Send + Sync + 'static) -> Arc<Shared> {
    Arc::new(Shared { setup, answer: Box::new(answer), state: Mutex::default(), changed: Condvar::new() })
}

fn web_handler(
    shared: Arc<Shared>,
    subprotocol: Option<&'static str>,
) -> impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static {
    move |request, stream| {
        shared.serve_web(request, stream, subprotocol);
        Reply::Taken
    }
}

/// Shows one picture after another: the first full request gets the first whole, each later request the next one, and
/// none any more at the end.
pub fn pictures(pictures: Vec<Frame>, encoding: Encoding) -> impl Fn(Asked) -> Said + Send + Sync + 'static {
    let encoder = Mutex::new((Encoder::new(), 0));
    move |asked| {
        let mut encoder = encoder.lock().unwrap();
        let (encoder, shown) = &mut *encoder;
        if asked.number == 0 {
            // Compressed streams begin anew with each connection.
            (*encoder, *shown) = (Encoder::new(), 0);
        }
        let Some(picture) = pictures.get(*shown) else { return Said::Bytes(Vec::new()) };
        *shown += 1;
        Said::Bytes(encoder.update(picture, encoding))
    }
}

impl Drop for Vnc {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        let mut sound = true;
        if let Door::Tcp { address, thread } = &mut self.door {
            let _ = TcpStream::connect(*address); // wakes the listener's thread
            sound &= thread.take().is_none_or(|thread| thread.join().is_ok());
            let threads = std::mem::take(&mut self.shared.state().threads);
            for thread in threads {
                sound &= thread.join().is_ok();
            }
        }
        if !std::thread::panicking() {
            assert!(sound, "the fake panicked");
            assert_eq!(self.seen().forbidden, Vec::<u8>::new(), "a client that only looks sent this");
        }
    }
}

impl Shared {
    fn serve_web(&self, request: &Request, stream: &mut dyn Stream, subprotocol: Option<&'static str>) {
        self.note(|seen| {
            seen.target.clone_from(&request.target);
            seen.headers.clone_from(&request.headers);
        });
        self.serve(&mut wire::web(Link::open(request, stream, subprotocol)));
    }

    /// One connection, from the first byte.
    fn serve(&self, wire: &mut Wire<'_>) {
        self.note(|seen| {
            seen.connections += 1;
            seen.asked.clear();
        });
        let _ = self.talk(wire);
        wire.close();
        self.note(|seen| seen.ended += 1);
    }

    fn talk(&self, wire: &mut Wire<'_>) -> Result<(), Gone> {
        greet::greet(&self.setup, wire)?;
        let shared = wire.need(1)?[0] != 0;
        self.note(|seen| seen.shared = Some(shared));
        wire.send(&greet::server_init(&self.setup));
        loop {
            if self.state().stopping {
                return Ok(());
            }
            let pushed = self.state().pushed.pop_front();
            if let Some(bytes) = pushed {
                wire.send(&bytes);
            }
            if wire.has_some()? && !self.message(wire)? {
                return Ok(());
            }
        }
    }

    /// Reads one message and answers it; false when the answer is the end.
    fn message(&self, wire: &mut Wire<'_>) -> Result<bool, Gone> {
        match wire.need(1)?[0] {
            0 => {
                let format = wire.need(19)?[3..].to_vec();
                self.note(|seen| seen.format = Some(format));
            }
            2 => {
                let head = wire.need(3)?;
                let count = usize::from(u16::from_be_bytes([head[1], head[2]]));
                let list = wire.need(count * 4)?;
                let encodings = groups(&list).map(i32::from_be_bytes).collect();
                self.note(|seen| seen.encodings = encodings);
            }
            3 => {
                let body = wire.need(9)?;
                let number = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
                let number_of = self.state().seen.asked.len();
                let asked = Asked { number: number_of, full: body[0] == 0, size: (number(5), number(7)) };
                let said = (self.answer)(asked);
                self.note(|seen| seen.asked.push(asked));
                match said {
                    Said::Bytes(bytes) => wire.send(&bytes),
                    Said::Last(bytes) => {
                        wire.send(&bytes);
                        return Ok(false);
                    }
                }
            }
            248 => {
                let head = wire.need(8)?;
                let payload = wire.need(head[7].into())?;
                self.note(|seen| seen.fences.push(payload));
            }
            other => {
                self.note(|seen| seen.forbidden.push(other));
                return Ok(false);
            }
        }
        Ok(true)
    }
}
