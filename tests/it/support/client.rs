//! A small HTTP client that shows what really comes over the connection, piece by piece.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::secrets;

/// Longer than any test waits: where it ends, the test has failed.
const LONG: Duration = Duration::from_secs(60);

/// A connection to a server on loopback.
pub struct Client {
    port: u16,
    reader: BufReader<TcpStream>,
}

/// The head of an answer, and its body unless that is a stream.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn is_stream(&self) -> bool {
        self.header("content-type") == Some("text/event-stream")
    }
}

impl Client {
    pub fn connect(port: u16) -> Self {
        Self::over(port, TcpStream::connect(("127.0.0.1", port)).unwrap())
    }

    /// The same over a connection that is there.
    pub fn over(port: u16, stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(LONG)).unwrap();
        Self { port, reader: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    /// The same to a server that may have ended the connection.
    pub fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Posts a message to the endpoint, with these headers (one a line) besides those that every request has.
    pub fn post(&mut self, message: &str, headers: &str) {
        let headers: String = headers.lines().map(|line| format!("{}\r\n", line.trim())).collect();
        let host = format!("Host: localhost:{}\r\n", self.port);
        let kind = "Content-Type: application/json\r\n";
        let length = message.len();
        self.send(
            format!("POST /mcp HTTP/1.1\r\n{host}{kind}{headers}Content-Length: {length}\r\n\r\n{message}").as_bytes(),
        );
    }

    /// Posts and reads the answer.
    pub fn ask(&mut self, message: &str, headers: &str) -> Answer {
        self.post(message, headers);
        self.answer()
    }

    /// The next answer; of a stream the head alone.
    pub fn answer(&mut self) -> Answer {
        let status = self.line().split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line();
            match line.split_once(": ") {
                Some((key, value)) => answer.headers.push((key.to_owned(), value.to_owned())),
                None => break,
            }
        }
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut answer.body).unwrap();
        }
        secrets::assert_none(format!("{:?}", answer.headers));
        secrets::assert_none(&answer.body);
        answer
    }

    /// The next event of a stream, as it is; `None` at its end.
    pub fn event(&mut self) -> Option<String> {
        let length = usize::from_str_radix(&self.line(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        self.reader.read_exact(&mut chunk).unwrap();
        let chunk = String::from_utf8(chunk).unwrap();
        secrets::assert_none(&chunk);
        let event = chunk.strip_suffix("\r\n").unwrap().to_owned();
        (length > 0).then_some(event)
    }

    /// Whether the server ended the connection.
    pub fn is_closed(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(<[u8]>::is_empty)
    }

    /// Whether an answer comes: not so when the server ended the connection, in whatever way.
    pub fn is_answered(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty())
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        line.strip_suffix("\r\n").unwrap_or_else(|| panic!("cut off: {line:?}")).to_owned()
    }
}

/// The message in an event.
pub fn message(event: &str) -> Value {
    let data = event.strip_prefix("event: message\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).unwrap();
    assert!(!data.contains('\n'));
    serde_json::from_str(data).unwrap()
}
