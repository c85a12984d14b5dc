//! The way to the console of older AMI firmware, of the Java era: the RPC login, the viewer's JNLP, IVTP right on TCP.
//!
//! Source: AMI MegaRAC, older MegaRAC, transports, VALIDATE body. Observed by others on ASUS (ASMB8) and Lenovo (RD450X)
//! boards; untested on hardware.
//!
//! | request | gives |
//! |---|---|
//! | POST /rpc/WEBSES/create.asp | the session's cookie; on some firmware a CSRF token |
//! | GET /Java/jviewer.jnlp | the KVM token, for one session, and the port that listens from now on |
//! | TCP 7578, or TLS 7582 | the console |
//! | GET /rpc/WEBSES/logout.asp | the end |
//!
//! Deliberately absent: the console behind the web port (single port).

use std::sync::Arc;

use super::super::{Attempt, Call};
use super::{check, no_session, no_token, refused, turned_away, value};
use crate::base::bytes::clean_text;
use crate::base::url::percent_encode;
use crate::base::{Bmc, Error, Kind, Secret, Url, Watch};
use crate::ivtp::{Config, Era, Hello};
use crate::net::http::CALL_LIMIT;
use crate::net::{Client, Method, Plain, Request, Response, Trust};

/// Ends a session.
pub(super) const LOGOUT: &str = "/rpc/WEBSES/logout.asp";
/// Of `-oemfeatures`: the firmware knows reconnection.
const RECONNECT: u64 = 1 << 5;
/// How much is repeated of the word for why there is no session, in characters.
const MAX_REASON: usize = 100;
const PORT: u16 = 7578;
const TLS_PORT: u16 = 7582;

/// A session of the web server.
pub(super) struct Session {
    pub(super) url: Url,
    user: String,
    cookie: Secret,
    csrf: Option<Secret>,
}

impl Session {
    /// Sends the name and the password, once, and is not cut short: a session whose cookie never came could not be ended.
    pub(super) fn begin(client: &Client, bmc: &Bmc) -> Result<Self, Error> {
        let watch = Watch::new("logging in to the BMC", CALL_LIMIT);
        let url = bmc.url.with(&bmc.url.scheme, "/rpc/WEBSES/create.asp");
        let headers = vec![("Content-Type", "application/x-www-form-urlencoded".to_owned())];
        let (user, password) = (percent_encode(&bmc.user), percent_encode(bmc.password.reveal()));
        let body = Some(format!("WEBVAR_USERNAME={user}&WEBVAR_PASSWORD={password}").into_bytes());
        let answer = client.send_leniently(&Request { method: Method::Post, url: &url, headers, body }, &watch)?;
        let cookie = session_cookie(&answer).map_err(|error| error.doing(format!("POST {url}")))?;
        let csrf = field(&answer.text(), "CSRFTOKEN").and_then(value);
        Ok(Self { url: bmc.url.clone(), user: bmc.user.clone(), cookie, csrf })
    }

    /// Has the BMC open the console's port, and connects to it.
    pub(super) fn dial(&self, client: &Client, trust: &Trust, attempt: Attempt, watch: &Watch) -> Result<Call, Error> {
        let viewer = self.viewer(client, &watch.within("requesting the viewer's JNLP", CALL_LIMIT))?;
        let channel = Plain::open(&self.url.host, viewer.port, watch)?;
        if viewer.is_tls {
            channel.start_tls(trust, watch)?;
        }
        // Firmware with reconnection was seen to take the longer body; the second time it is the other of the two.
        let knows_reconnection = viewer.knows_reconnection == (attempt == Attempt::First);
        let (hello, era) = if knows_reconnection { (Hello::New, Era::Java) } else { (Hello::None, Era::OldJava) };
        let client_ip = channel.local_ip().map(|ip| ip.to_string()).unwrap_or_default();
        let config =
            Config { token: viewer.token, client_ip, server_ip: None, username: self.user.clone(), hello, era };
        Ok(Call::Ivtp { channel: Arc::new(channel), config })
    }

