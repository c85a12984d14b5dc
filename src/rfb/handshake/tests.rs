//! The handshake, byte by byte: each version, each way to authenticate, each refusal.

use super::super::{Options, Session, Tls};
use super::*;
use crate::base::Secret;

const QEMU_CHALLENGE: &[u8] = b"0123456789abcdef";
const QEMU_ANSWER: [u8; 16] =
    [0x5f, 0x15, 0xf4, 0xf0, 0xe1, 0x68, 0x4c, 0xdc, 0x26, 0x0e, 0xa9, 0x62, 0xab, 0x82, 0xfa, 0x3b];
const OK: &[u8] = &[0, 0, 0, 0];
const FAILED: &[u8] = &[0, 0, 0, 1];
const READY: &str = "ready";

fn server_init() -> Vec<u8> {
    [&[0, 4, 0, 2][..], &PixelFormat::WANTED.build(), &[0, 0, 0, 2], b"me"].concat()
}

fn with_password() -> Options {
    Options { password: Some(Secret::new("secret12")), user: Some("root".to_owned()), ..Options::default() }
}

/// What the client sends, and how it ends: `READY`, or a failure; fed whole and byte by byte.
fn talk(options: &Options, server: &[&[u8]]) -> (Vec<u8>, String) {
    let bytes = server.concat();
    let talks = [bytes.len().max(1), 1].map(|size| {
        let mut session = Session::new(options.clone());
        let (mut sent, mut end) = (Vec::new(), String::new());
        for piece in bytes.chunks(size) {
            session.receive(piece);
            while let Some(event) = session.poll() {
                match event {
                    Event::Ready { .. } => end = READY.to_owned(),
                    // SetEncodings belongs to what follows.
                    Event::Send(bytes) if end.is_empty() && !bytes.starts_with(&[2, 0]) => sent.extend(bytes),
                    Event::Send(_) | Event::Updated(_) => {}
                    Event::StartTls => session.tls_started(),
                    Event::Failed(failure) => end = failure.to_string(),
                }
            }
        }
        if end.is_empty() {
            end = session.closed().to_string();
        }
        (sent, end)
    });
    assert_eq!(talks[0], talks[1], "the result depends on the cut");
    talks[0].clone()
}

/// What the client must send, in pieces.
fn assert_ready(options: &Options, server: &[&[u8]], sent: &[&[u8]]) {
    let init = server_init();
    let server = [server, &[&init]].concat();
    assert_eq!(talk(options, &server), (sent.concat(), READY.to_owned()));
}

fn assert_ends(options: &Options, server: &[&[u8]], with: &str) {
    let (_, end) = talk(options, server);
    assert!(end.contains(with), "{end:?} does not contain {with:?}");
}

#[test]
fn no_authentication_is_confirmed_only_from_3_8_on() {
    let none = Options::default();
    assert_ready(&none, &[b"RFB 003.003\n", &[0, 0, 0, 1]], &[b"RFB 003.003\n", &[1]]);
    assert_ready(&none, &[b"RFB 003.007\n", &[1, 1]], &[b"RFB 003.007\n", &[1, 1]]);
    assert_ready(&none, &[b"RFB 003.008\n", &[1, 1], OK], &[b"RFB 003.008\n", &[1, 1]]);
}

#[test]
fn vnc_authentication_is_confirmed_in_every_version() {
    let options = with_password();
    for (version, offer, choice) in [
        (b"RFB 003.003\n", &[0, 0, 0, 2][..], &[][..]),
        (b"RFB 003.007\n", &[1, 2], &[2]),
        (b"RFB 003.008\n", &[1, 2], &[2]),
    ] {
        assert_ready(&options, &[version, offer, QEMU_CHALLENGE, OK], &[version, choice, &QEMU_ANSWER, &[1]]);
    }
}

#[test]
fn each_version_is_answered_with_one_that_the_server_knows() {
    for (announced, answered) in [
        ("003.004", "003.003"),
        ("003.006", "003.003"),
        ("003.007", "003.007"),
        ("003.889", "003.008"),
        ("004.000", "003.008"),
        ("004.001", "003.008"),
        ("005.000", "003.008"),
    ] {
        let (sent, _) = talk(&Options::default(), &[format!("RFB {announced}\n").as_bytes()]);
        assert_eq!(String::from_utf8(sent).unwrap(), format!("RFB {answered}\n"), "{announced}");
    }
}

