//! What carries RFB: WebSocket in its kinds, TLS begun inside TCP.

use std::net::TcpListener;

use ikvm_mcp::base::access::pin;

use super::*;
use crate::support::vnc::pictures;
use crate::support::web::{Reply, Web};

fn x509(subtype: u32, certificate: &'static str) -> Setup {
    let security = Security::Vencrypt { subtype, certificate, user: "ann", password: "secret" };
    Setup { security, ..Setup::default() }
}

#[test]
fn websocket_carries_binary_and_base64_with_or_without_a_subprotocol() {
    for subprotocol in [Some("binary"), Some("base64"), Some("chat")] {
        // The fake sends text unless binary was chosen.
        let server = Vnc::ws(Setup::default(), subprotocol, pictures(vec![screen(1)], Encoding::ZRLE));
        assert_shows(&look(&access(&server.url())), &screen(1));
        let seen = server.seen();
        assert_eq!(seen.header("sec-websocket-protocol"), Some("binary"));
        assert_eq!(seen.header("origin"), Some(server.url().replace("ws:", "http:").trim_end_matches("/websockify")));
    }
}

#[test]
fn the_query_the_headers_the_origin_and_the_subprotocol_of_an_access_are_sent() {
    let server = Vnc::wss(Setup::default(), pictures(vec![screen(1)], Encoding::RAW));
    let mut access = access(&format!("{}?token=t", server.url()));
    let Route::Rfb(rfb) = &mut access.route else { unreachable!("the route is VNC") };
    let Carrier::WebSocket { origin, subprotocols, headers, .. } = &mut rfb.carrier else {
        unreachable!("the carrier is a WebSocket")
    };
    *origin = Some("https://panel.example".to_owned());
    *subprotocols = vec!["csrf".to_owned()];
    headers.push(("Cookie".to_owned(), Secret::new("SESSION=s")));
    assert_shows(&look(&access), &screen(1));
    let seen = server.seen();
    assert_eq!(seen.target, "/websockify?token=t");
    for (name, value) in
        [("Origin", "https://panel.example"), ("Sec-WebSocket-Protocol", "csrf"), ("Cookie", "SESSION=s")]
    {
        let sent: Vec<_> = seen.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value).collect();
        assert_eq!(sent, [value], "{name}");
    }
}

#[test]
fn a_server_that_wants_no_subprotocol_gets_none_the_second_time() {
    let offered = Arc::new(std::sync::Mutex::new(Vec::new()));
    let web = Web::http({
        let offered = Arc::clone(&offered);
        move |request, _| {
            offered.lock().unwrap().push(request.header("sec-websocket-protocol").map(str::to_owned));
            Reply::status(400, "no such protocol\n")
        }
    });
    let error = refused(&access(&web.url().replacen("http", "ws", 1)));
    assert_says(&error, Kind::Peer, "it answers the upgrade with HTTP 400: \"no such protocol\"");
    assert_eq!(*offered.lock().unwrap(), [Some("binary".to_owned()), None]);
}

#[test]
fn each_refusal_of_the_upgrade_has_its_sentence() {
    for (status, kind, words) in [
        (401, Kind::Denied, "it refuses us (HTTP 401): \"No ticket\""),
        (404, Kind::NotFound, "there is no WebSocket at this path (HTTP 404); check the path"),
        (503, Kind::Busy, "it has no room for us now (HTTP 503): \"No ticket\""),
    ] {
        let web = Web::http(move |_, _| Reply::status(status, "No ticket"));
        assert_says(&refused(&access(&(web.url().replacen("http", "ws", 1) + "/x?token=hush"))), kind, words);
    }
    // What bmcweb says.
    let web = Web::http(|request, stream| {
        use tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
        let mut socket = request.upgrade(stream, Some("binary"));
        let reason = "Max sessions are already connected".into();
        let _ = socket.close(Some(CloseFrame { code: CloseCode::Away, reason }));
        while socket.read().is_ok() {}
        Reply::Taken
    });
    let error = refused(&access(&web.url().replacen("http", "ws", 1)));
    assert_says(&error, Kind::Peer, "it closed the connection: \"Max sessions are already connected\"");
}

#[test]
fn tls_begins_inside_the_connection_and_the_password_goes_through_it() {
    for subtype in [260, 261, 262] {
        let server = Vnc::tcp(x509(subtype, "server"), pictures(vec![screen(1)], Encoding::ZRLE));
        for url in [server.url(), server.url().replace("vnc:", "vnc+tls:")] {
            assert_shows(&look(&with(access(&url), Some("ann"), "secret")), &screen(1));
        }
    }
}

#[test]
fn user_and_password_without_tls_are_sent_only_where_tls_is_not_insisted_on() {
    let server = Vnc::tcp(x509(256, ""), pictures(vec![screen(1)], Encoding::ZRLE));
    assert_shows(&look(&with(access(&server.url()), Some("ann"), "secret")), &screen(1));
    let insists = access(&server.url().replace("vnc:", "vnc+tls:"));
    let words = "the server offers no TLS with a certificate, only 256 (Plain); give the server a certificate";
    assert_says(&refused(&with(insists, Some("ann"), "secret")), Kind::Unsupported, words);
}

#[test]
fn a_certificate_inside_the_connection_is_checked_like_any_other() {
    let server = Vnc::tcp(x509(261, "self-signed"), pictures(vec![screen(1)], Encoding::ZRLE));
    let mut access = with(access(&server.url()), None, "secret");
    let error = refused(&access);
    assert_says(&error, Kind::Peer, "its certificate is self-signed; if it is the right one, pin it: tls_pin = ");
    let sentence = error.to_string();
    let shown = sentence.split('"').nth(1).unwrap();
    access.certificate = Certificate::Pinned(pin::parse(shown).unwrap());
    let snapshot = look(&access);
    assert_shows(&snapshot, &screen(1));
    assert!(!snapshot.notes.iter().any(|note| note.contains("not checked")));
    access.certificate = Certificate::Unchecked;
    let snapshot = look(&access);
    assert_shows(&snapshot, &screen(1));
    assert!(snapshot.notes[0].starts_with("the console's certificate is not checked"), "{:?}", snapshot.notes);
    access.certificate = Certificate::Pinned([0; 32]);
    assert_says(&refused(&access), Kind::Peer, "its certificate is not the pinned one; ask whoever runs it");
}

#[test]
fn a_dead_port_and_a_server_of_something_else_say_so() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let words = format!("connection to {free}: connection refused; check the address and the port");
    assert_says(&refused(&access(&format!("vnc://{free}"))), Kind::Peer, &words);
    let web = Web::http(|_, _| Reply::status(404, ""));
    let url = web.url().replacen("http", "vnc", 1);
    // It waits for us, and we for it.
    timed_out(&url, "waiting for the VNC handshake");
    let server = Vnc::tcp(Setup { version: "SSH-2.0-Ope", ..Setup::default() }, pictures(vec![], Encoding::RAW));
    let words = "the server does not speak RFB (VNC): it began with \"SSH-2.0-Ope\"; check the port";
    assert_says(&refused(&access(&server.url())), Kind::Peer, words);
}
