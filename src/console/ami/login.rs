//! The way to an AMI console through its web server: from a viewer URL or a login to a KVM token and the WebSocket.
//!
//! Source: AMI MegaRAC, REST login, SSO viewer URL, KVM token, transports, cleanup; observed by others on ASRock Rack,
//! Gigabyte and ASUS boards.
//!
//! | request | gives |
//! |---|---|
//! | with a viewer URL: GET it, redirects followed | the session's cookie, the CSRF token |
//! | GET /viewer.html | newer values of both, on some boards |
//! | with a login: POST /api/session | the session's cookie, the CSRF token |
//! | GET /api/configuration/project | whether the firmware knows reconnection; once |
//! | GET /api/settings/media/h5viewercfg, else /api/kvm/token | the KVM token, for one session |
//! | WebSocket /kvm | the console |
//! | DELETE /api/session | the end |
//!
//! Where there is no `/api/session`, the firmware may be older, of the Java era: [`rpc`].
//!
//! What answers decides: where the viewer page is noVNC, or there is no KVM token to be had, the console speaks RFB (AMI
//! OneTree, OpenBMC) behind a WebSocket of its own, to which the page's cookies lead.
//!
//! One request at a time, none repeated: retries fill the table of sessions, and lock accounts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::refused::AGAIN;
use super::{Attempt, Call, Line};
use crate::base::url::percent_encode;
use crate::base::{Bmc, Error, Kind, Secret, Url, Watch, log};
use crate::ivtp::{Config, Era, Hello};
use crate::net::http::CALL_LIMIT;
use crate::net::{Client, Method, Peer, Request, Response, Trust, ws};

mod rpc;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// The longest value of a cookie or token that is believed; those seen have 8 to 40 characters.
const MAX_VALUE: usize = 512;
/// A slow BMC takes 2 s for the TLS handshake and the call; a session that it keeps counts for half an hour.
const LOGOUT_LIMIT: Duration = Duration::from_secs(5);
/// With it the firmware waits for a connection-complete packet.
const RECONNECT: &str = "KVM_SESSION_RECONNECT";

/// A BMC reached through its web server.
pub(in crate::console) struct Live {
    entry: Entry,
    client: Client,
    trust: Trust,
    session: Option<WebSession>,
    /// The session of a firmware of the Java era.
    rpc: Option<rpc::Session>,
    /// Every cookie that a page set.
    cookies: Vec<(String, Secret)>,
    /// Whether a page was noVNC.
    is_novnc: bool,
}

/// How a session of the web server begins.
enum Entry {
    /// With a page that signs us on.
    Viewer(Url),
    /// With a name and a password.
    Login(Bmc),
}

/// What identifies us to the web server.
struct WebSession {
    origin: Url,
    cookie: Secret,
    csrf: Option<Secret>,
    /// `None` where the list could not be read.
    knows_reconnection: Option<bool>,
}

impl Live {
    /// Nothing is sent yet. `Kind::Usage` where the URL is none, or not of the web.
    pub(in crate::console) fn new(viewer: &Secret, trust: Trust) -> Result<Self, Error> {
        let viewer = Url::parse(viewer.reveal()).map_err(|error| error.doing("reading the viewer URL"))?;
        if !matches!(viewer.scheme.as_str(), "http" | "https") {
            return Err(Error::new(
                Kind::Usage,
                format!("the viewer URL begins with {}://, not https://", viewer.scheme),
            ));
        }
        Ok(Self::at(Entry::Viewer(viewer), trust))
    }

    /// The same for a BMC that we log in to.
    pub(in crate::console) fn with_login(bmc: Bmc, trust: Trust) -> Self {
        Self::at(Entry::Login(bmc), trust)
    }

    fn at(entry: Entry, trust: Trust) -> Self {
        let client = Client::new(Peer::Bmc, trust.clone());
        Self { entry, client, trust, session: None, rpc: None, cookies: Vec::new(), is_novnc: false }
    }

    /// Begins a session of the web server.
    fn sign_on(&mut self, watch: &Watch) -> Result<(), Error> {
        match &self.entry {
            Entry::Viewer(url) => self.follow(url.clone(), &watch.within("opening the viewer page", CALL_LIMIT)),
            Entry::Login(bmc) => self.log_in(bmc.clone(), &watch.within("logging in to the BMC", CALL_LIMIT)),
        }
    }

