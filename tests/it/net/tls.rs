//! Whom we trust under TLS: authorities, pins, nobody; and what a handshake that fails says.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use ikvm_mcp::base::access::pin;
use ikvm_mcp::base::clock::Utc;
use ikvm_mcp::base::{Certificate, Error, Kind, Url, Watch};
use ikvm_mcp::net::tls::presented;
use ikvm_mcp::net::{Client, Method, Peer, Request, Trust};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::trust;
use crate::support::web::{Reply, Web, ca_file};

const LONG: Duration = Duration::from_secs(30);

fn hello(certificate: &str) -> Web {
    Web::https_as(certificate, |_, _| Reply::ok("text/plain", "hello"))
}

fn get(trust: Trust, url: &str) -> Result<String, Error> {
    get_of(Peer::Bmc, trust, url)
}

fn get_of(peer: Peer, trust: Trust, url: &str) -> Result<String, Error> {
    let url = Url::parse(url).unwrap();
    let request = Request { method: Method::Get, url: &url, headers: Vec::new(), body: None };
    Client::new(peer, trust).send(&request, &Watch::new("testing", LONG)).map(|response| response.text())
}

fn file(name: &str) -> Vec<u8> {
    std::fs::read(ca_file().with_file_name(format!("{name}.pem"))).unwrap()
}

/// The sum that pins a certificate of testdata/tls.
fn sum(name: &str) -> [u8; 32] {
    let der = CertificateDer::from_pem_slice(&file(name)).unwrap();
    ring::digest::digest(&ring::digest::SHA256, &der).as_ref().try_into().unwrap()
}

const OTHERS: [&str; 5] = ["expired", "early", "elsewhere", "self-signed", "ca-as-server"];

#[test]
fn a_certificate_that_is_refused_says_everything_that_is_wrong_with_it_and_its_pin() {
    for (certificate, sentence) in [
        ("expired", "its certificate expired on 2021-01-01T00:00:00Z; have it renewed, or if it is the right one, pin"),
        ("early", "its certificate is not valid before 2069-01-01T00:00:00Z; check this machine's clock, or if"),
        (
            "elsewhere",
            "its certificate is for \"elsewhere.example\", not for 127.0.0.1; use a name that the certificate",
        ),
        ("self-signed", "its certificate is self-signed; if it is the right one, pin it: tls_pin = \"sha256:"),
        (
            "ca-as-server",
            "its certificate is self-signed, is for no name at all, not for 127.0.0.1; if it is the right",
        ),
    ] {
        let error = get(trust(), &hello(certificate).url()).unwrap_err();
        assert_eq!(error.kind(), Kind::Peer);
        assert!(error.to_string().contains(sentence), "{certificate}: {error}");
        assert!(error.to_string().ends_with(&pin::line(&sum(certificate))), "{certificate}: {error}");
    }
    let error = get(Trust::system(), &hello("expired").url()).unwrap_err();
    let all =
        "its certificate is of an unknown authority (\"Test CA\"), expired on 2021-01-01T00:00:00Z; name a file with";
    assert!(error.to_string().contains(all), "{error}");
    // Of a cloud's API, which cannot be pinned.
    let error = get_of(Peer::Cloud, Trust::system(), &hello("server").url()).unwrap_err().to_string();
    assert!(
        error.contains("its certificate is of an unknown authority (\"Test CA\"); check this machine's"),
        "{error}"
    );
    assert!(error.ends_with("in SSL_CERT_FILE") && !error.contains("pin"), "{error}");
}

#[test]
fn a_pinned_certificate_is_believed_whatever_it_says() {
    for certificate in OTHERS {
        let trust = Trust::system().toward(&Certificate::Pinned(sum(certificate))).unwrap();
        assert_eq!(get(trust, &hello(certificate).url()).unwrap(), "hello", "{certificate}");
    }
}

