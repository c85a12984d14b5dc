//! One connection: a socket, TLS in memory, and a framing in memory.
//!
//! TLS begins with the connection, or later (VeNCrypt).
//!
//! Invariant: one reader blocks on the socket and holds no lock while it does; any thread may lock the state, put
//! bytes into it, and write what came out; shutting the socket down wakes the reader and every writer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::CertificateDer;

use super::stream::{Channel, Read};
use super::tcp::{self, CONNECT_LIMIT};
use super::{Trust, failure, tls};
use crate::base::{Error, Kind, Url, Watch, clock};

/// How long a peer may take to accept what we send.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// How long saying goodbye may take.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);
/// One read from the socket: two TLS records of the largest size.
const CHUNK: usize = 32 * 1024;

/// What lies between the bytes of the connection and the bytes of the console.
pub(super) trait Framing: Send {
    /// Takes what arrived: content goes to `content`, what must be answered to `answer`.
    fn receive(&mut self, bytes: &[u8], content: &mut Vec<u8>, answer: &mut Vec<u8>) -> Result<Flow, Error>;
    /// Wraps content into what is sent.
    fn wrap(&mut self, content: &[u8], wire: &mut Vec<u8>) -> Result<(), Error>;
    /// Says that nothing more will be sent.
    fn goodbye(&mut self, wire: &mut Vec<u8>);
}

/// Whether a stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    Open,
    Ended,
}

/// No framing: the connection's bytes are the content.
pub(super) struct Raw;

impl Framing for Raw {
    fn receive(&mut self, bytes: &[u8], content: &mut Vec<u8>, _: &mut Vec<u8>) -> Result<Flow, Error> {
        content.extend_from_slice(bytes);
        Ok(Flow::Open)
    }

    fn wrap(&mut self, content: &[u8], wire: &mut Vec<u8>) -> Result<(), Error> {
        wire.extend_from_slice(content);
        Ok(())
    }

    fn goodbye(&mut self, _: &mut Vec<u8>) {}
}

/// An open connection.
pub(super) struct Link<F> {
    /// What errors say we were doing.
    doing: String,
    socket: Arc<TcpStream>,
    state: Mutex<State<F>>,
    written: Condvar,
}

struct State<F> {
    tls: Option<Box<ClientConnection>>,
    framing: F,
    /// Content that nobody read yet.
    content: Vec<u8>,
    /// Bytes for the socket.
    outgoing: Vec<u8>,
    /// Whether a thread is writing to the socket; it alone may.
    writing: bool,
    /// Why nothing more will arrive, once nothing will.
    end: Option<Result<(), Error>>,
}

impl Link<Raw> {
    /// Connects to the URL's host, with TLS where its scheme asks for it.
    pub(super) fn open(url: &Url, doing: String, trust: &Trust, watch: &Watch) -> Result<Self, Error> {
        let addresses = tcp::addresses(&url.host, url.port(), watch)?;
        let watch = watch.within("connecting to the console", CONNECT_LIMIT);
        let socket = tcp::connect(&addresses, &watch)?;
        let state =
            State { tls: None, framing: Raw, content: Vec::new(), outgoing: Vec::new(), writing: false, end: None };
        let link = Self { doing, socket: Arc::new(socket), state: Mutex::new(state), written: Condvar::new() };
        if url.is_tls() {
            link.start_tls(&url.host, trust, &watch)?;
        }
        Ok(link)
    }

    /// Puts TLS under everything that follows; the reader calls it, and nothing that was read may be unused.
    pub(super) fn start_tls(&self, host: &str, trust: &Trust, watch: &Watch) -> Result<(), Error> {
        self.state().tls = Some(Box::new(trust.session(host).map_err(|error| tls::explain(&error))?));
        self.handshake(watch)
    }

