//! Who is open: one console per server, opened in the background, shared by all calls, kept for a while after.
//!
//! ```text
//!            acquire                opened              idle for the lease, released,
//!  (nothing) -------> Opening ------------------> Open  peer gone, or room is needed
//!      ^                 | failed                  |
//!      |                 v                         v
//!      |<-- a while -- Failed                   Closing
//!      '-------------------------------------------'
//! ```
//!
//! A caller that gives up leaves the opening running: the next call joins it. While a console closes, nobody
//! opens another to the same server: a BMC takes seconds to let go of a session.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::memory::Memory;
use crate::base::{Error, Kind, Watch, clock, log};
use crate::console::Console;

/// The longest an opening may take: a provider's task (2 min), then the BMC's stages.
pub(super) const OPENING_LIMIT: Duration = Duration::from_secs(300);
/// How long a failed opening answers for new ones, so that a storm of calls makes one attempt.
const FAILURE_KEPT: Duration = Duration::from_secs(5);
/// How long a console that nobody has used yet stays open, so that a client that gave up finds it when it calls again.
const UNUSED_KEPT: Duration = Duration::from_secs(60);
/// How often a waiting caller looks whether it was cancelled and passes on the stage.
const POLL: Duration = Duration::from_millis(100);

/// Opens the console of a server; called on a thread of its own, never twice at a time for one server.
pub type Opener = dyn Fn(&str, &Watch) -> Result<Box<dyn Console>, Error> + Send + Sync;

/// What sessions are kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long an unused console stays open.
    pub idle: Duration,
    /// How many consoles may be open at once.
    pub consoles: usize,
}

/// The table of open consoles.
#[derive(Clone)]
pub struct Sessions {
    shared: Arc<Shared>,
}

struct Shared {
    open: Box<Opener>,
    limits: Limits,
    table: Mutex<Table>,
    changed: Condvar,
}

#[derive(Default)]
struct Table {
    slots: HashMap<String, Slot>,
    last_number: u64,
    ended: bool,
    has_reaper: bool,
}

enum Slot {
    Opening { watch: Watch },
    Open(Session),
    Closing,
    Failed { error: Error, until: Instant },
}

struct Session {
    number: u64,
    console: Arc<dyn Console>,
    memory: Arc<Memory>,
    users: usize,
    /// When it is closed if nobody uses it until then.
    expires: Instant,
}

/// What joining an opening came to.
pub enum Joined {
    /// The console is open.
    Open(Lease),
    /// The caller's patience ended first; the opening goes on.
    Opening {
        /// What it is at.
        stage: &'static str,
        /// For how long it has been going on.
        since: Duration,
    },
}

/// A console in use: it is not closed for idleness while this lives.
pub struct Lease {
    sessions: Sessions,
    server: String,
    /// The console itself.
    pub console: Arc<dyn Console>,
    /// What was made of its pictures.
    pub(super) memory: Arc<Memory>,
    /// Whether this call had it opened, so that its picture is fresh.
    pub just_opened: bool,
    /// Names the session: no other has this number, nor had one before the program last started.
    pub session: u64,
}

impl Lease {
    /// Whether the console was closed although it is in use: somebody wanted it back, or the program ends.
    pub fn is_released(&self) -> bool {
        let table = self.sessions.table();
        !matches!(table.slots.get(&self.server), Some(Slot::Open(session)) if session.number == self.session)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.sessions.unuse(&self.server, &self.console);
    }
}

