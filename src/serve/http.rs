//! MCP over HTTP: one endpoint, `/mcp`, on the loopback interface unless told otherwise; `/health` beside it.
//!
//! ```text
//!  port --> guard --> tiny_http --> a thread per request --> Mcp --> reply (JSON)
//!            `- rules (who may ask, for what)                 `----> reply (event stream) <-- Work
//! ```
//!
//! The guard lets through what is whole, small and allowed; tiny_http 0.12 reads it on a socket of our own.
//!
//! Source: MCP, "Streamable HTTP"; RFC 9112. Deliberately absent: sessions, GET streams, resumption, CORS, TLS.

mod backend;
mod guard;
mod head;
mod input;
mod reply;
mod rules;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tiny_http::Request;

use super::{BEAT, Gate, MAX_CALLS, Stop};
use crate::base::{Error, Kind, log};
use crate::config::serving::{Listen, Serving};
use crate::mcp::{Headers, Mcp, Received, Running, Step, Work};
use backend::Backend;
use guard::Guard;
use reply::{Events, Whole};
use rules::Rules;

/// How long streams get to say that they end, at the end of the program.
const FAREWELL: Duration = Duration::from_millis(200);

/// How long clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Between two requests.
    pub idle: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// From the end of the head to the end of the body.
    pub body: Duration,
    /// To take a piece of an answer.
    pub piece: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let [idle, head, body, piece] = [60, 10, 30, 20].map(Duration::from_secs);
        Self { idle, head, body, piece }
    }
}

/// An HTTP server that listens; nobody is answered before it runs.
pub struct Server {
    listeners: Vec<TcpListener>,
    /// What clients on this machine call it by: a name or an address, and the port.
    host: String,
    port: u16,
    rules: Rules,
    limits: Limits,
    beat: Duration,
    stop: Stop,
}

