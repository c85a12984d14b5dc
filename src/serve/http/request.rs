//! The ladder: what is looked at in a request, in which order, and what it is answered if that is not right.
//!
//! | rung | else |
//! |---|---|
//! | path is `/mcp` or `/health` | 404, also for OAuth discovery: a 200 there is read as metadata |
//! | `Origin` and `Host` name this machine | 403: a web page may not reach in, nor a name that points here |
//! | method is POST | 405: no GET stream, no session to DELETE |
//! | `Content-Type` is JSON | 415: also what a browser may not send unasked |
//! | body is framed in one way and at most 4 MiB | 400, 413 |
//! | the message | what `mcp` says |
//!
//! Source: MCP, "Streamable HTTP", "Security Warning"; RFC 9110, RFC 9112 section 6.

use std::io::{self, Read};

use tiny_http::{Header, Method, Request};

use super::super::MAX_MESSAGE;
use super::reply::Whole;
use crate::mcp::{Headers, Mcp, Received, Work};

/// So much of a chunked body that is too large is read away, in bytes.
const MAX_SKIPPED: u64 = 64 << 20;

/// Whom this server talks to.
pub(super) struct Rules {
    hosts: Vec<String>,
}

/// What a request came to.
pub(super) enum Reply {
    /// This answer.
    Whole(Whole),
    /// Something to do first.
    Work(Work),
}

impl Rules {
    /// Host names without ports, an IPv6 address in brackets, besides those of the loopback interface.
    pub(super) fn new(hosts: &[String]) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        Self { hosts: loopback.into_iter().chain(hosts.iter().map(|host| host.to_ascii_lowercase())).collect() }
    }

    /// The answer to a request whose announced body is within the limit.
    pub(super) fn ladder(&self, request: &mut Request, mcp: &Mcp) -> Reply {
        match self.refusal(request) {
            Some(whole) => return Reply::Whole(whole),
            None if path(request) == "/health" => return Reply::Whole(Whole::text(200, "ok")),
            None => {}
        }
        let body = match read_body(request) {
            Ok(body) => body,
            Err(whole) => return Reply::Whole(whole),
        };
        let headers = Headers {
            protocol_version: header(request, "MCP-Protocol-Version"),
            method: header(request, "Mcp-Method"),
            name: header(request, "Mcp-Name"),
            session: header(request, "Mcp-Session-Id"),
        };
        match mcp.receive(&body, Some(&headers)) {
            Received::Nothing => Reply::Whole(Whole::accepted()),
            Received::Answer(answer) => Reply::Whole(Whole::answer(&answer)),
            Received::Work(work) => Reply::Work(work),
        }
    }

    /// Why the head alone is enough to say no.
    fn refusal(&self, request: &Request) -> Option<Whole> {
        let is_health = match path(request) {
            "/mcp" => false,
            "/health" => true,
            _ => return Some(Whole::text(404, "not found: the endpoint is /mcp")),
        };
        if header(request, "Origin").is_some_and(|origin| !self.allows_origin(&origin)) {
            return Some(Whole::text(403, "forbidden: this Origin is not allowed"));
        }
        if !header(request, "Host").is_some_and(|host| self.allows_host(&host)) {
            return Some(Whole::text(403, "forbidden: this Host is not allowed"));
        }
        match (is_health, request.method()) {
            (true, Method::Get | Method::Head) => return None,
            (true, _) => return Some(Whole::text(405, "method not allowed").with("Allow", "GET, HEAD")),
            (false, Method::Post) => {}
            (false, _) => return Some(Whole::text(405, "method not allowed").with("Allow", "POST")),
        }
        let kind = header(request, "Content-Type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Some(Whole::text(415, "unsupported media type: send application/json"));
        }
        None
    }

    fn allows_host(&self, authority: &str) -> bool {
        let host = match authority.find(']') {
            Some(end) if authority.starts_with('[') => &authority[..=end],
            _ => authority.split(':').next().unwrap_or_default(),
        };
        self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| self.allows_host(authority))
    }
}

/// Whether the client reads an event stream, and speaks an HTTP in which one can end.
pub(super) fn accepts_events(request: &Request) -> bool {
    let accept = header(request, "Accept").unwrap_or_default();
    let mut ranges = accept.split(',').map(|range| range.split(';').map(str::trim));
    let named = ranges.any(|mut parts| {
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
            && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    });
    named && *request.http_version() >= (1, 1)
}

fn path(request: &Request) -> &str {
    request.url().split('?').next().unwrap_or_default()
}

/// The value of a header; several of the same name count as one with commas, so that no two of them can be told
/// apart from what somebody else read.
fn header(request: &Request, name: &str) -> Option<String> {
    let values: Vec<&str> = request.headers().iter().filter(|h| is_named(h, name)).map(|h| h.value.as_str()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

fn is_named(header: &Header, name: &str) -> bool {
    header.field.as_str().as_str().eq_ignore_ascii_case(name)
}

/// The body, or the answer to one that cannot be had.
fn read_body(request: &mut Request) -> Result<Vec<u8>, Whole> {
    let broken = |what| Whole::text(400, what);
    let encoding = header(request, "Transfer-Encoding");
    let length = header(request, "Content-Length");
    let is_upgrade = header(request, "Connection").is_some_and(|value| value.to_ascii_lowercase().contains("upgrade"));
    let announced = match (encoding, length) {
        // Who reads a body differently from us would see other requests in it.
        (Some(_), Some(_)) => return Err(broken("bad request: both Transfer-Encoding and Content-Length")),
        (Some(encoding), None) if is_upgrade || !encoding.eq_ignore_ascii_case("chunked") => {
            return Err(broken("bad request: this Transfer-Encoding is not understood"));
        }
        (Some(_), None) => None,
        (None, Some(length)) => {
            let is_number = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
            let announced = request.body_length().filter(|_| is_number);
            Some(announced.ok_or_else(|| broken("bad request: this Content-Length is not a number"))?)
        }
        (None, None) => Some(0),
    };
    let reader = request.as_reader();
    let mut body = Vec::new();
    // A connection that asks for an upgrade has no end of its own: `take` gives it one.
    let limit = announced.unwrap_or(MAX_MESSAGE + 1);
    let read = reader.take(limit as u64).read_to_end(&mut body);
    let got = read.map_err(|_| broken("bad request: the body cannot be read"))?;
    if announced.is_some_and(|announced| got < announced) {
        return Err(broken("bad request: the body is shorter than announced"));
    }
    if got > MAX_MESSAGE {
        // The next request begins behind it; who sends for ever loses the connection.
        let _ = io::copy(&mut reader.take(MAX_SKIPPED), &mut io::sink());
        return Err(Whole::too_large());
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_an_allowed_host_or_origin() {
        let rules = Rules::new(&["Jump.example".to_owned()]);
        for host in ["localhost", "LOCALHOST:3001", "127.0.0.1:1", "[::1]:3001", "[::1]", "jump.example:80"] {
            assert!(rules.allows_host(host), "{host}");
            assert!(rules.allows_origin(&format!("http://{host}")), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.2", "::1", "localhost, evil.example"] {
            assert!(!rules.allows_host(host), "{host}");
        }
        for origin in
            ["null", "", "localhost", "file://localhost", "http://evil.example", "https://localhost.evil.example"]
        {
            assert!(!rules.allows_origin(origin), "{origin}");
        }
    }
}