impl Sessions {
    /// An empty table.
    pub fn new(open: Box<Opener>, limits: Limits) -> Self {
        let table = Mutex::new(Table::default());
        Self { shared: Arc::new(Shared { open, limits, table, changed: Condvar::new() }) }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The console of `server`: the open one, or the one being opened once it is, or a new one. Waits no longer
    /// than `patience`, and not beyond the watch; the stage of the opening becomes the watch's.
    pub fn acquire(&self, server: &str, patience: Option<Duration>, watch: &Watch) -> Result<Joined, Error> {
        let asked = clock::now();
        let mut opened = false;
        let mut joined: Option<Watch> = None;
        let mut table = self.table();
        loop {
            if table.ended {
                return Err(Error::new(Kind::Cancelled, "the program is ending"));
            }
            if joined.as_ref().is_some_and(Watch::is_cancelled) {
                return Err(released());
            }
            let mut gone = None;
            match table.slots.get_mut(server) {
                None => {
                    table = self.make_room(table)?;
                    self.start_opening(&mut table, server);
                    opened = true;
                    continue;
                }
                Some(Slot::Failed { error, until }) => {
                    if opened || clock::now() < *until {
                        return Err(error.clone());
                    }
                    table.slots.remove(server);
                    continue;
                }
                Some(Slot::Open(session)) => match session.console.ended() {
                    None => {
                        session.users += 1;
                        return Ok(Joined::Open(Lease {
                            sessions: self.clone(),
                            server: server.to_owned(),
                            console: Arc::clone(&session.console),
                            memory: Arc::clone(&session.memory),
                            just_opened: opened,
                            session: session.number,
                        }));
                    }
                    Some(error) if opened => return Err(error),
                    Some(_) => gone = Some(()),
                },
                Some(Slot::Opening { watch: opening }) => {
                    watch.show(opening.stage());
                    joined = Some(opening.clone());
                    if patience.is_some_and(|patience| clock::now() - asked >= patience) {
                        return Ok(Joined::Opening { stage: opening.stage(), since: opening.elapsed() });
                    }
                }
                Some(Slot::Closing) => watch.enter("waiting for the last session to close"),
            }
            if gone.is_some() {
                // The peer ended it: log out, then open anew.
                self.start_closing(&mut table, server);
                continue;
            }
            let pause = watch.left()?.min(POLL);
            table = self.shared.changed.wait_timeout(table, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Closes the console of `server` now, or ends its opening; returns when that is done. Says whether there was one.
    pub fn release(&self, server: &str, watch: &Watch) -> Result<bool, Error> {
        let mut table = self.table();
        match table.slots.get(server) {
            Some(Slot::Open(_)) => self.start_closing(&mut table, server),
            // Under the lock: an opening that succeeds at this moment sees it, and closes.
            Some(Slot::Opening { watch }) => watch.cancel(),
            Some(Slot::Closing) => {}
            Some(Slot::Failed { .. }) | None => return Ok(false),
        }
        self.shared.changed.notify_all();
        loop {
            match table.slots.get(server) {
                Some(Slot::Closing) => {}
                Some(Slot::Opening { watch }) if watch.is_cancelled() => {}
                // Another caller may have a new one by now.
                _ => return Ok(true),
            }
            let pause = watch.left()?.min(POLL);
            table = self.shared.changed.wait_timeout(table, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends everything: no console opens any more, openings are cancelled, open consoles closed. Returns when
    /// all is closed, or after `limit`; says whether all was.
    pub fn end(&self, limit: Duration) -> bool {
        let deadline = clock::now() + limit;
        let mut table = self.table();
        table.ended = true;
        let mut openings = Vec::new();
        let mut open = Vec::new();
        for (server, slot) in &table.slots {
            match slot {
                Slot::Opening { watch } => openings.push(watch.clone()),
                Slot::Open(_) => open.push(server.clone()),
                Slot::Closing | Slot::Failed { .. } => {}
            }
        }
        for server in open {
            self.start_closing(&mut table, &server);
        }
        drop(table);
        openings.iter().for_each(Watch::cancel);
        self.shared.changed.notify_all();
        let mut table = self.table();
        loop {
            let at_work = |slot: &Slot| !matches!(slot, Slot::Failed { .. });
            if !table.slots.values().any(at_work) {
                return true;
            }
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            table = self.shared.changed.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Makes sure that one more console may open: the longest idle one goes where the table is full.
    fn make_room<'a>(&'a self, mut table: MutexGuard<'a, Table>) -> Result<MutexGuard<'a, Table>, Error> {
        let is_open = |slot: &&Slot| matches!(slot, Slot::Opening { .. } | Slot::Open(_));
        if table.slots.values().filter(is_open).count() < self.shared.limits.consoles {
            return Ok(table);
        }
        let idle = table.slots.iter().filter_map(|(server, slot)| match slot {
            Slot::Open(session) if session.users == 0 => Some((session.expires, server.clone())),
            _ => None,
        });
        let Some((_, server)) = idle.min() else {
            let limit = self.shared.limits.consoles;
            return Err(Error::new(Kind::Busy, format!("all {limit} consoles that may be open at once are in use"))
                .hint("try again in a minute, release_console one, or raise IKVM_MAX_CONSOLES"));
        };
        self.start_closing(&mut table, &server);
        Ok(table)
    }

    fn start_opening(&self, table: &mut Table, server: &str) {
        let now = clock::now();
        table.slots.retain(|_, slot| !matches!(slot, Slot::Failed { until, .. } if *until <= now));
        let watch = Watch::new("opening the console", OPENING_LIMIT);
        table.slots.insert(server.to_owned(), Slot::Opening { watch: watch.clone() });
        let (sessions, name, call) = (self.clone(), server.to_owned(), log::call());
        let job = move || {
            let _work = log::work_for(call);
            let opened = catch_unwind(AssertUnwindSafe(|| (sessions.shared.open)(&name, &watch)));
            let opened = opened.unwrap_or_else(|_| {
                Err(Error::new(Kind::Internal, "opening the console panicked").hint("report this as a bug"))
            });
            sessions.finish_opening(&name, opened, &watch);
        };
        if let Err(error) = thread::Builder::new().name("open".into()).spawn(job) {
            let error = Error::new(Kind::Internal, format!("no thread for the console: {error}"));
            table.slots.insert(server.to_owned(), Slot::Failed { error, until: clock::now() });
        }
    }

    fn finish_opening(&self, server: &str, opened: Result<Box<dyn Console>, Error>, watch: &Watch) {
        let mut table = self.table();
        match opened {
            Ok(console) => {
                let expires = clock::now() + self.shared.limits.idle.max(UNUSED_KEPT);
                // Seconds since 1970, so that numbers do not come back after a restart.
                table.last_number = clock::utc().seconds().max(table.last_number + 1);
                let (number, console) = (table.last_number, Arc::from(console));
                let session = Session { number, console, memory: Arc::default(), users: 0, expires };
                table.slots.insert(server.to_owned(), Slot::Open(session));
                if table.ended || watch.is_cancelled() {
                    self.start_closing(&mut table, server);
                } else {
                    self.ensure_reaper(&mut table);
                }
            }
            // It was released, or the program ends: nothing to remember.
            Err(error) if error.kind() == Kind::Cancelled => {
                table.slots.remove(server);
            }
            Err(error) => {
                let until = clock::now() + FAILURE_KEPT;
                table.slots.insert(server.to_owned(), Slot::Failed { error, until });
            }
        }
        drop(table);
        self.shared.changed.notify_all();
    }

    /// Takes an open console out of use and closes it in the background.
    fn start_closing(&self, table: &mut Table, server: &str) {
        let Some(Slot::Open(session)) = table.slots.insert(server.to_owned(), Slot::Closing) else {
            return;
        };
        let (sessions, name, console) = (self.clone(), server.to_owned(), Arc::clone(&session.console));
        let job = move || {
            if catch_unwind(AssertUnwindSafe(|| console.close())).is_err() {
                log::error("closing a console panicked: report this as a bug");
            }
            sessions.table().slots.remove(&name);
            sessions.shared.changed.notify_all();
        };
        if thread::Builder::new().name("close".into()).spawn(job).is_err() {
            log::error("no thread to close a console: it closes as soon as nobody uses it");
            table.slots.remove(server);
        }
    }

    fn unuse(&self, server: &str, console: &Arc<dyn Console>) {
        let idle = self.shared.limits.idle;
        let mut table = self.table();
        // After a release the slot may hold another session to the same server.
        match table.slots.get_mut(server) {
            Some(Slot::Open(session)) if Arc::ptr_eq(&session.console, console) => {
                session.users -= 1;
                session.expires = clock::now() + idle;
                if idle.is_zero() && session.users == 0 {
                    self.start_closing(&mut table, server);
                }
            }
            _ => {}
        }
        drop(table);
        self.shared.changed.notify_all();
    }

    /// Starts the thread that closes what was idle for its lease; it ends when nothing is open.
    fn ensure_reaper(&self, table: &mut Table) {
        if table.has_reaper {
            return;
        }
        let sessions = self.clone();
        let spawned = thread::Builder::new().name("lease".into()).spawn(move || sessions.reap());
        table.has_reaper = spawned.is_ok();
    }

    fn reap(&self) {
        let mut table = self.table();
        loop {
            let now = clock::now();
            let mut next = None;
            let mut over = Vec::new();
            for (server, slot) in &table.slots {
                match slot {
                    // Nobody is told of a session that the peer ended while nobody used it: it is logged out here.
                    Slot::Open(session) if session.users == 0 => {
                        if session.expires <= now || session.console.ended().is_some() {
                            over.push(server.clone());
                        } else {
                            next = Some(next.unwrap_or(session.expires).min(session.expires));
                        }
                    }
                    Slot::Open(_) | Slot::Opening { .. } | Slot::Closing | Slot::Failed { .. } => {}
                }
            }
            for server in over {
                self.start_closing(&mut table, &server);
            }
            if !table.slots.values().any(|slot| matches!(slot, Slot::Open(_))) {
                table.has_reaper = false;
                return;
            }
            let pause = next.map_or(Duration::from_secs(5), |next| next - now).min(Duration::from_secs(5));
            table = self.shared.changed.wait_timeout(table, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// What those hear who still wait for an opening, or at a console, that was released.
pub(super) fn released() -> Error {
    Error::new(Kind::Cancelled, "the console was released meanwhile").hint("call again to open it anew")
}

#[cfg(test)]
mod tests;
