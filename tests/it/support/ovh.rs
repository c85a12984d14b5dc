//! A fake of OVH's API: a real listener that checks every signature and has a switch for each refusal.
//!
//! The signature is computed here anew, from OVH's formula and with another SHA-1. Deliberately absent: all calls
//! that this program does not make.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ikvm_mcp::base::clock::{self, Utc};
use ikvm_mcp::base::{Secret, Watch};
use ikvm_mcp::provider::ovh::{Credentials, Endpoint, Settings};
use serde_json::{Value, json};

use super::secrets;
use super::web::{Reply, Request, Stream, Web};

pub const APPLICATION_KEY: &str = "application-key-of-ann";
pub const APPLICATION_SECRET: &str = "application-secret-of-ann";
pub const CONSUMER_KEY: &str = "consumer-key-of-ann";
pub const CLIENT_ID: &str = "client-id-of-ann";
pub const CLIENT_SECRET: &str = "client-secret-of-ann+&=";
pub const ACCESS_TOKEN: &str = "access-token-of-ann";

/// OVH's clock and the caller's may differ by this many seconds.
const TOLERANCE: u64 = 30;

/// The API, until it is dropped.
pub struct FakeOvh {
    web: Web,
    state: Arc<Mutex<State>>,
}

/// What the API knows, does and has seen.
pub struct State {
    pub servers: BTreeMap<String, FakeServer>,
    /// OVH's clock minus ours, in seconds.
    pub skew: i64,
    /// Where a new access leads; `?token=` and a number follow.
    pub viewer: String,
    /// What a task is at its first look, its second ...; the last stays.
    pub task: Vec<&'static str>,
    /// A task is not done before it is this old.
    pub task_time: Duration,
    pub task_comment: &'static str,
    /// So many looks at an access still show the old one after its task is done.
    pub lag: usize,
    /// Our address as OVH sees it; `None` refuses to say.
    pub address: Option<&'static str>,
    /// How long each call takes.
    pub pace: Duration,
    /// For how long OAuth2 tokens are good, in seconds.
    pub token_life: u64,
    /// The tokens that count.
    pub tokens: Vec<String>,
    /// Calls, and what happens to them so many times instead of an answer.
    pub faults: Vec<(String, usize, Fault)>,
    /// Every call: `GET /dedicated/server`, without the query.
    pub calls: Vec<String>,
    /// The bodies of the requests for access, and for a consumer key.
    pub requests: Vec<Value>,
    pub most_in_flight: usize,
    /// Whose stage is noted at each look at a task.
    pub watch: Option<Watch>,
    pub stages: Vec<&'static str>,
    /// A part of what is signed.
    scheme: &'static str,
    in_flight: usize,
    made: usize,
    pending: BTreeMap<u64, Task>,
}

/// A request for access that is being worked on.
struct Task {
    server: String,
    looks: usize,
    asked: Instant,
}

/// Makes the URL of a viewer.
pub type Viewer = Arc<dyn Fn() -> String + Send + Sync>;

/// One server.
#[derive(Clone)]
pub struct FakeServer {
    pub details: Value,
    /// `None`: no IPMI.
    pub features: Option<Value>,
    /// The viewer's URL and its expiration.
    pub access: Option<(String, Utc)>,
    /// Where a new access leads, if not where the API's `viewer` does.
    pub viewer: Option<Viewer>,
    /// What takes its place after `lag` looks.
    next: Option<(String, Utc)>,
    looks: usize,
}

