//! How the console of a server is reached at OVH.
//!
//! ```text
//! features/ipmi ── no HTML5 console: say what there is
//!       │
//! GET access ───── one that has not expired, and any will do: that is it
//!       │
//! POST access ──── with our address, so that the BMC lets us in
//!       │
//! GET task ─────── init, todo, doing, done: 5 to 20 s
//!       │
//! GET access ───── until it is another than before: the value may lag behind the task
//! ```

use std::net::Ipv4Addr;
use std::sync::PoisonError;
use std::time::Duration;

use serde_json::{Value, json};

use super::answers::{Features, HTML5, Opening, Status, Task};
use super::{Ovh, Wanted, endpoint, is_id, login, no_such_server, path_of};
use crate::base::bytes::quote;
use crate::base::{Access, Certificate, Error, Kind, Route, Url, Watch, clock};
use crate::net::Method;

/// How long the link of an access may be used, in minutes: the longest that OVH gives.
const TTL: u64 = 15;

/// An access with less time left is as good as expired: a slow BMC takes this long to let us in.
const LEAST_LEFT: Duration = Duration::from_secs(20);

/// The task.
const TASK_LIMIT: Duration = Duration::from_secs(120);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How far the value may lag behind the task.
const VALUE_LIMIT: Duration = Duration::from_secs(5);

/// Our address is nice to have: it is not worth a longer wait.
const ADDRESS_LIMIT: Duration = Duration::from_secs(10);
const ADDRESS_LIFE: Duration = Duration::from_secs(3_600);
const NO_ADDRESS_LIFE: Duration = Duration::from_secs(60);

impl Ovh {
    /// See the drawing above.
    pub(super) fn open(&self, server: &str, wanted: Wanted, watch: &Watch) -> Result<Access, Error> {
        if !is_id(server) {
            return Err(no_such_server());
        }
        self.expect_html5(server, watch)?;
        watch.enter("asking OVH for an access that is still valid");
        let old = self.opening(server, watch)?;
        let is_enough = |left| wanted == Wanted::Any && left >= LEAST_LEFT;
        if let Some(old) = old.as_ref().filter(|old| self.left(old).is_some_and(is_enough)) {
            return self.access_by(old, Vec::new());
        }
        let (address, notes) = match self.address(wanted, watch)? {
            Ok(address) => (Some(address), Vec::new()),
            Err(note) => (None, vec![note]),
        };
        self.request(server, address, watch)?;
        let new = self.renewed(server, old.as_ref(), watch)?;
        self.access_by(&new, notes)
    }

    /// An error that names what the server has, unless it has an HTML5 console.
    fn expect_html5(&self, server: &str, watch: &Watch) -> Result<(), Error> {
        if self.has_html5(server) {
            return Ok(());
        }
        watch.enter("asking OVH which console the server has");
        let features = match self.api.get(&path_of(server, "/features/ipmi"), watch) {
            Ok(answer) => Features::read(&answer),
            Err(failure) if failure.is_absence() => {
                // Either the server or its IPMI does not exist.
                return Err(match self.details(server, watch) {
                    Ok(_) => Error::new(Kind::Unsupported, "OVH offers no IPMI, and so no console, for this server")
                        .hint("boot it into rescue mode to look into it"),
                    Err(failure) if failure.is_absence() => no_such_server(),
                    Err(failure) => failure.into(),
                });
            }
            Err(failure) => return Err(failure.into()),
        };
        let has = match features.others.as_slice() {
            [] => "no other console either".to_owned(),
            others => format!("only {}", others.join(" and ")),
        };
        if !features.has_html5 {
            let what = format!("OVH offers no HTML5 console for this server, {has}");
            return Err(Error::new(Kind::Unsupported, what).hint("open what there is in OVH's control panel"));
        }
        if !features.is_active {
            return Err(Error::new(Kind::Unsupported, "IPMI is not activated for this server")
                .hint("activate it in OVH's control panel"));
        }
        self.html5.lock().unwrap_or_else(PoisonError::into_inner).insert(server.to_owned());
        Ok(())
    }