    /// Sends the name and the password, once.
    fn log_in(&mut self, bmc: Bmc, watch: &Watch) -> Result<(), Error> {
        watch.left()?;
        // Not cut short when nobody wants the console any more: a session whose cookie never came could not be ended.
        let patient = Watch::new(watch.stage(), CALL_LIMIT);
        let origin = bmc.url.origin();
        let page = bmc.url.with(&bmc.url.scheme, "/");
        let page =
            self.client.send(&Request { method: Method::Get, url: &page, headers: Vec::new(), body: None }, watch)?;
        let form = "application/x-www-form-urlencoded".to_owned();
        let mut headers = vec![("Content-Type", form), ("Referer", format!("{origin}/")), ("Origin", origin)];
        // Some firmware makes an anonymous session with its page, which the login then makes ours.
        let anonymous = set_cookie(&page, "QSESSIONID");
        headers.extend(anonymous.iter().map(|cookie| ("Cookie", format!("QSESSIONID={}", cookie.reveal()))));
        let url = bmc.url.with(&bmc.url.scheme, "/api/session");
        // A body in JSON is refused by some firmware, the pair in the query ends in a log.
        let (user, password) = (percent_encode(&bmc.user), percent_encode(bmc.password.reveal()));
        let body = Some(format!("username={user}&password={password}").into_bytes());
        // Cut short it may be, its cookie came: that session must end.
        let response =
            self.client.send_leniently(&Request { method: Method::Post, url: &url, headers, body }, &patient)?;
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let is_success = response.status == 200 && answer["ok"] == 0;
        // Before anything else: a session that began must end, whatever else is wrong with it.
        if let Some(cookie) = set_cookie(&response, "QSESSIONID").or(anonymous.filter(|_| is_success)) {
            self.keep(&url, cookie);
            if let Some(session) = &mut self.session {
                session.csrf = answer["CSRFToken"].as_str().and_then(value);
            }
        }
        if matches!(response.status, 404 | 405) {
            watch.left()?;
            self.rpc = Some(rpc::Session::begin(&self.client, &bmc)?);
            return watch.left().map(|_| ());
        }
        logged_in(&response, &answer, self.session.is_some()).map_err(|error| error.doing(format!("POST {url}")))?;
        watch.left().map(|_| ())
    }

    /// Follows the viewer URL to a session of the web server.
    fn follow(&mut self, viewer: Url, watch: &Watch) -> Result<(), Error> {
        let mut url = viewer.clone();
        let page = self.visit(&mut url, watch)?;
        check(&page).map_err(|error| error.doing(format!("GET {url}")))?;
        let text = page.text();
        self.is_novnc = is_novnc(&text);
        if self.session.is_none() && self.is_novnc {
            return Ok(());
        }
        if self.session.is_none() {
            // What the page's script would make a cookie of.
            let token = || viewer.query_value("token").and_then(|token| value(&token));
            let Some(cookie) = script_value(&text, "QSESSIONID").or_else(token) else {
                return Err(turned_away("the viewer page gives no session"));
            };
            self.keep(&url, cookie);
        }
        self.keep_csrf(&text);
        let mut url = url.with(&url.scheme, "/viewer.html");
        let page = self.visit(&mut url, watch)?;
        match check(&page) {
            Ok(()) => {
                let text = page.text();
                self.keep_csrf(&text);
                self.is_novnc |= is_novnc(&text);
            }
            // Some firmware has no such page; the token is what counts.
            Err(error) if matches!(error.kind(), Kind::Peer | Kind::NotFound) => {}
            Err(error) => return Err(error.doing(format!("GET {url}"))),
        }
        Ok(())
    }

