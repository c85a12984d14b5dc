//! MCP over HTTP: one endpoint, `/mcp`, on the loopback interface; `/health` beside it.
//!
//! ```text
//!  port --> tiny_http --> a thread per request --> request (the ladder) --> Mcp --> reply (JSON)
//!                                                                            `----> reply (event stream) <-- Work
//! ```
//!
//! tiny_http 0.12 reads the heads and bodies. What has to be known about how it accepts connections is told in
//! `port`, and about bodies that nobody reads in `reply`. It queues what clients pipeline without end, and answers
//! in order: at most `MAX_OPEN` requests have a thread, and the rest waits in its queue.
//!
//! Source: MCP, "Streamable HTTP"; RFC 9112. Deliberately absent: sessions, GET streams, resumption, CORS, TLS.

mod port;
mod reply;
mod request;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tiny_http::Request;

use super::{BEAT, Gate, MAX_CALLS, Stop};
use crate::base::{Error, Kind, log};
use crate::mcp::{Mcp, Running, Step, Work};
use crate::ops::Ops;
use port::Port;
use reply::Events;
use request::{Reply, Rules};

/// So many requests have a thread at once; most are answered within milliseconds.
const MAX_OPEN: usize = 512;
/// How long streams get to say that they end, at the end of the program.
const FAREWELL: Duration = Duration::from_millis(200);

/// An HTTP server that listens; nobody is answered before it runs.
pub struct Server {
    ports: Vec<Port>,
    hosts: Vec<String>,
    beat: Duration,
    stop: Stop,
}

impl Server {
    /// Listens on a port of the loopback interface, 0 for one that is free. The IPv4 address must be free; IPv6
    /// joins in where it can.
    pub fn bind(port: u16) -> Result<Self, Error> {
        let first = Port::bind(Ipv4Addr::LOCALHOST.into(), port).map_err(|error| refused(&error, port))?;
        let port = first.number();
        let mut ports = vec![first];
        match Port::bind(Ipv6Addr::LOCALHOST.into(), port) {
            Ok(second) => ports.push(second),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                log::line(&format!("[::1]:{port} is in use by another program: call http://127.0.0.1:{port}/mcp"));
            }
            // A machine without IPv6 misses nothing.
            Err(_) => {}
        }
        Ok(Self { ports, hosts: Vec::new(), beat: BEAT, stop: Stop::default() })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.ports[0].number()
    }

    /// Also answers clients that call it by these names, without port: behind a reverse proxy it has others.
    #[must_use]
    pub fn also_known_as(self, hosts: Vec<String>) -> Self {
        Self { hosts, ..self }
    }

    /// How often a client that waits hears from its call.
    #[must_use]
    pub fn with_beat(self, beat: Duration) -> Self {
        Self { beat, ..self }
    }

    /// What ends it.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Tells the operator where it listens and answers requests until it is stopped; then closes what is open.
    pub fn run(self, ops: &Arc<Ops>) -> Result<(), Error> {
        let service = Arc::new(Service {
            mcp: Mcp::new(Arc::clone(ops)),
            rules: Rules::new(&self.hosts),
            beat: self.beat,
            open: Gate::new(MAX_OPEN),
            calls: Gate::new(MAX_CALLS),
        });
        log::line(&format!("listening on http://localhost:{}/mcp", self.port()));
        let ports: Vec<Arc<Port>> = self.ports.into_iter().map(Arc::new).collect();
        for port in &ports {
            let (accepting, knocking) = (Arc::clone(port), Arc::clone(port));
            let (service, stop, stop_too) = (Arc::clone(&service), self.stop.clone(), self.stop.clone());
            let dispatch = Arc::new(move |request| service.dispatch(request));
            start("accept", move || accepting.accept(&dispatch, &stop))?;
            start("knock", move || knocking.knock(&stop_too))?;
        }
        self.stop.wait();
        // Nobody waits for these threads: a client may hold one up.
        ports.iter().for_each(|port| port.unblock());
        service.mcp.cancel_all();
        ops.close();
        service.open.wait_empty(FAREWELL);
        Ok(())
    }
}

fn start(name: &str, job: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(job);
    let no_thread = |error| Error::new(Kind::Internal, format!("no thread to accept connections: {error}"));
    spawned.map(drop).map_err(no_thread)
}

fn refused(error: &io::Error, port: u16) -> Error {
    let error = match error.kind() {
        io::ErrorKind::AddrInUse => Error::new(Kind::Busy, format!("port {port} is in use")),
        _ => Error::new(Kind::Internal, format!("port {port}: {error}")),
    };
    error.doing("listening").hint("set PORT to a port that is free, or stop the program that has this one")
}

/// What answers requests.
struct Service {
    mcp: Mcp,
    rules: Rules,
    beat: Duration,
    open: Arc<Gate>,
    calls: Arc<Gate>,
}

impl Service {
    /// Answers on a thread of its own.
    fn dispatch(self: &Arc<Self>, request: Request) {
        let (service, permit) = (Arc::clone(self), self.open.enter());
        let request = reply::Unread::new(request);
        let job = move || {
            let _until_answered = permit;
            service.answer(request);
        };
        if let Err(error) = thread::Builder::new().name("request".into()).spawn(job) {
            log::line(&format!("no thread for a request: {error}"));
        }
    }

    fn answer(&self, request: reply::Unread) {
        let Some(mut request) = request.take() else { return };
        match self.rules.ladder(&mut request, &self.mcp) {
            Reply::Whole(whole) => whole.send(request),
            Reply::Work(work) => self.work(request, work),
        }
    }

    fn work(&self, request: Request, work: Work) {
        let Some(permit) = self.calls.try_enter() else {
            return reply::Whole::busy().send(request);
        };
        if !request::accepts_events(&request) {
            return reply::Whole::outcome(work.without_progress().begin(permit).finish()).send(request);
        }
        let is_slow = work.is_slow();
        let running = work.begin(permit);
        // What is usually quick is not worth a stream, unless it takes its time today.
        if !is_slow && let Step::Done(answer) = running.wait(self.beat / 2) {
            return reply::Whole::outcome(answer).send(request);
        }
        stream(request, running, self.beat);
    }
}

/// Answers with a stream: its head at once, then what happens, last the answer.
fn stream(request: Request, mut running: Running, beat: Duration) {
    let Ok(mut events) = Events::begin(request) else {
        return running.abandon();
    };
    loop {
        let sent = match running.wait(beat) {
            Step::Working => match running.progress() {
                Some(progress) => events.message(&progress),
                None => events.comment(),
            },
            Step::Done(answer) => {
                // Who has gone by now has no use for an error.
                let _ = answer.map_or(Ok(()), |answer| events.message(&answer)).and_then(|()| events.end());
                return;
            }
        };
        if sent.is_err() {
            return running.abandon();
        }
    }
}
