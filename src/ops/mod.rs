//! What the program can do, as plain functions: `mcp` and `cli` are two views of it.

pub mod check;
mod jobs;
mod look;
mod memory;
mod read;
mod screenshot;
pub mod sessions;
mod status;
mod wait;

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

pub use read::{ReadOptions, ScreenText};
pub use screenshot::{Region, Screenshot, ScreenshotOptions};
pub use status::StatusOptions;
pub use wait::{MAX_WAIT, Until, WaitOptions, Waited};

use crate::base::{Error, Kind, Route, Server, Watch};
use crate::console::{self, Console};
use crate::net::Trust;
use crate::provider::{Provider, Wanted};
use crate::text::Library;
use jobs::Jobs;
use sessions::{Limits, Sessions};

/// How long everything that is open may take to close when the program ends.
pub const CLOSING_LIMIT: Duration = Duration::from_millis(2_800);
/// How long a release waits for it: a slow BMC takes some seconds to log us out.
const RELEASE_LIMIT: Duration = Duration::from_secs(10);

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
    waits: Jobs<Waited>,
    /// The servers whose console ended when it was asked for sharper video.
    unasked: Mutex<HashSet<String>>,
    /// The fonts to read with, where they are more than those shipped.
    fonts: Option<Library>,
    /// Encoding and reading pictures, which takes a core each.
    workers: Slots,
}

impl Ops {
    /// The operations on the servers of `providers`. Where two know the same id, the first of them is asked.
    pub fn new(providers: Vec<Box<dyn Provider>>, settings: Settings) -> Self {
        Self::with_unusable(providers, Vec::new(), settings)
    }

    /// The same, beside providers whose settings are wrong: their servers are missing, and every list says why.
    pub fn with_unusable(
        providers: Vec<Box<dyn Provider>>,
        unusable: Vec<(&'static str, Error)>,
        settings: Settings,
    ) -> Self {
        let providers = Arc::new(Providers { list: providers, unusable, spent: Mutex::default() });
        let limits = Limits { idle: settings.idle, consoles: settings.max_consoles };
        let (opener, trust) = (Arc::clone(&providers), settings.trust.clone());
        let open = move |server: &str, watch: &Watch| opener.open(server, &trust, watch);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (sessions, workers) = (Sessions::new(Box::new(open), limits), Slots::new(cores));
        Self { providers, settings, sessions, waits: Jobs::default(), unasked: Mutex::default(), fonts: None, workers }
    }

    /// What is wrong with the settings, as far as it keeps servers away.
    pub fn unusable(&self) -> Vec<Error> {
        let Providers { list, unusable, .. } = &*self.providers;
        match unusable.as_slice() {
            [] if list.is_empty() => vec![none_configured()],
            unusable => unusable.iter().map(|(_, error)| error.clone()).collect(),
        }
    }

    /// Reads with these fonts; with those shipped where there are none.
    #[must_use]
    pub fn with_fonts(self, fonts: Option<Library>) -> Self {
        Self { fonts, ..self }
    }

    /// The servers of all providers, in a fixed order; an error where none of them could be asked.
    pub fn list_servers(&self, watch: &Watch) -> Result<Listing, Error> {
        self.providers.servers(watch).map_err(|error| error.doing("list of servers"))
    }

    /// Closes the console of `server` now, for people who want its viewer; returns when it is logged out. Says what it
    /// came to.
    pub fn release(&self, server: &str, watch: &Watch) -> Result<String, Error> {
        let name = self.providers.name(server, watch);
        let released = self.sessions.release(name, &watch.within("closing the console", RELEASE_LIMIT));
        let told = |error: Error| {
            error
                .doing(format!("release of the console of {server}"))
                .hint("it goes on closing: try its viewer in 30 s")
        };
        Ok(if released.map_err(told)? {
            format!("The console of {server} is closed and logged out; the next look opens it again.")
        } else {
            format!("No console of {server} was open here.")
        })
    }

    /// Closes everything that is open; nothing opens after that. Returns within 3 s.
    pub fn close(&self) {
        self.waits.cancel_all();
        self.sessions.end(CLOSING_LIMIT);
    }
}

/// The servers, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Each with an id that no other has.
    pub servers: Vec<Server>,
    /// The providers that could not be asked, and why.
    pub failed: Vec<(&'static str, Error)>,
}

struct Providers {
    list: Vec<Box<dyn Provider>>,
    /// The names of those that cannot work, and why.
    unusable: Vec<(&'static str, Error)>,
    /// The servers whose last access we logged out: it cannot be used again.
    spent: Mutex<HashSet<String>>,
}

impl Providers {
    fn servers(&self, watch: &Watch) -> Result<Listing, Error> {
        let mut listing = Listing { servers: Vec::new(), failed: self.unusable.clone() };
        for provider in &self.list {
            match provider.servers(watch) {
                Ok(servers) => listing.servers.extend(servers),
                Err(error) if watch.is_cancelled() => return Err(error),
                Err(error) => listing.failed.push((provider.name(), error)),
            }
        }
        if listing.failed.len() == self.unusable.len() + self.list.len() {
            return Err(listing.failed.into_iter().next().map_or_else(none_configured, |(_, error)| error));
        }
        tell_apart(&mut listing.servers);
        Ok(listing)
    }

