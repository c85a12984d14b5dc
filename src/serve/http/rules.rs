//! The rungs of the ladder that a request's head has to climb: who asks, for what, and in which form.
//!
//! | rung | else |
//! |---|---|
//! | the token, where one is set; `/health` tells nothing and needs none | 401 |
//! | path is `/mcp` or `/health` | 404, also for OAuth discovery: a 200 there is read as metadata |
//! | `Origin` and `Host` name this machine | 403: a web page may not reach in, nor a name that points here |
//! | method is POST | 405: no GET stream, no session to DELETE |
//! | `Content-Type` is JSON | 415: also what a browser may not send unasked |
//!
//! Then comes the body, of which `guard` tells, and what the message says, which `mcp` looks at.
//! Source: MCP, "Streamable HTTP", "Security Warning"; RFC 6750; RFC 9110.

use std::net::IpAddr;

use ring::hmac;

use super::head::Head;
use super::reply::Refusal;
use crate::base::{Error, Secret, random};

/// Whom this server talks to.
pub(super) struct Rules {
    hosts: Vec<String>,
    origins: Vec<String>,
    has_any_address: bool,
    token: Option<Token>,
}

/// A token as something to compare with in constant time: its mark under a key that lives as long as the process.
struct Token {
    key: hmac::Key,
    mark: hmac::Tag,
}

impl Rules {
    /// Host names without ports, an IPv6 address in brackets, besides those of the loopback interface.
    pub(super) fn new(hosts: &[String]) -> Self {
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned);
        let hosts = loopback.into_iter().chain(hosts.iter().cloned()).collect();
        Self { hosts, origins: Vec::new(), has_any_address: false, token: None }
    }

    /// Web pages that may call: scheme, host and port as browsers send them.
    pub(super) fn with_origins(self, origins: Vec<String>) -> Self {
        Self { origins, ..self }
    }

    /// Any address as `Host`, for a server that listens to a network: only a name can be made to point here.
    pub(super) fn with_any_address(self) -> Self {
        Self { has_any_address: true, ..self }
    }

    /// Nobody but who shows this token.
    pub(super) fn with_token(self, token: &Secret) -> Result<Self, Error> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, random::hex::<32>()?.as_bytes());
        let mark = hmac::sign(&key, token.reveal().as_bytes());
        Ok(Self { token: Some(Token { key, mark }), ..self })
    }

    /// Why the head alone is enough to say no.
    pub(super) fn refusal(&self, head: &Head) -> Option<Refusal> {
        let is_health = head.path() == "/health";
        if !is_health {
            if let Some(refusal) = self.unauthorized(head) {
                return Some(refusal);
            }
            if head.path() != "/mcp" {
                return Some(Refusal::new(404, "not found: the endpoint is /mcp"));
            }
        }
        if head.header("Origin").is_some_and(|origin| !self.allows_origin(&origin)) {
            return Some(Refusal::new(403, "forbidden: this Origin is not allowed (IKVM_ALLOWED_ORIGINS)"));
        }
        if !head.header("Host").is_some_and(|host| self.allows_host(&host)) {
            return Some(Refusal::new(403, "forbidden: this Host is not allowed (IKVM_ALLOWED_HOSTS)"));
        }
        match (is_health, head.method.as_str()) {
            (true, "GET" | "HEAD") => return None,
            (true, _) => return Some(Refusal::new(405, "method not allowed").with("Allow: GET, HEAD")),
            (false, "POST") => {}
            (false, _) => return Some(Refusal::new(405, "method not allowed").with("Allow: POST")),
        }
        let kind = head.header("Content-Type").unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Some(Refusal::new(415, "unsupported media type: send application/json"));
        }
        None
    }

    fn unauthorized(&self, head: &Head) -> Option<Refusal> {
        let token = self.token.as_ref()?;
        let shown = head.header("Authorization");
        let refused = |what: &str, challenge| Some(Refusal::new(401, format!("unauthorized: {what}")).with(challenge));
        let Some((scheme, shown)) = shown.as_deref().and_then(|value| value.split_once(' ')) else {
            return refused("send the header Authorization: Bearer TOKEN", "WWW-Authenticate: Bearer");
        };
        let is_right = hmac::verify(&token.key, shown.trim().as_bytes(), token.mark.as_ref()).is_ok();
        if scheme.eq_ignore_ascii_case("bearer") && is_right {
            return None;
        }
        refused("this is not the token (IKVM_TOKEN)", "WWW-Authenticate: Bearer error=\"invalid_token\"")
    }

    fn allows_host(&self, authority: &str) -> bool {
        let host = match authority.find(']') {
            Some(end) if authority.starts_with('[') => &authority[..=end],
            _ => authority.split(':').next().unwrap_or_default(),
        };
        let is_address = || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        self.hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host)) || self.has_any_address && is_address()
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| self.allows_host(authority))
            || self.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
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

    #[test]
    fn a_server_on_a_network_is_called_by_any_address_and_no_other_name() {
        let rules = Rules::new(&[]).with_any_address().with_origins(vec!["https://page.example:8443".to_owned()]);
        for host in ["192.0.2.7", "192.0.2.7:3001", "[2001:db8::7]:3001"] {
            assert!(rules.allows_host(host), "{host}");
        }
        assert!(!rules.allows_host("evil.example"));
        assert!(rules.allows_origin("https://page.example:8443"));
        for origin in ["https://page.example", "http://page.example:8443", "https://page.example:8443.evil.example"] {
            assert!(!rules.allows_origin(origin), "{origin}");
        }
    }
}