/// What happens instead of an answer.
#[derive(Clone)]
pub enum Fault {
    /// Status, errorCode, message.
    Refuse(u16, &'static str, &'static str),
    /// A status with Retry-After in seconds.
    RetryAfter(u16, u64),
    /// A status with this body.
    Body(u16, &'static str),
    /// 200 and half of what was announced.
    Half,
    /// 200 and more than anybody wants.
    Huge,
    /// The connection ends.
    Drop,
}

impl FakeOvh {
    /// Without TLS, with one server `ns1.example` that is as it should be.
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new("http")));
        Self { web: Web::http(handler(&state)), state }
    }

    /// The same over TLS, with the certificate that `web::ca_file` vouches for.
    pub fn start_tls() -> Self {
        let state = Arc::new(Mutex::new(State::new("https")));
        Self { web: Web::https(handler(&state)), state }
    }

    /// The same with the certificate of `elsewhere.example`, at which a proxy may reach it.
    pub fn start_elsewhere() -> Self {
        let state = Arc::new(Mutex::new(State::new("https")));
        Self { web: Web::https_as("elsewhere", handler(&state)), state }
    }

    /// Where it listens, at 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.web.port()
    }

    /// For OVH_ENDPOINT.
    pub fn endpoint(&self) -> String {
        self.web.url() + "/1.0"
    }

    /// The environment of a process that is to use this API with its application key.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("OVH_ENDPOINT", self.endpoint()),
            ("OVH_APPLICATION_KEY", APPLICATION_KEY.to_owned()),
            ("OVH_APPLICATION_SECRET", APPLICATION_SECRET.to_owned()),
            ("OVH_CONSUMER_KEY", CONSUMER_KEY.to_owned()),
        ]
    }

    /// The same as settings, with these credentials.
    pub fn settings(&self, credentials: Credentials) -> Settings {
        Settings { endpoint: Endpoint::parse(&self.endpoint()).unwrap(), credentials, public_ip: None }
    }

    /// To look at what happened, and to throw a switch.
    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// How often `METHOD /path` was called.
    pub fn count(&self, call: &str) -> usize {
        self.state().calls.iter().filter(|made| *made == call).count()
    }

    /// From now on, so many calls fail like this.
    pub fn fail(&self, call: &str, times: usize, fault: Fault) {
        self.state().faults.push((call.to_owned(), times, fault));
    }
}

pub fn keys() -> Credentials {
    Credentials::Keys {
        application_key: Secret::new(APPLICATION_KEY),
        application_secret: Secret::new(APPLICATION_SECRET),
        consumer_key: Secret::new(CONSUMER_KEY),
    }
}

impl State {
    fn new(scheme: &'static str) -> Self {
        let mut state = Self {
            scheme,
            servers: BTreeMap::new(),
            skew: 0,
            viewer: "https://0123456789abcdef0123456789abcdef.sbg3-1.ipmi.ovh.example/viewer".to_owned(),
            task: vec!["done"],
            task_time: Duration::ZERO,
            task_comment: "",
            lag: 0,
            address: Some("203.0.113.7"),
            pace: Duration::ZERO,
            token_life: 3_600,
            tokens: vec![ACCESS_TOKEN.to_owned()],
            faults: Vec::new(),
            calls: Vec::new(),
            requests: Vec::new(),
            most_in_flight: 0,
            watch: None,
            stages: Vec::new(),
            in_flight: 0,
            made: 0,
            pending: BTreeMap::new(),
        };
        state.add("ns1.example");
        state
    }

    /// A server with an HTML5 console.
    pub fn add(&mut self, name: &str) -> &mut FakeServer {
        let details = json!({"name": name, "ip": "192.0.2.1", "datacenter": "sbg3", "region": "eu-west-sbg", "rack": "S3",
            "os": "debian12_64", "state": "ok", "powerState": "poweron", "bootId": 1, "serverId": 7, "reverse": null});
        let features = Some(features(&["kvmipHtml5URL", "kvmipJnlp", "serialOverLanSshKey"]));
        let server = FakeServer { details, features, access: None, viewer: None, next: None, looks: 0 };
        self.servers.insert(name.to_owned(), server);
        self.servers.get_mut(name).unwrap()
    }

    /// An access to `ns1.example` that expires in so many seconds of OVH's clock.
    pub fn set_access(&mut self, value: &str, seconds: i64) {
        let expiration = self.now(seconds);
        self.servers.get_mut("ns1.example").unwrap().access = Some((value.to_owned(), expiration));
    }

    /// OVH's time, so many seconds from now.
    fn now(&self, seconds: i64) -> Utc {
        Utc::from_seconds(clock::utc().seconds().checked_add_signed(self.skew + seconds).unwrap())
    }

    fn fault(&mut self, call: &str) -> Option<Fault> {
        let (_, times, fault) = self.faults.iter_mut().find(|(name, times, _)| name == call && *times > 0)?;
        *times -= 1;
        Some(fault.clone())
    }
}

