//! What the program can do, as plain functions: `mcp` and `cli` are two views of it.

mod look;
mod screenshot;
pub mod sessions;
mod status;

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use screenshot::{Region, Screenshot, ScreenshotOptions};
pub use status::StatusOptions;

use crate::base::{Error, Kind, Server, Watch};
use crate::console::{self, Console};
use crate::net::Trust;
use crate::provider::{Provider, Wanted};
use sessions::{Limits, Sessions};

/// How long everything that is open may take to close when the program ends.
pub const CLOSING_LIMIT: Duration = Duration::from_millis(2_800);

/// What the operator can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest edge of a picture in pixels (IKVM_MAX_EDGE).
    pub max_edge: usize,
    /// How long an unused console stays open (IKVM_IDLE_SECONDS).
    pub idle: Duration,
    /// How many consoles may be open at once (IKVM_MAX_CONSOLES).
    pub max_consoles: usize,
    /// Whom we believe under TLS.
    pub trust: Trust,
}

/// The operations, with the providers and open consoles they work on.
pub struct Ops {
    providers: Arc<Providers>,
    settings: Settings,
    sessions: Sessions,
    encoders: Slots,
}

impl Ops {
    /// The operations on the servers of `providers`.
    pub fn new(providers: Vec<Box<dyn Provider>>, settings: Settings) -> Self {
        let missing = Error::new(Kind::Usage, "no provider is configured")
            .hint("run `ikvm-mcp login` to get OVHcloud credentials, or start with --demo to try it without any");
        Self::build(Providers { list: providers, missing, spent: Mutex::default() }, settings)
    }

    /// The operations without a provider: each answers with the reason.
    pub fn unconfigured(missing: Error, settings: Settings) -> Self {
        let missing = missing.hint("set what is missing, or start with --demo to try it without credentials");
        Self::build(Providers { list: Vec::new(), missing, spent: Mutex::default() }, settings)
    }

    fn build(providers: Providers, settings: Settings) -> Self {
        let providers = Arc::new(providers);
        let limits = Limits { idle: settings.idle, consoles: settings.max_consoles };
        let (opener, trust) = (Arc::clone(&providers), settings.trust.clone());
        let open = move |server: &str, watch: &Watch| opener.open(server, &trust, watch);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { providers, settings, sessions: Sessions::new(Box::new(open), limits), encoders: Slots::new(cores) }
    }

    /// Why nothing can be done, where no provider is configured.
    pub fn unconfigured_because(&self) -> Option<&Error> {
        self.providers.list.is_empty().then_some(&self.providers.missing)
    }

    /// The servers of all providers, in a fixed order.
    pub fn list_servers(&self, watch: &Watch) -> Result<Vec<Server>, Error> {
        self.providers.servers(watch).map_err(|error| error.doing("list of servers"))
    }

    /// Closes the console of `server` now, for people who want its viewer; returns when it is logged out. Says what it
    /// came to.
    pub fn release(&self, server: &str, watch: &Watch) -> Result<String, Error> {
        let released = self.sessions.release(server, &watch.within("closing the console", CLOSING_LIMIT));
        Ok(if released.map_err(|error| error.doing(format!("release of the console of {server}")))? {
            format!("The console of {server} is closed and logged out; the next look opens it again.")
        } else {
            format!("No console of {server} was open here.")
        })
    }

    /// Closes everything that is open; nothing opens after that. Returns within 3 s.
    pub fn close(&self) {
        self.sessions.end(CLOSING_LIMIT);
    }
}

struct Providers {
    list: Vec<Box<dyn Provider>>,
    /// Why there is none, where there is none.
    missing: Error,
    /// The servers whose last access we logged out: it cannot be used again.
    spent: Mutex<HashSet<String>>,
}

impl Providers {
    fn configured(&self) -> Result<&[Box<dyn Provider>], Error> {
        if self.list.is_empty() { Err(self.missing.clone()) } else { Ok(&self.list) }
    }

    fn servers(&self, watch: &Watch) -> Result<Vec<Server>, Error> {
        let mut servers = Vec::new();
        for provider in self.configured()? {
            servers.extend(provider.servers(watch)?);
        }
        Ok(servers)
    }

    /// What the first provider that knows the server answers.
    fn ask<T>(&self, watch: &Watch, ask: impl Fn(&dyn Provider) -> Result<T, Error>) -> Result<T, Error> {
        for provider in self.configured()? {
            match ask(provider.as_ref()) {
                Err(error) if error.kind() == Kind::NotFound => {}
                answer => return answer,
            }
        }
        Err(Error::new(Kind::NotFound, "no such server").hint(self.known(watch)))
    }

    fn known(&self, watch: &Watch) -> String {
        /// So many ids fit into a sentence.
        const SHOWN: usize = 10;
        let Ok(servers) = self.servers(watch) else {
            return "call list_servers".to_owned();
        };
        let ids: Vec<&str> = servers.iter().take(SHOWN).map(|server| server.id.as_str()).collect();
        let more = if servers.len() > SHOWN { ", ..." } else { "" };
        format!("call list_servers ({} known: {}{more})", servers.len(), ids.join(", "))
    }

    /// Opens the console of `server`: an access that is still valid first, and once more with a new one where
    /// the BMC turns it away (somebody logged its session out).
    fn open(&self, server: &str, trust: &Trust, watch: &Watch) -> Result<Box<dyn Console>, Error> {
        let spent = || self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = |wanted| {
            watch.enter("asking the provider for access");
            let access = self.ask(watch, |provider| provider.access(server, wanted, watch))?;
            // Every console logs its session out when it closes, also one that never opened.
            spent().insert(server.to_owned());
            console::open(&access, trust, watch)
        };
        let wanted = if spent().contains(server) { Wanted::New } else { Wanted::Any };
        match attempt(wanted) {
            Err(error) if error.kind() == Kind::Denied && wanted == Wanted::Any => attempt(Wanted::New),
            result => result,
        }
    }
}

/// So many may be at work at once; the others wait.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Gives the place back, also when the work panics.
        struct Place<'a>(&'a Slots);
        impl Drop for Place<'_> {
            fn drop(&mut self) {
                *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                self.0.freed.notify_one();
            }
        }
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.freed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        drop(free);
        let _place = Place(self);
        work()
    }
}
