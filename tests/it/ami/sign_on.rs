//! From the viewer URL to the console's first word: pages, cookies, tokens, firmware variants.

use ikvm_mcp::base::{Kind, Watch};

use super::{LONG, SCREEN, access, assert_says, look, open_at, open_within, picture, refused, showing, timed_out};
use crate::support::bmc::{Bmc, Features, Setup, SignOn, Token, Upgrade};
use crate::support::recorded;

#[test]
fn the_cookie_is_found_wherever_the_viewer_page_has_it() {
    for sign_on in [SignOn::SetCookie, SignOn::Parameter, SignOn::Script] {
        for redirects in [false, true] {
            let bmc = showing(Setup { sign_on, redirects, ..Setup::default() });
            assert_eq!(*look(&bmc), picture(SCREEN), "{sign_on:?} {redirects}");
        }
    }
}

#[test]
fn the_csrf_token_is_found_however_the_page_spells_it() {
    for garc in [
        "sessionStorage.setItem('garc', '{}');",
        "localStorage.garc = \"{}\";",
        "var garc='{}';",
        "const config = {\"garc\": \"{}\", \"lang\": \"en\"};",
        "document.cookie = \"__Host-garc={}; path=/; secure\";",
        "document.cookie = 'garc={};path=/';",
        "var garc = sessionStorage.getItem(\"garc\");\nsessionStorage.setItem(\"garc\", \"{}\");",
    ] {
        let bmc = showing(Setup { garc, ..Setup::default() });
        assert_eq!(*look(&bmc), picture(SCREEN), "{garc}");
    }
}

#[test]
fn the_web_requests_come_one_after_another_and_none_too_many() {
    let bmc = showing(Setup::default());
    look(&bmc);
    let mut requests = bmc.counts().requests;
    assert_eq!(requests.first().unwrap(), "GET /viewer");
    assert_eq!(requests.pop().unwrap(), "DELETE /api/session");
    assert!(requests.contains(&"GET /viewer.html".to_owned()));
    let once = |wanted: &str| requests.iter().filter(|request| *request == wanted).count();
    assert_eq!(once("GET /api/settings/media/h5viewercfg"), 1);
    assert_eq!(once("GET /api/configuration/project"), 1);
    assert_eq!(once("GET /api/kvm/token"), 0);
    assert!(requests.len() <= 5, "{requests:?}");
}

#[test]
fn each_firmware_gets_its_own_validation() {
    // As the notes choose where the list cannot be read: the shorter body, even beside a server_ip.
    let unreadable = Setup { features: Features::Unreadable, body: 438, takes_any_variant: true, ..Setup::default() };
    for (setup, wanted) in [
        (Setup::default(), (438, Some((58, 1)))),
        (Setup::ovh(), (373, Some((58, 1)))),
        (Setup { features: Features::HangsUp, ..Setup::ovh() }, (373, Some((58, 1)))),
        (Setup::old(), (373, None)),
        (Setup { complete: None, features: Features::Plain, ..Setup::default() }, (438, None)),
        (unreadable, (373, Some((58, 1)))),
    ] {
        let bmc = showing(setup.clone());
        assert_eq!(*look(&bmc), picture(SCREEN), "{setup:?}");
        assert_eq!(bmc.counts().validations, [wanted]);
    }
}

#[test]
fn a_refused_variant_is_tried_once_in_its_other_form_with_a_new_token() {
    for setup in [
        // The feature list cannot be read, and packet 58 is one too many.
        Setup { complete: None, ..Setup::ovh() },
        // The feature list is wrong, either way.
        Setup { complete: None, ..Setup::default() },
        Setup { features: Features::Plain, ..Setup::default() },
        // Right at once, and yet refused the first time.
        Setup { codes: vec![0, 1], complete: Some((58, 1)), takes_any_variant: true, ..Setup::default() },
        Setup { codes: vec![3, 1], complete: None, takes_any_variant: true, ..Setup::old() },
    ] {
        let bmc = showing(setup.clone());
        assert_eq!(*look(&bmc), picture(SCREEN), "{setup:?}");
        let counts = bmc.counts();
        assert_eq!((counts.tokens, counts.kvm_opens), (2, 2), "{setup:?}");
        assert_eq!((counts.sessions, counts.logouts), (1, 1), "{setup:?}");
        assert_ne!(counts.validations[0], counts.validations[1], "{setup:?}");
    }
}

