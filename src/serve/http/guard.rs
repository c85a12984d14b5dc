//! The guard at the port: who may come in, how long they may take, and how much they may send.
//!
//! ```text
//!  client --> head --> rules --> body --> one connection to tiny_http --> client
//!             10 s     refuse    30 s     answered, or the client is gone   20 s a piece
//! ```
//!
//! tiny_http has no limit of its own, and gets only what is whole, small and framed in one way. One thread per client
//! does all of it, one request after the other, so that nothing is queued. When all seats are taken, the one who has
//! been waited for longest has to leave: who opens a thousand connections and says nothing keeps nobody out.
//!
//! Deliberately absent: TLS (a reverse proxy has it), limits for single addresses.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::super::{Gate, Permit, Stop};
use super::Limits;
use super::backend::Backend;
use super::head::Framing;
use super::input::{End, Input, PIECE};
use super::reply::Refusal;
use super::rules::Rules;
use crate::base::log;

/// So many clients are connected at once.
const MAX_CLIENTS: usize = 256;
/// So many requests are answered at once, each with three descriptors: all of them stay below the usual limit of 1024.
const MAX_ANSWERED: usize = 128;
/// A body up to here is read at once, in bytes.
const SMALL: usize = 64 << 10;
/// So many larger ones are in memory at a time.
const MAX_LARGE: usize = 4;

/// How often it is looked whether a client that waits is still there.
const LOOK: Duration = Duration::from_millis(250);
/// Between two attempts to accept connections, after one failed.
const RETRY: Duration = Duration::from_millis(50);

/// Lets clients in and has their requests answered.
pub(super) struct Guard {
    rules: Rules,
    limits: Limits,
    backend: Backend,
    seats: Arc<Gate>,
    pub(super) answered: Arc<Gate>,
    large: Arc<Gate>,
    waiting: Mutex<Waiting>,
}

/// The clients whose next request is not whole, in the order in which they began to be waited for.
#[derive(Default)]
struct Waiting {
    last: u64,
    clients: BTreeMap<u64, Arc<TcpStream>>,
    closed: bool,
}

impl Waiting {
    fn enter(&mut self, client: &Arc<TcpStream>) -> u64 {
        self.last += 1;
        self.clients.insert(self.last, Arc::clone(client));
        if self.closed {
            let _ = client.shutdown(Shutdown::Both);
        }
        self.last
    }
}

/// A whole request, as it is passed on.
struct Request {
    bytes: Vec<u8>,
    is_last: bool,
    _place: Option<Permit>,
}

impl Guard {
    pub(super) fn new(rules: Rules, limits: Limits, backend: Backend) -> Arc<Self> {
        let [seats, answered, large] = [MAX_CLIENTS, MAX_ANSWERED, MAX_LARGE].map(Gate::new);
        Arc::new(Self { rules, limits, backend, seats, answered, large, waiting: Mutex::default() })
    }

    pub(super) fn backend(&self) -> &Backend {
        &self.backend
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets clients in, until stopped and the listener shut down.
    pub(super) fn accept(self: &Arc<Self>, listener: &TcpListener, stop: &Stop) {
        let mut is_failing = false;
        loop {
            match listener.accept() {
                Ok((client, _)) => {
                    is_failing = false;
                    self.admit(Arc::new(client));
                }
                Err(error) => {
                    // No descriptor is left, perhaps: whoever is nearly done gets time, then an unused one is given up.
                    if stop.wait_for(RETRY) {
                        return;
                    }
                    if is_failing {
                        self.make_room();
                    } else {
                        log::error(format_args!("accepting connections failed, trying again: {error}"));
                    }
                    is_failing = true;
                }
            }
        }
    }

    /// Ends the connections of those who are not being answered.
    pub(super) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.closed = true;
        waiting.clients.values().for_each(|client| drop(client.shutdown(Shutdown::Both)));
    }

