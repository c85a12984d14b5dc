//! HTTP/1.1 calls to clouds and to the web servers of BMCs, through ureq over our own TLS.
//!
//! An answer is an answer, whatever its status; redirects are not followed. Deliberately absent: cookies (callers
//! send `Cookie` themselves), compression, SOCKS proxies.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Proxy, ProxyProtocol, RequestBuilder, Timeout};

use super::tcp::{self, CONNECT_LIMIT};
use super::{Trust, failure, tls};
use crate::base::bytes::clean_text;
use crate::base::{Error, Kind, Url, Watch};

mod connector;

/// One call, from the name to the last byte of the body; slow BMCs take 10 s and more.
pub const CALL_LIMIT: Duration = Duration::from_secs(30);
/// The body of an answer; OVH's longest lists and a viewer's scripts stay below 1 MiB.
pub const MAX_BODY: u64 = 4 * 1024 * 1024;
/// Idle connections kept to a cloud: as many as calls are made at a time.
const MAX_IDLE: usize = 4;

/// Whom a client talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A provider's API: through the proxy that HTTPS_PROXY names, over connections that are kept.
    Cloud,
    /// A BMC: never through a proxy, one call at a time, each over its own connection; its web server has few
    /// workers and loses them.
    Bmc,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        })
    }
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// What to do there.
    pub method: Method,
    /// Where to.
    pub url: &'a Url,
    /// Sent in the case they are written in, the content's type included.
    pub headers: Vec<(&'static str, String)>,
    /// Sent with its length. `None` sends none with GET and DELETE, an empty one with POST and PUT.
    pub body: Option<Vec<u8>>,
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub struct Response {
    /// 200, 404 ...
    pub status: u16,
    /// Names in lower case, in the order of the answer where one name comes several times.
    pub headers: Vec<(String, String)>,
    /// At most [`MAX_BODY`].
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, in whatever case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every header of this name: `Set-Cookie` comes several times.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Makes calls. Any thread may; calls to a BMC wait for each other.
#[derive(Debug)]
pub struct Client {
    peer: Peer,
    trust: Trust,
    proxy: Option<Proxy>,
    /// Each serves one call at a time: shutting one down ends that call and no other.
    idle: Mutex<Vec<Agent>>,
    gate: Arc<Gate>,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(peer: Peer, trust: Trust) -> Self {
        let proxy = match peer {
            Peer::Cloud => Proxy::try_from_env(),
            Peer::Bmc => None,
        };
        Self::with_proxy(peer, trust, proxy)
    }

    fn with_proxy(peer: Peer, trust: Trust, proxy: Option<Proxy>) -> Self {
        Self { peer, trust, proxy, idle: Mutex::default(), gate: Arc::default() }
    }

    /// Sends a request and reads the whole answer. The watch names the stage; a call takes at most [`CALL_LIMIT`].
    pub fn send(&self, request: &Request<'_>, watch: &Watch) -> Result<Response, Error> {
        self.exchange(request, Whole::Required, watch)
    }

    /// The same, where the peer announces longer bodies than it sends: one that ends early is taken as it is.
    pub fn send_leniently(&self, request: &Request<'_>, watch: &Watch) -> Result<Response, Error> {
        self.exchange(request, Whole::Unknown, watch)
    }

    fn exchange(&self, request: &Request<'_>, whole: Whole, watch: &Watch) -> Result<Response, Error> {
        let result = self.attempt(request, whole, watch);
        result.map_err(|error| error.doing(format!("{} {}", request.method, request.url)))
    }

    fn attempt(&self, request: &Request<'_>, whole: Whole, watch: &Watch) -> Result<Response, Error> {
        let _turn = match self.peer {
            Peer::Bmc => Some(Gate::enter(&self.gate, watch)?),
            Peer::Cloud => None,
        };
        let watch = watch.within(watch.stage(), CALL_LIMIT);
        let proxy = self.proxy_for(request.url)?;
        let kept = if self.peer == Peer::Cloud { self.idle().pop() } else { None };
        let agent = kept.unwrap_or_else(|| self.agent());
        let call = Call {
            method: request.method,
            url: request.url.reveal(),
            headers: request.headers.clone(),
            body: request.body.clone(),
            whole,
            proxy: proxy.clone(),
            limit: watch.left()?,
        };
        let result = tcp::detached(&watch, {
            let agent = agent.clone();
            move || call.run(&agent)
        });
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                agent.shutdown();
                return Err(error);
            }
        };
        match result {
            Ok(response) => {
                let mut idle = self.idle();
                if self.peer == Peer::Cloud && idle.len() < MAX_IDLE {
                    idle.push(agent);
                }
                Ok(response)
            }
            Err(Failure::TooLarge) => {
                Err(Error::new(Kind::Peer, format!("its answer is longer than {} MiB, the limit", MAX_BODY >> 20)))
            }
            Err(Failure::Call(error)) => {
                // What ureq took for an answer cut off may be the end of the wait.
                watch.left()?;
                let error = explain(error, self.peer, &watch);
                Err(match proxy {
                    Some(proxy) => {
                        error.hint(format!("check the proxy {}:{} (HTTPS_PROXY)", proxy.host(), proxy.port()))
                    }
                    None => error,
                })
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Agent>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The proxy for this URL: none for this machine itself, nor where NO_PROXY says so.
    fn proxy_for(&self, url: &Url) -> Result<Option<Proxy>, Error> {
        let Some(proxy) = &self.proxy else { return Ok(None) };
        let uri = url.reveal().parse().map_err(|_| bad_url())?;
        let is_local = url.host == "localhost" || url.host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        if is_local || proxy.is_no_proxy(&uri) {
            return Ok(None);
        }
        if !matches!(proxy.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
            let what = format!("the proxy {}:{} speaks SOCKS, which this program does not", proxy.host(), proxy.port());
            return Err(Error::new(Kind::Unsupported, what).hint("name an HTTP proxy in HTTPS_PROXY, or unset it"));
        }
        Ok(Some(proxy.clone()))
    }

    fn agent(&self) -> Agent {
        let kept = if self.peer == Peer::Cloud { 1 } else { 0 };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .max_idle_connections(kept)
            .max_idle_connections_per_host(kept)
            .user_agent(concat!("ikvm-mcp/", env!("CARGO_PKG_VERSION")))
            .build();
        let connector =
            ().chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(connector::Tls::new(self.trust.clone()));
        Agent::with_parts(config, connector, connector::SystemResolver)
    }
}

/// One call, with everything it needs to run on another thread.
struct Call {
    method: Method,
    url: String,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    whole: Whole,
    proxy: Option<Proxy>,
    limit: Duration,
}

/// Whether the length that an answer announces is believed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whole {
    Required,
    Unknown,
}

enum Failure {
    Call(ureq::Error),
    TooLarge,
}

impl From<ureq::Error> for Failure {
    fn from(error: ureq::Error) -> Self {
        Self::Call(error)
    }
}

impl Call {
    fn run(self, agent: &Agent) -> Result<Response, Failure> {
        let url = self.url.as_str();
        let sent = match (self.method, &self.body) {
            (Method::Get, None) => self.dress(agent.get(url)).call(),
            (Method::Delete, None) => self.dress(agent.delete(url)).call(),
            (Method::Get, Some(body)) => self.dress(agent.get(url)).force_send_body().send(body),
            (Method::Delete, Some(body)) => self.dress(agent.delete(url)).force_send_body().send(body),
            (Method::Post, body) => self.dress(agent.post(url)).send(body.as_deref().unwrap_or_default()),
            (Method::Put, body) => self.dress(agent.put(url)).send(body.as_deref().unwrap_or_default()),
        };
        let mut answer = sent?;
        let mut body = Vec::new();
        match answer.body_mut().with_config().limit(MAX_BODY + 1).reader().read_to_end(&mut body) {
            Err(error) if self.whole == Whole::Unknown && error.kind() == ErrorKind::UnexpectedEof => {}
            result => match result.map_err(ureq::Error::from) {
                Ok(_) => {}
                Err(ureq::Error::BodyExceedsLimit(_)) => return Err(Failure::TooLarge),
                Err(error) => return Err(error.into()),
            },
        }
        let text = |value: &ureq::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = answer.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
        Ok(Response { status: answer.status().as_u16(), headers, body })
    }

    /// Everything that does not depend on the method. ureq's own limit comes after ours, which has the better words;
    /// it is there to end the thread.
    fn dress<Any>(&self, builder: RequestBuilder<Any>) -> RequestBuilder<Any> {
        let builder = self.headers.iter().fold(builder, |b, (name, value)| b.header_raw(name, value.as_bytes()));
        builder
            .config()
            .proxy(self.proxy.clone())
            .timeout_connect(Some(CONNECT_LIMIT))
            .timeout_global(Some(self.limit + Duration::from_secs(1)))
            .build()
    }
}

fn bad_url() -> Error {
    Error::new(Kind::Usage, "not a URL that HTTP can carry")
}

fn explain(error: ureq::Error, whom: Peer, watch: &Watch) -> Error {
    let peer = |what: String| Error::new(Kind::Peer, what);
    match error {
        // A cloud's certificate changes every few months: nobody pins it.
        ureq::Error::Io(error) => match tls::fault_of(&error).filter(|_| whom == Peer::Cloud) {
            Some(fault) => peer(format!("its certificate {fault}")).hint(
                "check this machine's clock; where a proxy of yours signs for it, name that proxy's authority in \
                 SSL_CERT_FILE",
            ),
            None => failure::explain(error),
        },
        ureq::Error::Timeout(Timeout::Connect) => {
            let what = format!("no connection within {} s ({})", CONNECT_LIMIT.as_secs(), watch.stage());
            Error::new(Kind::Timeout(watch.stage()), what).hint("check the address, and whether a firewall is between")
        }
        ureq::Error::Timeout(_) => watch.timeout(),
        ureq::Error::ConnectProxyFailed(what) => peer(format!("no way through the proxy: {}", clean_text(&what))),
        ureq::Error::LargeResponseHeader(_, limit) => peer(format!("the head of its answer exceeds {limit} bytes")),
        ureq::Error::Protocol(error) => {
            let what = format!("its answer is not HTTP ({})", clean_text(&error.to_string()));
            peer(what).hint("check the port, and whether it wants https")
        }
        ureq::Error::BadUri(_) => bad_url(),
        ureq::Error::Http(error) => {
            Error::new(Kind::Internal, format!("a request that HTTP cannot carry: {}", clean_text(&error.to_string())))
        }
        other => peer(clean_text(&other.to_string())),
    }
}

/// Lets one call through at a time.
#[derive(Debug, Default)]
struct Gate {
    taken: Mutex<bool>,
    freed: Condvar,
}

struct Turn(Arc<Gate>);

impl Gate {
    fn enter(gate: &Arc<Self>, watch: &Watch) -> Result<Turn, Error> {
        let _hook = watch.on_cancel({
            let gate = Arc::clone(gate);
            move || {
                // Taken, so that the waiter is either still before its look at the watch or already waiting.
                drop(gate.taken());
                gate.freed.notify_all();
            }
        });
        let mut taken = gate.taken();
        while *taken {
            let left = watch.left()?;
            taken = gate.freed.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *taken = true;
        drop(taken);
        Ok(Turn(Arc::clone(gate)))
    }

    fn taken(&self) -> MutexGuard<'_, bool> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.taken() = false;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests;
