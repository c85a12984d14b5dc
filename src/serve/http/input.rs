//! What one client sends, read in time and in bounded pieces: heads and bodies.
//!
//! Source: RFC 9112 sections 2.2, 7.1 and 9.6.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use httparse::Status;

use super::super::MAX_MESSAGE;
use super::Limits;
use super::head::{Head, MAX_HEAD};
use super::reply::Refusal;
use crate::base::clock;

/// For what was still on its way when a request was refused.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// What is read at a time, and the size of a piece.
pub(super) const PIECE: usize = 16 << 10;
/// What may stand between two chunks, in bytes.
const MAX_LINE: usize = 1 << 10;

/// Why there is no request.
pub(super) enum End {
    /// The client has gone, or has nothing to say.
    Gone,
    /// Not this one.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// What a client sent and nobody has taken yet.
pub(super) struct Input<'a> {
    client: &'a TcpStream,
    limits: Limits,
    bytes: Vec<u8>,
    at: usize,
}

impl<'a> Input<'a> {
    pub(super) fn new(client: &'a TcpStream, limits: Limits) -> Self {
        Self { client, limits, bytes: Vec::new(), at: 0 }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }

    /// Waits for more.
    fn more(&mut self, until: Instant) -> Result<(), End> {
        self.bytes.drain(..self.at);
        self.at = 0;
        if self.bytes.is_empty() {
            // What a large body took is not kept for the next head.
            self.bytes.shrink_to(PIECE);
        }
        let left = until.saturating_duration_since(clock::now());
        if left.is_zero() {
            return Err(Refusal::new(408, "request timeout: it took too long to arrive").into());
        }
        let mut piece = [0; PIECE];
        match self.client.set_read_timeout(Some(left)).and_then(|()| self.client.read(&mut piece)) {
            Ok(0) => Err(End::Gone),
            Ok(count) => {
                self.bytes.extend_from_slice(&piece[..count]);
                Ok(())
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(()),
            Err(_) => Err(End::Gone),
        }
    }

    /// The next head. A client that says nothing is gone, one that does not come to an end is told.
    pub(super) fn head(&mut self) -> Result<Head, End> {
        let idle = clock::now() + self.limits.idle;
        while self.rest().is_empty() {
            self.more(idle).map_err(|_| End::Gone)?;
        }
        let until = clock::now() + self.limits.head;
        let mut seen = 0;
        loop {
            // Bytes that come one by one are not parsed from the start each time.
            let is_whole = self.rest()[seen..].windows(2).any(|pair| pair == b"\n\r" || pair == b"\n\n");
            if seen == 0 || is_whole || self.rest().len() > MAX_HEAD {
                if let Some((head, length)) = Head::parse(self.rest())? {
                    self.at += length;
                    return Ok(head);
                }
            }
            seen = self.rest().len().saturating_sub(2);
            self.more(until)?;
        }
    }

    /// Tells a client that waits for it to send the body.
    pub(super) fn invite(&mut self) {
        // Who has gone by now is noticed when nothing comes.
        let _ = self.client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// A body of `length` bytes.
    pub(super) fn body(&mut self, length: usize) -> Result<Vec<u8>, End> {
        self.exactly(length, clock::now() + self.limits.body)
    }

    fn exactly(&mut self, length: usize, until: Instant) -> Result<Vec<u8>, End> {
        while self.rest().len() < length {
            self.more(until)?;
        }
        self.at += length;
        Ok(self.bytes[self.at - length..self.at].to_vec())
    }

    /// A body in chunks; `reserve` is told how long it gets before it does.
    pub(super) fn chunked_body(
        &mut self,
        mut reserve: impl FnMut(usize) -> Result<(), Refusal>,
    ) -> Result<Vec<u8>, End> {
        let until = clock::now() + self.limits.body;
        let mut body = Vec::new();
        loop {
            let size = self.line(until, |rest| httparse::parse_chunk_size(rest).map_err(drop))?;
            if size == 0 {
                break;
            }
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if size > MAX_MESSAGE - body.len() {
                return Err(Refusal::too_large().into());
            }
            reserve(body.len() + size)?;
            let chunk = self.exactly(size + 2, until)?;
            body.extend(chunk.strip_suffix(b"\r\n").ok_or_else(bad_chunk)?);
        }
        let trailer = |rest: &[u8]| match rest.windows(2).position(|pair| pair == b"\r\n") {
            Some(end) => Ok(Status::Complete((end + 2, end))),
            None => Ok(Status::Partial),
        };
        while self.line(until, trailer)? > 0 {}
        Ok(body)
    }

    /// What stands between the chunks.
    fn line<T>(&mut self, until: Instant, parse: impl Fn(&[u8]) -> Result<Status<(usize, T)>, ()>) -> Result<T, End> {
        loop {
            match parse(self.rest()) {
                Ok(Status::Complete((length, line))) => {
                    self.at += length;
                    return Ok(line);
                }
                Ok(Status::Partial) if self.rest().len() < MAX_LINE => self.more(until)?,
                _ => return Err(bad_chunk().into()),
            }
        }
    }

    /// Says why not, and takes what was still on its way: closing before would take the answer back.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        let _ = self.client.write_all(&refusal.to_bytes()).and_then(|()| self.client.shutdown(Shutdown::Write));
        let until = clock::now() + FAREWELL_LIMIT;
        while self.more(until).is_ok() {
            self.at = self.bytes.len();
        }
    }
}

fn bad_chunk() -> Refusal {
    Refusal::new(400, "bad request: a chunk of the body is malformed")
}
