//! The console of firmware of the Java era: the RPC login, the JNLP, IVTP right on TCP; every login is ended.

use std::time::Duration;

use ikvm_mcp::base::Kind;
use ikvm_mcp::console::Role;

use super::login::{access, refused, watch, with};
use super::{SCREEN, assert_says, look_at, open_at, picture, showing};
use crate::support::bmc::{Bmc, Greeting, Jnlp, Rpc, Setup, USER};
use crate::support::recorded;

const LOGIN: &str = "POST /rpc/WEBSES/create.asp";
const LOGOUT: &str = "GET /rpc/WEBSES/logout.asp";

fn meeting(jnlp: Jnlp) -> Setup {
    let setup = Setup::rpc();
    Setup { rpc: setup.rpc.map(|rpc| Rpc { jnlp, ..rpc }), ..setup }
}

fn asked(bmc: &Bmc, what: &str) -> usize {
    bmc.counts().requests.iter().filter(|request| *request == what).count()
}

#[test]
fn the_older_login_leads_to_the_same_picture_with_tls_and_without() {
    let start: [fn(Setup) -> Bmc; 2] = [Bmc::start, Bmc::start_plain];
    for (setup, validation) in [(Setup::rpc(), (324, None)), (Setup::rpc_with_reconnection(), (373, Some((58, 0))))] {
        for start in start {
            let bmc = start(setup.clone());
            bmc.show_recorded(recorded(SCREEN));
            assert_eq!(*look_at(&bmc, &access(&bmc)), picture(SCREEN), "{setup:?}");
            let counts = bmc.counts();
            assert_eq!(counts.requests, ["GET /", "POST /api/session", LOGIN, "GET /Java/jviewer.jnlp", LOGOUT]);
            assert_eq!((counts.sessions, counts.logouts), (1, 1));
            assert_eq!((counts.kvm_opens, counts.stops, counts.goodbyes, counts.tokens), (1, 1, 1, 1));
            assert_eq!(counts.validations, [validation]);
        }
    }
}

#[test]
fn a_firmware_that_says_the_wrong_of_itself_gets_the_other_form_with_a_new_token() {
    for (setup, features) in [(Setup::rpc(), 32), (Setup::rpc_with_reconnection(), 0)] {
        let bmc = showing(Setup { rpc: setup.rpc.map(|rpc| Rpc { features, ..rpc }), ..setup });
        assert_eq!(*look_at(&bmc, &access(&bmc)), picture(SCREEN));
        let counts = bmc.counts();
        assert_eq!((asked(&bmc, LOGIN), asked(&bmc, LOGOUT), counts.tokens, counts.kvm_opens), (1, 1, 2, 2));
    }
}

#[test]
fn a_wrong_password_is_known_though_the_answer_is_200_and_has_a_cookie() {
    for (user, password) in [("admin", "wrong"), ("Admin", USER.1), ("admin", "")] {
        let bmc = showing(Setup::rpc());
        let (error, sessions) = refused(&bmc, &with(&bmc, user, password));
        assert_says(
            &error,
            Kind::Denied,
            &[
                "create.asp",
                "does not accept the user and the password (Failure_Login_Local",
                "check both in hosts.toml",
            ],
        );
        assert_eq!((sessions, asked(&bmc, LOGIN), asked(&bmc, LOGOUT)), (0, 1, 0));
        assert_eq!(bmc.counts().requests.last().unwrap(), LOGIN);
    }
}

#[test]
fn whatever_fails_after_the_older_login_it_is_ended() {
    for (setup, kind, words) in [
        (meeting(Jnlp::Full), Kind::Busy, "no KVM session left, or ended ours (session_expired); close another viewer"),
        (meeting(Jnlp::SinglePort), Kind::Unsupported, "single port"),
        (meeting(Jnlp::Tokenless), Kind::Peer, "no KVM token"),
        (meeting(Jnlp::Broken), Kind::Peer, "HTTP 500"),
        (Setup { greeting: Greeting::Full(0), ..Setup::rpc() }, Kind::Busy, "maximum"),
        (Setup { greeting: Greeting::Stopped(4), ..Setup::rpc() }, Kind::Peer, "ended the console session"),
        (Setup { codes: vec![2], ..Setup::rpc() }, Kind::Denied, "grant the account the KVM privilege"),
    ] {
        let bmc = showing(setup.clone());
        let (error, sessions) = refused(&bmc, &access(&bmc));
        let sentence = error.to_string();
        assert!(error.kind() == kind && sentence.contains(words), "{sentence}");
        assert_eq!((sessions, asked(&bmc, LOGIN), asked(&bmc, LOGOUT)), (1, 1, 1), "{setup:?}");
    }
}

#[test]
fn an_older_console_that_hangs_up_is_logged_out_too() {
    let bmc = showing(Setup::rpc());
    let console = open_at(&access(&bmc), &watch()).unwrap();
    assert_eq!(console.snapshot().role, Some(Role::Master));
    bmc.hang_up();
    bmc.wait_until("the logout", |counts| counts.logouts == 1);
    console.close();
    bmc.assert_all_closed();
}

#[test]
fn an_older_login_that_nobody_wants_any_more_is_finished_and_ended() {
    let bmc = showing(Setup { web_time: Duration::from_millis(150), ..Setup::rpc() });
    let (watch, access) = (watch(), access(&bmc));
    let opening = std::thread::spawn({
        let watch = watch.clone();
        move || open_at(&access, &watch).err()
    });
    bmc.wait_until("the login", |counts| counts.requests.iter().any(|request| request == LOGIN));
    watch.cancel();
    assert_eq!(opening.join().unwrap().expect("a cancellation").kind(), Kind::Cancelled);
    bmc.assert_all_closed();
    assert_eq!((bmc.counts().sessions, asked(&bmc, LOGOUT), bmc.counts().kvm_opens), (1, 1, 0));
}
