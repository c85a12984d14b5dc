//! Waiting at a console: each thing that can be waited for, and each way a wait ends.

use std::thread;

use ikvm_mcp::ops::{Until, WaitOptions, Waited};

use super::*;
use crate::support::picture;

const GRUB: &str = "screen-grub-720x400";

fn text(text: &str) -> Until {
    Until::Text(text.to_owned())
}

impl Bench {
    fn try_wait(&self, until: Until, seconds: u64, patience: Option<Duration>) -> Result<Waited, Error> {
        let options = WaitOptions { until, timeout: Duration::from_secs(seconds), patience };
        self.ops.wait("a", &options, &Watch::new("testing", LONG))
    }

    fn wait(&self, until: Until) -> Waited {
        self.try_wait(until, 50, None).unwrap()
    }

    /// Begins a wait that goes on when its caller has left, and has seen the screen once.
    fn begin(&self, until: Until) {
        let watch = Watch::new("waiting for the wait to begin", LONG);
        loop {
            let told = self.try_wait(until.clone(), 50, Some(Duration::ZERO)).unwrap();
            assert!(!told.is_met && told.text.contains("Call again with the same arguments"), "{}", told.text);
            if told.text.contains("(waiting for the screen") {
                return;
            }
            watch.left().unwrap();
        }
    }
}

#[test]
fn what_is_there_already_is_seen_at_once_with_its_row_and_the_whole_text() {
    let bench = bench(Setup::default());
    for until in [text("SeaBIOS"), Until::Regex("Sea[A-Z]+ .*version".into()), Until::Gone("login:".into())] {
        let waited = bench.wait(until.clone());
        assert!(waited.is_met && waited.text.starts_with("Seen after "), "{until:?}: {}", waited.text);
        assert!(waited.text.contains("power: on") && waited.text.contains("|SeaBIOS"), "{}", waited.text);
    }
    assert!(bench.wait(text("SeaBIOS")).text.lines().next().unwrap().contains("row 0: \"SeaBIOS"));
    assert!(bench.wait(Until::Power(Power::On)).is_met);
    assert!(bench.wait(Until::Still(Duration::from_secs(1))).is_met);
    assert!(bench.wait(Until::Changed(Some("1-1".into()))).is_met, "an unknown picture id counts as changed");
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn what_comes_later_is_seen_also_while_nobody_waits() {
    let bench = bench(Setup::default());
    let untils = [text("GNU GRUB"), Until::Gone("SeaBIOS".into()), Until::Changed(None)];
    for until in &untils {
        bench.begin(until.clone());
    }
    bench.bmcs[0].show(&picture(GRUB));
    for until in untils {
        let waited = bench.wait(until.clone());
        assert!(waited.is_met && waited.text.contains("GNU GRUB"), "{until:?}: {}", waited.text);
    }
    bench.end();
}

#[test]
fn what_does_not_come_in_time_is_an_answer_with_the_screen() {
    let bench = bench(Setup::default());
    for until in [text("login:"), Until::Power(Power::Off), Until::Gone("SeaBIOS".into())] {
        let waited = bench.try_wait(until, 1, None).unwrap();
        assert!(!waited.is_met && waited.text.starts_with("Not seen within 1.0 s"), "{}", waited.text);
        assert!(waited.text.contains("|SeaBIOS"), "{}", waited.text);
    }
    bench.end();
}

#[test]
fn a_wait_outlasts_a_console_that_hangs_up() {
    let bench = bench(Setup::default());
    bench.begin(text("GNU GRUB"));
    bench.bmcs[0].hang_up();
    bench.bmcs[0].wait_until("the second console", |counts| counts.kvm_opens == 2);
    bench.bmcs[0].show(&picture(GRUB));
    assert!(bench.wait(text("GNU GRUB")).is_met);
    bench.end();
}

#[test]
fn a_wait_goes_on_at_the_console_that_another_call_opened_again() {
    let bench = bench(Setup::default());
    bench.begin(text("GNU GRUB"));
    bench.bmcs[0].hang_up();
    let watch = Watch::new("waiting for the second console", LONG);
    while bench.bmcs[0].counts().kvm_opens < 2 {
        watch.left().unwrap();
        bench.look("a");
    }
    bench.bmcs[0].show(&picture(GRUB));
    let waited = bench.wait(text("GNU GRUB"));
    assert!(waited.is_met, "{}", waited.text);
    bench.end();
}

#[test]
fn a_wait_ends_when_somebody_takes_the_console() {
    let bench = bench(Setup::default());
    bench.begin(text("never"));
    bench.bmcs[0].send(packet::packet(packet::STOP, 10, &[]));
    let error = bench.try_wait(text("never"), 50, None).unwrap_err();
    assert!(error.kind() == Kind::Busy && error.to_string().contains("administrator"), "{error}");
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn a_console_that_somebody_wants_back_is_not_opened_again_by_a_wait() {
    let bench = bench(Setup::default());
    thread::scope(|scope| {
        bench.begin(text("never"));
        let waits = scope.spawn(|| bench.try_wait(text("never"), 50, None));
        bench.ops.release("a", &Watch::new("testing", LONG)).unwrap();
        let error = waits.join().unwrap().unwrap_err().to_string();
        assert!(error.contains("released"), "{error}");
    });
    assert_eq!(bench.bmcs[0].counts().kvm_opens, 1);
    bench.end();
}

#[test]
fn an_expression_that_is_none_or_says_nothing_is_refused_before_anything_is_opened() {
    let bench = bench(Setup::default());
    for (pattern, what) in [("(", "is no regular expression"), ("login:|", "also matches where nothing is")] {
        let error = bench.try_wait(Until::Regex(pattern.into()), 1, None).unwrap_err();
        assert!(error.kind() == Kind::Usage && error.to_string().contains(what), "{error}");
    }
    assert_eq!(bench.bmcs[0].counts().sessions, 0);
    bench.end();
}

#[test]
fn the_end_of_the_program_ends_its_waits() {
    let bench = bench(Setup::default());
    thread::scope(|scope| {
        bench.begin(text("never"));
        let waits = scope.spawn(|| bench.try_wait(text("never"), 50, None));
        bench.ops.close();
        assert_eq!(waits.join().unwrap().unwrap_err().kind(), Kind::Cancelled);
    });
    bench.end();
}
