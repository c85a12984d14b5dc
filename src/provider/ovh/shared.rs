//! A value that one caller fetches for all who want it, kept until it is stale.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::base::{Error, Kind, Watch, clock};

/// How soon a caller who waits for another's fetch sees that his own work was cancelled.
const LOOK: Duration = Duration::from_millis(100);

/// See the first line.
#[derive(Debug)]
pub(super) struct Shared<T> {
    state: Mutex<State<T>>,
    fetched: Condvar,
}

#[derive(Debug)]
struct State<T> {
    value: Option<(T, Instant)>,
    fetching: bool,
    /// Counts the fetches, so that those who wait know theirs.
    round: u64,
    /// Why the last fetch failed, unless that was its caller's own affair.
    failure: Option<Error>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        let state = State { value: None, fetching: false, round: 0, failure: None };
        Self { state: Mutex::new(state), fetched: Condvar::new() }
    }
}

impl<T: Clone> Shared<T> {
    /// The value, fetched where there is none or only a stale one. `fetch` says how long its value keeps. A failure
    /// goes to all who waited for it, and is not kept.
    pub(super) fn obtain(
        &self,
        watch: &Watch,
        fetch: impl FnOnce() -> Result<(T, Duration), Error>,
    ) -> Result<T, Error> {
        let mut state = self.state();
        let mut joined = None;
        loop {
            let is_over = joined.is_some_and(|round| round != state.round);
            if let Some(failure) = state.failure.as_ref().filter(|_| is_over) {
                return Err(failure.clone());
            }
            if let Some((value, _)) = state.value.as_ref().filter(|(_, until)| clock::now() < *until) {
                return Ok(value.clone());
            }
            if !state.fetching {
                break;
            }
            joined = Some(state.round);
            let pause = watch.left()?.min(LOOK);
            state = self.fetched.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.fetching = true;
        state.failure = None;
        drop(state);
        let _turn = Turn(self);
        let fetched = fetch();
        let mut state = self.state();
        match fetched {
            Ok((value, life)) => {
                state.value = Some((value.clone(), clock::now() + life));
                Ok(value)
            }
            Err(error) => {
                // That one caller gave up says nothing to the others.
                let is_own = matches!(error.kind(), Kind::Cancelled | Kind::Timeout(_));
                state.failure = (!is_own).then(|| error.clone());
                Err(error)
            }
        }
    }

    /// Forgets the value where it is what `is_stale` says.
    pub(super) fn forget_if(&self, is_stale: impl FnOnce(&T) -> bool) {
        let mut state = self.state();
        if state.value.as_ref().is_some_and(|(value, _)| is_stale(value)) {
            state.value = None;
        }
    }

    /// The value, stale or not, without a fetch.
    pub(super) fn last(&self) -> Option<T> {
        self.state().value.as_ref().map(|(value, _)| value.clone())
    }
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the fetch for the others, however it ended.
struct Turn<'a, T>(&'a Shared<T>);

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.fetching = false;
        state.round += 1;
        drop(state);
        self.0.fetched.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(60);

    fn watch() -> Watch {
        Watch::new("testing", LONG)
    }

    #[test]
    fn a_value_is_fetched_once_until_it_is_stale_or_forgotten() {
        let shared = Shared::default();
        let fetch = |value: u32, life: Duration| shared.obtain(&watch(), || Ok((value, life))).unwrap();
        assert_eq!(fetch(1, LONG), 1);
        assert_eq!(fetch(2, LONG), 1);
        shared.forget_if(|value| *value == 9);
        assert_eq!(fetch(3, LONG), 1);
        shared.forget_if(|value| *value == 1);
        assert_eq!(fetch(4, Duration::ZERO), 4);
        assert_eq!(fetch(5, LONG), 5);
        assert_eq!(shared.last(), Some(5));
    }

    /// One caller fetches while another waits; the fetch ends as `outcome` says. Then the other's answer.
    fn second_caller(outcome: Result<u32, Error>) -> Result<u32, Error> {
        let shared = Shared::default();
        let (started, is_started) = mpsc::channel();
        let (go, may_end) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let shared = &shared;
            let first = scope.spawn(move || {
                let fetch = || {
                    started.send(()).unwrap();
                    may_end.recv().unwrap();
                    outcome.map(|value| (value, LONG))
                };
                shared.obtain(&watch(), fetch)
            });
            is_started.recv().unwrap();
            let (coming, is_coming) = mpsc::channel();
            let second = scope.spawn(move || {
                coming.send(()).unwrap();
                shared.obtain(&watch(), || Ok((2, LONG)))
            });
            is_coming.recv().unwrap();
            // An impatient third gives up and disturbs nobody; by then the second has joined.
            let third = shared.obtain(&Watch::new("joining", 3 * LOOK), || Ok((3, LONG)));
            assert_eq!(third.unwrap_err().kind(), Kind::Timeout("joining"));
            go.send(()).unwrap();
            let _ = first.join().unwrap();
            second.join().unwrap()
        })
    }

    #[test]
    fn who_comes_during_a_fetch_shares_its_value_or_its_failure() {
        assert_eq!(second_caller(Ok(1)).unwrap(), 1);
        assert_eq!(second_caller(Err(Error::new(Kind::Peer, "broken"))).unwrap_err().to_string(), "broken");
    }

    #[test]
    fn a_caller_who_was_cancelled_leaves_the_fetch_to_the_next() {
        assert_eq!(second_caller(Err(Error::new(Kind::Cancelled, "cancelled"))).unwrap(), 2);
    }
}
