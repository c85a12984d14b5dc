//! A walk over the whole way to a console, step by step, for people who set it up.
//!
//! | step | of |
//! |---|---|
//! | configuration, access | the provider |
//! | name, TCP, TLS | the host that the access leads to |
//! | logging in ... the first picture | the console's driver, as its stages come |
//! | logging out | the driver |

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Ops, Providers};
use crate::base::bytes::clean_text;
use crate::base::watch::Observer;
use crate::base::{Access, Error, Watch, clock};
use crate::console;
use crate::net::{Trust, reach};
use crate::provider::{Wanted, hosts};

/// One step of the way, done or failed.
#[derive(Debug)]
pub struct Step {
    /// What was done: `name`, `TCP`, `logging in to the BMC` ...
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What was found out, possibly nothing; or why the way ends here, and what to do.
    pub outcome: Result<String, Error>,
}

/// Hears each step when it is over.
pub type Teller = Box<dyn FnMut(Step) + Send>;

/// Tells the steps of one walk, those of the driver's threads included.
#[derive(Clone)]
struct Walk {
    state: Arc<Mutex<State>>,
}

struct State {
    tell: Teller,
    /// The driver's stage that is not over yet.
    stage: Option<(&'static str, Instant)>,
    failed: Option<Error>,
}

impl Ops {
    /// Walks the way to the console of `server` and back. The error is that of the step that failed. Cancelled, it comes
    /// back from where it is.
    pub fn check(&self, server: &str, tell: Teller, watch: &Watch) -> Result<(), Error> {
        let walk = Walk::new(tell);
        let done = walk.to_console(&self.providers, server, &self.settings.trust, watch);
        done.map_err(|error| error.doing(format!("check of {server}")))
    }

    /// Checks what can be checked without opening a console: the settings, every provider's list, and whether each of
    /// the machines of one's own can be reached. The error is that of the first step that failed; the others are done
    /// all the same.
    pub fn check_all(&self, tell: Teller, watch: &Watch) -> Result<(), Error> {
        let walk = Walk::new(tell);
        for (name, error) in &self.providers.unusable {
            // What failed is kept; the walk goes on.
            let _ = walk.find(&format!("settings of {name}"), || Err(error.clone()));
        }
        for provider in &self.providers.list {
            let listed = walk.step(&format!("servers of {}", provider.name()), || {
                let servers = provider.servers(watch)?;
                Ok((format!("{} found", servers.len()), servers))
            });
            // A provider's own consoles are its own affair: asking for an access opens a session.
            let Ok(servers) = listed else { continue };
            for server in servers.iter().filter(|server| server.provider == hosts::NAME) {
                let _ = walk.find(&server.id, || {
                    let access = provider.access(&server.id, Wanted::Any, watch)?;
                    reached(&access, &self.settings.trust, watch)
                });
            }
        }
        if self.providers.list.is_empty() && self.providers.unusable.is_empty() {
            let _ = walk.find("settings", || Err(super::none_configured()));
        }
        let failed = walk.state().failed.take();
        failed.map_or(Ok(()), |error| Err(error.doing("check")))
    }
}

impl Walk {
    fn new(tell: Teller) -> Self {
        Self { state: Arc::new(Mutex::new(State { tell, stage: None, failed: None })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step that finds something out, and tells how it went.
    fn find(&self, name: &str, work: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
        self.step(name, || work().map(|found| (found, ())))
    }

    /// The same for a step that also gives something.
    fn step<T>(&self, name: &str, work: impl FnOnce() -> Result<(String, T), Error>) -> Result<T, Error> {
        let began = clock::now();
        let (outcome, result) = match work() {
            Ok((found, value)) => (Ok(found), Ok(value)),
            Err(error) => (Err(error.clone()), Err(error)),
        };
        let mut state = self.state();
        if let Err(error) = &outcome {
            state.failed.get_or_insert_with(|| error.clone());
        }
        (state.tell)(Step { name: clean_text(name), took: clock::now() - began, outcome });
        result
    }

    fn to_console(&self, providers: &Providers, server: &str, trust: &Trust, watch: &Watch) -> Result<(), Error> {
        let access = self.step("access", || {
            let access = providers.ask(server, watch, |provider, id| provider.access(id, Wanted::New, watch))?;
            Ok((access.route.describe(), access))
        })?;
        if let Some((host, port, is_tls)) = access.route.address() {
            self.find("name", || named(&host, watch))?;
            self.find("TCP", || connected(&host, port, watch))?;
            if is_tls {
                self.find("TLS", || trusted(&host, port, &trust.toward(&access.certificate)?, watch))?;
            }
        }
        let observed = Watch::observed("opening the console", watch.left()?, self.observer());
        let cancelled = observed.clone();
        let _hook = watch.on_cancel(move || cancelled.cancel());
        let opened = console::open(&access, trust, &observed);
        self.stage_over(opened.as_ref().map(|_| ()).map_err(Clone::clone));
        let console = opened?;
        let snapshot = console.snapshot();
        let shown = match &snapshot.frame {
            Some(frame) => format!("{} x {} pixels", frame.width, frame.height),
            None => "nothing to see: the host is off or sends no video".to_owned(),
        };
        self.find("picture", || Ok(format!("{shown}, {}", snapshot.kind)))?;
        self.find("logging out", || {
            console.close();
            Ok(String::new())
        })
    }

    /// Tells each stage of a driver when the next begins.
    fn observer(&self) -> Observer {
        let walk = self.clone();
        Box::new(move |stage| {
            walk.stage_over(Ok(()));
            walk.state().stage = Some((stage, clock::now()));
        })
    }

    fn stage_over(&self, outcome: Result<(), Error>) {
        let mut state = self.state();
        let stage = state.stage.take();
        // A failure before the first stage has none to belong to.
        let (name, began) = match (stage, &outcome) {
            (Some(stage), _) => stage,
            (None, Err(_)) => ("opening the console", clock::now()),
            (None, Ok(())) => return,
        };
        let outcome = outcome.map(|()| String::new());
        (state.tell)(Step { name: name.to_owned(), took: clock::now() - began, outcome });
    }
}

fn named(host: &str, watch: &Watch) -> Result<String, Error> {
    let addresses: Vec<String> = reach::addresses(host, watch)?.iter().map(ToString::to_string).collect();
    Ok(format!("{host} is {}", addresses.join(", ")))
}

fn connected(host: &str, port: u16, watch: &Watch) -> Result<String, Error> {
    let address = reach::connect(host, port, watch)?;
    Ok(format!("{address} accepts at port {port}"))
}

fn trusted(host: &str, port: u16, trust: &Trust, watch: &Watch) -> Result<String, Error> {
    let certificate = reach::handshake(host, port, trust, watch)?;
    Ok(certificate.map_or("a certificate that is unreadable".to_owned(), |certificate| certificate.to_string()))
}

/// Name, TCP and TLS in one.
fn reached(access: &Access, trust: &Trust, watch: &Watch) -> Result<String, Error> {
    let Some((host, port, is_tls)) = access.route.address() else { return Ok(access.route.describe()) };
    named(&host, watch)?;
    let found = connected(&host, port, watch)?;
    if !is_tls {
        return Ok(found);
    }
    Ok(format!("{found}, {}", trusted(&host, port, &trust.toward(&access.certificate)?, watch)?))
}
