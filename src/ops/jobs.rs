//! Work that outlives the call that began it: the next call with the same key joins it, or finds what it came to.
//!
//! A job ends by itself, or when the last caller is cancelled; a caller that only runs out of patience leaves it to go
//! on. What it came to goes to everybody who waits, else it is kept for a while. Where there is no room for another, one
//! that nobody waits for has to go.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::{Error, Kind, Watch, clock, log};

/// How many jobs are there at most, those included whose result nobody has fetched.
const MAX_JOBS: usize = 64;
/// How long a result waits for whoever ran out of patience before.
const RESULT_KEPT: Duration = Duration::from_secs(120);
/// How often a caller looks whether it was cancelled, and passes on the stage.
const POLL: Duration = Duration::from_millis(100);

/// The jobs, by key.
pub(super) struct Jobs<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    table: Mutex<Table<T>>,
    changed: Condvar,
}

struct Table<T> {
    jobs: HashMap<String, Job<T>>,
    last_number: u64,
}

struct Job<T> {
    /// Tells it from later ones with the same key.
    number: u64,
    watch: Watch,
    callers: usize,
    /// What it came to, and until when that is kept.
    done: Option<(Arc<Result<T, Error>>, Instant)>,
}

/// What joining a job came to.
pub(super) enum Joined<T> {
    /// It is done.
    Done(Arc<Result<T, Error>>),
    /// The caller's patience ended first; the job goes on.
    Working {
        /// For how long it has been.
        since: Duration,
    },
}

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        let table = Mutex::new(Table { jobs: HashMap::new(), last_number: 0 });
        Self { shared: Arc::new(Shared { table, changed: Condvar::new() }) }
    }
}

impl<T> Shared<T> {
    fn table(&self) -> MutexGuard<'_, Table<T>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Table<T> {
    /// Takes out a job that nobody waits for: one that is done, else the oldest.
    fn take_unwanted(&mut self) -> Option<Job<T>> {
        let unwanted = self.jobs.iter().filter(|(_, job)| job.callers == 0);
        let key = unwanted.min_by_key(|(_, job)| (job.done.is_none(), job.number)).map(|(key, _)| key.clone())?;
        self.jobs.remove(&key)
    }
}

