//! The head of a request as a client sent it, and as it is passed on: one framing, and nothing that nobody reads.
//!
//! Source: RFC 9112 sections 2 to 7. httparse refuses folded lines and spaces before a colon; here a body that could
//! be read in two ways is refused, for whoever reads it differently would see other requests in it.

use httparse::{EMPTY_HEADER, Status};

use super::super::MAX_MESSAGE;
use super::reply::Refusal;

/// The longest head, in bytes: browsers and proxies stay below 16 KiB.
pub(super) const MAX_HEAD: usize = 32 << 10;
/// The most header lines; SDKs send about 15.
const MAX_LINES: usize = 100;
/// What the rest of the program reads.
const READ: [&str; 6] = ["Accept", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id", "User-Agent"];

/// A request's first line and headers.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: String,
    target: String,
    is_1_0: bool,
    headers: Vec<(String, Vec<u8>)>,
}

/// Where the body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// After so many bytes; a request without a body has 0.
    Length(usize),
    /// After the last chunk.
    Chunked,
}

impl Head {
    /// The head that `bytes` begin with, and its length; `None` while it is not whole.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Refusal> {
        let mut lines = [EMPTY_HEADER; MAX_LINES];
        let mut parsed = httparse::Request::new(&mut lines);
        let length = match parsed.parse(bytes) {
            Ok(Status::Complete(length)) if length <= MAX_HEAD => length,
            Ok(Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
            Ok(_) | Err(httparse::Error::TooManyHeaders) => {
                let what = format!("request header too large: at most {MAX_HEAD} bytes and {MAX_LINES} lines are read");
                return Err(Refusal::new(431, what));
            }
            Err(error) => return Err(Refusal::new(400, format!("bad request: {error}"))),
        };
        let head = Self {
            method: parsed.method.unwrap_or_default().to_owned(),
            target: parsed.path.unwrap_or_default().to_owned(),
            is_1_0: parsed.version == Some(0),
            headers: parsed.headers.iter().map(|line| (line.name.to_owned(), line.value.to_vec())).collect(),
        };
        Ok(Some((head, length)))
    }

    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header; several of the same name count as one with commas, so that no two of them can be told
    /// apart from what somebody else read.
    pub(super) fn header(&self, name: &str) -> Option<String> {
        let lines = self.headers.iter().filter(|(line, _)| line.eq_ignore_ascii_case(name));
        let values: Vec<_> = lines.map(|(_, value)| String::from_utf8_lossy(value)).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    fn has(&self, name: &str, token: &str) -> bool {
        self.header(name).is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
    }

    /// Whether the client waits for a word before it sends the body.
    pub(super) fn expects_continue(&self) -> bool {
        self.has("Expect", "100-continue")
    }

    /// Whether no other request follows on the connection.
    pub(super) fn is_last(&self) -> bool {
        self.is_1_0 || self.has("Connection", "close")
    }

    /// How the body is framed: in one way, or the request is refused.
    pub(super) fn framing(&self) -> Result<Framing, Refusal> {
        let broken = |what| Err(Refusal::new(400, format!("bad request: {what}")));
        match (self.header("Transfer-Encoding"), self.header("Content-Length")) {
            (Some(_), Some(_)) => broken("both Transfer-Encoding and Content-Length"),
            (Some(encoding), None) if self.is_1_0 || !encoding.eq_ignore_ascii_case("chunked") => {
                broken("this Transfer-Encoding is not understood")
            }
            (Some(_), None) => Ok(Framing::Chunked),
            (None, None) => Ok(Framing::Length(0)),
            (None, Some(length)) if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) => {
                broken("this Content-Length is not a number")
            }
            // A number that does not fit is beyond the limit, too.
            (None, Some(length)) => match length.parse() {
                Ok(length) if length <= MAX_MESSAGE => Ok(Framing::Length(length)),
                _ => Err(Refusal::too_large()),
            },
        }
    }

