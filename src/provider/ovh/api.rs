//! Calls to OVH's API: signed or with a token, asked again where that may help.
//!
//! The signature holds OVH's time: the difference between the clocks is asked once, and again when OVH says "Query
//! out of time". An OAuth2 token is kept until shortly before its end, and made anew when OVH turns it away.

use std::time::Duration;

use serde_json::Value;

use super::credentials::{Credentials, Settings};
use super::refusal::{self, Call, Failure, Retry, Speaker};
use super::shared::Shared;
use super::sign;
use crate::base::clock::{self, Utc};
use crate::base::url::percent_encode;
use crate::base::{Error, Kind, Secret, Url, Watch};
use crate::net::{Client, Method, Peer, Request, Trust};

/// The pauses before a call is made again.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// The longest that OVH may tell us to wait; beyond, the caller hears of it instead.
const MAX_PAUSE: Duration = Duration::from_secs(20);

/// Clocks do not drift apart fast enough to matter, and OVH says when they did.
const CLOCK_LIFE: Duration = Duration::from_secs(30 * 86_400);

/// A token is replaced this long before its end, so that it does not end under way; a short one after half its life.
const TOKEN_MARGIN: Duration = Duration::from_secs(60);

/// The API as one customer sees it.
#[derive(Debug)]
pub(super) struct Api {
    line: Line,
    settings: Settings,
    /// OVH's clock minus ours, in seconds.
    delta: Shared<i64>,
    token: Shared<Secret>,
}

type Headers = Vec<(&'static str, String)>;

/// What signed a call in: what to forget when OVH says that it is no longer good.
enum Pass {
    Delta(i64),
    Token(Secret),
    Fixed,
}

impl Pass {
    fn token(&self) -> Option<&Secret> {
        match self {
            Self::Token(token) => Some(token),
            Self::Delta(_) | Self::Fixed => None,
        }
    }
}

impl Api {
    pub(super) fn new(settings: Settings, trust: Trust) -> Self {
        Self { line: Line::new(trust), settings, delta: Shared::default(), token: Shared::default() }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// OVH's time, as far as we know it: moments in its answers are on its clock.
    pub(super) fn now(&self) -> Utc {
        let delta = self.delta.last().unwrap_or_default();
        Utc::from_seconds(clock::utc().seconds().saturating_add_signed(delta))
    }

    /// What lies at a path: asked up to four times in all where that may help.
    pub(super) fn get(&self, path: &str, watch: &Watch) -> Result<Value, Failure> {
        self.call(Call { method: Method::Get, path }, None, watch)
    }

    /// Asks for something to be done: made again only when OVH turned it away unheard.
    pub(super) fn post(&self, path: &str, body: Option<&Value>, watch: &Watch) -> Result<Value, Failure> {
        self.call(Call { method: Method::Post, path }, body.map(Value::to_string).as_deref(), watch)
    }

    fn call(&self, call: Call<'_>, body: Option<&str>, watch: &Watch) -> Result<Value, Failure> {
        let url = self.settings.endpoint.url(call.path);
        let send = || -> Result<Value, (Failure, Pass)> {
            let (headers, pass) =
                self.sign_in(call, &url, body, watch).map_err(|error| (final_failure(error), Pass::Fixed))?;
            let answer = self.line.send(call, &url, headers, body, self.speaker(pass.token()), watch);
            answer.map_err(|failure| (failure, pass))
        };
        let mut renewed = false;
        again(call, watch, || match send() {
            Err((failure, pass)) if !renewed && self.is_stale(&failure, &pass) => {
                renewed = true;
                send().map_err(|(failure, _)| failure)
            }
            answer => answer.map_err(|(failure, _)| failure),
        })
    }

    /// The headers that say who we are.
    fn sign_in(&self, call: Call<'_>, url: &str, body: Option<&str>, watch: &Watch) -> Result<(Headers, Pass), Error> {
        let bearer = |token: &Secret| vec![("authorization", format!("Bearer {}", token.reveal()))];
        match &self.settings.credentials {
            Credentials::Token(token) => Ok((bearer(token), Pass::Fixed)),
            Credentials::Client { id, secret } => {
                let token = self.token.obtain(watch, || self.make_token(id, secret, watch))?;
                Ok((bearer(&token), Pass::Token(token)))
            }
            Credentials::Keys { application_key, application_secret, consumer_key } => {
                let delta = self.delta.obtain(watch, || Ok((self.ask_time(watch)?, CLOCK_LIFE)))?;
                let method = call.method.to_string();
                let timestamp = clock::utc().seconds().saturating_add_signed(delta);
                let signed = sign::Call { method: &method, url, body: body.unwrap_or_default(), timestamp };
                let headers = vec![
                    ("x-ovh-application", application_key.reveal().to_owned()),
                    ("x-ovh-consumer", consumer_key.reveal().to_owned()),
                    ("x-ovh-timestamp", timestamp.to_string()),
                    ("x-ovh-signature", sign::signature(application_secret, consumer_key, signed)),
                ];
                Ok((headers, Pass::Delta(delta)))
            }
        }
    }

    fn speaker<'a>(&'a self, sent: Option<&'a Secret>) -> Speaker<'a> {
        Speaker { credentials: Some(&self.settings.credentials), sent }
    }

    /// Whether `failure` may be due to `pass`, which is then forgotten.
    fn is_stale(&self, failure: &Failure, pass: &Pass) -> bool {
        match pass {
            Pass::Delta(used) if failure.message.to_ascii_lowercase().contains("query out of time") => {
                self.delta.forget_if(|delta| delta == used);
                true
            }
            Pass::Token(used) if failure.status == Some(401) || failure.code == "NOT_CREDENTIAL" => {
                self.token.forget_if(|token| token == used);
                true
            }
            _ => false,
        }
    }

    /// OVH's clock minus ours.
    fn ask_time(&self, watch: &Watch) -> Result<i64, Error> {
        let call = Call { method: Method::Get, path: "/auth/time" };
        let url = self.settings.endpoint.url(call.path);
        let send = || self.line.send(call, &url, Vec::new(), None, self.speaker(None), watch);
        let answer = again(call, watch, send)?;
        let time =
            answer.as_i64().ok_or_else(|| Error::new(Kind::Peer, "OVH's time is no number").doing(call.name()))?;
        Ok(time.saturating_sub_unsigned(clock::utc().seconds()))
    }

    /// An OAuth2 token (RFC 6749 section 4.4) and how long it keeps.
    fn make_token(&self, id: &Secret, secret: &Secret, watch: &Watch) -> Result<(Secret, Duration), Error> {
        let endpoint = &self.settings.endpoint;
        let url = endpoint
            .token_url()
            .ok_or_else(|| Error::new(Kind::Usage, format!("{} has no OAuth2", endpoint.name())))?;
        let call = Call { method: Method::Post, path: "/auth/oauth2/token" };
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id.reveal()),
            ("client_secret", secret.reveal()),
            ("scope", "all"),
        ];
        let body = fields.map(|(name, value)| format!("{name}={}", percent_encode(value))).join("&");
        let headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
        let send = || self.line.send(call, url, headers.clone(), Some(&body), self.speaker(None), watch);
        let answer = again(call, watch, send)?;
        let token = answer["access_token"].as_str().filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()));
        let token = token
            .filter(|token| !token.is_empty())
            .ok_or_else(|| Error::new(Kind::Peer, "OVH's answer has no access_token").doing(call.name()))?;
        let life = Duration::from_secs(answer["expires_in"].as_u64().unwrap_or(0).min(CLOCK_LIFE.as_secs()));
        Ok((Secret::new(token), life.saturating_sub(TOKEN_MARGIN).max(life / 2)))
    }
}

