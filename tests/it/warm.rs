//! Consoles that stay open, seen through the operations: who opens, who shares, and that all is closed at the end.

mod reading;
mod waiting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ikvm_mcp::base::{Access, Certificate, Error, Kind, Power, Route, Secret, Server, Watch};
use ikvm_mcp::net::Trust;
use ikvm_mcp::ops::{Ops, Screenshot, ScreenshotOptions, Settings};
use ikvm_mcp::provider::{Provider, Wanted};

use crate::support::bmc::packet;
use crate::support::bmc::{Bmc, Greeting, Setup, Token, Video};
use crate::support::recorded;
use crate::support::web::ca_file;

const LONG: Duration = Duration::from_secs(60);
const SCREEN: &str = "screen-seabios-720x400";

/// Hands out the viewer URLs of fake BMCs, server `a` the first's, `b` the second's ...
struct Inventory {
    bmcs: Vec<Arc<Bmc>>,
    asked: Arc<Mutex<Vec<(String, Wanted)>>>,
    /// What an access that is still valid leads to; without it a new session is begun.
    stale: Mutex<Option<String>>,
}

impl Inventory {
    fn bmc(&self, server: &str) -> Result<&Bmc, Error> {
        let number = server.bytes().next().map_or(usize::MAX, |letter| usize::from(letter.wrapping_sub(b'a')));
        self.bmcs.get(number).map(Arc::as_ref).ok_or_else(|| Error::new(Kind::NotFound, "no such server"))
    }
}

impl Provider for Inventory {
    fn name(&self) -> &'static str {
        "test"
    }

    fn servers(&self, _: &Watch) -> Result<Vec<Server>, Error> {
        Ok(Vec::new())
    }

    fn access(&self, server: &str, wanted: Wanted, _: &Watch) -> Result<Access, Error> {
        self.asked.lock().unwrap().push((server.to_owned(), wanted));
        let bmc = self.bmc(server)?;
        let stale = self.stale.lock().unwrap().clone().filter(|_| wanted == Wanted::Any);
        let url = stale.unwrap_or_else(|| bmc.viewer_url());
        Ok(Access {
            route: Route::Viewer(Secret::new(url)),
            certificate: Certificate::default(),
            expires: None,
            notes: vec!["a note".to_owned()],
        })
    }

    fn power(&self, _: &str, _: &Watch) -> Result<Option<Power>, Error> {
        Ok(None)
    }
}

/// Operations on fake BMCs that all show [`SCREEN`].
struct Bench {
    bmcs: Vec<Arc<Bmc>>,
    ops: Arc<Ops>,
    asked: Arc<Mutex<Vec<(String, Wanted)>>>,
}

fn bench_with(setups: Vec<Setup>, stale: Option<String>) -> Bench {
    let bmcs: Vec<_> = setups.into_iter().map(|setup| Arc::new(Bmc::start(setup))).collect();
    for bmc in &bmcs {
        bmc.show_recorded(recorded(SCREEN));
    }
    let asked = Arc::default();
    let inventory = Inventory { bmcs: bmcs.clone(), asked: Arc::clone(&asked), stale: Mutex::new(stale) };
    let trust = Trust::with_extra(&std::fs::read(ca_file()).unwrap()).unwrap();
    let settings = Settings { max_edge: 2000, idle: LONG, max_consoles: 4, trust };
    Bench { bmcs, ops: Arc::new(Ops::new(vec![Box::new(inventory)], settings)), asked }
}

fn bench(setup: Setup) -> Bench {
    bench_with(vec![setup], None)
}

impl Bench {
    fn try_look(&self, server: &str) -> Result<Screenshot, Error> {
        let options = ScreenshotOptions { raw: true, ..ScreenshotOptions::default() };
        self.ops.screenshot(server, &options, &Watch::new("testing", LONG))
    }

    fn look(&self, server: &str) -> Screenshot {
        self.try_look(server).unwrap()
    }

    /// Everything is closed, and every session that was opened was logged out.
    fn end(self) {
        self.ops.close();
        for bmc in &self.bmcs {
            bmc.assert_all_closed();
        }
    }
}

#[test]
fn the_second_look_needs_no_second_session() {
    let bench = bench(Setup::default());
    let first = bench.look("a");
    let second = bench.look("a");
    assert!(first.png.is_some() && first.png == second.png);
    assert!(second.facts.contains("note: a note"), "{}", second.facts);
    let counts = bench.bmcs[0].counts();
    assert_eq!((counts.sessions, counts.kvm_opens, counts.logouts), (1, 1, 0));
    bench.end();
}

#[test]
fn a_server_with_two_names_has_one_console() {
    let bench = bench(Setup::default());
    assert!(bench.look("a").png.is_some() && bench.look("test/a").png.is_some());
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    let released = bench.ops.release("test/a", &Watch::new("testing", LONG)).unwrap();
    assert!(released.contains("closed and logged out"), "{released}");
    bench.end();
}

