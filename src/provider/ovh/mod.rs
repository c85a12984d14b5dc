//! OVHcloud's dedicated servers, Kimsufi and So you Start included.
//!
//! Source: OVH's API schemas and official clients. `access.rs` tells how a console is reached.
//!
//! | answer | kept for |
//! |---|---|
//! | the list of servers with their details | 60 s; 5 s where details are missing |
//! | a server's power state | 10 s; 30 s that it could not be told |
//! | our public address | 1 h, or until an access made with it was turned away |
//! | that a server has an HTML5 console | as long as the program runs |

mod access;
mod answers;
mod api;
mod credentials;
mod endpoint;
mod login;
mod refusal;
mod shared;
mod sign;

use std::collections::{HashMap, HashSet};
use std::net::Ipv4Addr;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Provider, Wanted};
use crate::base::url::percent_encode;
use crate::base::{Access, Error, Kind, Power, Server, Watch, clock, log};
use crate::net::Trust;
use api::Api;
pub use credentials::{Credentials, Settings};
pub use endpoint::{DEFAULT, Endpoint};
pub use login::{ConsumerKey, RIGHTS, request_consumer_key};
use refusal::Failure;
use shared::Shared;

/// The provider's name.
pub const NAME: &str = "ovh";

/// Calls for details at a time: OVH's staff asks for about one call a second.
const IN_FLIGHT: usize = 4;

const LIST_LIFE: Duration = Duration::from_secs(60);
const GAPPY_LIST_LIFE: Duration = Duration::from_secs(5);
const POWER_LIFE: Duration = Duration::from_secs(10);
/// A witness that every look asks, and waits for, must not hold them all up.
const NO_POWER_LIFE: Duration = Duration::from_secs(30);

/// The longest name of a host (RFC 1035 section 2.3.4).
const MAX_ID: usize = 253;

/// Far more servers than an account has, and details of them than fit into an answer.
const MAX_SERVERS: usize = 10_000;

/// A server's power state, or why it could not be told, and until when that counts.
type KnownPower = (Result<Option<Power>, Error>, Instant);

/// OVH as one customer sees it.
#[derive(Debug)]
pub struct Ovh {
    api: Api,
    list: Shared<Vec<Server>>,
    /// Our address, or why it is not known.
    address: Shared<Result<Ipv4Addr, String>>,
    /// These three hold servers that OVH confirmed only, so the customer's servers bound them.
    powers: Mutex<HashMap<String, KnownPower>>,
    html5: Mutex<HashSet<String>>,
}

impl Ovh {
    /// The provider; nothing is asked yet.
    pub fn new(settings: Settings, trust: Trust) -> Self {
        Self {
            api: Api::new(settings, trust),
            list: Shared::default(),
            address: Shared::default(),
            powers: Mutex::default(),
            html5: Mutex::default(),
        }
    }

