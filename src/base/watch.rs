//! The watch over a wait: its deadline, whether anybody still wants the answer, and what is waited for.
//!
//! Every blocking function takes a `&Watch`. Clones and the watches made by [`Watch::within`] share the
//! cancellation and the current stage; each has its own deadline.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Error, Kind, clock, log};

/// Bounds a wait and carries the name of its stage.
#[derive(Clone, Debug)]
pub struct Watch {
    started: Instant,
    deadline: Instant,
    stage: &'static str,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    cancelled: Condvar,
}

/// Hears each stage as it begins, on the thread that begins it.
pub type Observer = Box<dyn FnMut(&'static str) + Send>;

struct State {
    cancelled: bool,
    stage: &'static str,
    note: Option<String>,
    observer: Option<Observer>,
    next_hook: u64,
    hooks: Vec<(u64, Box<dyn FnOnce() + Send>)>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// A watch over all of a piece of work, `limit` long.
    pub fn new(stage: &'static str, limit: Duration) -> Self {
        Self::with(stage, limit, None)
    }

    /// The same, with somebody who hears each further stage.
    pub fn observed(stage: &'static str, limit: Duration, observer: Observer) -> Self {
        Self::with(stage, limit, Some(observer))
    }

    fn with(stage: &'static str, limit: Duration, observer: Option<Observer>) -> Self {
        let started = clock::now();
        let state = State { cancelled: false, stage, note: None, observer, next_hook: 0, hooks: Vec::new() };
        Self {
            started,
            deadline: started + limit,
            stage,
            shared: Arc::new(Shared { state: Mutex::new(state), cancelled: Condvar::new() }),
        }
    }

    /// A watch over one stage of the work: at most `limit` long, never longer than the whole.
    /// From now on `stage` is what progress shows.
    #[must_use]
    pub fn within(&self, stage: &'static str, limit: Duration) -> Self {
        self.enter(stage);
        let started = clock::now();
        Self { started, deadline: self.deadline.min(started + limit), stage, shared: Arc::clone(&self.shared) }
    }

    /// Names what is being done now, for progress and for the log. The note of another stage is forgotten.
    pub fn enter(&self, stage: &'static str) {
        if self.show(stage) != stage {
            log::debug(stage);
        }
    }

    /// Names what somebody else is doing, who logs it, for progress; says what was shown before.
    pub fn show(&self, stage: &'static str) -> &'static str {
        let mut state = self.shared.state();
        let before = std::mem::replace(&mut state.stage, stage);
        if before != stage {
            state.note = None;
            if let Some(observer) = &mut state.observer {
                observer(stage);
            }
        }
        before
    }

    /// Says what was seen last at this stage, for progress.
    pub fn note(&self, note: impl Into<String>) {
        self.shared.state().note = Some(note.into());
    }

    /// What was seen last at this stage.
    pub fn noted(&self) -> Option<String> {
        self.shared.state().note.clone()
    }

    /// What is being done now.
    pub fn stage(&self) -> &'static str {
        self.shared.state().stage
    }

    /// Since this watch began.
    pub fn elapsed(&self) -> Duration {
        clock::now() - self.started
    }

    /// When the wait ends.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long may still be waited; an error once that is nothing, or once the work was cancelled.
    pub fn left(&self) -> Result<Duration, Error> {
        if self.is_cancelled() {
            return Err(Error::new(Kind::Cancelled, "cancelled"));
        }
        let left = self.deadline.saturating_duration_since(clock::now());
        if left.is_zero() { Err(self.timeout()) } else { Ok(left) }
    }

    /// The error for a wait that ended without what was waited for.
    pub fn timeout(&self) -> Error {
        let limit = (self.deadline - self.started).as_secs_f64();
        let limit = if limit < 10.0 { format!("{limit:.1}") } else { format!("{limit:.0}") };
        Error::new(Kind::Timeout(self.stage), format!("no answer within {limit} s ({})", self.stage))
    }

    /// Waits for `pause`; an error as soon as the work is cancelled or the deadline has passed.
    pub fn sleep(&self, pause: Duration) -> Result<(), Error> {
        let end = clock::now() + pause;
        loop {
            let left = self.left()?;
            let pause = end.saturating_duration_since(clock::now());
            if pause.is_zero() {
                return Ok(());
            }
            let state = self.shared.state();
            if !state.cancelled {
                drop(self.shared.cancelled.wait_timeout(state, pause.min(left)));
            }
        }
    }

    /// Ends the work: every wait under this watch ends, and every hook is called once.
    pub fn cancel(&self) {
        let hooks = {
            let mut state = self.shared.state();
            state.cancelled = true;
            std::mem::take(&mut state.hooks)
        };
        self.shared.cancelled.notify_all();
        for (_, hook) in hooks {
            hook();
        }
    }

    /// Whether somebody cancelled the work.
    pub fn is_cancelled(&self) -> bool {
        self.shared.state().cancelled
    }

    /// Calls `hook` when the work is cancelled (at once if it was already), until the guard is dropped:
    /// how a wait inside a socket is ended.
    #[must_use]
    pub fn on_cancel(&self, hook: impl FnOnce() + Send + 'static) -> HookGuard {
        let mut state = self.shared.state();
        let id = state.next_hook;
        if state.cancelled {
            drop(state);
            hook();
        } else {
            state.next_hook += 1;
            state.hooks.push((id, Box::new(hook)));
        }
        HookGuard { id, shared: Arc::clone(&self.shared) }
    }
}

/// Takes its hook back when dropped.
#[derive(Debug)]
pub struct HookGuard {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for HookGuard {
    fn drop(&mut self) {
        self.shared.state().hooks.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_stage_never_outlives_the_whole() {
        let whole = Watch::new("looking", Duration::ZERO);
        let stage = whole.within("waiting for the first frame", LONG);
        let error = stage.left().unwrap_err();
        assert_eq!(error.kind(), Kind::Timeout("waiting for the first frame"));
        assert_eq!(error.to_string(), "no answer within 0.0 s (waiting for the first frame)");
        assert_eq!(whole.stage(), "waiting for the first frame");
    }

    #[test]
    fn an_observer_hears_each_new_stage_once() {
        let (heard, stages) = std::sync::mpsc::channel();
        let watch = Watch::observed("first", LONG, Box::new(move |stage| heard.send(stage).unwrap()));
        watch.enter("first");
        let inner = watch.within("second", LONG);
        inner.enter("second");
        watch.clone().enter("third");
        assert_eq!(stages.try_iter().collect::<Vec<_>>(), ["second", "third"]);
    }

    #[test]
    fn a_note_lasts_as_long_as_its_stage() {
        let watch = Watch::new("booting", LONG);
        watch.note("a line");
        watch.enter("booting");
        assert_eq!(watch.noted().as_deref(), Some("a line"));
        watch.enter("booted");
        assert_eq!(watch.noted(), None);
    }

    #[test]
    fn cancelling_wakes_a_sleeper_and_calls_each_hook_once() {
        let watch = Watch::new("sleeping", LONG);
        let calls = Arc::new(AtomicU32::new(0));
        let count = |calls: &Arc<AtomicU32>| {
            let calls = Arc::clone(calls);
            move || _ = calls.fetch_add(1, Ordering::SeqCst)
        };
        let _kept = watch.on_cancel(count(&calls));
        drop(watch.on_cancel(count(&calls)));
        let sleeper = watch.within("sleeping deeply", LONG);
        let sleeper = std::thread::spawn(move || sleeper.sleep(LONG));
        watch.cancel();
        assert_eq!(sleeper.join().unwrap().unwrap_err().kind(), Kind::Cancelled);
        let _late = watch.on_cancel(count(&calls));
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }
}