    /// The access that there is, valid or not.
    fn opening(&self, server: &str, watch: &Watch) -> Result<Option<Opening>, Error> {
        match self.api.get(&path_of(server, &format!("/features/ipmi/access?type={HTML5}")), watch) {
            Ok(answer) => Ok(Opening::read(&answer)),
            Err(failure) if failure.is_absence() => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    /// How long an access is still good, on OVH's clock; `None` where OVH does not say.
    fn left(&self, opening: &Opening) -> Option<Duration> {
        let seconds = opening.expiration?.seconds().saturating_sub(self.api.now().seconds());
        Some(Duration::from_secs(seconds))
    }

    /// What a console can use.
    fn access_by(&self, opening: &Opening, notes: Vec<String>) -> Result<Access, Error> {
        let bad = |what: &str| Error::new(Kind::Peer, format!("OVH's access {what}"));
        let url = Url::parse(opening.value.reveal()).map_err(|_| bad("is no URL of a viewer"))?;
        // Only a fake of OVH may send us to a server of this machine that has no TLS.
        let is_test = || endpoint::is_here(&url) && self.api.settings().endpoint.is_here();
        if url.scheme != "https" && !(url.scheme == "http" && is_test()) {
            return Err(bad("is no https URL"));
        }
        // A new access may look expired where this machine's clock is wrong and OVH's was never asked.
        let life = self.left(opening).filter(|left| !left.is_zero()).unwrap_or(Duration::from_secs(TTL * 60));
        Ok(Access {
            route: Route::Viewer(opening.value.clone()),
            certificate: Certificate::default(),
            expires: clock::now().checked_add(life),
            notes,
        })
    }

    /// The address that the BMC will see us from, or a note on why OVH was not told.
    fn address(&self, wanted: Wanted, watch: &Watch) -> Result<Result<Ipv4Addr, String>, Error> {
        if let Some(ip) = self.api.settings().public_ip {
            return Ok(Ok(ip));
        }
        if wanted == Wanted::New {
            // The last access was turned away: perhaps we have moved.
            self.address.forget_if(|address| address.is_ok());
        }
        self.address.obtain(watch, || {
            let asking = watch.within("asking OVH for our public address", ADDRESS_LIMIT);
            let note = |why: &str| format!("OVH was not told which address will connect: {why}");
            match self.api.post("/me/geolocation", None, &asking) {
                Ok(answer) => Ok(match answer["ip"].as_str().and_then(|ip| ip.parse().ok()) {
                    Some(ip) => (Ok(ip), ADDRESS_LIFE),
                    None => (Err(note("it sees no IPv4 address of ours; set IKVM_PUBLIC_IP")), NO_ADDRESS_LIFE),
                }),
                Err(failure) if failure.error.kind() == Kind::Denied => {
                    let right = login::right_for(Method::Post, "/me/geolocation");
                    let why =
                        format!("the credentials lack the right {right}; set IKVM_PUBLIC_IP, or run `ikvm-mcp login`");
                    Ok((Err(note(&why)), ADDRESS_LIFE))
                }
                Err(failure) => {
                    // Ends here where it was the whole work that ended.
                    watch.left()?;
                    Ok((Err(note(&failure.error.to_string())), NO_ADDRESS_LIFE))
                }
            }
        })
    }

    /// Asks for a new access and waits until OVH has made it.
    fn request(&self, server: &str, address: Option<Ipv4Addr>, watch: &Watch) -> Result<(), Error> {
        watch.enter("asking OVH for a new access");
        let mut body = json!({"type": HTML5, "ttl": TTL});
        if let Some(address) = address {
            body["ipToAllow"] = address.to_string().into();
        }
        let mut task =
            self.api.post(&path_of(server, "/features/ipmi/access"), Some(&body), watch).map(read_task)??;
        let whole = watch.within("waiting for OVH's access task", TASK_LIMIT);
        let mut pause = FIRST_PAUSE;
        loop {
            let stage = match task.status {
                Status::Done => return Ok(()),
                Status::Failed(word) => return Err(failed(&word, &task.comment)),
                Status::Waiting(stage) => stage,
            };
            whole.enter(stage);
            let next = whole.sleep(pause).and_then(|()| {
                let path = path_of(server, &format!("/task/{}", task.id));
                self.api.get(&path, &whole).map(read_task)?
            });
            task = next.map_err(|error| match error.kind() {
                // That there is no such task says nothing about the server.
                Kind::NotFound => {
                    Error::new(Kind::Peer, "OVH no longer knows its access task").hint("try again in a minute")
                }
                Kind::Timeout(_) if whole.left().is_err() => {
                    let what = format!("no access from OVH within {:.0} s ({stage})", whole.elapsed().as_secs_f64());
                    Error::new(Kind::Timeout(stage), what)
                        .hint("try again in a minute, or look at the server's tasks in OVH's control panel")
                }
                _ => error,
            })?;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }

    /// The access as soon as it is another than `old`. Where it stays the same although the task is done, OVH gave
    /// the old one again: it counts while it has not expired.
    fn renewed(&self, server: &str, old: Option<&Opening>, watch: &Watch) -> Result<Opening, Error> {
        let lag = watch.within("waiting for the address of OVH's access", VALUE_LIMIT);
        let mut pause = FIRST_PAUSE;
        loop {
            let opening = self.opening(server, &lag);
            match opening {
                Ok(Some(opening)) if Some(&opening) != old => return Ok(opening),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), Kind::Timeout(_)) => {}
                Err(error) => return Err(error),
            }
            if let Err(error) = lag.sleep(pause) {
                let is_usable = |old: &&Opening| self.left(old).is_some_and(|left| left >= LEAST_LEFT);
                let usable = old.filter(is_usable).filter(|_| watch.left().is_ok());
                return usable.cloned().ok_or_else(|| match error.kind() {
                    Kind::Timeout(_) => {
                        error.hint("OVH's task is done and its access is missing: try again in a minute")
                    }
                    _ => error,
                });
            }
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
        }
    }
}

fn read_task(answer: Value) -> Result<Task, Error> {
    Task::read(&answer).ok_or_else(|| Error::new(Kind::Peer, "OVH's answer is no task"))
}

fn failed(word: &str, comment: &str) -> Error {
    let said = if comment.is_empty() { String::new() } else { format!(": {}", quote(comment)) };
    let hint = match word {
        "ovhError" => {
            "try again in a minute; where it stays, the BMC may hang: reset its interface in OVH's control panel"
        }
        "customerError" => "look at the server's tasks and its IPMI page in OVH's control panel",
        _ => "try again in a minute",
    };
    Error::new(Kind::Peer, format!("OVH ended the access task with {word}{said}")).hint(hint)
}