impl Server {
    /// Listens where `serving` says. Of the loopback addresses IPv4's must be free; IPv6's joins in where it can.
    pub fn bind(serving: &Serving) -> Result<Self, Error> {
        let listeners = match serving.listen {
            Listen::At(address) => vec![TcpListener::bind(address).map_err(|error| refused(&error, address))?],
            Listen::Loopback(port) => loopback(port)?,
        };
        let lost = |error| Error::new(Kind::Internal, format!("no address: {error}")).doing("listening");
        let port = listeners[0].local_addr().map_err(lost)?.port();
        let host = match serving.listen {
            Listen::Loopback(_) => "localhost".to_owned(),
            Listen::At(address) => bracketed(address.ip().to_canonical()),
        };
        let hosts = [&serving.hosts[..], std::slice::from_ref(&host)].concat();
        let mut rules = Rules::new(&hosts).with_origins(serving.origins.clone());
        if !serving.listen.is_private() {
            rules = rules.with_any_address();
        }
        if let Some(token) = &serving.token {
            rules = rules.with_token(token)?;
        }
        Ok(Self { listeners, host, port, rules, limits: Limits::default(), beat: BEAT, stop: Stop::default() })
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How often a client that waits hears from its call.
    #[must_use]
    pub fn with_beat(self, beat: Duration) -> Self {
        Self { beat, ..self }
    }

    /// How long clients may take.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What ends it.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Tells the operator where it listens and answers requests until it is stopped; then closes what is open.
    pub fn run(self, mcp: Mcp) -> Result<(), Error> {
        let service = Arc::new(Service { mcp, beat: self.beat, calls: Gate::new(MAX_CALLS) });
        let guard = Guard::new(self.rules, self.limits, Backend::start()?);
        let (answering, answerer, stop) = (Arc::clone(&guard), Arc::clone(&service), self.stop.clone());
        start("answer", move || answering.backend().run(|request| answerer.dispatch(request), &stop))?;
        let mut shutters = Vec::new();
        for listener in self.listeners {
            // To the system a socket is a socket: this one is there to wake whoever accepts.
            shutters.extend(listener.try_clone().map(|clone| TcpStream::from(OwnedFd::from(clone))));
            let (accepting, stop) = (Arc::clone(&guard), self.stop.clone());
            start("accept", move || accepting.accept(&listener, &stop))?;
        }
        log::line(format_args!("listening on http://{}:{}/mcp", self.host, self.port));
        self.stop.wait();
        // Nobody waits for these threads: a client may hold one up.
        shutters.iter().for_each(|listener| drop(listener.shutdown(Shutdown::Both)));
        guard.close();
        service.mcp.close();
        guard.answered.wait_empty(FAREWELL);
        guard.backend().close();
        Ok(())
    }
}

/// Listens on the loopback addresses that this machine has.
fn loopback(port: u16) -> Result<Vec<TcpListener>, Error> {
    let four = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (first, port) = match TcpListener::bind(four) {
        Ok(listener) => {
            let port = listener.local_addr().map_or(port, |address| address.port());
            (Ok(listener), port)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(refused(&error, four)),
        // A machine may have IPv6 alone.
        Err(error) => (Err(refused(&error, four)), port),
    };
    match TcpListener::bind((Ipv6Addr::LOCALHOST, port)) {
        Ok(second) => Ok(first.into_iter().chain([second]).collect()),
        Err(error) => {
            if error.kind() == io::ErrorKind::AddrInUse {
                log::warn(format_args!("[::1]:{port} is in use by another program: call http://127.0.0.1:{port}/mcp"));
            }
            Ok(vec![first?])
        }
    }
}

fn start(name: &str, job: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(job);
    let no_thread = |error| Error::new(Kind::Internal, format!("no thread to accept connections: {error}"));
    spawned.map(drop).map_err(no_thread)
}

fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

fn refused(error: &io::Error, address: SocketAddr) -> Error {
    let port = address.port();
    let (error, hint) = match error.kind() {
        io::ErrorKind::AddrInUse => (
            Error::new(Kind::Busy, format!("port {port} is in use")),
            "set PORT to a port that is free, or stop the program that has this one",
        ),
        io::ErrorKind::AddrNotAvailable => (
            Error::new(Kind::Usage, format!("{} is no address of this machine", address.ip())),
            "set IKVM_LISTEN to one that `ip address` shows",
        ),
        _ => (Error::new(Kind::Internal, format!("{address}: {error}")), "set PORT or IKVM_LISTEN to another"),
    };
    error.doing("listening").hint(hint)
}

/// What answers requests.
struct Service {
    mcp: Mcp,
    beat: Duration,
    calls: Arc<Gate>,
}

impl Service {
    /// Answers on a thread of its own.
    fn dispatch(self: &Arc<Self>, request: Request) {
        let service = Arc::clone(self);
        let job = move || service.answer(request);
        if let Err(error) = thread::Builder::new().name("request".into()).spawn(job) {
            log::error(format_args!("no thread for a request: {error}"));
        }
    }

    /// Answers what the guard let through: the whole of a message, or a question for our health.
    fn answer(&self, mut request: Request) {
        if request.url() == "/health" {
            return Whole::text(200, "ok").send(request);
        }
        let mut body = Vec::with_capacity(request.body_length().unwrap_or_default());
        if request.as_reader().read_to_end(&mut body).is_err() {
            // The client has gone.
            return;
        }
        let headers = Headers {
            protocol_version: header(&request, "MCP-Protocol-Version"),
            method: header(&request, "Mcp-Method"),
            name: header(&request, "Mcp-Name"),
            session: header(&request, "Mcp-Session-Id"),
            user_agent: header(&request, "User-Agent"),
        };
        match self.mcp.receive(&body, Some(&headers)) {
            Received::Nothing => Whole::accepted().send(request),
            Received::Answer(answer) => Whole::answer(&answer).send(request),
            Received::Work(work) => self.work(request, work),
        }
    }

    fn work(&self, request: Request, work: Work) {
        let Some(permit) = self.calls.try_enter() else {
            return Whole::busy().send(request);
        };
        if !accepts_events(&request) {
            return Whole::outcome(work.without_progress().begin(permit).finish()).send(request);
        }
        let is_slow = work.is_slow();
        let running = work.begin(permit);
        // What is usually quick is not worth a stream, unless it takes its time today.
        if !is_slow {
            if let Step::Done(answer) = running.wait(self.beat / 2) {
                return Whole::outcome(answer).send(request);
            }
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

/// Whether the client reads an event stream, and speaks an HTTP in which one can end.
fn accepts_events(request: &Request) -> bool {
    let accept = header(request, "Accept").unwrap_or_default();
    let mut ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
    let named = ranges.any(|mut parts| {
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
            && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    });
    named && *request.http_version() >= (1, 1)
}

/// The value of a header; the guard passes each on once.
fn header(request: &Request, name: &str) -> Option<String> {
    let found = request.headers().iter().find(|header| header.field.as_str().as_str().eq_ignore_ascii_case(name));
    found.map(|header| header.value.as_str().to_owned())
}