#[test]
fn what_is_not_rfb_is_shown() {
    let none = Options::default();
    assert_ends(&none, &[b"HTTP/1.1 400 Bad Request\r\n"], "it began with \"HTTP/1.1");
    assert_ends(&none, &[b"SSH-2.0"], "it began with \"S");
    assert_ends(&none, &[b"RFB 00a.008\n"], "does not speak RFB");
    assert_ends(&none, &[b"RFB 055.008\n"], "ATEN");
    assert_ends(&none, &[b"RFB 000.000\n"], "repeater");
    assert_ends(&none, &[], "waiting for the RFB version, 0 bytes received");
}

#[test]
fn a_refusal_carries_the_reason_as_far_as_it_came() {
    let none = Options::default();
    assert_ends(&none, &[b"RFB 003.008\n", &[0], &[0, 0, 0, 4], b"busy"], "refused the connection: \"busy\"");
    assert_ends(&none, &[b"RFB 003.003\n", &[0; 4], &[0, 0, 0, 9], b"bu"], "refused the connection: \"bu\"");
    assert_ends(&none, &[b"RFB 003.003\n", &[0; 4]], "the server refused the connection");
    // Latin-1, control characters, a length beyond anything sensible.
    assert_ends(&none, &[b"RFB 003.008\n", &[0], &[0, 0, 0, 3], b"\x1b\xe4\0"], "\"\u{e4}\"");
    let long = [b'x'; MAX_TEXT];
    assert_ends(&none, &[b"RFB 003.008\n", &[0], &[255; 4], &long], "\"xxxx");
}