/// What `features/ipmi` answers for a server with these.
pub fn features(supported: &[&str]) -> Value {
    let all = ["kvmipHtml5URL", "kvmipJnlp", "serialOverLanURL", "serialOverLanSshKey"];
    let table: serde_json::Map<String, Value> =
        all.iter().map(|name| ((*name).to_owned(), supported.contains(name).into())).collect();
    json!({"activated": true, "supportedFeatures": table})
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handler(state: &Arc<Mutex<State>>) -> impl Fn(&Request, &mut dyn Stream) -> Reply + Send + Sync + 'static {
    let state = Arc::clone(state);
    move |request, stream| {
        let call = format!("{} {}", request.method, request.path().trim_start_matches("/1.0"));
        let (pace, fault) = {
            let mut state = lock(&state);
            state.in_flight += 1;
            state.most_in_flight = state.most_in_flight.max(state.in_flight);
            state.calls.push(call.clone());
            (state.pace, state.fault(&call))
        };
        std::thread::sleep(pace);
        let reply = match fault {
            Some(fault) => fail(fault, stream),
            None => answer(&call, request, &mut lock(&state)),
        };
        lock(&state).in_flight -= 1;
        reply.header("X-Ovh-QueryID", "FAKE.ext-1.0123")
    }
}

fn fail(fault: Fault, stream: &mut dyn Stream) -> Reply {
    let mut raw = |text: &str| {
        // A client that has already left is no failure of the fake.
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
        Reply::Taken
    };
    match fault {
        Fault::Refuse(status, code, message) => refuse(status, code, message),
        Fault::RetryAfter(status, seconds) => {
            refuse(status, "", "Too many requests").header("Retry-After", seconds.to_string())
        }
        Fault::Body(status, body) => Reply::status(status, body),
        Fault::Half => raw("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n[\"ns1"),
        Fault::Huge => Reply::ok("application/json", vec![b' '; 5 * 1024 * 1024]),
        Fault::Drop => raw(""),
    }
}

fn refuse(status: u16, code: &str, message: &str) -> Reply {
    let mut body = json!({"class": "Client::Fake", "message": message, "httpCode": status.to_string()});
    if !code.is_empty() {
        body["errorCode"] = code.into();
    }
    Reply::status(status, body.to_string()).header("Content-Type", "application/json")
}

fn give(body: &Value) -> Reply {
    Reply::ok("application/json; charset=utf-8", body.to_string())
}

fn answer(call: &str, request: &Request, state: &mut State) -> Reply {
    match call {
        "GET /auth/time" => {
            assert_eq!(request.header("x-ovh-signature"), None, "the time is asked unsigned");
            return give(&state.now(0).seconds().into());
        }
        "POST /auth/oauth2/token" => return make_token(request, state),
        "POST /auth/credential" => return credential(request, state),
        _ => {}
    }
    if !request.target.starts_with("/1.0/") {
        return refuse(404, "", "Got an invalid (or empty) URL");
    }
    if let Some(refusal) = sign_in(request, state) {
        return refusal;
    }
    let (method, path) = call.split_once(' ').unwrap();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    match (method, parts.as_slice()) {
        ("GET", ["dedicated", "server"]) => give(&state.servers.keys().rev().cloned().collect::<Vec<_>>().into()),
        ("POST", ["me", "geolocation"]) => {
            assert_eq!(request.text(), "");
            match state.address {
                Some(ip) => give(&json!({"ip": ip, "countryCode": "fr", "continent": "eu"})),
                None => refuse(403, "NOT_GRANTED_CALL", "This call has not been granted"),
            }
        }
        (_, ["dedicated", "server", name, below @ ..]) if state.servers.contains_key(*name) => {
            of_server(method, name, below, request, state)
        }
        (_, ["dedicated", "server", ..]) => refuse(404, "", "This service does not exist"),
        _ => refuse(404, "", "Got an invalid (or empty) URL"),
    }
}