impl<T: Send + Sync + 'static> Jobs<T> {
    /// Joins the job of that key, or begins it with `work`, under a watch of its own that lasts for `limit`. Waits no
    /// longer than `patience`, and not beyond the watch, which shows what the job is at.
    pub fn join(
        &self,
        key: &str,
        limit: Duration,
        work: impl FnOnce(&Watch) -> Result<T, Error> + Send + 'static,
        patience: Option<Duration>,
        watch: &Watch,
    ) -> Result<Joined<T>, Error> {
        let asked = clock::now();
        let mut table = self.shared.table();
        table.jobs.retain(|_, job| job.done.as_ref().is_none_or(|(_, until)| clock::now() < *until));
        if !table.jobs.contains_key(key) && table.jobs.len() >= MAX_JOBS {
            let Some(unwanted) = table.take_unwanted() else {
                return Err(Error::new(Kind::Busy, format!("{MAX_JOBS} waits are at work, and no more may be"))
                    .hint("wait until one of them ends"));
            };
            // Hooks run while a watch is cancelled: not under the lock.
            drop(table);
            unwanted.watch.cancel();
            table = self.shared.table();
        }
        if !table.jobs.contains_key(key) {
            table.last_number += 1;
            let job = Job { number: table.last_number, watch: Watch::new("starting", limit), callers: 0, done: None };
            self.begin(key, &job, work)?;
            table.jobs.insert(key.to_owned(), job);
        }
        let Some(job) = table.jobs.get_mut(key) else { return Err(cancelled()) };
        job.callers += 1;
        let number = job.number;
        loop {
            let Some(job) = table.jobs.get_mut(key).filter(|job| job.number == number) else { return Err(cancelled()) };
            if let Some((result, _)) = &job.done {
                let result = Arc::clone(result);
                job.callers -= 1;
                if job.callers == 0 {
                    table.jobs.remove(key);
                }
                return Ok(Joined::Done(result));
            }
            watch.show(job.watch.stage());
            if let Some(note) = job.watch.noted() {
                watch.note(note);
            }
            if patience.is_some_and(|patience| clock::now() - asked >= patience) {
                job.callers -= 1;
                return Ok(Joined::Working { since: job.watch.elapsed() });
            }
            let left = match watch.left() {
                Ok(left) => left,
                Err(error) => {
                    job.callers -= 1;
                    let is_unwanted = job.callers == 0 && watch.is_cancelled();
                    let unwanted = if is_unwanted { table.jobs.remove(key) } else { None };
                    drop(table);
                    // Hooks run while a watch is cancelled: not under the lock.
                    unwanted.iter().for_each(|job| job.watch.cancel());
                    return Err(error);
                }
            };
            table = self.shared.changed.wait_timeout(table, left.min(POLL)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn begin(
        &self,
        key: &str,
        job: &Job<T>,
        work: impl FnOnce(&Watch) -> Result<T, Error> + Send + 'static,
    ) -> Result<(), Error> {
        let (shared, key, number, watch) = (Arc::clone(&self.shared), key.to_owned(), job.number, job.watch.clone());
        let call = log::call();
        let work = move || {
            let _work = log::work_for(call);
            let result = catch_unwind(AssertUnwindSafe(|| work(&watch)));
            let result = result
                .unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the wait panicked").hint("report this as a bug")));
            if let Some(job) = shared.table().jobs.get_mut(&key).filter(|job| job.number == number) {
                job.done = Some((Arc::new(result), clock::now() + RESULT_KEPT));
            }
            shared.changed.notify_all();
        };
        let spawned = thread::Builder::new().name("wait".into()).spawn(work);
        spawned.map(drop).map_err(|error| Error::new(Kind::Internal, format!("no thread for the wait: {error}")))
    }

    /// Ends all of them.
    pub fn cancel_all(&self) {
        let watches: Vec<Watch> = self.shared.table().jobs.values().map(|job| job.watch.clone()).collect();
        watches.iter().for_each(Watch::cancel);
    }
}

fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "the wait was cancelled")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn watch() -> Watch {
        Watch::new("testing", LONG)
    }

    fn done(joined: Result<Joined<usize>, Error>) -> Result<usize, Error> {
        match joined? {
            Joined::Done(result) => (*result).clone(),
            Joined::Working { .. } => panic!("still at work"),
        }
    }

    #[test]
    fn a_caller_without_patience_leaves_a_job_that_the_next_joins_and_whose_result_is_kept_once() {
        let (jobs, begun) = (Jobs::default(), Arc::new(AtomicUsize::new(0)));
        let (go, gate) = mpsc::channel::<()>();
        let count = Arc::clone(&begun);
        let work = move |watch: &Watch| {
            watch.enter("waiting at the gate");
            watch.note("a line");
            gate.recv().unwrap();
            Ok(count.fetch_add(1, Ordering::SeqCst))
        };
        let caller = watch();
        assert!(matches!(jobs.join("a", LONG, work, Some(Duration::ZERO), &caller), Ok(Joined::Working { .. })));
        go.send(()).unwrap();
        assert_eq!(done(jobs.join("a", LONG, |_| panic!("it is there already"), None, &watch())).unwrap(), 0);
        let again = Arc::clone(&begun);
        let work = move |_: &Watch| Ok(again.fetch_add(1, Ordering::SeqCst));
        assert_eq!(done(jobs.join("a", LONG, work, None, &watch())).unwrap(), 1, "a result is delivered once");
    }

    #[test]
    fn the_last_caller_that_is_cancelled_ends_the_job_and_nobody_before() {
        let jobs = Arc::new(Jobs::<usize>::default());
        let (begun, begins) = mpsc::channel();
        let (ended, ends) = mpsc::channel();
        let callers = [watch(), watch()];
        thread::scope(|scope| {
            let first = scope.spawn(|| {
                let work = move |watch: &Watch| {
                    begun.send(()).unwrap();
                    let error = watch.sleep(LONG).unwrap_err();
                    ended.send(error.kind()).unwrap();
                    Err(error)
                };
                jobs.join("a", LONG, work, None, &callers[0]).err().unwrap()
            });
            begins.recv_timeout(LONG).unwrap();
            let second = scope.spawn(|| jobs.join("a", LONG, |_| Ok(0), None, &callers[1]).err().unwrap());
            while jobs.shared.table().jobs["a"].callers < 2 {
                thread::yield_now();
            }
            callers[0].cancel();
            assert_eq!(first.join().unwrap().kind(), Kind::Cancelled);
            assert!(ends.try_recv().is_err(), "the other still waits");
            callers[1].cancel();
            assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
            assert_eq!(second.join().unwrap().kind(), Kind::Cancelled);
        });
    }

    #[test]
    fn where_there_is_no_room_a_job_that_nobody_waits_for_has_to_go() {
        let jobs = Jobs::<usize>::default();
        let (ended, ends) = mpsc::channel();
        for number in 0..MAX_JOBS {
            let ended = ended.clone();
            let work = move |watch: &Watch| {
                let error = watch.sleep(LONG).unwrap_err();
                ended.send(number).unwrap();
                Err(error)
            };
            jobs.join(&number.to_string(), LONG, work, Some(Duration::ZERO), &watch()).unwrap();
        }
        assert_eq!(done(jobs.join("more", LONG, |_| Ok(7), None, &watch())).unwrap(), 7);
        assert_eq!(ends.recv_timeout(LONG), Ok(0), "the oldest");
        jobs.join("last", LONG, |watch| watch.sleep(LONG).map(|()| 0), Some(Duration::ZERO), &watch()).unwrap();
        jobs.shared.table().jobs.values_mut().for_each(|job| job.callers = 1);
        let full = jobs.join("none", LONG, |_| Ok(0), None, &watch()).err().unwrap();
        assert_eq!(full.kind(), Kind::Busy);
        jobs.cancel_all();
    }

    #[test]
    fn a_failure_and_a_panic_reach_the_caller() {
        let jobs = Jobs::default();
        let fails = |_: &Watch| Err(Error::new(Kind::Peer, "dead"));
        assert_eq!(done(jobs.join("a", LONG, fails, None, &watch())).unwrap_err().to_string(), "dead");
        let panics = |_: &Watch| panic!("on purpose");
        assert_eq!(done(jobs.join("a", LONG, panics, None, &watch())).unwrap_err().kind(), Kind::Internal);
    }
}