    /// What the first provider that knows the server answers; `provider/id` asks that provider alone.
    fn ask<T>(
        &self,
        server: &str,
        watch: &Watch,
        ask: impl Fn(&dyn Provider, &str) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let named = server.split_once('/');
        let named = named.and_then(|(name, id)| Some((self.list.iter().find(|provider| provider.name() == name)?, id)));
        if let Some((provider, id)) = named {
            return ask(provider.as_ref(), id);
        }
        for provider in &self.list {
            match ask(provider.as_ref(), server) {
                Err(error) if error.kind() == Kind::NotFound => {}
                answer => return answer,
            }
        }
        Err(match self.unusable.first() {
            // It may be one of those that nobody can tell of.
            Some((_, error)) => error.clone(),
            None if self.list.is_empty() => none_configured(),
            None => Error::new(Kind::NotFound, "no such server").hint(self.known(watch)),
        })
    }

    /// The one name of a server that has two: without its provider, where that is the first that knows the rest.
    fn name<'a>(&self, server: &'a str, watch: &Watch) -> &'a str {
        let Some((provider, id)) = server.split_once('/') else { return server };
        let Some(at) = self.list.iter().position(|known| known.name() == provider) else { return server };
        let knows =
            |other: &dyn Provider| !matches!(other.power(id, watch), Err(error) if error.kind() == Kind::NotFound);
        if self.list[..at].iter().any(|other| knows(other.as_ref())) { server } else { id }
    }

    fn known(&self, watch: &Watch) -> String {
        /// So many ids fit into a sentence.
        const SHOWN: usize = 10;
        let Ok(Listing { servers, .. }) = self.servers(watch) else {
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
        // A new viewer URL may help; a refused password stays refused, and each try brings its account closer to a lock.
        let is_renewable = Cell::new(false);
        let attempt = |wanted| {
            watch.enter("asking the provider for access");
            let access = self.ask(server, watch, |provider, id| provider.access(id, wanted, watch))?;
            is_renewable.set(matches!(access.route, Route::Viewer(_)));
            // Every console logs its session out when it closes, also one that never opened.
            spent().insert(server.to_owned());
            console::open(&access, trust, watch)
        };
        let wanted = if spent().contains(server) { Wanted::New } else { Wanted::Any };
        match attempt(wanted) {
            Err(error) if error.kind() == Kind::Denied && wanted == Wanted::Any && is_renewable.get() => {
                attempt(Wanted::New)
            }
            result => result,
        }
    }
}

fn none_configured() -> Error {
    Error::new(Kind::Usage, "no provider is configured").hint(
        "name your own servers in a file (--hosts), run `ikvm-mcp login` to get OVHcloud credentials, or start with \
         --demo to try it without any",
    )
}

/// Puts the provider before each id that more than one server has.
fn tell_apart(servers: &mut [Server]) {
    let mut seen = HashSet::new();
    let twice: HashSet<String> =
        servers.iter().filter(|server| !seen.insert(server.id.as_str())).map(|server| server.id.clone()).collect();
    for server in servers.iter_mut().filter(|server| twice.contains(&server.id)) {
        server.id = format!("{}/{}", server.provider, server.id);
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