#[test]
fn another_certificate_than_the_pinned_one_is_refused_even_if_an_authority_vouches_for_it() {
    let trust = trust().toward(&Certificate::Pinned(sum("self-signed"))).unwrap();
    let error = get(trust, &hello("server").url()).unwrap_err().to_string();
    assert!(error.contains("its certificate is not the pinned one; ask whoever runs it"), "{error}");
    assert!(error.ends_with(&pin::line(&sum("server"))), "{error}");
}

#[test]
fn who_presents_a_pinned_certificate_must_hold_its_key() {
    // The certificate of one server with the key of another.
    let thief = Web::https_with(&file("self-signed"), &file("server"));
    let pinned = Trust::system().toward(&Certificate::Pinned(sum("self-signed"))).unwrap();
    let error = get(pinned, &thief.url()).unwrap_err().to_string();
    assert!(error.contains("its certificate is not acceptable"), "{error}");
    let unchecked = Trust::system().toward(&Certificate::Unchecked).unwrap();
    assert_eq!(get(unchecked, &thief.url()).unwrap(), "hello");
}

#[test]
fn a_certificate_in_the_file_of_authorities_may_be_the_servers_own() {
    let and = |pem: Vec<u8>| Trust::system().toward(&Certificate::AuthoritiesAnd(Arc::from(pem))).unwrap();
    for certificate in OTHERS {
        assert_eq!(get(and(file(certificate)), &hello(certificate).url()).unwrap(), "hello", "{certificate}");
    }
    assert_eq!(get(and(std::fs::read(ca_file()).unwrap()), &hello("server").url()).unwrap(), "hello");
    assert!(get(and(file("self-signed")), &hello("server").url()).is_err());
}

#[test]
fn who_does_not_check_believes_every_certificate() {
    for certificate in OTHERS {
        let unchecked = Trust::system().toward(&Certificate::Unchecked).unwrap();
        assert_eq!(get(unchecked, &hello(certificate).url()).unwrap(), "hello", "{certificate}");
    }
}

#[test]
fn a_server_shows_its_certificate_and_what_speaks_against_it() {
    let web = hello("ca-as-server");
    let shown = presented("127.0.0.1", web.port(), &Watch::new("testing", LONG)).unwrap();
    assert_eq!(shown.certificate.sha256, sum("ca-as-server"));
    assert_eq!(
        (shown.certificate.subject.as_str(), shown.certificate.ends),
        ("bmc", Utc::parse("2070-01-01T00:00:00Z"))
    );
    assert_eq!(shown.fault.unwrap(), "is self-signed, is for no name at all, not for 127.0.0.1");

    let web = Web::http(|_, _| Reply::ok("text/plain", "hello"));
    let error = presented("127.0.0.1", web.port(), &Watch::new("testing", LONG)).unwrap_err();
    let sentence = format!(
        "reading the certificate of 127.0.0.1:{}: it closed the connection during the TLS handshake; check whether it speaks TLS",
        web.port()
    );
    assert!(error.to_string().starts_with(&sentence), "{error}");
}

#[test]
fn a_file_without_certificates_is_no_trust() {
    for pem in [&b"hello"[..], b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"] {
        assert_eq!(Trust::with_extra(pem).unwrap_err().kind(), Kind::Usage);
    }
}

#[test]
fn a_handshake_that_the_server_refuses_says_what_it_lacks() {
    // What OpenSSL answers that knows only RSA key exchange: the alert handshake_failure (40); only TLS 1.0:
    // protocol_version (70).
    for (alert, sentence) in [
        (40, "it offers only TLS that is refused here (RSA key exchange, CBC, SHA-1, or older than 1.2); update its"),
        (70, "it speaks only TLS older than 1.2, which is refused here; update its firmware, or put stunnel"),
        (71, "it offers only TLS that is refused here"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let thread = std::thread::spawn(move || {
            let mut socket = listener.accept().unwrap().0;
            let _ = socket.read(&mut [0; 1000]);
            socket.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).unwrap();
        });
        let error = get(trust(), &format!("https://127.0.0.1:{port}/")).unwrap_err();
        assert_eq!(error.kind(), Kind::Unsupported);
        assert!(error.to_string().contains(sentence), "{error}");
        thread.join().unwrap();
    }
}