    /// Loads a page; `url` becomes where the redirects led.
    fn visit(&mut self, url: &mut Url, watch: &Watch) -> Result<Response, Error> {
        for _ in 0..=MAX_REDIRECTS {
            let response = self.call(Method::Get, url, watch)?;
            for (name, value) in set_cookies(&response) {
                self.cookies.retain(|(known, _)| *known != name);
                self.cookies.push((name, value));
            }
            if let Some(cookie) = set_cookie(&response, "QSESSIONID") {
                self.keep(url, cookie);
            }
            if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let next = response.header("location").and_then(|location| url.join(location).ok());
            let next = next.ok_or_else(|| Error::new(Kind::Peer, format!("{url} redirects to no URL")))?;
            if (next.host.as_str(), next.port(), next.is_tls()) != (url.host.as_str(), url.port(), url.is_tls()) {
                let what = format!("{url} sends us to another host, {}", next.origin());
                return Err(Error::new(Kind::Peer, what).hint(AGAIN));
            }
            if is_login(&next) {
                return Err(turned_away("the viewer page leads to a login page"));
            }
            *url = next;
        }
        Err(Error::new(Kind::Peer, format!("{url} redirects more than {MAX_REDIRECTS} times")))
    }

    fn keep(&mut self, url: &Url, cookie: Secret) {
        let origin = url.with(&url.scheme, "/");
        let old = self.session.take();
        let csrf = old.and_then(|old| old.csrf);
        self.session = Some(WebSession { origin, cookie, csrf, knows_reconnection: None });
    }

    fn keep_csrf(&mut self, page: &str) {
        let csrf = ["garc", "CSRFToken"].iter().find_map(|name| script_value(page, name));
        if let (Some(session), Some(csrf)) = (&mut self.session, csrf) {
            session.csrf = Some(csrf);
        }
    }

    /// Makes one call, as the session where there is one.
    fn call(&self, method: Method, url: &Url, watch: &Watch) -> Result<Response, Error> {
        let mut headers = self.session.as_ref().map(WebSession::headers).unwrap_or_default();
        if headers.is_empty() && !self.cookies.is_empty() {
            headers.push(("Cookie", self.jar()));
        }
        self.client.send(&Request { method, url, headers, body: None }, watch)
    }

    /// All cookies of the pages as one header; the session's own where there is one, for a script may have made them.
    fn jar(&self) -> String {
        let mut jar = self.session.as_ref().map(WebSession::cookies).unwrap_or_default();
        for (name, value) in &self.cookies {
            if !jar.split("; ").any(|pair| pair.split('=').next() == Some(name)) {
                let separator = if jar.is_empty() { "" } else { "; " };
                jar.push_str(&format!("{separator}{name}={}", value.reveal()));
            }
        }
        jar
    }