    fn handshake(&self, watch: &Watch) -> Result<(), Error> {
        let watch = watch.within("the TLS handshake", CONNECT_LIMIT);
        let _hook = self.shut_down_on_cancel(&watch);
        loop {
            let (going_on, ended) = {
                let mut state = self.state();
                state.seal(&[])?;
                (state.tls.as_ref().is_some_and(|tls| tls.is_handshaking()), state.end.clone())
            };
            self.flush(watch.deadline()).or_else(|error| watch.left().and(Err(error)))?;
            if !going_on {
                return Ok(());
            }
            if let Some(end) = ended {
                watch.left()?;
                end?;
                let what = "it closed the connection during the TLS handshake";
                return Err(
                    Error::new(Kind::Peer, what).hint("check whether it speaks TLS on this port, and TLS 1.2 or newer")
                );
            }
            watch.left()?;
            self.fill(watch.deadline());
        }
    }

    pub(super) fn local_ip(&self) -> Option<IpAddr> {
        self.socket.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// What the server presented in its TLS handshake, its own certificate first.
    pub(super) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let state = self.state();
        let chain = state.tls.as_ref().and_then(|tls| tls.peer_certificates()).unwrap_or_default();
        chain.iter().map(|certificate| certificate.clone().into_owned()).collect()
    }

    /// Puts a framing over the connection; what was read beyond the upgrade is its beginning.
    pub(super) fn framed<F: Framing>(self, framing: F, beginning: &[u8]) -> Link<F> {
        let old = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut state =
            State { tls: old.tls, framing, content: Vec::new(), outgoing: old.outgoing, writing: false, end: None };
        if !beginning.is_empty() {
            let flow = state.unframe(beginning);
            state.settle(flow);
        }
        state.end = state.end.or(old.end);
        let link = Link { doing: self.doing, socket: self.socket, state: Mutex::new(state), written: Condvar::new() };
        link.answer();
        link
    }
}

impl<F: Framing> Link<F> {
    /// Ends every wait on this connection when the work is cancelled.
    pub(super) fn shut_down_on_cancel(&self, watch: &Watch) -> impl Drop + use<F> {
        let socket = Arc::clone(&self.socket);
        watch.on_cancel(move || _ = socket.shutdown(Shutdown::Both))
    }

