//! A console that shows nothing, and says why: each reason its own sentence and kind, and nothing left open.

use std::time::Duration;

use ikvm_mcp::base::{Kind, Power};
use ikvm_mcp::console::Signal;

use super::{LONG, SCREEN, assert_says, open, open_within, picture, refused, showing, timed_out};
use crate::support::LIMITS;
use crate::support::bmc::{Greeting, Setup, Video};

/// For scenarios that end with the limit.
const SHORT: Duration = Duration::from_millis(600);

#[test]
fn a_greeting_that_refuses_is_told_in_words() {
    for (greeting, kind, words) in [
        (Greeting::Full(0), Kind::Busy, "maximum"),
        (Greeting::Full(1), Kind::Busy, "same client"),
        (Greeting::Failed, Kind::Peer, "gave up"),
        (Greeting::Allowed(7), Kind::Unsupported, "SoC id 7"),
        (Greeting::Stopped(14), Kind::Busy, "VNC"),
    ] {
        let error = refused(Setup { greeting, ..Setup::default() }, LONG);
        assert_says(&error, kind, &[words]);
    }
}

#[test]
fn a_silent_console_is_a_timeout_that_names_the_greeting() {
    timed_out(&Setup { greeting: Greeting::Silent, ..Setup::default() }, "greeting");
}

#[test]
fn a_session_that_the_bmc_ends_says_why() {
    for (reason, words) in [
        (2, "restarts"),
        (5, "configuration"),
        (7, "logged out"),
        (8, "license"),
        (9, "too long"),
        (10, "administrator"),
        (11, "web server"),
        (12, "BMC restarts"),
        (13, "factory"),
        (14, "VNC"),
        (99, "99"),
    ] {
        let setup = Setup { video: vec![Video::Stopped(reason)], ..Setup::default() };
        let error = refused(setup, LONG);
        assert!(error.to_string().contains(words), "{error}");
        let kind = match reason {
            7 => Kind::Denied,
            10 | 14 => Kind::Busy,
            _ => Kind::Peer,
        };
        assert_says(&error, kind, &["ended"]);
    }
}

#[test]
fn a_blank_screen_and_a_host_that_is_off_are_answers() {
    let open_and_see = |video: Video, power: bool, signal: Signal| {
        let bmc = showing(Setup { video: vec![video.clone()], power, ..Setup::default() });
        let console = open(&bmc);
        let snapshot = console.snapshot();
        assert_eq!((snapshot.frame.as_deref(), snapshot.id), (None, 0), "{video:?} {power}");
        assert_eq!(snapshot.power, Some(if power { Power::On } else { Power::Off }), "{video:?} {power}");
        assert_eq!(snapshot.signal, signal, "{video:?} {power}");
        console.close();
        bmc.assert_all_closed();
    };
    std::thread::scope(|scope| {
        for (video, power, signal) in [
            (Video::Blank, true, Signal::None),
            (Video::Blank, false, Signal::None),
            (Video::HeaderOnly, true, Signal::None),
            (Video::HeaderOnly, false, Signal::None),
            (Video::Nothing, false, Signal::Unknown),
        ] {
            scope.spawn(move || open_and_see(video, power, signal));
        }
    });
}

#[test]
fn a_console_that_sends_no_picture_of_a_running_host_is_a_timeout() {
    timed_out(&Setup { video: vec![Video::Nothing], ..Setup::default() }, "first");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_allocated() {
    for (video, words) in [(Video::Endless, "too large"), (Video::Huge, "too large")] {
        let error = refused(Setup { video: vec![video], ..Setup::default() }, LONG);
        assert_says(&error, Kind::Peer, &[words]);
    }
}

#[test]
fn a_connection_that_drops_in_the_middle_of_a_frame_is_the_peers_failure() {
    let error = refused(Setup { video: vec![Video::CutOff], ..Setup::default() }, LONG);
    assert_says(&error, Kind::Peer, &["connection"]);
}

#[test]
fn video_of_which_nothing_can_be_drawn_is_no_picture() {
    std::thread::scope(|scope| {
        for (video, limit) in [(Video::Corrupt, SHORT), (Video::Corrupt, LONG), (Video::Gap, SHORT)] {
            scope.spawn(move || {
                let setup = Setup { video: vec![video.clone()], fragment: 2_000, ..Setup::default() };
                let error = refused(setup, limit);
                assert!(matches!(error.kind(), Kind::Peer | Kind::Timeout(_)), "{video:?}: {error}");
            });
        }
    });
}

#[test]
fn what_could_be_drawn_of_a_frame_that_stays_cut_is_shown_as_incomplete() {
    let opened = LIMITS.iter().find_map(|&limit| {
        let bmc = showing(Setup { video: vec![Video::Truncated], ..Setup::default() });
        open_within(&bmc, limit).ok().map(|console| (bmc, console))
    });
    let (bmc, console) = opened.expect("a part of the picture");
    let snapshot = console.snapshot();
    assert!(!snapshot.complete);
    let (frame, whole) = (snapshot.frame.clone().unwrap(), picture(SCREEN));
    assert_eq!((frame.width, frame.height), (whole.width, whole.height));
    assert_eq!(frame.pixels[..720 * 8], whole.pixels[..720 * 8], "the first row of blocks");
    console.close();
    bmc.assert_all_closed();
}