fn of_server(method: &str, name: &str, below: &[&str], request: &Request, state: &mut State) -> Reply {
    let server = state.servers[name].clone();
    match (method, below) {
        ("GET", []) => give(&server.details),
        ("GET", ["features", "ipmi"]) => match &server.features {
            Some(features) => give(features),
            None => refuse(404, "", "The requested object (ipmi) does not exist"),
        },
        ("GET", ["features", "ipmi", "access"]) => {
            assert!(request.target.ends_with("?type=kvmipHtml5URL"), "{}", request.target);
            let server = state.servers.get_mut(name).unwrap();
            if server.looks > 0 {
                server.looks -= 1;
            } else if let Some(next) = server.next.take() {
                server.access = Some(next);
            }
            match &server.access {
                Some((value, expiration)) => give(&json!({"value": value, "expiration": expiration.to_string()})),
                None => refuse(404, "", "You have to request access first"),
            }
        }
        ("POST", ["features", "ipmi", "access"]) => {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            assert_eq!(request.header("content-type"), Some("application/json"));
            state.requests.push(body);
            state.made += 1;
            let id = 700 + state.made as u64;
            state.pending.insert(id, Task { server: name.to_owned(), looks: 0, asked: Instant::now() });
            give(&task(id, "init", ""))
        }
        ("GET", ["task", id]) => {
            state.stages.extend(state.watch.as_ref().map(Watch::stage));
            let id = id.parse().unwrap();
            let pending = state.pending.get_mut(&id).unwrap();
            assert_eq!(pending.server, name);
            let early = pending.asked.elapsed() < state.task_time;
            let status = if early { "doing" } else { state.task[pending.looks.min(state.task.len() - 1)] };
            pending.looks += usize::from(!early);
            if status == "done" {
                let viewer = match &server.viewer {
                    Some(viewer) => viewer(),
                    None => format!("{}?token=number-{}", state.viewer, state.made),
                };
                let next = (viewer, state.now(900));
                let lag = state.lag;
                let server = state.servers.get_mut(name).unwrap();
                (server.next, server.looks) = (Some(next), lag);
            }
            give(&task(id, status, state.task_comment))
        }
        _ => refuse(404, "", "Got an invalid (or empty) URL"),
    }
}

fn task(id: u64, status: &str, comment: &str) -> Value {
    json!({"taskId": id, "function": "ipmi/access", "status": status, "comment": comment, "doneDate": null})
}

/// Checks who calls: a bearer token that counts, or a signature.
fn sign_in(request: &Request, state: &State) -> Option<Reply> {
    if let Some(bearer) = request.header("authorization") {
        let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
        let is_good = state.tokens.iter().any(|good| good == token);
        return (!is_good).then(|| refuse(401, "", "invalid_token"));
    }
    let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
    if header("x-ovh-application") != APPLICATION_KEY {
        return Some(refuse(403, "INVALID_KEY", "This application key is invalid"));
    }
    if header("x-ovh-consumer") != CONSUMER_KEY {
        return Some(refuse(403, "NOT_CREDENTIAL", "This credential does not exist"));
    }
    let timestamp = header("x-ovh-timestamp");
    let seconds: u64 = timestamp.parse().unwrap();
    if seconds.abs_diff(state.now(0).seconds()) > TOLERANCE {
        return Some(refuse(400, "", "Query out of time"));
    }
    let url = format!("{}://{}{}", state.scheme, request.header("host").unwrap_or_default(), request.target);
    let signed = [APPLICATION_SECRET, CONSUMER_KEY, &request.method, &url, &request.text(), &timestamp].join("+");
    let hash = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, signed.as_bytes());
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    (header("x-ovh-signature") != format!("$1${hex}")).then(|| refuse(400, "", "Invalid signature"))
}

fn make_token(request: &Request, state: &mut State) -> Reply {
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    let wanted = "grant_type=client_credentials&client_id=client-id-of-ann\
                  &client_secret=client-secret-of-ann%2B%26%3D&scope=all";
    if request.text() != wanted {
        let body = json!({"error": "invalid_client", "error_description": "The client is unknown"});
        return Reply::status(401, body.to_string());
    }
    state.made += 1;
    let token = secrets::marked(format!("oauth-token-number-{}", state.made));
    state.tokens.push(token.clone());
    give(&json!({"access_token": token, "token_type": "Bearer", "expires_in": state.token_life, "scope": "all"}))
}

fn credential(request: &Request, state: &mut State) -> Reply {
    if request.header("x-ovh-application") != Some(APPLICATION_KEY) {
        return refuse(403, "INVALID_KEY", "This application key is invalid");
    }
    assert_eq!(request.header("x-ovh-signature"), None);
    state.requests.push(serde_json::from_slice(&request.body).unwrap());
    let page = "https://www.ovh.example/auth/?credentialToken=abc";
    give(&json!({"consumerKey": CONSUMER_KEY, "validationUrl": page, "state": "pendingValidation"}))
}