    /// [`Channel::read`], for a caller that says itself what it was doing.
    pub(super) fn receive(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error> {
        loop {
            let mut state = self.state();
            if !state.content.is_empty() {
                buffer.append(&mut state.content);
                return Ok(Read::Data);
            }
            if let Some(end) = &state.end {
                return end.clone().map(|()| Read::Closed);
            }
            drop(state);
            if !self.fill(until) {
                return Ok(Read::TimedOut);
            }
        }
    }

    /// [`Channel::send`], for a caller that says itself what it was doing.
    pub(super) fn transmit(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        if let Some(end) = &state.end {
            end.clone()?;
            return Err(Error::new(Kind::Peer, "the connection is closed"));
        }
        let mut wire = Vec::new();
        state.framing.wrap(bytes, &mut wire)?;
        state.seal(&wire)?;
        drop(state);
        self.flush(clock::now() + SEND_LIMIT)
    }

    fn state(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads from the socket once, and takes in what came. False when the time was up first.
    fn fill(&self, until: Instant) -> bool {
        let mut chunk = [0; CHUNK];
        let received = loop {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            let result = self.socket.set_read_timeout(Some(left)).and_then(|()| (&*self.socket).read(&mut chunk));
            match result {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Rounded to the kernel's tick, the wait can end a little early.
                Err(error) if is_timeout(&error) => {}
                other => break other,
            }
        };
        let mut state = self.state();
        let flow = match received {
            Ok(0) => Ok(Flow::Ended),
            Ok(count) => state.take_in(&chunk[..count]),
            // A console that goes away is not an error of the connection.
            Err(error) if is_hang_up(&error) => Ok(Flow::Ended),
            Err(error) => Err(failure::explain(error)),
        };
        state.settle(flow);
        drop(state);
        self.answer();
        true
    }

    /// Sends what receiving called for: pongs, alerts, the end of a handshake.
    fn answer(&self) {
        if !self.state().outgoing.is_empty() {
            // Where it fails, the connection ends, which the next read tells.
            let _ = self.flush(clock::now() + SEND_LIMIT);
        }
    }

    /// Writes everything that waits to be written, in turn with the other threads.
    fn flush(&self, until: Instant) -> Result<(), Error> {
        let mut state = self.state();
        while state.writing {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(self.stuck());
            }
            state = self.written.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let bytes = std::mem::take(&mut state.outgoing);
        if bytes.is_empty() {
            return Ok(());
        }
        state.writing = true;
        drop(state);
        let result = self.write(&bytes, until);
        let mut state = self.state();
        state.writing = false;
        if let Err(error) = &result {
            // Half a record may be out: nothing can follow it.
            state.settle(Err(error.clone()));
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        drop(state);
        self.written.notify_all();
        result
    }

    fn write(&self, mut bytes: &[u8], until: Instant) -> Result<(), Error> {
        while !bytes.is_empty() {
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Err(self.stuck());
            }
            match self.socket.set_write_timeout(Some(left)).and_then(|()| (&*self.socket).write(bytes)) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted || is_timeout(&error) => {}
                Err(error) => return Err(failure::explain(error)),
            }
        }
        Ok(())
    }

    fn stuck(&self) -> Error {
        let what = format!("it takes no data, the limit is {} s", SEND_LIMIT.as_secs());
        Error::new(Kind::Timeout("sending"), what)
    }
}

impl<F: Framing> Channel for Link<F> {
    fn read(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error> {
        self.receive(buffer, until).map_err(|error| error.doing(&self.doing))
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        self.transmit(bytes).map_err(|error| error.doing(&self.doing))
    }

    fn close(&self) {
        let mut state = self.state();
        if state.end.is_none() {
            let mut wire = Vec::new();
            state.framing.goodbye(&mut wire);
            // Nobody is left to tell when this fails.
            let _ = state.seal(&wire);
            if let Some(tls) = &mut state.tls {
                tls.send_close_notify();
            }
            let _ = state.seal(&[]);
            state.end = Some(Ok(()));
            drop(state);
            let _ = self.flush(clock::now() + GOODBYE_LIMIT);
        }
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl<F: Framing> State<F> {
    /// Puts framed bytes through TLS into what is to be written.
    fn seal(&mut self, wire: &[u8]) -> Result<(), Error> {
        let Some(tls) = &mut self.tls else {
            self.outgoing.extend_from_slice(wire);
            return Ok(());
        };
        tls.writer().write_all(wire).map_err(failure::explain)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.outgoing).map_err(failure::explain)?;
        }
        Ok(())
    }

    /// Puts bytes of the socket through TLS and the framing.
    fn take_in(&mut self, mut bytes: &[u8]) -> Result<Flow, Error> {
        if self.tls.is_none() {
            return self.unframe(bytes);
        }
        let mut plain = Vec::new();
        while let Some(tls) = self.tls.as_mut().filter(|_| !bytes.is_empty()) {
            if tls.read_tls(&mut bytes).map_err(failure::explain)? == 0 {
                return Ok(Flow::Ended); // after close_notify
            }
            let processed = tls.process_new_packets();
            if processed.is_err() {
                let _ = self.seal(&[]); // the alert that tells the peer why
            }
            let processed = processed.map_err(|error| tls::explain(&error))?;
            if let Some(tls) = &mut self.tls {
                plain.resize(processed.plaintext_bytes_to_read(), 0);
                tls.reader().read_exact(&mut plain).map_err(failure::explain)?;
            }
            self.seal(&[])?;
            let flow = self.unframe(&plain)?;
            if flow == Flow::Ended || processed.peer_has_closed() {
                return Ok(Flow::Ended);
            }
        }
        Ok(Flow::Open)
    }

    fn unframe(&mut self, bytes: &[u8]) -> Result<Flow, Error> {
        let mut answer = Vec::new();
        let flow = self.framing.receive(bytes, &mut self.content, &mut answer);
        if !answer.is_empty() {
            self.seal(&answer)?;
        }
        flow
    }

    /// Remembers how the stream ended; what ended it first stays.
    fn settle(&mut self, flow: Result<Flow, Error>) {
        if self.end.is_none() {
            self.end = match flow {
                Ok(Flow::Open) => None,
                Ok(Flow::Ended) => Some(Ok(())),
                Err(error) => Some(Err(error)),
            };
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_hang_up(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
