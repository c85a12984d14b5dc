//! The session table against consoles that only count: who opens, who shares, what is closed.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::base::clock::utc;
use crate::console::{Signal, Snapshot};

const LONG: Duration = Duration::from_secs(60);

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    closed: AtomicUsize,
}

impl Counts {
    fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

struct Counted {
    counts: Arc<Counts>,
    ended: Arc<Mutex<Option<Error>>>,
}

impl Console for Counted {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            id: 0,
            frame: None,
            heard: clock::now(),
            changed: clock::now(),
            taken: utc(),
            complete: false,
            drawn: None,
            signal: Signal::Unknown,
            power: None,
            role: None,
            viewers: Vec::new(),
            kind: "counted",
            notes: Vec::new(),
        })
    }

    fn refresh(&self, _: &Watch) -> Result<Arc<Snapshot>, Error> {
        Ok(self.snapshot())
    }

    fn ended(&self) -> Option<Error> {
        self.ended.lock().unwrap().clone()
    }

    fn close(&self) {
        self.counts.closed.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    sessions: Sessions,
    counts: Arc<Counts>,
    /// Set to end every console that is open, as a peer does.
    ended: Arc<Mutex<Option<Error>>>,
}

/// Sessions whose openings first do `work`.
fn bench(idle: Duration, consoles: usize, work: impl Fn(&Watch) -> Result<(), Error> + Send + Sync + 'static) -> Bench {
    let (counts, ended) = (Arc::new(Counts::default()), Arc::new(Mutex::new(None)));
    let (counted, end) = (Arc::clone(&counts), Arc::clone(&ended));
    let open = move |_: &str, watch: &Watch| {
        counted.opened.fetch_add(1, Ordering::SeqCst);
        work(watch)?;
        *end.lock().unwrap() = None;
        Ok(Box::new(Counted { counts: Arc::clone(&counted), ended: Arc::clone(&end) }) as Box<dyn Console>)
    };
    Bench { sessions: Sessions::new(Box::new(open), Limits { idle, consoles }), counts, ended }
}

/// An opening that waits until the test says so.
fn gated() -> (Sender<()>, impl Fn(&Watch) -> Result<(), Error> + Send + Sync) {
    let (open, gate): (_, Receiver<()>) = channel();
    let gate = Mutex::new(gate);
    (open, move |watch: &Watch| {
        watch.enter("waiting at the gate");
        loop {
            match gate.lock().unwrap().recv_timeout(Duration::from_millis(5)) {
                Ok(()) => return Ok(()),
                Err(_) => drop(watch.left()?),
            }
        }
    })
}

fn watch() -> Watch {
    Watch::new("testing", LONG)
}

fn lease(sessions: &Sessions, server: &str) -> Lease {
    match sessions.acquire(server, None, &watch()).unwrap() {
        Joined::Open(lease) => lease,
        Joined::Opening { .. } => panic!("no patience was given, so none can end"),
    }
}

#[test]
fn callers_at_once_share_one_opening_and_one_console() {
    let bench = bench(LONG, 8, |_| Ok(()));
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                barrier.wait();
                drop(lease(&bench.sessions, "a"));
            });
        }
    });
    assert_eq!(bench.counts.opened(), 1);
    assert!(bench.sessions.end(LONG));
    assert_eq!(bench.counts.closed(), 1);
}

#[test]
fn a_storm_on_a_dead_bmc_makes_one_attempt() {
    let bench = bench(LONG, 8, |_| Err(Error::new(Kind::Peer, "dead")));
    for _ in 0..20 {
        let error = bench.sessions.acquire("a", None, &watch()).err().unwrap();
        assert_eq!(error.to_string(), "dead");
    }
    assert_eq!(bench.counts.opened(), 1);
}

#[test]
fn a_caller_without_patience_hears_the_stage_and_the_next_joins() {
    let (open, work) = gated();
    let bench = bench(LONG, 8, work);
    let seen = loop {
        match bench.sessions.acquire("a", Some(Duration::ZERO), &watch()).unwrap() {
            Joined::Opening { stage: "opening the console", .. } => {}
            Joined::Opening { stage, .. } => break stage,
            Joined::Open(_) => panic!("the gate is shut"),
        }
    };
    assert_eq!(seen, "waiting at the gate");
    open.send(()).unwrap();
    drop(lease(&bench.sessions, "a"));
    assert_eq!(bench.counts.opened(), 1);
}

#[test]
fn a_caller_that_gives_up_leaves_the_opening_to_the_others() {
    let (open, work) = gated();
    let bench = bench(LONG, 8, work);
    let caller = watch();
    thread::scope(|scope| {
        let gave_up = scope.spawn(|| bench.sessions.acquire("a", None, &caller).err().unwrap());
        caller.cancel();
        assert_eq!(gave_up.join().unwrap().kind(), Kind::Cancelled);
    });
    let sessions = bench.sessions.clone();
    let other = thread::spawn(move || drop(lease(&sessions, "a")));
    open.send(()).unwrap();
    other.join().unwrap();
    assert_eq!(bench.counts.opened(), 1);
}

#[test]
fn no_lease_at_all_closes_a_console_as_soon_as_it_is_free() {
    let bench = bench(Duration::ZERO, 8, |_| Ok(()));
    drop(lease(&bench.sessions, "a"));
    drop(lease(&bench.sessions, "a"));
    assert_eq!(bench.counts.opened(), 2);
    assert!(bench.sessions.end(LONG));
    assert_eq!(bench.counts.closed(), 2);
}

