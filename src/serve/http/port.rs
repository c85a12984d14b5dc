//! A listening socket and the tiny_http server on it, kept alive.
//!
//! tiny_http 0.12 takes connections in ways that have to be made up for (read in its source, and observed):
//! - Its accept loop ends for good on one error, such as having no descriptor left. So the listener is kept, and a
//!   new server is started on a clone of it, while the connections of the old one are served on.
//! - A connection keeps a thread of its pool until it ends, but the pool counts a thread as idle until it wakes up.
//!   Of connections that come within microseconds some are queued behind that thread, and wait until some other
//!   connection ends. Every connection that is opened and closed at once ends such a wait: its thread goes on with
//!   what is queued. So after requests came, and every now and then, somebody knocks.
//! - It sets no option on its connections: they inherit those of the listener (Linux).

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tiny_http::{Request, Server};

use super::super::Stop;
use crate::base::log;

/// A client that takes nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(20);
/// Between two attempts to accept connections again, after that failed.
const RETRY: Duration = Duration::from_millis(200);
/// After so long without a request, the connections of a server that accepts no more are given up.
const SILENT: Duration = Duration::from_secs(600);
/// Between a request and the knocking: connections that come together have arrived by then.
const SETTLED: Duration = Duration::from_millis(10);
/// Between knocks while no request comes.
const QUIET: Duration = Duration::from_secs(2);
/// The most knocks at a time.
const MAX_KNOCKS: usize = 64;
/// How long a knock may take: it goes to this process.
const KNOCK_LIMIT: Duration = Duration::from_millis(100);

/// A port, and the server that accepts on it at the moment.
pub(super) struct Port {
    listener: TcpListener,
    address: SocketAddr,
    server: Mutex<Option<Arc<Server>>>,
    requests: Mutex<usize>,
    arrived: Condvar,
}

impl Port {
    /// Listens. Connections send at once (else a second packet waits 40 ms for the acknowledgement of the first) and
    /// do not wait for ever for a client that reads nothing.
    pub(super) fn bind(address: IpAddr, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((address, port))?;
        // The library knows these options for streams alone; to the system a socket is a socket.
        let socket = TcpStream::from(OwnedFd::from(listener));
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(WRITE_LIMIT))?;
        let listener = TcpListener::from(OwnedFd::from(socket));
        let address = listener.local_addr()?;
        Ok(Self { listener, address, server: Mutex::default(), requests: Mutex::default(), arrived: Condvar::new() })
    }

    /// The port's number.
    pub(super) fn number(&self) -> u16 {
        self.address.port()
    }

    /// Hands every request to `dispatch`, until stopped.
    pub(super) fn accept(&self, dispatch: &Arc<impl Fn(Request) + Send + Sync + 'static>, stop: &Stop) {
        loop {
            let mut has_clients = false;
            let (server, error) = match self.start() {
                Ok(server) => loop {
                    // `unblock` makes the end of the program an error, too.
                    match server.recv() {
                        Ok(request) => {
                            has_clients = true;
                            *self.requests() += 1;
                            self.arrived.notify_one();
                            dispatch(request);
                        }
                        Err(error) => break (Some(server), error.to_string()),
                    }
                },
                Err(error) => (None, error),
            };
            *self.server() = None;
            if stop.wait_for(RETRY) {
                return;
            }
            log::line(&format!("accepting connections failed, trying again: {error}"));
            if let Some(server) = server.filter(|_| has_clients) {
                linger(server, Arc::clone(dispatch));
            }
        }
    }

    /// Knocks, until stopped.
    pub(super) fn knock(&self, stop: &Stop) {
        loop {
            let quiet = self.arrived.wait_timeout_while(self.requests(), QUIET, |requests| *requests == 0);
            drop(quiet.unwrap_or_else(PoisonError::into_inner));
            if stop.wait_for(SETTLED) {
                return;
            }
            let knocks = std::mem::take(&mut *self.requests()).clamp(1, MAX_KNOCKS);
            for _ in 0..knocks {
                // Nobody to open is as good as nobody waiting.
                drop(TcpStream::connect_timeout(&self.address, KNOCK_LIMIT));
            }
        }
    }

    /// Makes `accept` look whether it was stopped.
    pub(super) fn unblock(&self) {
        if let Some(server) = &*self.server() {
            server.unblock();
        }
    }

    fn server(&self) -> MutexGuard<'_, Option<Arc<Server>>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn requests(&self) -> MutexGuard<'_, usize> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self) -> Result<Arc<Server>, String> {
        let listener = self.listener.try_clone().map_err(|error| error.to_string())?;
        // Where the system has no thread left, this panics instead of failing.
        let started = catch_unwind(AssertUnwindSafe(|| Server::from_listener(listener, None)));
        let server = started.map_err(|_| "no thread".to_owned())?.map_err(|error| error.to_string())?;
        let server = Arc::new(server);
        *self.server() = Some(Arc::clone(&server));
        Ok(server)
    }
}

/// Serves the connections of a server that accepts no more, until they have been silent for long.
fn linger(server: Arc<Server>, dispatch: Arc<impl Fn(Request) + Send + Sync + 'static>) {
    let serve = move || {
        while let Ok(Some(request)) = server.recv_timeout(SILENT) {
            dispatch(request);
        }
    };
    if let Err(error) = thread::Builder::new().name("linger".into()).spawn(serve) {
        log::line(&format!("open connections are lost: {error}"));
    }
}