#[test]
fn there_is_no_third_try() {
    for code in [0, 3] {
        let bmc = showing(Setup { codes: vec![code], takes_any_variant: true, ..Setup::default() });
        let error = open_within(&bmc, LONG).err().expect("a refusal");
        assert_says(&error, Kind::Denied, &["invalid", &format!("code {code}")]);
        bmc.assert_all_closed();
        assert_eq!((bmc.counts().tokens, bmc.counts().kvm_opens), (2, 2));
    }
}

#[test]
fn a_validation_that_tells_why_is_not_tried_again() {
    for (code, words) in [
        (2, "privilege"),
        (4, "CD"),
        (5, "floppy"),
        (6, "client address"),
        (7, "hardware address"),
        (8, "not registered"),
        (77, "unknown"),
    ] {
        let bmc = showing(Setup { codes: vec![code], ..Setup::default() });
        let error = open_within(&bmc, LONG).err().expect("a refusal");
        assert_says(&error, Kind::Denied, &[words, &format!("code {code}")]);
        bmc.assert_all_closed();
        assert_eq!((bmc.counts().tokens, bmc.counts().kvm_opens), (1, 1));
    }
}

#[test]
fn a_used_up_viewer_url_is_denied() {
    let bmc = showing(Setup::default());
    let url = bmc.viewer_url();
    let open = || open_at(&access(url.clone()), &Watch::new("opening the console", LONG));
    open().unwrap().close();
    let error = open().err().expect("a refusal");
    assert_says(&error, Kind::Denied, &[]);
    assert!(!error.to_string().contains("token="), "{error}");
    bmc.assert_all_closed();
    assert_eq!(bmc.counts().kvm_opens, 1);
}

#[test]
fn a_token_that_is_refused_says_why_and_is_not_asked_for_again() {
    for (token, kind, words) in [
        (Token::Unauthorized(15000), Kind::Busy, "session table is full"),
        (Token::Unauthorized(17000), Kind::Busy, "firmware"),
        (Token::Unauthorized(1009), Kind::Denied, "401"),
        (Token::Nonsense, Kind::Peer, "token"),
    ] {
        let bmc = showing(Setup { token, ..Setup::default() });
        let error = open_within(&bmc, LONG).err().expect("a refusal");
        assert_says(&error, kind, &[words]);
        bmc.assert_all_closed();
        let asked = bmc.counts().requests.iter().filter(|request| request.ends_with("h5viewercfg")).count();
        assert_eq!((asked, bmc.counts().kvm_opens), (1, 0), "{token:?}");
    }
    // 403 of the one endpoint may mean that only the other is there.
    assert_says(&refused(Setup { token: Token::Banned, ..Setup::default() }, LONG), Kind::Busy, &["403", "3 min"]);
}

#[test]
fn a_refused_upgrade_says_why() {
    for (status, kind) in [(401, Kind::Denied), (403, Kind::Denied), (500, Kind::Peer)] {
        let error = refused(Setup { upgrade: Upgrade::Refused(status), ..Setup::default() }, LONG);
        assert_says(&error, kind, &[&status.to_string()]);
    }
    assert_says(&refused(Setup { upgrade: Upgrade::Slots, ..Setup::default() }, LONG), Kind::Busy, &["slots"]);
}

#[test]
fn a_sloppy_upgrade_is_good_enough() {
    let bmc = showing(Setup { upgrade: Upgrade::Sloppy, ..Setup::default() });
    assert_eq!(*look(&bmc), picture(SCREEN));
}

#[test]
fn plain_http_works_as_well() {
    let bmc = Bmc::start_plain(Setup::ovh());
    bmc.show_recorded(recorded(SCREEN));
    assert_eq!(*look(&bmc), picture(SCREEN));
}

#[test]
fn a_console_that_waits_for_more_of_the_validation_is_a_timeout_that_names_it() {
    let setup = Setup { body: 438, ..Setup::ovh() };
    timed_out(&setup, "let us in");
}