    fn admit(self: &Arc<Self>, client: Arc<TcpStream>) {
        // Else a second packet waits 40 ms for the acknowledgement of the first.
        let _ = client.set_nodelay(true);
        let Some(seat) = self.seats.try_enter().or_else(|| self.make_room()) else {
            let _ = client.set_write_timeout(Some(LOOK));
            let refusal = Refusal::busy(&format!("{MAX_CLIENTS} clients are being answered, the limit"));
            return drop((&*client).write_all(&refusal.to_bytes()));
        };
        let guard = Arc::clone(self);
        let serve = move || {
            let _seat = seat;
            guard.serve(&client);
        };
        if let Err(error) = thread::Builder::new().name("client".into()).spawn(serve) {
            log::error(format_args!("no thread for a client: {error}"));
        }
    }

    /// A seat of somebody who has been waited for longest.
    fn make_room(&self) -> Option<Permit> {
        let (_, client) = self.waiting().clients.pop_first()?;
        let _ = client.shutdown(Shutdown::Both);
        Some(self.seats.enter())
    }

    /// Reads and answers what one client asks, until it is done.
    fn serve(&self, client: &Arc<TcpStream>) {
        let mut input = Input::new(client, self.limits);
        let _ = client.set_write_timeout(Some(self.limits.piece));
        loop {
            let number = self.waiting().enter(client);
            let request = self.request(&mut input);
            if let Err(End::Refused(refusal)) = &request {
                input.refuse(refusal);
            }
            // Who had to make room meanwhile has no connection left to be answered on.
            let has_left = self.waiting().clients.remove(&number).is_none();
            let Ok(request) = request else { return };
            if has_left {
                return;
            }
            if self.answer(&request, client).is_err() || request.is_last {
                return;
            }
        }
    }

    fn request(&self, input: &mut Input<'_>) -> Result<Request, End> {
        let head = input.head()?;
        if let Some(refusal) = self.rules.refusal(&head) {
            return Err(refusal.into());
        }
        let framing = head.framing()?;
        if head.expects_continue() {
            input.invite();
        }
        let mut place = None;
        let mut reserve = |length| {
            if length > SMALL && place.is_none() {
                place =
                    Some(self.large.try_enter().ok_or_else(|| Refusal::busy("other large messages are being read"))?);
            }
            Ok(())
        };
        let body = match framing {
            Framing::Length(length) => {
                reserve(length)?;
                input.body(length)?
            }
            Framing::Chunked => input.chunked_body(reserve)?,
        };
        Ok(Request { bytes: [head.forward(body.len())?, body].concat(), is_last: head.is_last(), _place: place })
    }

    /// Has a request answered. An error means that nothing can follow.
    fn answer(&self, request: &Request, client: &TcpStream) -> io::Result<()> {
        let _place = self.answered.enter();
        let mut is_begun = false;
        let answered = self.relay(request, client, &mut is_begun);
        if answered.as_ref().is_err_and(|error| error.kind() != GONE) && !is_begun {
            let refusal = Refusal::busy("this machine has no connection left");
            // Who has gone by now has no use for it.
            let _ = (&*client).write_all(&refusal.to_bytes());
        }
        answered
    }

    fn relay(&self, request: &Request, mut client: &TcpStream, is_begun: &mut bool) -> io::Result<()> {
        let connected = self.backend.connect();
        let mut backend = connected.or_else(|error| self.make_room().map_or(Err(error), |_| self.backend.connect()))?;
        backend.set_read_timeout(Some(LOOK))?;
        backend.write_all(&request.bytes)?;
        let mut piece = [0; PIECE];
        loop {
            match backend.read(&mut piece) {
                Ok(0) if *is_begun => return Ok(()),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    *is_begun = true;
                    client.write_all(&piece[..count])?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => is_there(client)?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The kind of the error for a client that has hung up.
const GONE: ErrorKind = ErrorKind::ConnectionAborted;

/// An error for a client that has hung up; what it sent meanwhile stays where it is.
fn is_there(client: &TcpStream) -> io::Result<()> {
    client.set_nonblocking(true)?;
    let peeked = client.peek(&mut [0]);
    client.set_nonblocking(false)?;
    match peeked {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Ok(0) | Err(_) => Err(GONE.into()),
        Ok(_) => Ok(()),
    }
}