    /// The head as it is passed on with a body of `length` bytes: the only request of its connection.
    pub(super) fn forward(&self, length: usize) -> Result<Vec<u8>, Refusal> {
        let version = if self.is_1_0 { "1.0" } else { "1.1" };
        let mut head = format!("{} {} HTTP/{version}\r\n", self.method, self.path());
        for name in READ {
            if let Some(value) = self.header(name) {
                if !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                    return Err(Refusal::new(400, format!("bad request: {name} holds more than printable ASCII")));
                }
                head += &format!("{name}: {value}\r\n");
            }
        }
        head += &format!("Content-Length: {length}\r\nConnection: close\r\n\r\n");
        Ok(head.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &str) -> Head {
        let text = format!("POST /mcp?x=1 HTTP/1.1\r\n{}\r\n\r\n", lines.replace('\n', "\r\n"));
        let (head, length) = Head::parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(length, text.len());
        head
    }

    fn status(text: &str) -> u16 {
        Head::parse(text.as_bytes()).unwrap_err().status()
    }

    #[test]
    fn a_head_is_not_there_until_its_last_byte_is() {
        let text = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for end in 0..text.len() {
            assert!(Head::parse(&text[..end]).unwrap().is_none(), "{end}");
        }
        let (head, length) = Head::parse(&[text, b"rest".as_slice()].concat()).unwrap().unwrap();
        assert_eq!((head.path(), length), ("/health", text.len()));
    }

    #[test]
    fn a_body_is_framed_in_one_way_or_refused() {
        for (lines, framing) in [
            ("Host: x", Framing::Length(0)),
            ("Content-Length: 7", Framing::Length(7)),
            ("Transfer-Encoding: Chunked", Framing::Chunked),
            ("Content-Length: 4194304", Framing::Length(4 << 20)),
        ] {
            assert_eq!(head(lines).framing().unwrap(), framing, "{lines}");
        }
        for (lines, status) in [
            ("Content-Length: 7\nContent-Length: 7", 400),
            ("Content-Length: 7\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", 400),
            ("Transfer-Encoding: gzip, chunked", 400),
            ("Transfer-Encoding: identity", 400),
            ("Content-Length: +7", 400),
            ("Content-Length: 0x7", 400),
            ("Content-Length:", 400),
            ("Content-Length: 4194305", 413),
            ("Content-Length: 18446744073709551616", 413),
        ] {
            assert_eq!(head(lines).framing().unwrap_err().status(), status, "{lines}");
        }
    }

    #[test]
    fn what_is_no_head_is_refused() {
        assert_eq!(status("GET /mcp HTTP/1.1\r\nHost : x\r\n\r\n"), 400);
        assert_eq!(status("GET /mcp HTTP/1.1\r\nA: b\r\n c\r\n\r\n"), 400);
        assert_eq!(status("\u{16}\u{3}\u{1}"), 400);
        assert_eq!(status(&format!("GET /mcp HTTP/1.1\r\n{}", "A: b\r\n".repeat(MAX_LINES + 1))), 431);
        assert_eq!(status(&format!("GET /mcp HTTP/1.1\r\nA: {}", "x".repeat(MAX_HEAD))), 431);
        assert_eq!(status(&format!("GET /mcp HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(MAX_HEAD))), 431);
    }

    #[test]
    fn what_is_passed_on_has_one_framing_and_what_is_read() {
        let forwarded = head("Cookie: a\nTransfer-Encoding: chunked\nmcp-name: x\nMcp-Name: y\nConnection: upgrade");
        assert_eq!(
            String::from_utf8(forwarded.forward(3).unwrap()).unwrap(),
            "POST /mcp HTTP/1.1\r\nMcp-Name: x, y\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
        );
        assert!(head("Cookie: \u{e9}").forward(0).is_ok());
        assert_eq!(head("Mcp-Name: \u{e9}").forward(0).unwrap_err().status(), 400);
    }
}
