//! The console of AMI MegaRAC BMCs: IVTP over a channel, on a thread of its own.
//!
//! Source: AMI MegaRAC, the client as a state machine, cleanup order.
//!
//! The thread dials, shakes hands, decodes and, at the end, whatever ended it, takes leave and logs out. Everybody else
//! reads the snapshot, asks for a new picture, or closes; nobody but the thread reads from the channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::{Console, Signal, Snapshot};
use crate::base::{Error, Kind, Watch, clock};
use crate::ivtp::{Command, Config, packet};
use crate::net::Channel;
use crate::net::stream::Read;

mod driver;
mod login;
mod refused;
mod screen;

use driver::Driver;
pub(super) use login::Live;

/// How long a BMC has to close the connection after packet 8.
const GOODBYE_LIMIT: Duration = Duration::from_millis(250);
/// A picture younger than this is current without asking.
const FRESH: Duration = Duration::from_secs(1);

/// Where sessions come from: the BMC's web server, or a recording.
pub(super) trait Line: Send {
    /// A new connection and a new token. The second attempt comes after a refusal that may lie in how we began, so
    /// it begins in the other way.
    fn dial(&mut self, attempt: Attempt, watch: &Watch) -> Result<Call, Error>;

    /// How long a picture is current without asking: nothing, where none is sent unasked.
    fn freshness(&self) -> Duration {
        FRESH
    }

    /// Logs out of whatever `dial` logged in to, within about a second; again, or before any `dial`, it does nothing.
    fn log_out(&mut self);
}

/// Which try it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Second,
}

/// An open connection, and how to begin on it.
pub(super) struct Call {
    pub(super) channel: Arc<dyn Channel>,
    pub(super) config: Config,
}

