//! Addresses of web servers and consoles (RFC 3986, the part that consoles use).
//!
//! Deliberately absent: user information, fragments, percent-decoding.

use std::fmt;

use super::bytes::is_unseen;
use super::{Error, Kind};

/// `scheme://host:port/path?query`. Displays without its query, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case: `https`, `wss` ...
    pub scheme: String,
    /// A name, an IPv4 address, or an IPv6 address without its brackets.
    pub host: String,
    /// The port, where the URL names one.
    pub explicit_port: Option<u16>,
    /// Begins with `/`; without the query.
    pub path: String,
    /// What follows `?`, without it.
    pub query: Option<String>,
}

impl Url {
    /// The root of what `host` (an IPv6 address without brackets) has at `port`.
    pub fn root(scheme: &str, host: &str, port: u16) -> Self {
        let [scheme, host, path] = [scheme, host, "/"].map(str::to_owned);
        Self { scheme, host, explicit_port: Some(port), path, query: None }
    }

    /// Parses an absolute URL; the error does not repeat it, for it may hold a token.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let bad = |what: &str| Error::new(Kind::Usage, format!("not a URL: {what}"));
        if text.chars().any(|c| is_unseen(c) || c.is_whitespace()) {
            return Err(bad("it holds a space or a control character"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("no scheme such as https://"))?;
        if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(bad("a bad scheme"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        if authority.contains('@') {
            return Err(bad("a user name inside it is not supported"));
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let (host, after) = inner.split_once(']').ok_or_else(|| bad("no ] after the IPv6 address"))?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| bad("a bad IPv6 address"))?;
                (host, after.strip_prefix(':').or((!after.is_empty()).then_some("x")))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if host.is_empty() || host.contains(['[', ']', '\\', '"', '<', '>']) {
            return Err(bad("no host"));
        }
        let explicit_port = match port {
            None | Some("") => None,
            Some(port) => Some(port.parse().map_err(|_| bad("a bad port"))?),
        };
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            host: host.to_ascii_lowercase(),
            explicit_port,
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            query,
        })
    }

    /// The port to connect to: the explicit one, else the scheme's own (443 for `https` and `wss`, else 80).
    pub fn port(&self) -> u16 {
        self.explicit_port.unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Whether TLS lies under it.
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "wss")
    }

    /// `host` or `host:port`, as the Host header writes it: an IPv6 address in brackets, the port only where
    /// the URL names one.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.explicit_port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// `scheme://authority`, as the Origin header writes it.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority())
    }

    /// The path with the query: what a request line names.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The whole URL, query included: for the request itself, never for a message.
    pub fn reveal(&self) -> String {
        self.origin() + &self.target()
    }

    /// The first value of a query parameter, percent-decoded.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let pairs = self.query.as_deref()?.split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| percent_decode(value))
    }

    /// This URL with another scheme and target (`/path?query`).
    pub fn with(&self, scheme: &str, target: &str) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (target, None),
        };
        Self { scheme: scheme.to_owned(), path: path.to_owned(), query, ..self.clone() }
    }

    /// Where a `Location` header leads: an absolute URL, `//host`, `/path`, or a path beside this one.
    pub fn join(&self, location: &str) -> Result<Self, Error> {
        let before_host = location.split_once("://").map(|(scheme, _)| scheme);
        if before_host.is_some_and(|scheme| !scheme.contains(['/', '?', '#'])) {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme));
        }
        let location = location.split('#').next().unwrap_or_default();
        let target = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => self.path.clone() + location,
            _ => {
                let folder = self.path.rfind('/').map_or("/", |end| &self.path[..=end]);
                format!("{folder}{location}")
            }
        };
        Self::parse(&(self.origin() + &target))
    }
}

/// `text` with everything but unreserved characters percent-encoded (RFC 3986 section 2.3).
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `text` with its `%XX` replaced; a `%` that begins none stays, what is not UTF-8 is replaced.
pub fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
        });
        match hex {
            Some(value) if byte == b'%' => {
                bytes.push(value);
                rest = &after[2..];
            }
            _ => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Without the query, and with `***` for what looks like a ticket in the path.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments: Vec<_> =
            self.path.split('/').map(|segment| if is_ticket(segment) { "***" } else { segment }).collect();
        write!(f, "{}{}", self.origin(), segments.join("/"))
    }
}

/// Observed: ESXi's `/ticket/52d1c2a9f3e0b7c4`.
fn is_ticket(segment: &str) -> bool {
    segment.len() >= 16 && segment.contains(|ch: char| ch.is_ascii_digit()) && !segment.contains('.')
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_found_and_the_query_is_not_shown() {
        let url = Url::parse("HTTPS://Bmc.example:8443/viewer.html?token=s3cret&x=a%20b#top").unwrap();
        assert_eq!((url.scheme.as_str(), url.host.as_str(), url.port()), ("https", "bmc.example", 8443));
        assert_eq!(url.to_string(), "https://bmc.example:8443/viewer.html");
        assert!(!format!("{url:?}").contains("s3cret"));
        let ticket = Url::parse("wss://esxi.example/ticket/52d1c2a9f3e0b7c4").unwrap();
        assert_eq!(ticket.to_string(), "wss://esxi.example/ticket/***");
        let api = Url::parse("https://eu.api.ovh.com/1.0/dedicated/server/ns1234567.ip-1-2-3.eu").unwrap();
        assert_eq!(api.to_string(), api.reveal());
        assert_eq!(url.query_value("x").as_deref(), Some("a b"));
        assert_eq!(url.reveal(), "https://bmc.example:8443/viewer.html?token=s3cret&x=a%20b");
        assert_eq!(url.with("wss", "/kvm").reveal(), "wss://bmc.example:8443/kvm");
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets_only_where_they_belong() {
        let url = Url::parse("wss://[::1]:443/kvm").unwrap();
        assert_eq!((url.host.as_str(), url.authority().as_str()), ("::1", "[::1]:443"));
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_repeated() {
        for text in [
            "",
            "bmc",
            "https://",
            "https://h:99999/",
            "https://u:p@h/",
            "https://[::1/",
            "https://[::1]x/",
            "ht tp://x",
            "https://h/\u{202e}x",
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.starts_with("not a URL"), "{text}: {error}");
        }
    }

    #[test]
    fn a_location_is_followed_from_where_it_was_given() {
        let url = Url::parse("https://h/a/b?q=1").unwrap();
        for (location, wanted) in [
            ("/c?d=2", "https://h/c?d=2"),
            ("c", "https://h/a/c"),
            ("?d=2", "https://h/a/b?d=2"),
            ("//other/x", "https://other/x"),
            ("http://other:81/", "http://other:81/"),
            ("/c?back=https://h/a", "https://h/c?back=https://h/a"),
            ("?back=https://h/a", "https://h/a/b?back=https://h/a"),
        ] {
            assert_eq!(url.join(location).unwrap().reveal(), wanted);
        }
    }

    #[test]
    fn percent_coding_survives_the_round_trip() {
        let text = "a b&c=d/\u{e9}%";
        assert_eq!(percent_decode(&percent_encode(text)), text);
        assert_eq!(percent_decode("100%"), "100%");
    }
}
