//! The outgoing sockets against real listeners, and the fakes' own web server.

mod http;
mod tls;
mod ws;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use std::sync::Arc;
use std::time::Duration;

use ikvm_mcp::net::Trust;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::web::{Reply, Web, ca_file};

/// The system's roots and the tests' own.
fn trust() -> Trust {
    Trust::with_extra(&std::fs::read(ca_file()).unwrap()).unwrap()
}

#[test]
fn the_fake_web_server_keeps_a_connection_and_reads_bodies() {
    let web = Web::http(|request, _| {
        let told =
            format!("{} {} {} {}", request.method, request.target, request.header("x-a").unwrap(), request.text());
        Reply::ok("text/plain", told)
    });
    let mut socket = TcpStream::connect(("127.0.0.1", web.port())).unwrap();
    for n in 0..3 {
        write!(socket, "POST /p?q={n} HTTP/1.1\r\nHost: x\r\nX-A: {n}\r\nContent-Length: 4\r\n\r\nbody").unwrap();
        let wanted = format!("\r\n\r\nPOST /p?q={n} {n} body");
        let mut answer = String::new();
        while !answer.ends_with(&wanted) {
            let mut bytes = [0; 500];
            let count = socket.read(&mut bytes).unwrap();
            assert_ne!(count, 0, "{answer}");
            answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    }
    assert_eq!(web.accepted(), 1);
    drop(web); // ends the open connection and returns
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_fake_can_wait_for_silence_and_hang_up_in_the_middle_of_an_answer() {
    let web = Web::http(|_, stream| {
        stream.set_read_timeout(Some(Duration::from_millis(1)));
        assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
        stream.shut_down();
        Reply::Taken
    });
    let mut socket = TcpStream::connect(("127.0.0.1", web.port())).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 200 OK\r\n");
}

#[test]
fn the_fake_web_server_speaks_tls_and_websocket() {
    let web = Web::https(|request, stream| {
        assert_eq!((request.path(), request.target.as_str()), ("/kvm", "/kvm?a=1"));
        let mut socket = request.upgrade(stream, Some("binary"));
        while let Ok(message) = socket.read() {
            if message.is_binary() {
                socket.send(message).unwrap();
            }
        }
        Reply::Taken
    });
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "127.0.0.1".try_into().unwrap()).unwrap();
    let stream = StreamOwned::new(session, TcpStream::connect(("127.0.0.1", web.port())).unwrap());
    let mut request =
        tungstenite::client::IntoClientRequest::into_client_request(format!("{}/kvm?a=1", web.url())).unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "binary, base64".parse().unwrap());
    *request.uri_mut() = request.uri().to_string().replace("https", "wss").parse().unwrap();
    let (mut socket, answer) = tungstenite::client(request, stream).unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], "binary");
    socket.send(tungstenite::Message::binary(vec![1, 2, 3])).unwrap();
    assert_eq!(socket.read().unwrap().into_data().as_ref(), [1, 2, 3]);
    drop(web); // ends the handler's read
}