#[test]
fn looks_at_once_share_one_session_and_servers_do_not_wait_for_each_other() {
    let slow = Setup { greeting: Greeting::Silent, ..Setup::default() };
    let bench = bench_with(vec![Setup::default(), slow], None);
    std::thread::scope(|scope| {
        let stuck = scope.spawn(|| bench.try_look("b"));
        let looks: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.look("a"))).collect();
        for look in looks {
            assert!(look.join().unwrap().png.is_some());
        }
        bench.bmcs[1].wait_until("the slow console's opening", |counts| counts.kvm_opens == 1);
        bench.bmcs[1].change(|setup| setup.greeting = Greeting::Allowed(2));
        assert!(stuck.join().unwrap().unwrap().png.is_some());
    });
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn what_changes_on_the_screen_is_in_the_next_look() {
    let bench = bench(Setup::default());
    let first = bench.look("a");
    bench.bmcs[0].show_recorded(recorded("screen-grub-720x400"));
    let watch = Watch::new("waiting for the change", LONG);
    while bench.look("a").png == first.png {
        watch.left().unwrap();
    }
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn a_console_that_hangs_up_is_opened_again_by_the_next_look() {
    let bench = bench(Setup::default());
    bench.look("a");
    bench.bmcs[0].hang_up();
    bench.bmcs[0].wait_until("the logout of what hung up", |counts| counts.logouts == 1);
    assert!(bench.look("a").png.is_some());
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 2);
    let asked: Vec<_> = bench.asked.lock().unwrap().iter().map(|(_, wanted)| *wanted).collect();
    assert_eq!(asked, [Wanted::Any, Wanted::New], "an access that was logged out is not used again");
    bench.end();
}

#[test]
fn a_release_logs_out_at_once() {
    let bench = bench(Setup::default());
    bench.look("a");
    bench.ops.release("a", &Watch::new("testing", LONG)).unwrap();
    assert_eq!(bench.bmcs[0].counts().logouts, 1, "it returns when all is closed");
    bench.bmcs[0].assert_all_closed();
    bench.end();
}

#[test]
fn an_access_that_the_bmc_turns_away_is_replaced_by_one_new_one() {
    let other = Bmc::start(Setup::default());
    let stale = other.viewer_url();
    other.forget_sessions();
    let bench = bench_with(vec![Setup::default()], Some(stale));
    assert!(bench.look("a").png.is_some());
    let asked: Vec<_> = bench.asked.lock().unwrap().iter().map(|(_, wanted)| *wanted).collect();
    assert_eq!(asked, [Wanted::Any, Wanted::New]);
    bench.end();
}

#[test]
fn a_storm_of_looks_at_a_sick_bmc_is_one_attempt() {
    let bench = bench(Setup { token: Token::Unauthorized(15_000), ..Setup::default() });
    for _ in 0..20 {
        let error = bench.try_look("a").unwrap_err();
        assert_eq!(error.kind(), Kind::Busy, "{error}");
    }
    assert_eq!(bench.bmcs[0].counts().sessions, 1);
    bench.end();
}

#[test]
fn a_console_without_signal_is_an_answer_that_stays_warm() {
    let bench = bench(Setup { video: vec![Video::Blank], power: false, ..Setup::default() });
    for _ in 0..2 {
        let shot = bench.look("a");
        assert_eq!(shot.png, None);
        assert!(shot.facts.contains("powered off"), "{}", shot.facts);
    }
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn a_caller_without_patience_is_told_how_far_it_is_and_joins_later() {
    let bench = bench(Setup { greeting: Greeting::Silent, ..Setup::default() });
    let options = ScreenshotOptions { patience: Some(Duration::from_millis(50)), ..ScreenshotOptions::default() };
    let shot = bench.ops.screenshot("a", &options, &Watch::new("testing", LONG)).unwrap();
    assert_eq!(shot.png, None);
    assert!(shot.facts.contains("still being opened"), "{}", shot.facts);
    bench.bmcs[0].change(|setup| setup.greeting = Greeting::Allowed(2));
    assert!(bench.look("a").png.is_some());
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn the_end_closes_what_is_open_and_what_is_opening() {
    let dark = Setup { video: vec![Video::Nothing], ..Setup::default() };
    let bench = bench_with(vec![Setup::default(), dark], None);
    bench.look("a");
    let options = ScreenshotOptions { patience: Some(Duration::ZERO), ..ScreenshotOptions::default() };
    bench.ops.screenshot("b", &options, &Watch::new("testing", LONG)).unwrap();
    bench.bmcs[1].wait_until("the wait for a picture", |counts| counts.packets(packet::FULL_SCREEN) > 0);
    bench.end();
}