/// What made signing in fail was asked often enough already.
fn final_failure(error: Error) -> Failure {
    Failure { retry: Retry::Never, ..Failure::from(error) }
}

/// Calls `send` until it succeeds, or until asking again helps no more, or until the watch ends.
fn again<T>(call: Call<'_>, watch: &Watch, mut send: impl FnMut() -> Result<T, Failure>) -> Result<T, Failure> {
    let mut pauses = PAUSES.into_iter();
    loop {
        let failure = match send() {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let may_help = match failure.retry {
            Retry::Never => false,
            Retry::Reads => call.method == Method::Get,
            Retry::All => true,
        };
        let Some(pause) = pauses.next().filter(|_| may_help) else { return Err(failure) };
        let pause = failure.pause.unwrap_or(pause);
        match watch.left() {
            // The failure says more than a timeout would.
            Ok(left) if pause > MAX_PAUSE || pause >= left => return Err(failure),
            Ok(_) => {
                let stage = watch.stage();
                watch.enter("waiting before asking OVH again");
                watch.sleep(pause)?;
                watch.enter(stage);
            }
            Err(error) if error.kind() == Kind::Cancelled => return Err(error.into()),
            Err(_) => return Err(failure),
        }
    }
}

/// The way to OVH: HTTP, each call on its own.
#[derive(Debug)]
pub(super) struct Line {
    client: Client,
}

impl Line {
    pub(super) fn new(trust: Trust) -> Self {
        Self { client: Client::new(Peer::Cloud, trust) }
    }

    /// One call: sends `body` as it is, and reads the answer's JSON.
    pub(super) fn send(
        &self,
        call: Call<'_>,
        url: &str,
        mut headers: Headers,
        body: Option<&str>,
        speaker: Speaker<'_>,
        watch: &Watch,
    ) -> Result<Value, Failure> {
        let url = Url::parse(url)?;
        headers.push(("accept", "application/json".to_owned()));
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let body = body.map(|body| body.as_bytes().to_vec());
        let response = self.client.send(&Request { method: call.method, url: &url, headers, body }, watch)?;
        refusal::read(call, &response, speaker)
    }
}
