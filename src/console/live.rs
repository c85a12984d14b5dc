//! A console on a thread of its own: what every protocol's driver shares with those who look.
//!
//! The thread dials, shakes hands, decodes and, at the end, whatever ended it, takes leave and logs out. Everybody else
//! reads the snapshot, asks for a new picture, or closes; nobody but the thread reads from the channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::changes::Changes;
use super::{Console, Signal, Snapshot};
use crate::base::{Error, Frame, Kind, Watch, clock, log};
use crate::net::Channel;
use crate::net::stream::Read;

/// How long a peer has to close the connection after our goodbye.
const GOODBYE_LIMIT: Duration = Duration::from_millis(250);
/// A picture younger than this is current without asking.
pub(super) const FRESH: Duration = Duration::from_secs(1);

// Of all drivers' loops.
/// While a console opens, how often it looks whether it is settled, and whether anybody still wants it.
pub(super) const OPENING_TICK: Duration = Duration::from_millis(25);
/// How long pictures may arrive without being published.
pub(super) const COALESCE: Duration = Duration::from_millis(50);
/// How long is waited for more before they are.
pub(super) const DRAIN: Duration = Duration::from_millis(1);

/// What the console's thread does.
pub(super) trait Talk: Send {
    /// Everything between dialing and the end: calls [`Shared::connected`] with each channel, [`Shared::opened`] once
    /// there is something to see, and returns when the connection ends; Ok when `close` ended it.
    fn talk(&mut self, shared: &Shared, watch: &Watch) -> Result<(), Error>;

    /// Logs out of whatever `talk` logged in to, within 5 s.
    fn log_out(&mut self);
}

/// What is said on an open connection on behalf of others than its thread.
#[derive(Clone, Copy)]
pub(super) struct Phrases {
    /// Asks for the whole screen.
    pub(super) look: fn(&Snapshot) -> Vec<u8>,
    /// Asks for sharper video; `None` where that cannot be asked for.
    pub(super) sharpen: Option<fn() -> Vec<u8>>,
    /// Takes leave; `None` where closing the connection is leave enough.
    pub(super) goodbye: Option<fn() -> Vec<u8>>,
}

/// How a console begins.
pub(super) struct Beginning {
    /// How long a picture is current without asking: nothing, where none is sent unasked.
    pub(super) freshness: Duration,
    /// The protocol in words.
    pub(super) kind: &'static str,
    /// What every snapshot says.
    pub(super) notes: Vec<String>,
}

