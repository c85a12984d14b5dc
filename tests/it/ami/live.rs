//! A console that stays open: changes arrive, refreshes answer, others come and go, and every end is clean.

use std::sync::Arc;
use std::time::Duration;

use ikvm_mcp::base::{Frame, Kind, Watch};
use ikvm_mcp::console::{Console, Role, Signal};

use super::{LONG, SCREEN, access, assert_says, open, open_at, picture, showing};
use crate::support::bmc::packet::{self, KEEP_ALIVE, NEXT_MASTER, SHARING};
use crate::support::bmc::{Bmc, Setup, Video};
use crate::support::recorded;

/// Asks for the screen until it is `wanted`; refreshing is how one waits.
pub fn wait_for_picture(console: &dyn Console, wanted: &Frame) {
    let watch = Watch::new("waiting for the picture", LONG);
    while console.snapshot().frame.as_deref() != Some(wanted) {
        watch.left().unwrap();
        console.refresh(&watch.within("refreshing", Duration::from_millis(200))).unwrap();
    }
}

#[test]
fn differences_reach_the_next_snapshot_without_being_asked_for() {
    let bmc = Bmc::start(Setup::default());
    bmc.show_recorded(recorded("sequence-scroll-0"));
    let console = open(&bmc);
    let first = console.snapshot();
    assert_eq!(first.frame.as_deref(), Some(&picture("sequence-scroll-0")));
    let watch = Watch::new("waiting for the change", LONG);
    for n in 1..3 {
        bmc.show_recorded_change(recorded(&format!("sequence-scroll-{n}")));
        let wanted = picture(&format!("sequence-scroll-{n}"));
        while console.snapshot().frame.as_deref() != Some(&wanted) {
            watch.sleep(Duration::from_millis(1)).unwrap();
        }
    }
    let last = console.snapshot();
    assert_eq!(last.id, first.id + 2);
    assert!(last.heard > first.heard && last.complete && last.signal == Signal::Video);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn what_changes_on_the_screen_is_in_the_next_snapshots() {
    let screens = ["screen-seabios-720x400", "screen-grub-720x400", "screen-gfxterm-1024x768", SCREEN].map(picture);
    let bmc = Bmc::start(Setup::default());
    bmc.show(&screens[0]);
    let console = open(&bmc);
    let opened = bmc.counts().frames;
    let watch = Watch::new("waiting for the change", LONG);
    let follow = |frame: &Frame| {
        bmc.show(frame);
        while console.snapshot().frame.as_deref() != Some(frame) {
            watch.sleep(Duration::from_millis(1)).unwrap();
        }
    };
    screens.iter().for_each(follow);
    // A single block, and back.
    let mut frame = screens[3].clone();
    frame.pixels[0] = [170; 3];
    follow(&frame);
    follow(&screens[3]);
    assert_eq!(bmc.counts().frames, opened, "no full frame was needed");
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn a_refresh_asks_once_for_all_when_nothing_was_heard_for_a_second() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    let (before, frames) = (console.snapshot(), bmc.counts().frames);
    let live = console.refresh(&Watch::new("refreshing", LONG)).unwrap();
    assert_eq!((live.heard, bmc.counts().frames), (before.heard, frames), "what is heard now is current");

    let silence = before.heard + Duration::from_secs(1);
    Watch::new("waiting", LONG).sleep(silence.saturating_duration_since(std::time::Instant::now())).unwrap();
    let refreshed: Vec<_> = std::thread::scope(|scope| {
        let refresh = || console.refresh(&Watch::new("refreshing", LONG)).unwrap();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(refresh)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(refreshed.iter().all(|snapshot| snapshot.heard > before.heard));
    assert_eq!(refreshed[0].id, before.id, "an equal picture is the same picture");
    assert_eq!(bmc.counts().frames, frames + 1);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn a_refresh_that_nobody_answers_gives_the_last_picture() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    let before = console.snapshot();
    bmc.change(|setup| setup.video = vec![Video::Nothing]);
    let silence = before.heard + Duration::from_secs(1);
    Watch::new("waiting", LONG).sleep(silence.saturating_duration_since(std::time::Instant::now())).unwrap();
    let after = console.refresh(&Watch::new("refreshing", Duration::from_millis(100))).unwrap();
    assert_eq!((after.heard, after.frame.as_deref()), (before.heard, Some(&picture(SCREEN))));
    bmc.wait_until("the request", |counts| counts.packets(packet::FULL_SCREEN) >= 2);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn a_screen_that_goes_blank_and_comes_back_is_followed() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    bmc.send(packet::packet(packet::BLANK, 0, &[]));
    let watch = Watch::new("waiting for the blank screen", LONG);
    while console.snapshot().signal != Signal::None {
        watch.sleep(Duration::from_millis(1)).unwrap();
    }
    bmc.show_recorded(recorded("screen-grub-720x400"));
    wait_for_picture(&*console, &picture("screen-grub-720x400"));
    assert_eq!(console.snapshot().signal, Signal::Video);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn whoever_asks_is_let_in_at_once() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    assert_eq!(console.snapshot().role, Some(Role::Master));
    bmc.ask_to_share();
    bmc.wait_until("the console shared", |counts| counts.sharing == [(SHARING, 1), (NEXT_MASTER, 1)]);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn the_others_who_view_are_named_and_our_role_is_told() {
    let others = vec![("operator", "203.0.113.9"), ("root", "203.0.113.10")];
    for (index, role) in [(Some(1), Role::Viewer), (Some(0), Role::Master), (None, Role::Master)] {
        let bmc = showing(Setup { index, others: others.clone(), ..Setup::default() });
        let console = open(&bmc);
        let watch = Watch::new("waiting for the viewers", LONG);
        while console.snapshot().viewers.is_empty() {
            watch.sleep(Duration::from_millis(1)).unwrap();
        }
        let snapshot = console.snapshot();
        assert_eq!(snapshot.role, Some(role));
        assert_eq!(snapshot.viewers.len(), 2, "{:?}", snapshot.viewers);
        for (viewer, (name, ip)) in snapshot.viewers.iter().zip(&others) {
            assert!(viewer.contains(name) && viewer.contains(ip), "{viewer}");
        }
        console.close();
        bmc.assert_all_closed();
    }
}

#[test]
fn pings_and_keep_alives_are_answered_and_ours_come_by_themselves() {
    let bmc = showing(Setup { pings: true, ..Setup::default() });
    let console = open(&bmc);
    bmc.wait_until("keep-alives answered", |counts| counts.packets(KEEP_ALIVE) >= 3);
    console.close();
    bmc.assert_all_closed();

    let bmc = showing(Setup::default());
    let console = open(&bmc);
    bmc.wait_until("a keep-alive of ours", |counts| counts.packets(KEEP_ALIVE) >= 1);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn a_console_can_be_closed_by_any_thread_and_more_than_once() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    let waiting = Arc::clone(&console);
    bmc.change(|setup| setup.video = vec![Video::Nothing]);
    let refreshing = std::thread::spawn(move || waiting.refresh(&Watch::new("refreshing", LONG)));
    let closing = Arc::clone(&console);
    std::thread::spawn(move || closing.close()).join().unwrap();
    console.close();
    let _ = refreshing.join().unwrap(); // returns, with the last picture or an error
    bmc.assert_all_closed();
    assert_eq!(bmc.counts().stops, 1);
}

#[test]
fn a_slow_web_server_is_given_the_time_to_log_us_out() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    bmc.change(|setup| setup.web_time = Duration::from_millis(1_500));
    console.close();
    assert_eq!(bmc.counts().logouts, 1, "it returns when we are logged out");
    bmc.assert_all_closed();
}

#[test]
fn a_console_that_is_dropped_is_closed() {
    let bmc = showing(Setup::default());
    drop(open(&bmc));
    bmc.assert_all_closed();
    assert_eq!(bmc.counts().stops, 1);
}

#[test]
fn a_connection_that_the_bmc_ends_is_told_and_logged_out() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    assert!(console.ended().is_none());
    bmc.hang_up();
    let watch = Watch::new("waiting for the end", LONG);
    while console.ended().is_none() {
        watch.sleep(Duration::from_millis(1)).unwrap();
    }
    assert_eq!(console.ended().unwrap().kind(), Kind::Peer);
    assert!(console.refresh(&Watch::new("refreshing", LONG)).is_err());
    assert_eq!(console.snapshot().frame.as_deref(), Some(&picture(SCREEN)), "the last picture stays");
    console.close();
    bmc.assert_all_closed();

    let bmc = showing(Setup::default());
    let console = open(&bmc);
    bmc.send(packet::packet(packet::STOP, 10, &[]));
    let watch = Watch::new("waiting for the end", LONG);
    while console.ended().is_none() {
        watch.sleep(Duration::from_millis(1)).unwrap();
    }
    assert_says(&console.ended().unwrap(), Kind::Busy, &["administrator"]);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn a_web_session_that_the_bmc_forgot_needs_no_logout() {
    let bmc = showing(Setup::default());
    let console = open(&bmc);
    bmc.forget_sessions();
    bmc.send(packet::packet(packet::STOP, 7, &[]));
    let watch = Watch::new("waiting for the end", LONG);
    while console.ended().is_none() {
        watch.sleep(Duration::from_millis(1)).unwrap();
    }
    assert_says(&console.ended().unwrap(), Kind::Denied, &["logged out"]);
    console.close();
    bmc.assert_all_closed();
    assert_eq!((bmc.counts().logouts, bmc.counts().forgotten), (0, 1));
}

#[test]
fn cancelling_ends_an_opening_and_closes_what_it_opened() {
    let bmc = showing(Setup { video: vec![Video::Nothing], ..Setup::default() });
    let watch = Watch::new("opening the console", LONG);
    let opening = std::thread::spawn({
        let (watch, access) = (watch.clone(), access(bmc.viewer_url()));
        move || open_at(&access, &watch).err()
    });
    bmc.wait_until("a request for the screen", |counts| counts.frames > 0);
    watch.cancel();
    let error = opening.join().unwrap().expect("an error");
    assert_eq!(error.kind(), Kind::Cancelled, "{error}");
    bmc.assert_all_closed();
    assert_eq!(bmc.counts().stops, 1);
}