/// An open console.
pub(super) struct Ami {
    shared: Arc<Shared>,
    /// Taken by the first who closes; the others wait for the lock.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the console's thread and its users share.
struct Shared {
    freshness: Duration,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    snapshot: Arc<Snapshot>,
    /// Whether the first look has its answer.
    opened: bool,
    /// Whether everything is closed and logged out.
    over: bool,
    ended: Option<Error>,
    channel: Option<Arc<dyn Channel>>,
    /// Whether the BMC greeted us in IVTP and did not end the session: packets may be sent.
    speaks: bool,
    /// Whether the thread closed the channel.
    hung_up: bool,
    closing: bool,
    /// Counts what came in answer to a request: a picture, or the word that there is none.
    answers: u64,
    /// When a picture was asked for last, and `answers` then.
    asked: Option<(Instant, u64)>,
}

/// Opens a console; returns with its first whole picture, or once it is known that there is none to see.
/// `notes` go into every snapshot.
pub(super) fn open(line: Box<dyn Line>, notes: Vec<String>, watch: &Watch) -> Result<Box<dyn Console>, Error> {
    let shared = Arc::new(Shared::new(line.freshness(), notes));
    let thread = std::thread::Builder::new().name("console".to_owned());
    let thread = thread.spawn({
        let (shared, watch) = (Arc::clone(&shared), watch.clone());
        move || shared.run(line, &watch)
    });
    let thread = thread.map_err(|error| {
        Error::new(Kind::Internal, "this machine has no thread left for a console").caused_by(error)
    })?;
    let console = Ami { shared, thread: Mutex::new(Some(thread)) };
    // The thread's waits are all under the watch, so this one ends too.
    let state = console.shared.wait(|state| state.opened || state.over, None);
    let failed = state.ended.clone().filter(|_| !state.opened);
    drop(state);
    match failed {
        Some(error) => Err(error),
        None => Ok(Box::new(console)),
    }
}

impl Shared {
    fn new(freshness: Duration, notes: Vec<String>) -> Self {
        let now = clock::now();
        let snapshot = Snapshot {
            id: 0,
            frame: None,
            heard: now,
            changed: now,
            taken: clock::utc(),
            complete: false,
            signal: Signal::Unknown,
            power: None,
            role: None,
            viewers: Vec::new(),
            kind: screen::ASPEED,
            notes,
        };
        let state = State {
            snapshot: Arc::new(snapshot),
            opened: false,
            over: false,
            ended: None,
            channel: None,
            speaks: false,
            hung_up: false,
            closing: false,
            answers: 0,
            asked: None,
        };
        Self { freshness, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Waits until the state is as wanted, or until the time is up.
    fn wait(&self, wanted: impl Fn(&State) -> bool, until: Option<Instant>) -> MutexGuard<'_, State> {
        let mut state = self.state();
        while !wanted(&state) {
            state = match until {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(clock::now());
                    if left.is_zero() {
                        break;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state
    }

    /// The console's thread, from the first request to the last.
    fn run(&self, mut line: Box<dyn Line>, watch: &Watch) {
        let talk = catch_unwind(AssertUnwindSafe(|| self.talk(&mut *line, watch)));
        let error = match talk {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(with_hint(error)),
            Err(_) => Some(Error::new(Kind::Internal, "the console's thread panicked").hint("report this as a bug")),
        };
        self.update(|state| state.ended = error.filter(|_| !state.closing));
        self.hang_up();
        // What a log-out breaks on is of no use to anybody, and must not keep the others waiting for the end.
        let _ = catch_unwind(AssertUnwindSafe(|| line.log_out()));
        self.update(|state| state.over = true);
    }

    /// Everything between dialing and the end; Ok when `close` ended it.
    fn talk(&self, line: &mut dyn Line, watch: &Watch) -> Result<(), Error> {
        let mut attempt = Attempt::First;
        loop {
            let Call { channel, config } = line.dial(attempt, watch)?;
            self.update(|state| {
                state.channel = Some(Arc::clone(&channel));
                (state.speaks, state.hung_up) = (false, false);
            });
            let mut driver = Driver::new(self, channel, config);
            match driver.open(watch) {
                Err(_) if attempt == Attempt::First && driver.is_worth_a_retry() => attempt = Attempt::Second,
                result => {
                    result?;
                    self.update(|state| state.opened = true);
                    return driver.stay();
                }
            }
            drop(driver);
            self.hang_up();
        }
    }

    /// Takes leave of the BMC and closes the connection, on the console's thread.
    fn hang_up(&self) {
        let said = self.say_goodbye();
        let (channel, closing) = {
            let state = self.state();
            (state.channel.clone(), state.closing)
        };
        let Some(channel) = channel else { return };
        if said || closing {
            let until = clock::now() + GOODBYE_LIMIT;
            let mut ignored = Vec::new();
            // The clock is looked at for a flood, which would not let the read time out.
            while clock::now() < until && matches!(channel.read(&mut ignored, until), Ok(Read::Data)) {
                ignored.clear();
            }
        }
        channel.close();
        self.update(|state| (state.hung_up, state.channel) = (true, None));
    }

    /// Sends packet 8 where that was not done and makes sense; whether it was sent now.
    fn say_goodbye(&self) -> bool {
        let channel = self.update(|state| {
            let speaks = std::mem::take(&mut state.speaks);
            state.channel.clone().filter(|_| speaks)
        });
        let Some(channel) = channel else { return false };
        // On a thread, for a BMC that takes no data would hold us for seconds; closing the channel ends it.
        let goodbye = std::thread::Builder::new().name("goodbye".to_owned());
        goodbye.spawn(move || channel.send(&packet::build(Command::STOP_SESSION_IMMEDIATE, 0, &[]))).is_ok()
    }
}

/// What to do about an error where nobody closer to its cause knew better.
fn with_hint(error: Error) -> Error {
    let hint = match error.kind() {
        Kind::Denied => "request a new console access",
        Kind::Unsupported => "use the BMC's own viewer",
        Kind::Cancelled | Kind::Internal => return error,
        _ => "try again",
    };
    error.hint(hint)
}

impl Console for Ami {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.shared.state().snapshot)
    }

    fn refresh(&self, watch: &Watch) -> Result<Arc<Snapshot>, Error> {
        let (now, freshness) = (clock::now(), self.shared.freshness);
        let (before, request) = {
            let mut state = self.shared.state();
            if let Some(error) = &state.ended {
                return Err(error.clone());
            }
            let is_live = state.snapshot.frame.is_some() && now - state.snapshot.heard < freshness;
            let asked = state.asked.filter(|(asked, _)| now - *asked < freshness);
            let is_answered = asked.is_some_and(|(_, before)| state.answers > before);
            if is_live || is_answered || state.closing {
                return Ok(Arc::clone(&state.snapshot));
            }
            // Callers at the same time share one request.
            let before = asked.map_or(state.answers, |(_, before)| before);
            let request = state.channel.clone().filter(|_| state.speaks && asked.is_none());
            if asked.is_none() {
                state.asked = Some((now, before));
            }
            (before, request)
        };
        if let Some(channel) = request {
            let mut bytes = packet::build(Command::POWER_STATUS, 0, &[]);
            bytes.extend(packet::build(Command::GET_FULL_SCREEN, 0, &[]));
            channel.send(&bytes)?;
        }
        let waker = Arc::clone(&self.shared);
        let _hook = watch.on_cancel(move || waker.update(|_| ()));
        let done = |state: &State| state.answers > before || state.ended.is_some() || watch.is_cancelled();
        let state = self.shared.wait(done, Some(watch.deadline()));
        match &state.ended {
            Some(error) => Err(error.clone()),
            None => Ok(Arc::clone(&state.snapshot)),
        }
    }

    fn ended(&self) -> Option<Error> {
        self.shared.state().ended.clone()
    }

    fn close(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else { return };
        self.shared.update(|state| state.closing = true);
        if self.shared.say_goodbye() {
            // The thread is reading, and sees the BMC close.
            drop(self.shared.wait(|state| state.hung_up, Some(clock::now() + GOODBYE_LIMIT)));
        }
        let channel = self.shared.state().channel.clone();
        if let Some(channel) = channel {
            channel.close();
        }
        // It caught its own panics.
        let _ = thread.join();
    }
}

impl Drop for Ami {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