/// An open console.
struct Live {
    shared: Arc<Shared>,
    /// Taken by the first who closes; the others wait for the lock.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the console's thread and its users share.
pub(super) struct Shared {
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
    /// Said on behalf of others, from when the peer lets us speak until it ends the session.
    phrases: Option<Phrases>,
    /// Whether the thread closed the channel.
    hung_up: bool,
    closing: bool,
    /// Counts what came in answer to a request: a picture, or the word that there is none.
    answers: u64,
    /// When a picture was asked for last, and `answers` then.
    asked: Option<(Instant, u64)>,
}

/// What a driver makes known: everything of a snapshot that it alone knows.
pub(super) struct News {
    pub(super) frame: Option<Arc<Frame>>,
    /// When the last video arrived.
    pub(super) heard: Option<Instant>,
    pub(super) complete: bool,
    pub(super) signal: Signal,
    pub(super) kind: &'static str,
    /// Whether it answers a request.
    pub(super) answered: bool,
}

/// Opens a console; returns with its first whole picture, or once it is known that there is none to see.
pub(super) fn open(mut talk: Box<dyn Talk>, beginning: Beginning, watch: &Watch) -> Result<Box<dyn Console>, Error> {
    let shared = Arc::new(Shared::new(beginning));
    let thread = std::thread::Builder::new().name("console".to_owned());
    let thread = thread.spawn({
        let (shared, watch, call) = (Arc::clone(&shared), watch.clone(), log::call());
        move || {
            let _work = log::work_for(call);
            shared.run(&mut *talk, &watch);
        }
    });
    let thread = thread.map_err(|error| {
        Error::new(Kind::Internal, "this machine has no thread left for a console").caused_by(error)
    })?;
    let console = Live { shared, thread: Mutex::new(Some(thread)) };
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
    fn new(beginning: Beginning) -> Self {
        let now = clock::now();
        let snapshot = Snapshot {
            id: 0,
            frame: None,
            heard: now,
            changed: now,
            taken: clock::utc(),
            complete: false,
            drawn: None,
            signal: Signal::Unknown,
            power: None,
            role: None,
            viewers: Vec::new(),
            kind: beginning.kind,
            notes: beginning.notes,
        };
        let state = State {
            snapshot: Arc::new(snapshot),
            opened: false,
            over: false,
            ended: None,
            channel: None,
            phrases: None,
            hung_up: false,
            closing: false,
            answers: 0,
            asked: None,
        };
        Self { freshness: beginning.freshness, state: Mutex::new(state), changed: Condvar::new() }
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

    /// There is a connection; nobody but its thread may speak on it yet.
    pub(super) fn connected(&self, channel: &Arc<dyn Channel>) {
        self.update(|state| {
            state.channel = Some(Arc::clone(channel));
            (state.phrases, state.hung_up) = (None, false);
        });
    }

    /// From now on others may say these; nothing any more with `None`.
    pub(super) fn allow(&self, phrases: Option<Phrases>) {
        self.update(|state| state.phrases = phrases);
    }

    /// The first look has its answer.
    pub(super) fn opened(&self) {
        self.update(|state| state.opened = true);
    }

    /// Whether somebody closes the console.
    pub(super) fn is_closing(&self) -> bool {
        self.state().closing
    }

    /// Lets everybody see what is known now; `more` fills in what only this protocol tells.
    pub(super) fn publish(&self, news: News, changes: &mut Changes, more: impl FnOnce(&mut Snapshot)) {
        let old = Arc::clone(&self.state().snapshot);
        let has_changed = changes.see(old.frame.as_deref(), news.frame.as_deref());
        // What was made of a picture need not be made again.
        let frame = if news.frame == old.frame { old.frame.clone() } else { news.frame };
        let mut snapshot = Snapshot {
            id: old.id + u64::from(has_changed),
            frame,
            heard: news.heard.unwrap_or(old.heard),
            changed: if has_changed { clock::now() } else { old.changed },
            taken: if news.answered { clock::utc() } else { old.taken },
            complete: news.complete,
            signal: news.signal,
            kind: news.kind,
            ..Snapshot::clone(&old)
        };
        more(&mut snapshot);
        self.update(|state| {
            state.snapshot = Arc::new(snapshot);
            state.answers += u64::from(news.answered);
        });
    }

    /// The console's thread, from the first request to the last.
    fn run(&self, talk: &mut dyn Talk, watch: &Watch) {
        let talked = catch_unwind(AssertUnwindSafe(|| talk.talk(self, watch)));
        let error = match talked {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(with_hint(error)),
            Err(_) => Some(Error::new(Kind::Internal, "the console's thread panicked").hint("report this as a bug")),
        };
        self.update(|state| state.ended = error.filter(|_| !state.closing));
        self.hang_up();
        // What a log-out breaks on is of no use to anybody, and must not keep the others waiting for the end.
        let _ = catch_unwind(AssertUnwindSafe(|| talk.log_out()));
        self.update(|state| state.over = true);
    }

    /// Takes leave of the peer and closes the connection, on the console's thread.
    pub(super) fn hang_up(&self) {
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

    /// Says goodbye where that was not done and makes sense; whether it was said now.
    fn say_goodbye(&self) -> bool {
        let (channel, phrases) = self.update(|state| (state.channel.clone(), state.phrases.take()));
        let (Some(channel), Some(goodbye)) = (channel, phrases.and_then(|phrases| phrases.goodbye)) else {
            return false;
        };
        // On a thread, for a peer that takes no data would hold us for seconds; closing the channel ends it.
        let thread = std::thread::Builder::new().name("goodbye".to_owned());
        thread.spawn(move || channel.send(&goodbye())).is_ok()
    }
}

/// What to do about an error where nobody closer to its cause knew better.
fn with_hint(error: Error) -> Error {
    let hint = match error.kind() {
        Kind::Denied => "check the user, the password and the link that the console is given",
        Kind::Unsupported => "use the BMC's own viewer",
        Kind::Cancelled | Kind::Internal => return error,
        _ => "try again",
    };
    error.hint(hint)
}

impl Console for Live {
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
            // Of a picture in the making, after a change of the size say, the rest is waited for.
            let is_live = state.snapshot.complete && now - state.snapshot.heard < freshness;
            let asked = state.asked.filter(|(asked, _)| now - *asked < freshness);
            let is_answered = asked.is_some_and(|(_, before)| state.answers > before);
            if is_live || is_answered || state.closing {
                return Ok(Arc::clone(&state.snapshot));
            }
            // Callers at the same time share one request.
            let before = asked.map_or(state.answers, |(_, before)| before);
            let phrases = state.phrases.filter(|_| asked.is_none());
            let request =
                state.channel.clone().zip(phrases).map(|(channel, phrases)| (channel, (phrases.look)(&state.snapshot)));
            if asked.is_none() {
                state.asked = Some((now, before));
            }
            (before, request)
        };
        if let Some((channel, bytes)) = request.filter(|(_, bytes)| !bytes.is_empty()) {
            // A connection that broke is seen by its own thread.
            let _ = channel.send(&bytes);
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

    fn sharpen(&self) -> bool {
        let (channel, sharpen) = {
            let mut state = self.shared.state();
            let sharpen = state.phrases.as_mut().and_then(|phrases| phrases.sharpen.take());
            (state.channel.clone(), sharpen)
        };
        channel.zip(sharpen).is_some_and(|(channel, sharpen)| channel.send(&sharpen()).is_ok())
    }

    fn ended(&self) -> Option<Error> {
        self.shared.state().ended.clone()
    }

    fn close(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(thread) = thread.take() else { return };
        self.shared.update(|state| state.closing = true);
        if self.shared.say_goodbye() {
            // The thread is reading, and sees the peer close.
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

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}
