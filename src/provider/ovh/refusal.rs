//! What an answer of OVH's API means: the value it holds, or a sentence that says what to do.
//!
//! Source: OVH's API schemas; an error is `{message, errorCode?, httpCode?, class?}` with the header `X-Ovh-QueryID`.

use std::time::Duration;

use serde_json::Value;

use super::credentials::{Credentials, redact};
use super::login;
use crate::base::bytes::{clean_text, quote};
use crate::base::{Error, Kind, Secret};
use crate::net::{Method, Response};

/// OVH's messages are a line or two; a longer one is cut.
const MAX_MESSAGE: usize = 400;

/// Which call: for messages and for the right it needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Below the endpoint: `/dedicated/server`.
    pub(super) path: &'a str,
}

/// Who speaks to OVH: decides what to advise, and what never to repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speaker<'a> {
    /// `None` for a login.
    pub(super) credentials: Option<&'a Credentials>,
    /// A secret beside them that was sent along: the token of an OAuth2 client, the application key of a login.
    pub(super) sent: Option<&'a Secret>,
}

impl Speaker<'_> {
    /// Text of the peer, fit for a message.
    pub(super) fn quote(&self, text: &str) -> String {
        let text = clean_text(text);
        let text = self.credentials.map_or(text.clone(), |credentials| credentials.redact(&text));
        let text = redact(&text, self.sent.as_slice());
        let text = text.trim().trim_end_matches('.');
        match text.char_indices().nth(MAX_MESSAGE) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.to_owned(),
        }
    }
}

/// A call that gave no value.
#[derive(Debug)]
pub(super) struct Failure {
    /// The HTTP status, where OVH answered and refused.
    pub(super) status: Option<u16>,
    /// OVH's own words.
    pub(super) message: String,
    /// OVH's word for it: `NOT_GRANTED_CALL` ...
    pub(super) code: String,
    /// Whether asking again may help.
    pub(super) retry: Retry,
    /// How long OVH says to wait before.
    pub(super) pause: Option<Duration>,
    /// The sentence; boxed, for a failure is carried through many results.
    pub(super) error: Box<Error>,
}

/// Whether asking again may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// It will not, or what was tried last did not.
    Never,
    /// It may, but the call may have been carried out: only what reads is asked again.
    Reads,
    /// It may: the call was turned away unheard.
    All,
}

