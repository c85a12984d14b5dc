//! An AMI console that we log in to by name and password: every login is followed by its logout.

use std::sync::mpsc;
use std::time::Duration;

use ikvm_mcp::base::{Access, Bmc as Address, Certificate, Error, Kind, Route, Secret, Url, Watch};
use ikvm_mcp::console::Role;

use super::{LONG, SCREEN, assert_says, look_at, open_at, picture, showing};
use crate::support::bmc::{Bmc, Greeting, Login, Setup, Token, USER, Upgrade};

pub fn with(bmc: &Bmc, user: &str, password: &str) -> Access {
    let url = Url::parse(&bmc.url()).unwrap();
    let login = Address { url, user: user.to_owned(), password: Secret::new(password) };
    Access { route: Route::Bmc(login), certificate: Certificate::default(), expires: None, notes: Vec::new() }
}

pub fn access(bmc: &Bmc) -> Access {
    with(bmc, USER.0, USER.1)
}

pub fn watch() -> Watch {
    Watch::new("opening the console", LONG)
}

/// Asserts that the console does not open, and that what was begun was ended: how often somebody logged in.
#[track_caller]
pub fn refused(bmc: &Bmc, access: &Access) -> (Error, u32) {
    let error = open_at(access, &watch()).err().expect("a refusal");
    assert!(!error.to_string().contains(USER.1) && !error.to_string().contains("p%26ss"), "{error}");
    bmc.assert_all_closed();
    (error, bmc.counts().sessions)
}

fn logins(bmc: &Bmc) -> usize {
    bmc.counts().requests.iter().filter(|request| *request == "POST /api/session").count()
}

#[test]
fn a_login_leads_to_the_same_picture_and_is_ended() {
    for login in [Login::Given, Login::Seeded, Login::Overcounted] {
        let bmc = showing(Setup { login, ..Setup::default() });
        assert_eq!(*look_at(&bmc, &access(&bmc)), picture(SCREEN), "{login:?}");
        let counts = bmc.counts();
        assert_eq!((counts.sessions, counts.logouts, logins(&bmc)), (1, 1, 1), "{login:?}");
        assert_eq!(counts.requests[..2], ["GET /", "POST /api/session"]);
        assert_eq!(counts.requests.last().unwrap(), "DELETE /api/session");
    }
}

#[test]
fn a_refused_login_says_why_and_is_not_tried_again() {
    for (login, kind, words, begun) in [
        (Login::Unauthorized(15000), Kind::Busy, "session table is full; close another viewer", 0),
        (Login::Unauthorized(17000), Kind::Busy, "updating its firmware", 0),
        (Login::Unauthorized(1005), Kind::Denied, "does not accept the user and the password (HTTP 401, code 1005)", 0),
        (Login::Banned, Kind::Busy, "wait 3 min", 0),
        (Login::Result(7), Kind::Denied, "(result 7)", 0),
        (Login::Page, Kind::Peer, "no session; check that console is", 0),
        (Login::MustChange, Kind::Denied, "wants the account's password to be changed first", 1),
    ] {
        let bmc = showing(Setup { login, ..Setup::default() });
        let (error, sessions) = refused(&bmc, &access(&bmc));
        assert_says(&error, kind, &["POST ", "/api/session", words]);
        assert_eq!((sessions, logins(&bmc), bmc.counts().kvm_opens), (begun, 1, 0), "{login:?}");
    }
}

#[test]
fn a_wrong_name_or_password_is_sent_once() {
    for (user, password) in [("admin", "wrong"), ("Admin", USER.1), ("admin", "")] {
        let bmc = showing(Setup::default());
        let (error, sessions) = refused(&bmc, &with(&bmc, user, password));
        assert_says(&error, Kind::Denied, &["does not accept the user and the password", "check both in hosts.toml"]);
        assert_eq!((sessions, logins(&bmc)), (0, 1));
    }
}

#[test]
fn whatever_fails_after_the_login_it_is_ended() {
    for (setup, kind, words) in [
        (Setup { token: Token::Unauthorized(15000), ..Setup::default() }, Kind::Busy, "session table is full"),
        (Setup { token: Token::Unauthorized(1009), ..Setup::default() }, Kind::Denied, "try again; on some firmware"),
        (Setup { token: Token::Nonsense, ..Setup::default() }, Kind::Peer, "no KVM token"),
        (Setup { upgrade: Upgrade::Slots, ..Setup::default() }, Kind::Busy, "slots"),
        (Setup { upgrade: Upgrade::Refused(500), ..Setup::default() }, Kind::Peer, "500"),
        (Setup { greeting: Greeting::Full(0), ..Setup::default() }, Kind::Busy, "maximum"),
        (Setup { codes: vec![2], ..Setup::default() }, Kind::Denied, "grant the account the KVM privilege"),
    ] {
        let bmc = showing(setup.clone());
        let (error, sessions) = refused(&bmc, &access(&bmc));
        assert_says(&error, kind, &[words]);
        assert_eq!((sessions, logins(&bmc)), (1, 1), "{setup:?}");
    }
}

#[test]
fn a_second_form_of_the_handshake_needs_no_second_login() {
    let bmc = showing(Setup { complete: None, ..Setup::default() });
    assert_eq!(*look_at(&bmc, &access(&bmc)), picture(SCREEN));
    assert_eq!((logins(&bmc), bmc.counts().tokens, bmc.counts().kvm_opens), (1, 2, 2));
}

#[test]
fn a_login_that_nobody_wants_any_more_is_finished_and_ended() {
    let bmc = showing(Setup { web_time: Duration::from_millis(150), ..Setup::default() });
    let (watch, access) = (watch(), access(&bmc));
    let (done, result) = mpsc::channel();
    let opening = std::thread::spawn({
        let watch = watch.clone();
        move || done.send(open_at(&access, &watch).err()).unwrap()
    });
    bmc.wait_until("the login", |counts| counts.requests.iter().any(|request| request.starts_with("POST")));
    watch.cancel();
    assert_eq!(result.recv().unwrap().expect("a cancellation").kind(), Kind::Cancelled);
    opening.join().unwrap();
    bmc.assert_all_closed();
    assert_eq!((bmc.counts().sessions, bmc.counts().kvm_opens), (1, 0));
}

#[test]
fn the_role_is_known() {
    for (index, role) in [(0, Role::Master), (1, Role::Viewer)] {
        let bmc = showing(Setup { index: Some(index), ..Setup::default() });
        let console = open_at(&access(&bmc), &watch()).unwrap();
        assert_eq!(console.snapshot().role, Some(role));
        console.close();
        bmc.assert_all_closed();
    }
}