    /// Opens the WebSocket behind which the BMC speaks RFB: where noVNC's own `path` says, else where it usually is.
    fn rfb(&self, watch: &Watch) -> Result<Call, Error> {
        let viewer = match &self.entry {
            Entry::Viewer(url) => url,
            Entry::Login(bmc) => &bmc.url,
        };
        let scheme = if viewer.is_tls() { "wss" } else { "ws" };
        let named = viewer.query_value("path").map(|path| format!("/{}", path.trim_start_matches('/')));
        let paths = named.map_or(vec!["/kvm/0".to_owned(), "/kvm".to_owned()], |path| vec![path]);
        let origin = viewer.with(&viewer.scheme, "/").origin();
        // OpenBMC takes its CSRF token for the subprotocol, and no other.
        let csrf = self.cookies.iter().find(|(name, _)| name == "XSRF-TOKEN").map(|(_, value)| value.reveal());
        let mut last = Error::new(Kind::NotFound, "there is no WebSocket that speaks RFB");
        for path in paths {
            let url = viewer.with(scheme, &path);
            let headers = vec![("Cookie", self.jar()), ("Origin", origin.clone())];
            let upgrade = ws::Upgrade { url: &url, headers, subprotocols: &[csrf.unwrap_or("binary")] };
            match ws::open(&upgrade, &self.trust, watch) {
                Ok(channel) => {
                    let password = viewer.query_value("password").map(Secret::new);
                    return Ok(Call::Rfb { channel: Arc::from(channel), password });
                }
                Err(error) if error.kind() == Kind::NotFound => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    fn api(&self, path: &str, watch: &Watch) -> Result<(Url, Response), Error> {
        let Some(session) = &self.session else { return Err(turned_away("there is no session")) };
        let url = session.origin.with(&session.origin.scheme, path);
        let response = self.call(Method::Get, &url, watch)?;
        Ok((url, response))
    }

    /// Whether the firmware knows reconnection; `None` where its list cannot be read.
    fn features(&self, watch: &Watch) -> Result<Option<bool>, Error> {
        let (url, response) = match self.api("/api/configuration/project", watch) {
            // Hung up on: some firmware has no such list.
            Err(error) if error.kind() == Kind::Peer => return Ok(None),
            answer => answer?,
        };
        if response.status == 401 {
            check(&response).map_err(|error| error.doing(format!("GET {url}")))?;
        }
        let list: Option<Value> = serde_json::from_slice(&response.body).ok().filter(|_| response.status == 200);
        Ok(list.as_ref().and_then(Value::as_array).map(|list| list.iter().any(|entry| entry["feature"] == RECONNECT)))
    }

    fn kvm_token(&self, watch: &Watch) -> Result<KvmToken, Error> {
        let (mut url, mut response) = self.api("/api/settings/media/h5viewercfg", watch)?;
        if matches!(response.status, 403 | 404) {
            (url, response) = self.api("/api/kvm/token", watch)?;
        }
        check(&response).and_then(|()| KvmToken::parse(&response)).map_err(|error| error.doing(format!("GET {url}")))
    }
}

impl Line for Live {
    fn dial(&mut self, attempt: Attempt, watch: &Watch) -> Result<Call, Error> {
        let hint = match &self.entry {
            Entry::Viewer(_) => AGAIN,
            Entry::Login(_) => "try again; on some firmware an account's next login ends its last one",
        };
        let turned_away = |error: Error| if error.kind() == Kind::Denied { error.hint(hint) } else { error };
        self.begin(attempt, watch).map_err(turned_away)
    }

    fn log_out(&mut self) {
        if let Some(session) = self.session.take() {
            self.end(Method::Delete, &session.origin, "/api/session", session.headers());
        }
        if let Some(session) = self.rpc.take() {
            self.end(Method::Get, &session.url, rpc::LOGOUT, session.headers());
        }
    }
}

impl Live {
    fn end(&self, method: Method, origin: &Url, path: &str, headers: Vec<(&'static str, String)>) {
        let watch = Watch::new("logging out", LOGOUT_LIMIT);
        let url = origin.with(&origin.scheme, path);
        if let Err(error) = self.client.send_leniently(&Request { method, url: &url, headers, body: None }, &watch) {
            // The session stays until the BMC forgets it, and the table has few places: the operator should know.
            log::warn(format_args!("a BMC session was not logged out: {error}"));
        }
    }

    /// Signs on, the first time, and connects with a new token.
    fn begin(&mut self, attempt: Attempt, watch: &Watch) -> Result<Call, Error> {
        if attempt == Attempt::First {
            self.sign_on(watch)?;
        }
        if let Some(rpc) = &self.rpc {
            return rpc.dial(&self.client, &self.trust, attempt, watch);
        }
        if attempt == Attempt::First {
            if self.is_novnc {
                return self.rfb(watch);
            }
            let features = self.features(&watch.within("reading the BMC's features", CALL_LIMIT))?;
            if let Some(session) = &mut self.session {
                session.knows_reconnection = features;
            }
        }
        let token = match self.kvm_token(&watch.within("requesting a KVM token", CALL_LIMIT)) {
            Err(error) if error.kind() == Kind::NotFound => return self.rfb(watch).map_err(|_| error),
            token => token?,
        };
        let Some(session) = &self.session else { return Err(turned_away("there is no session")) };
        let config = config(token, session.knows_reconnection, attempt);
        let scheme = if session.origin.is_tls() { "wss" } else { "ws" };
        let url = session.origin.with(scheme, "/kvm");
        let headers = vec![("Cookie", session.cookies()), ("Origin", session.origin.origin())];
        let upgrade = ws::Upgrade { url: &url, headers, subprotocols: &["binary", "base64"] };
        let channel = ws::open(&upgrade, &self.trust, watch)?;
        Ok(Call::Ivtp { channel: Arc::from(channel), config })
    }
}

impl WebSession {
    /// What any firmware may want to see: some read one of the cookies, some the header.
    fn headers(&self) -> Vec<(&'static str, String)> {
        let origin = self.origin.origin();
        let mut headers = vec![("Cookie", self.cookies()), ("Referer", format!("{origin}/")), ("Origin", origin)];
        if let Some(csrf) = &self.csrf {
            headers.push(("X-CSRFTOKEN", csrf.reveal().to_owned()));
        }
        headers
    }

    fn cookies(&self) -> String {
        let mut cookies = format!("QSESSIONID={}", self.cookie.reveal());
        if let Some(csrf) = &self.csrf {
            let csrf = csrf.reveal();
            cookies.push_str(&format!("; __Host-garc={csrf}; garc={csrf}"));
        }
        cookies
    }
}

/// A token for one console session.
struct KvmToken {
    token: Secret,
    client_ip: String,
    server_ip: Option<String>,
}

impl KvmToken {
    fn parse(response: &Response) -> Result<Self, Error> {
        let json: Value = serde_json::from_slice(&response.body).map_err(|_| {
            // What a BMC shows to who is not logged in.
            if is_html(response) { turned_away("a login page came instead of a token") } else { no_token() }
        })?;
        let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let (Some(token), Some(client_ip)) = (text("token"), text("client_ip")) else { return Err(no_token()) };
        Ok(Self { token: Secret::new(token), client_ip, server_ip: text("server_ip") })
    }
}

fn no_token() -> Error {
    Error::new(Kind::Peer, "the BMC's answer has no KVM token")
}

/// How to begin. The firmware's own words decide, or, where it says nothing, what works on most; the second time the
/// other way.
fn config(token: KvmToken, knows_reconnection: Option<bool>, attempt: Attempt) -> Config {
    let first = attempt == Attempt::First;
    let (hello, server_ip) = match knows_reconnection {
        // Observed on ASRock Rack: it wants the packet, and the shorter body.
        None if first => (Hello::New, None),
        // The longer body where it could be meant, else without the packet.
        None if token.server_ip.is_some() => (Hello::New, token.server_ip),
        None => (Hello::None, None),
        Some(knows) => (if knows == first { Hello::New } else { Hello::None }, token.server_ip),
    };
    let username = "domain/username".to_owned();
    Config { token: token.token, client_ip: token.client_ip, server_ip, username, hello, era: Era::Html5 }
}

/// The error for an answer that is none of the pages or data asked for.
fn check(response: &Response) -> Result<(), Error> {
    let json: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let busy = |what: &str, hint: &str| Err(Error::new(Kind::Busy, what).hint(hint));
    match (response.status, json["code"].as_i64()) {
        (_, Some(15_000)) => busy("the BMC's session table is full", "close another viewer or try again in 30 min"),
        (_, Some(17_000)) => busy("the BMC is updating its firmware", "try again when that is done"),
        (200..=299, _) => Ok(()),
        (401, _) => Err(turned_away("the BMC does not accept the session (HTTP 401)")),
        (403, _) if is_html(response) => {
            busy("the BMC shuts us out for too many requests (HTTP 403)", "wait 3 min before trying again")
        }
        (403, _) => Err(turned_away("the BMC does not allow it (HTTP 403)")),
        (404, _) => Err(Error::new(Kind::NotFound, "the BMC answers with HTTP 404").hint("try again")),
        (status @ (429 | 503), _) => busy(&format!("the BMC is too busy (HTTP {status})"), "try again in a minute"),
        (status, _) => Err(Error::new(Kind::Peer, format!("the BMC answers with HTTP {status}")).hint("try again")),
    }
}

fn turned_away(what: &str) -> Error {
    Error::new(Kind::Denied, what)
}

/// The error for a login that was turned down; `code` is the BMC's word for why.
fn refused(code: &str) -> Error {
    Error::new(Kind::Denied, format!("the BMC does not accept the user and the password ({code})"))
        .hint("check both in hosts.toml before trying again: too many wrong tries lock the account")
}

fn no_session() -> Error {
    Error::new(Kind::Peer, "the BMC's answer to the login has no session")
        .hint("check that console is the address of an AMI MegaRAC's web page")
}

/// What an answer to the name and the password comes to. The code decides, for the texts are the same for a bad password
/// and a full table.
fn logged_in(response: &Response, answer: &Value, has_session: bool) -> Result<(), Error> {
    let code = answer["code"].as_i64();
    match (response.status, code, answer["ok"].as_i64()) {
        (_, Some(15_000 | 17_000), _) => check(response),
        (401, Some(code), _) => Err(refused(&format!("HTTP 401, code {code}"))),
        (401, None, _) => Err(refused("HTTP 401")),
        (200..=299, _, Some(result)) if result != 0 => Err(refused(&format!("result {result}"))),
        (200..=299, ..) if answer["passwordStatus"] == 1 => {
            Err(Error::new(Kind::Denied, "the BMC wants the account's password to be changed first")
                .hint("log in to its web page once and change it"))
        }
        (200..=299, ..) if !has_session => Err(no_session()),
        _ => check(response),
    }
}

fn is_html(response: &Response) -> bool {
    let is_named = response.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    is_named || response.body.trim_ascii_start().first() == Some(&b'<')
}

fn is_login(url: &Url) -> bool {
    url.path.to_ascii_lowercase().contains("login")
}

/// A text that may stand in a cookie or header.
fn value(text: &str) -> Option<Secret> {
    let is_clean = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte));
    (is_clean && !text.is_empty() && text.len() <= MAX_VALUE).then(|| Secret::new(text))
}

/// The cookies that the answer sets; one that it deletes is empty, and none.
fn set_cookies(response: &Response) -> impl Iterator<Item = (String, Secret)> {
    let pairs = response.all("set-cookie").filter_map(|cookie| cookie.split(';').next()?.split_once('='));
    pairs.filter_map(|(key, text)| Some((key.trim().to_owned(), value(text.trim())?)))
}

/// The last cookie of this name that the answer sets.
fn set_cookie(response: &Response, name: &str) -> Option<Secret> {
    set_cookies(response).filter(|(key, _)| key == name).map(|(_, value)| value).last()
}

/// Whether a page is noVNC's, by its name or that of its main script.
fn is_novnc(page: &str) -> bool {
    let page = page.to_ascii_lowercase();
    page.contains("novnc") || page.contains("rfb.js")
}

const QUOTES: [char; 3] = ['"', '\'', '`'];

/// The value that a page's script gives to `name`: `document.cookie = "garc=VALUE; path=/"`, `setItem('garc', 'VALUE')`,
/// `garc: "VALUE"`, `"garc=" + "VALUE"`. A value that is no literal is none.
fn script_value(page: &str, name: &str) -> Option<Secret> {
    let mut strings = Strings { page, at: 0, open: None };
    page.match_indices(name).find_map(|(at, _)| {
        let rest = &page[at + name.len()..];
        let glue_end = rest.find(|c: char| !(QUOTES.contains(&c) || c.is_ascii_whitespace() || "=:,+".contains(c)))?;
        let (glue, rest) = rest.split_at(glue_end);
        let is_literal = if glue == "=" { strings.is_open_at(at) } else { glue.ends_with(QUOTES) };
        if !is_literal || !glue.contains(['=', ':', ',']) {
            return None;
        }
        let is_end = |byte: u8| b"\"'`;&".contains(&byte) || byte.is_ascii_whitespace();
        let end = rest.bytes().take(MAX_VALUE + 1).position(is_end);
        value(&rest[..end?])
    })
}

/// Where the strings of a page's scripts are, in one pass: a string ends with its line, and with its script.
struct Strings<'a> {
    page: &'a str,
    at: usize,
    /// What ends the string that `at` is in.
    open: Option<char>,
}

impl Strings<'_> {
    /// Whether a place behind the last one is in a string.
    fn is_open_at(&mut self, at: usize) -> bool {
        for (index, c) in self.page[self.at..at].char_indices() {
            if c == '\n' || self.page[self.at + index..at].starts_with("<script") {
                self.open = None;
            } else if QUOTES.contains(&c) {
                self.open = match self.open {
                    None => Some(c),
                    open => open.filter(|open| *open != c),
                };
            }
        }
        self.at = at;
        self.open.is_some()
    }
}

#[cfg(test)]
mod tests;
