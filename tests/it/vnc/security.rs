//! Who is let in, and what those hear who are not.

use super::*;
use crate::support::vnc::pictures;

fn server(version: &'static str, security: Security) -> Vnc {
    Vnc::tcp(Setup { version, security, ..Setup::default() }, pictures(vec![screen(1)], Encoding::HEXTILE))
}

const VERSIONS: [&str; 7] =
    ["RFB 003.003", "RFB 003.005", "RFB 003.007", "RFB 003.008", "RFB 003.889", "RFB 004.001", "RFB 005.000"];

#[test]
fn every_version_lets_in_who_needs_no_password_and_who_knows_it() {
    for version in VERSIONS {
        assert_shows(&look(&access(&server(version, Security::None).url())), &screen(1));
        let server = server(version, Security::Vnc("secret12"));
        // Only eight bytes count.
        for password in ["secret12", "secret12345"] {
            assert_shows(&look(&with(access(&server.url()), None, password)), &screen(1));
        }
    }
    let server = server("RFB 003.008", Security::Tight("secret"));
    assert_shows(&look(&with(access(&server.url()), None, "secret")), &screen(1));
}

#[test]
fn a_wrong_password_is_told_in_the_servers_words_where_it_has_any() {
    for version in VERSIONS {
        let server = server(version, Security::Vnc("secret"));
        let error = refused(&with(access(&server.url()), None, "wrong"));
        assert_says(&error, Kind::Denied, "the server did not accept the credentials");
        assert!(error.to_string().ends_with("check the password; VNC authentication counts its first 8 bytes only"));
        let has_words = !["RFB 003.003", "RFB 003.005", "RFB 003.007"].contains(&version);
        assert_eq!(error.to_string().contains("\"Authentication failed\""), has_words, "{error}");
        assert_eq!(server.seen().connections, 1, "tried again");
    }
}

#[test]
fn a_password_that_is_refused_in_utf_8_is_tried_in_latin_1_once() {
    let server = server("RFB 003.008", Security::Vnc("p\u{e4}ss"));
    assert_shows(&look(&with(access(&server.url()), None, "p\u{e4}ss")), &screen(1));
    assert_eq!(server.seen().connections, 1);
    let error = refused(&with(access(&server.url()), None, "p\u{f6}ss"));
    assert_says(&error, Kind::Denied, "the server did not accept the credentials");
    assert_eq!(server.seen().connections, 3);
}

#[test]
fn a_password_that_nobody_gave_is_asked_for_without_an_attempt() {
    let server = server("RFB 003.008", Security::Only(&[2]));
    assert_says(&refused(&access(&server.url())), Kind::Usage, "the server asks for a password; configure a password");
}

#[test]
fn what_is_out_of_reach_has_a_sentence_each() {
    for (security, kind, words) in [
        (Security::Refused("Too many security failures"), Kind::Denied, "refused the connection: \"Too many security"),
        (
            Security::Only(&[30, 33, 36]),
            Kind::Unsupported,
            "the server offers 30 (Apple Diffie-Hellman), 33 (Apple RSA)",
        ),
        (Security::Only(&[5, 129]), Kind::Unsupported, "the server offers 5 (RA2), 129 (RA2-256)"),
        (Security::Only(&[20]), Kind::Unsupported, "the server offers 20 (SASL); enable VNC authentication"),
        (
            Security::OnlySubtypes(&[], &[257]),
            Kind::Unsupported,
            "offers TLS without a certificate only (anonymous TLS)",
        ),
    ] {
        assert_says(&refused(&access(&server("RFB 003.008", security).url())), kind, words);
    }
    // ATEN's dialect, and a repeater.
    for (version, kind, words) in [
        ("RFB 055.008", Kind::Unsupported, "ATEN's own dialect"),
        ("RFB 000.000", Kind::Unsupported, "a VNC repeater answered"),
    ] {
        assert_says(&refused(&access(&server(version, Security::None).url())), kind, words);
    }
}

#[test]
fn a_server_with_anonymous_tls_beside_vnc_authentication_is_asked_for_that_the_second_time() {
    let server = server("RFB 003.008", Security::OnlySubtypes(&[2], &[257, 258]));
    assert_shows(&look(&with(access(&server.url()), None, "secret")), &screen(1));
    assert_eq!(server.seen().connections, 2);
}