    /// The list and every server's details, which may be missing for some.
    fn fetch_servers(&self, watch: &Watch) -> Result<(Vec<Server>, Duration), Error> {
        watch.enter("asking OVH for the servers");
        let answer = self.api.get("/dedicated/server", watch)?;
        let names = answer.as_array().ok_or_else(|| Error::new(Kind::Peer, "OVH's list of servers is no list"))?;
        if names.len() > MAX_SERVERS {
            let what = format!("OVH lists {} servers, more than {MAX_SERVERS}, the limit", names.len());
            return Err(Error::new(Kind::Unsupported, what).hint("use credentials that see fewer servers"));
        }
        let mut names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).filter(|name| is_id(name)).collect();
        names.sort_unstable();
        names.dedup();
        watch.enter("asking OVH for the servers' details");
        let details = self.fetch_details(&names, watch);
        if watch.is_cancelled() {
            watch.left()?;
        }
        let failures: Vec<&Error> = details.iter().filter_map(|(_, failure)| failure.as_ref()).collect();
        let life = match failures.first() {
            None => LIST_LIFE,
            Some(first) => {
                log::warn(format_args!(
                    "OVH gave no details of {} of {} servers: {first}",
                    failures.len(),
                    names.len()
                ));
                GAPPY_LIST_LIFE
            }
        };
        Ok((details.into_iter().map(|(server, _)| server).collect(), life))
    }

    /// Each server in its place, with its failure where its details are missing.
    fn fetch_details(&self, names: &[&str], watch: &Watch) -> Vec<(Server, Option<Error>)> {
        let (next, call) = (AtomicUsize::new(0), log::call());
        let work = || {
            let _work = log::work_for(call);
            let mut done = Vec::new();
            while let Some((index, name)) = next_of(&next, names) {
                done.push((index, self.fetch_server(name, watch)));
            }
            done
        };
        let mut all: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = names.iter().take(IN_FLIGHT).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
        });
        all.sort_unstable_by_key(|(index, _)| *index);
        all.into_iter().map(|(_, server)| server).collect()
    }

    fn fetch_server(&self, id: &str, watch: &Watch) -> (Server, Option<Error>) {
        match self.details(id, watch) {
            Ok(details) => (answers::server(id, &details), None),
            Err(failure) => {
                let mut server = answers::server(id, &serde_json::Value::Null);
                if failure.status == Some(460) {
                    server.state = Some("expired".to_owned());
                }
                (server, Some(failure.into()))
            }
        }
    }

    /// A server's details; its power state is kept.
    fn details(&self, id: &str, watch: &Watch) -> Result<serde_json::Value, Failure> {
        let details = self.api.get(&path_of(id, ""), watch)?;
        self.keep_power(id, Ok(answers::power(&details)), POWER_LIFE);
        Ok(details)
    }

    fn keep_power(&self, id: &str, power: Result<Option<Power>, Error>, life: Duration) {
        let kept = (power, clock::now() + life);
        self.powers.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), kept);
    }

    /// Whether OVH said that the server has a console: then there is such a server.
    fn has_html5(&self, server: &str) -> bool {
        self.html5.lock().unwrap_or_else(PoisonError::into_inner).contains(server)
    }
}

impl Provider for Ovh {
    fn name(&self) -> &'static str {
        NAME
    }

    fn servers(&self, watch: &Watch) -> Result<Vec<Server>, Error> {
        self.list.obtain(watch, || self.fetch_servers(watch))
    }

    fn access(&self, server: &str, wanted: Wanted, watch: &Watch) -> Result<Access, Error> {
        self.open(server, wanted, watch)
    }

    fn power(&self, server: &str, watch: &Watch) -> Result<Option<Power>, Error> {
        if !is_id(server) {
            return Err(no_such_server());
        }
        let kept = self.powers.lock().unwrap_or_else(PoisonError::into_inner).get(server).cloned();
        if let Some((power, _)) = kept.filter(|(_, until)| clock::now() < *until) {
            return power;
        }
        watch.enter("asking OVH whether the server is on");
        match self.details(server, watch) {
            Ok(details) => Ok(answers::power(&details)),
            Err(failure) if failure.is_absence() => Err(no_such_server()),
            Err(failure) => {
                let error = Error::from(failure);
                // That the caller gave up says nothing to the others.
                if error.kind() != Kind::Cancelled && self.has_html5(server) {
                    self.keep_power(server, Err(error.clone()), NO_POWER_LIFE);
                }
                Err(error)
            }
        }
    }
}

fn next_of<'a>(next: &AtomicUsize, names: &[&'a str]) -> Option<(usize, &'a str)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    names.get(index).map(|name| (index, *name))
}

/// Whether this can be the name of a server: a host's name, which can neither leave its place in a path nor
/// begin a query.
fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    id.len() <= MAX_ID && id.bytes().all(is_plain) && id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}

/// A path of the API below a server.
fn path_of(server: &str, below: &str) -> String {
    format!("/dedicated/server/{}{below}", percent_encode(server))
}

fn no_such_server() -> Error {
    Error::new(Kind::NotFound, "OVH has no such server").hint("call list_servers for the ones it has")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_cannot_leave_its_place_in_a_path() {
        for id in ["ns1234567.ip-1-2-3.eu", "ns1", "2001-db8", "a_b"] {
            assert!(is_id(id), "{id}");
        }
        let long = "a".repeat(MAX_ID + 1);
        for id in ["", ".", "..", "../me", "a/b", "a?b", "a%2fb", "a b", "-a", "\u{e9}", "a\n", &long] {
            assert!(!is_id(id), "{id}");
        }
        assert_eq!(path_of("ns1.eu", "/task/7"), "/dedicated/server/ns1.eu/task/7");
    }
}