#[test]
fn wrong_credentials_are_told_from_too_many_attempts() {
    let options = with_password();
    let start: [&[u8]; 3] = [b"RFB 003.008\n", &[1, 2], QEMU_CHALLENGE];
    let after = |rest: &[&'static [u8]]| [&start[..], rest].concat();
    let denied = "did not accept the credentials";
    assert_ends(&options, &after(&[FAILED, &[0, 0, 0, 5], b"nope\0"]), "did not accept the credentials: \"nope\"");
    assert_ends(&options, &after(&[FAILED]), denied);
    assert_ends(&options, &after(&[&[0, 0, 0, 2], &[0, 0, 0, 4], b"wait"]), "no more attempts");
    assert_ends(&options, &[b"RFB 003.003\n", &[0, 0, 0, 2], QEMU_CHALLENGE, FAILED], denied);
    assert_ends(&options, &after(&[]), "waiting for the result of the authentication, 30 bytes");
    assert_ends(&Options::default(), &start[..2], "asks for a password");
    assert_ends(&options, &[b"RFB 003.008\n", &[2, 30, 129]], "30 (Apple Diffie-Hellman), 129 (RA2-256)");
}

#[test]
fn tight_ends_in_none_or_in_a_password_and_lengthens_server_init() {
    let options = with_password();
    let entry = |code: u8| [&[0, 0, 0, code][..], b"STDVXXXXXXXX"].concat();
    let init = server_init();
    // One capability of one kind behind ServerInit.
    let capabilities = [&[0, 0, 0, 0, 0, 1, 0, 0][..], &entry(7)].concat();
    let (head, tunnel): (&[u8], &[u8]) = (b"RFB 003.008\n", &entry(9));
    let server: [&[u8]; 9] =
        [head, &[1, 16], &[0, 0, 0, 1], tunnel, &[0, 0, 0, 1], &entry(2), QEMU_CHALLENGE, OK, &init];
    let sent = [head, &[16], &[0; 4], &[0, 0, 0, 2], &QEMU_ANSWER, &[1]].concat();
    assert_eq!(talk(&options, &[&server[..], &[&capabilities]].concat()), (sent, READY.to_owned()));
    assert_ends(&options, &server, "waiting for ServerInit");

    let server = [head, &[1, 16], &[0; 4], &[0; 4], OK, &init, &[0; 8]];
    assert_eq!(talk(&options, &server), ([head, &[16, 1]].concat(), READY.to_owned()));
    assert_ends(&options, &[head, &[1, 16], &[0x7f, 1, 2, 3]], "ATEN");
}

#[test]
fn vencrypt_begins_tls_only_for_certificates_and_goes_on_inside() {
    let head: &[u8] = b"RFB 003.008\n";
    let tls = Options { tls: Tls::Available, ..with_password() };
    // The server's side up to the list of subtypes; ours up to the version.
    let (start, begun): ([&[u8]; 4], [&[u8]; 3]) = ([head, &[1, 19], &[0, 2], &[0]], [head, &[19], &[0, 2]]);
    let plain = [&[0, 0, 0, 4, 0, 0, 0, 8][..], b"rootsecret12"].concat();
    for (options, subtype, before, inside) in [
        (&tls, 260_u32, &[1][..], &[][..]),
        (&tls, 261, &[1], &QEMU_ANSWER),
        (&tls, 262, &[1], &plain),
        (&with_password(), 256, &[], &plain),
        (&with_password(), 2, &[], &QEMU_ANSWER),
        (&with_password(), 1, &[], &[]),
    ] {
        let challenge = if inside == QEMU_ANSWER { QEMU_CHALLENGE } else { &[] };
        let kind = subtype.to_be_bytes();
        let init = server_init();
        let server = [&start[..], &[&[1], &kind, before, challenge, OK, &init]].concat();
        let sent = [&begun[..], &[&kind, inside, &[1]]].concat().concat();
        // TLS begins between the two: what comes after it must not be there before.
        let mut session = Session::new(options.clone());
        let (mut got, mut has_tls) = (Vec::new(), false);
        for byte in server.concat() {
            session.receive(&[byte]);
            while let Some(event) = session.poll() {
                match event {
                    Event::Send(bytes) if !bytes.starts_with(&[2, 0]) => got.extend(bytes),
                    Event::StartTls => {
                        has_tls = true;
                        session.tls_started();
                    }
                    _ => {}
                }
            }
        }
        assert_eq!((got, has_tls), (sent, subtype > 256), "subtype {subtype}");
        assert!(session.screen().is_some(), "subtype {subtype}");
    }
}

#[test]
fn nothing_that_comes_before_the_tls_handshake_is_believed() {
    let mut session = Session::new(Options { tls: Tls::Available, ..Options::default() });
    let (kind, init) = (260_u32.to_be_bytes(), server_init());
    session.receive(&[b"RFB 003.008\n", &[1, 19, 0, 2, 0, 1][..], &kind, &[1], OK, &init].concat());
    let events: Vec<_> = std::iter::from_fn(|| session.poll()).collect();
    assert!(matches!(events[..], [.., Event::StartTls, Event::Failed(Failure::Handshake(_))]), "{events:?}");
}

#[test]
fn anonymous_tls_says_so_and_whether_there_is_another_way() {
    let options = Options { tls: Tls::Available, ..with_password() };
    for (types, others) in [(&[1, 19][..], false), (&[2, 19, 2], true)] {
        let mut session = Session::new(options.clone());
        session.receive(&[b"RFB 003.008\n", types, &[0, 2, 0, 1], &257_u32.to_be_bytes()].concat());
        let last = std::iter::from_fn(|| session.poll()).last();
        assert_eq!(last, Some(Event::Failed(Failure::AnonymousTls { others })));
    }
}

#[test]
fn xvp_names_the_user_and_no_target() {
    let server: [&[u8]; 4] = [b"RFB 003.008\n", &[1, 22], QEMU_CHALLENGE, OK];
    assert_ready(&with_password(), &server, &[b"RFB 003.008\n", &[22], &[4, 0], b"root", &QEMU_ANSWER, &[1]]);
}

#[test]
fn server_init_is_checked_before_anything_is_made_of_it() {
    let none = Options::default();
    let with = |at: usize, bytes: &[u8]| {
        let mut init = server_init();
        init[at..at + bytes.len()].copy_from_slice(bytes);
        init
    };
    let start: [&[u8]; 3] = [b"RFB 003.008\n", &[1, 1], OK];
    for (init, end) in [
        (with(0, &[255, 255]), "screen in pixels too large"),
        (with(0, &[32, 0, 32, 0]), "screen in pixels too large"),
        (with(4, &[12]), "unsupported number of bits per pixel"),
        (with(20, &[0, 32, 0, 0]), "name in bytes too large"),
        (with(0, &[0, 0, 0, 0]), READY),
        (with(7, &[255]), READY),
    ] {
        assert_ends(&none, &[&start[..], &[&init]].concat(), end);
    }
    // A long name is read past.
    let mut long = with(20, &[0, 1, 0, 0]);
    long.truncate(24);
    long.resize(24 + 0x10000, b'n');
    assert_ends(&none, &[&start[..], &[&long]].concat(), READY);
}