    fn viewer(&self, client: &Client, watch: &Watch) -> Result<Viewer, Error> {
        let target = format!("/Java/jviewer.jnlp?EXTRNIP={}&JNLPSTR=JViewer", percent_encode(&self.url.host));
        let url = self.url.with(&self.url.scheme, &target);
        let request = Request { method: Method::Get, url: &url, headers: self.headers(), body: None };
        // Observed on ASMB8: 4,134 bytes are announced, about 3,154 come.
        let response = client.send_leniently(&request, watch)?;
        check(&response)
            .and_then(|()| Viewer::parse(&response.text()))
            .map_err(|error| error.doing(format!("GET {url}")))
    }

    /// The token goes with every request: without it some pages are a login page.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Cookie", format!("SessionCookie={}", self.cookie.reveal()))];
        headers.extend(self.csrf.iter().map(|csrf| ("CSRFTOKEN", csrf.reveal().to_owned())));
        headers
    }
}

/// The cookie of the session that an answer to the login begins.
fn session_cookie(answer: &Response) -> Result<Secret, Error> {
    if matches!(answer.status, 404 | 405) {
        let what = "the BMC has neither the REST login nor the older one (RPC)";
        let hint = "check that console is the address of an AMI MegaRAC's web page";
        return Err(Error::new(Kind::Unsupported, what).hint(hint));
    }
    check(answer)?;
    let text = answer.text();
    let status = field(&text, "HAPI_STATUS").and_then(|status| status.parse().ok()).unwrap_or(0_i64);
    match field(&text, "SESSION_COOKIE") {
        // Where a cookie should be, and HTTP 200 before it, some firmware says why there is none.
        Some(failure) if failure.starts_with("Failure_") => {
            Err(refused(&clean_text(&failure.chars().take(MAX_REASON).collect::<String>())))
        }
        _ if status < 0 => Err(refused(&format!("HAPI_STATUS {status}"))),
        cookie => cookie.and_then(value).ok_or_else(no_session),
    }
}

/// What an answer's script says of `name`: `'name' : 'value'`, or a number without quotes.
fn field<'a>(script: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = script.split_once(name)?;
    let rest = rest.trim_start_matches(['\'', '"']).trim_start().strip_prefix(':')?.trim_start();
    match rest.strip_prefix(['\'', '"']) {
        Some(rest) => rest.split_once(['\'', '"']).map(|(text, _)| text),
        None => rest.split(|c: char| c == ',' || c == '}' || c == ';' || c.is_whitespace()).next(),
    }
}

/// What the Java viewer is started with.
#[derive(Debug)]
struct Viewer {
    token: Secret,
    port: u16,
    is_tls: bool,
    knows_reconnection: bool,
}

impl Viewer {
    /// By the names of the arguments: their places differ.
    fn parse(jnlp: &str) -> Result<Self, Error> {
        if jnlp.contains("session_expired") {
            return Err(Error::new(Kind::Busy, "the BMC has no KVM session left, or ended ours (session_expired)")
                .hint("close another viewer or try again in 30 min"));
        }
        if !jnlp.contains("<jnlp") {
            return Err(turned_away("a page came instead of the viewer's JNLP"));
        }
        let pieces = jnlp.split("<argument>").skip(1);
        let list: Vec<&str> = pieces.filter_map(|rest| Some(rest.split_once("</argument>")?.0.trim())).collect();
        let argument = |name: &str| list.iter().position(|flag| *flag == name).and_then(|at| list.get(at + 1).copied());
        if argument("-singleportenabled") == Some("1") {
            let what =
                "the BMC serves its console through its web port (single port), which this program does not speak";
            return Err(Error::new(Kind::Unsupported, what).hint("switch single port off in the BMC's web page"));
        }
        let token = argument("-kvmtoken").filter(|token| !token.starts_with('-')).and_then(value);
        let token = token.ok_or_else(no_token)?;
        let is_tls = argument("-kvmsecure") == Some("1");
        let port = argument("-kvmport").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let port = port.unwrap_or(if is_tls { TLS_PORT } else { PORT });
        let features = argument("-oemfeatures").and_then(|features| features.parse().ok()).unwrap_or(0_u64);
        Ok(Self { token, port, is_tls, knows_reconnection: features & RECONNECT != 0 })
    }
}

#[cfg(test)]
mod tests;
