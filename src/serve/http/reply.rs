//! Answers on the wire: whole ones through tiny_http, event streams by hand, and the refusals of the guard.
//!
//! Source: RFC 9112 section 7.1 (chunks); WHATWG HTML, "Server-sent events". tiny_http's own chunked response keeps
//! everything until its end, so a stream is written to the connection directly, and flushed event by event.

use std::io::{self, Write};

use serde_json::Value;
use tiny_http::{Header, Request, Response, StatusCode};

use super::super::{MAX_CALLS, MAX_MESSAGE};
use crate::mcp::Answer;

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
    X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Why a request goes no further; the connection ends with it, for nobody knows where the next one would begin.
#[derive(Debug)]
pub(super) struct Refusal {
    status: u16,
    what: String,
    header: &'static str,
}

impl Refusal {
    /// `what` is one sentence for the one who asked.
    pub(super) fn new(status: u16, what: impl Into<String>) -> Self {
        Self { status, what: what.into(), header: "" }
    }

    pub(super) fn too_large() -> Self {
        Self::new(413, format!("content too large: at most {MAX_MESSAGE} bytes are read"))
    }

    pub(super) fn busy(what: &str) -> Self {
        Self::new(503, format!("{what}; try again soon")).with("Retry-After: 1")
    }

    /// A line to go into the head.
    pub(super) fn with(self, header: &'static str) -> Self {
        Self { header, ..self }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> u16 {
        self.status
    }

    /// The answer as it goes over the wire.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let Self { status, what, header } = self;
        let (phrase, length) = (StatusCode(*status).default_reason_phrase(), what.len());
        let separator = if header.is_empty() { "" } else { "\r\n" };
        let head =
            format!("Content-Type: {TEXT}\r\nContent-Length: {length}\r\nConnection: close\r\n{header}{separator}");
        format!("HTTP/1.1 {status} {phrase}\r\n{head}\r\n{what}").into_bytes()
    }
}

/// An answer that is known as a whole.
pub(super) struct Whole {
    status: u16,
    headers: Vec<Header>,
    body: Vec<u8>,
}

impl Whole {
    fn new(status: u16, kind: &str, body: Vec<u8>) -> Self {
        Self { status, headers: Vec::new(), body }.with("Content-Type", kind)
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Self::new(status, TEXT, text.as_bytes().to_vec())
    }

    pub(super) fn accepted() -> Self {
        Self { status: 202, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn busy() -> Self {
        Self::text(503, &format!("{MAX_CALLS} calls are at work, the limit; try again when one has ended"))
            .with("Retry-After", "5")
    }

    pub(super) fn answer(answer: &Answer) -> Self {
        let whole = Self::new(answer.status, JSON, answer.message.to_string().into_bytes());
        match &answer.session {
            Some(session) => whole.with("Mcp-Session-Id", session),
            None => whole,
        }
    }

    /// How work ended; a cancelled call has no message to answer with.
    pub(super) fn outcome(message: Option<Value>) -> Self {
        match message {
            Some(message) => Self::new(200, JSON, message.to_string().into_bytes()),
            None => Self::accepted(),
        }
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        // Both are ours, and ASCII.
        self.headers.extend(Header::from_bytes(name, value));
        self
    }

    fn response(self) -> Response<io::Cursor<Vec<u8>>> {
        let mut response =
            Response::from_data(self.body).with_status_code(self.status).with_chunked_threshold(usize::MAX);
        for header in self.headers {
            response.add_header(header);
        }
        response
    }

    pub(super) fn send(self, request: Request) {
        // Who has gone by now has no use for an error.
        let _ = request.respond(self.response());
    }
}

/// A stream of server-sent events.
pub(super) struct Events {
    writer: Box<dyn Write + Send>,
}

impl Events {
    /// Sends the head.
    pub(super) fn begin(request: Request) -> io::Result<Self> {
        let mut writer = request.into_writer();
        writer.write_all(HEAD.as_bytes())?;
        writer.flush()?;
        Ok(Self { writer })
    }

    /// Sends a message, in one line as some clients want it.
    pub(super) fn message(&mut self, message: &Value) -> io::Result<()> {
        self.chunk(&format!("event: message\ndata: {message}\n\n"))
    }

    /// Sends what clients skip.
    pub(super) fn comment(&mut self) -> io::Result<()> {
        self.chunk(": still at work\n\n")
    }

    /// Ends the stream; the connection may carry the next request.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.writer.write_all(b"0\r\n\r\n")?;
        self.writer.flush()
    }

    fn chunk(&mut self, text: &str) -> io::Result<()> {
        write!(self.writer, "{:x}\r\n{text}\r\n", text.len())?;
        self.writer.flush()
    }
}