#[test]
fn the_lease_ends_by_itself() {
    let bench = bench(Duration::from_millis(20), 8, |_| Ok(()));
    drop(lease(&bench.sessions, "a"));
    let mut table = bench.sessions.table();
    while !table.slots.is_empty() {
        table = bench.sessions.shared.changed.wait(table).unwrap();
    }
    assert_eq!(bench.counts.closed(), 1);
}

#[test]
fn the_longest_idle_console_makes_room_and_busy_ones_do_not() {
    let bench = bench(LONG, 2, |_| Ok(()));
    drop(lease(&bench.sessions, "a"));
    let b = lease(&bench.sessions, "b");
    let c = lease(&bench.sessions, "c");
    let error = bench.sessions.acquire("d", None, &watch()).err().unwrap();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().contains("all 2 consoles"), "{error}");
    drop((b, c));
    drop(lease(&bench.sessions, "c"));
    assert_eq!(bench.counts.opened(), 3);
}

#[test]
fn what_the_peer_ended_is_closed_and_opened_again_once() {
    let bench = bench(LONG, 8, |_| Ok(()));
    drop(lease(&bench.sessions, "a"));
    *bench.ended.lock().unwrap() = Some(Error::new(Kind::Peer, "the BMC hung up"));
    drop(lease(&bench.sessions, "a"));
    assert_eq!((bench.counts.opened(), bench.counts.closed()), (2, 1));
}

#[test]
fn a_release_closes_now_and_says_whether_there_was_anything() {
    let bench = bench(LONG, 8, |_| Ok(()));
    assert!(!bench.sessions.release("a", &watch()).unwrap());
    let held = lease(&bench.sessions, "a");
    assert!(!held.is_released());
    assert!(bench.sessions.release("a", &watch()).unwrap());
    assert!(held.is_released());
    assert_eq!(bench.counts.closed(), 1);
    drop(held);
    drop(lease(&bench.sessions, "a"));
    assert_eq!(bench.counts.opened(), 2);
}

#[test]
fn a_release_ends_an_opening_that_nobody_waits_for() {
    let (_shut, work) = gated();
    let bench = bench(LONG, 8, work);
    let opening = bench.sessions.acquire("a", Some(Duration::ZERO), &watch()).unwrap();
    assert!(matches!(opening, Joined::Opening { .. }));
    assert!(bench.sessions.release("a", &watch()).unwrap());
    assert!(bench.sessions.table().slots.is_empty());
}

#[test]
fn who_waits_for_an_opening_that_is_released_hears_it_and_opens_no_other() {
    let (_shut, work) = gated();
    let bench = bench(LONG, 8, work);
    let caller = watch();
    thread::scope(|scope| {
        let waits = scope.spawn(|| bench.sessions.acquire("a", None, &caller).err().unwrap());
        while caller.stage() != "waiting at the gate" {
            thread::yield_now();
        }
        assert!(bench.sessions.release("a", &watch()).unwrap());
        assert!(waits.join().unwrap().to_string().contains("released"));
    });
    assert_eq!(bench.counts.opened(), 1);
    assert!(bench.sessions.table().slots.is_empty());
}

#[test]
fn an_opening_that_succeeds_although_it_was_released_is_closed() {
    let (open, gate): (Sender<()>, Receiver<()>) = channel();
    let gate = Mutex::new(gate);
    let bench = bench(LONG, 8, move |watch| {
        gate.lock().unwrap().recv().unwrap();
        // Too late to take notice.
        while !watch.is_cancelled() {
            thread::yield_now();
        }
        Ok(())
    });
    let opening = bench.sessions.acquire("a", Some(Duration::ZERO), &watch()).unwrap();
    assert!(matches!(opening, Joined::Opening { .. }));
    open.send(()).unwrap();
    assert!(bench.sessions.release("a", &watch()).unwrap());
    assert_eq!((bench.counts.opened(), bench.counts.closed()), (1, 1));
}

#[test]
fn servers_that_failed_are_forgotten() {
    let bench = bench(LONG, 8, |_| Err(Error::new(Kind::NotFound, "no such server")));
    assert!(bench.sessions.acquire("a", None, &watch()).is_err());
    bench.sessions.table().slots.values_mut().for_each(|slot| {
        if let Slot::Failed { until, .. } = slot {
            *until = clock::now();
        }
    });
    assert!(bench.sessions.acquire("b", None, &watch()).is_err());
    assert_eq!(bench.sessions.table().slots.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn the_end_cancels_openings_and_lets_nothing_new_in() {
    let (_shut, work) = gated();
    let bench = bench(LONG, 8, work);
    let opening = bench.sessions.acquire("a", Some(Duration::ZERO), &watch()).unwrap();
    assert!(matches!(opening, Joined::Opening { .. }));
    assert!(bench.sessions.end(LONG));
    assert_eq!(bench.sessions.acquire("a", None, &watch()).err().unwrap().kind(), Kind::Cancelled);
    assert_eq!(bench.counts.opened(), bench.counts.closed() + 1, "the cancelled one never opened");
}

#[test]
fn a_panic_while_opening_is_an_error_of_that_opening_only() {
    let bench = bench(LONG, 8, |_| panic!("on purpose"));
    assert_eq!(bench.sessions.acquire("a", None, &watch()).err().unwrap().kind(), Kind::Internal);
    assert!(bench.sessions.end(LONG));
}