impl From<Error> for Failure {
    /// The call got no whole answer.
    fn from(error: Error) -> Self {
        let retry = if error.kind() == Kind::Peer { Retry::Reads } else { Retry::Never };
        Self { status: None, message: String::new(), code: String::new(), retry, pause: None, error: error.into() }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

impl Failure {
    /// Whether there is no such thing: a 404 that is not about the whole endpoint.
    pub(super) fn is_absence(&self) -> bool {
        self.error.kind() == Kind::NotFound
    }
}

/// The JSON value of an answer, or what it means that there is none.
pub(super) fn read(call: Call<'_>, response: &Response, speaker: Speaker<'_>) -> Result<Value, Failure> {
    let status = response.status;
    let value = serde_json::from_slice::<Value>(&response.body).ok();
    let query = response.header("x-ovh-queryid").map(|id| format!(" (query {})", speaker.quote(id)));
    let query = query.unwrap_or_default();
    if (200..300).contains(&status) {
        return value.ok_or_else(|| {
            let what = format!("OVH answered {status} with {} instead of JSON{query}", shape(&response.body));
            let error = Error::new(Kind::Peer, what)
                .hint("check OVH_ENDPOINT, and that no proxy answers in OVH's place")
                .doing(call.name());
            Failure { retry: Retry::Never, ..Failure::from(error) }
        });
    }
    let word = |key: &str| {
        let text = value.as_ref().and_then(|value| value[key].as_str());
        speaker.quote(text.unwrap_or_default())
    };
    // The OAuth2 endpoint has names of its own (RFC 6749 section 5.2).
    let first = |names: [&str; 2]| names.map(word).into_iter().find(|text| !text.is_empty());
    let message = first(["message", "error_description"]);
    let code = first(["errorCode", "error"]).unwrap_or_default();
    let said = match (&message, value.is_some()) {
        (Some(message), _) => format!(": {}", quote(message)),
        (None, true) => String::new(),
        (None, false) => format!(" with {} instead of JSON", shape(&response.body)),
    };
    let gap = if code.is_empty() { "" } else { " " };
    let message = message.unwrap_or_default();
    let pause = matches!(status, 429 | 503).then(|| retry_after(response)).flatten();
    let (kind, hint) = match pause {
        Some(pause) => (Kind::Busy, format!("OVH asks to wait {} s: try again then", pause.as_secs())),
        None => advice(call, status, &code, &message, speaker.credentials),
    };
    let error =
        Error::new(kind, format!("OVH answered {status}{gap}{code}{said}{query}")).hint(hint).doing(call.name());
    let retry = match status {
        429 => Retry::All,
        500..=599 => Retry::Reads,
        _ => Retry::Never,
    };
    Err(Failure { status: Some(status), message, code, retry, pause, error: error.into() })
}

impl Call<'_> {
    /// `GET /dedicated/server`.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What a body is that is not the JSON it should be.
fn shape(body: &[u8]) -> &'static str {
    match body.trim_ascii().first() {
        None => "nothing",
        Some(b'<') => "HTML",
        Some(b'{' | b'[') => "half a body",
        Some(_) => "something else",
    }
}

/// Whole seconds; the other form, a date, has not been seen from OVH and counts as none.
fn retry_after(response: &Response) -> Option<Duration> {
    response.header("retry-after")?.trim().parse().ok().map(Duration::from_secs)
}

/// What callers can act on, and what a person can do about it.
fn advice(call: Call<'_>, status: u16, code: &str, message: &str, as_whom: Option<&Credentials>) -> (Kind, String) {
    let lower = message.to_ascii_lowercase();
    if lower.contains("query out of time") {
        return (Kind::Denied, "set this machine's clock".to_owned());
    }
    if lower.contains("invalid (or empty) url") {
        return (
            Kind::Peer,
            "check that OVH_ENDPOINT is a whole address such as https://eu.api.ovh.com/1.0".to_owned(),
        );
    }
    if lower.contains("invalid signature") {
        return (Kind::Denied, "check OVH_APPLICATION_SECRET".to_owned());
    }
    let is_application = lower.contains("application key") || lower.contains("unknown application");
    match (status, code) {
        (400..=403, "INVALID_KEY") => (Kind::Denied, wrong_application()),
        (400..=403, _) if is_application => (Kind::Denied, wrong_application()),
        (_, "NOT_GRANTED_CALL") => (Kind::Denied, missing_right(call, as_whom)),
        (400 | 401, "invalid_client" | "unauthorized_client") => {
            let hint = "check OVH_CLIENT_ID and OVH_CLIENT_SECRET, and that OVH_ENDPOINT names the region where they were made";
            (Kind::Denied, hint.to_owned())
        }
        (401 | 403, _) if matches!(as_whom, Some(Credentials::Token(_))) => {
            (Kind::Denied, "OVH_ACCESS_TOKEN has expired or lacks the right: make a new one".to_owned())
        }
        (_, "NOT_CREDENTIAL" | "INVALID_CREDENTIAL") if matches!(as_whom, Some(Credentials::Keys { .. })) => {
            let hint = "the consumer key is unknown, expired or not validated yet: open its validation URL, or run \
                        `ikvm-mcp login` for a new one";
            (Kind::Denied, hint.to_owned())
        }
        (401 | 403, _) => (Kind::Denied, missing_right(call, as_whom)),
        (404, _) => (Kind::NotFound, String::new()),
        (409, _) => (Kind::Busy, "something else is being done with it: try again in a minute".to_owned()),
        (429, _) => (Kind::Busy, "too many calls: wait a minute".to_owned()),
        (460, _) => (Kind::Denied, "the service has expired: renew it in OVH's control panel".to_owned()),
        (300..=399, _) => (Kind::Peer, "check OVH_ENDPOINT: the API does not redirect".to_owned()),
        (500..=599, _) => (Kind::Peer, "this is OVH's own trouble: try again in a minute".to_owned()),
        _ => (Kind::Peer, String::new()),
    }
}

fn wrong_application() -> String {
    "check OVH_APPLICATION_KEY, and that OVH_ENDPOINT names the region where it was made".to_owned()
}

fn missing_right(call: Call<'_>, as_whom: Option<&Credentials>) -> String {
    let right = login::right_for(call.method, call.path);
    match as_whom {
        Some(Credentials::Client { .. }) => {
            format!("let an IAM policy grant the service account the actions that {right} needs")
        }
        _ => format!("the key lacks the right {right}: run `ikvm-mcp login` for one that has it"),
    }
}

#[cfg(test)]
mod tests;
