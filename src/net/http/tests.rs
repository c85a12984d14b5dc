//! Calls through a proxy, which only the environment can configure from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use super::*;

/// A proxy that answers CONNECT with `answer` and then, over the tunnel, one request with `OK`; yields both heads.
fn proxy(answer: &'static str) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        let mut firsts = Vec::new();
        for answer in [answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"] {
            let mut head = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let Some(first) = head.next() else { break };
            head.for_each(drop);
            firsts.push(first);
            socket.write_all(answer.as_bytes()).unwrap();
        }
        firsts
    });
    (port, thread)
}

fn get(client: &Client, url: &str) -> Result<Response, Error> {
    let url = Url::parse(url).unwrap();
    let request = Request { method: Method::Get, url: &url, headers: Vec::new(), body: None };
    client.send(&request, &Watch::new("testing", Duration::from_secs(10)))
}

fn client(proxy: &str) -> Client {
    Client::with_proxy(Peer::Cloud, Trust::system(), Some(Proxy::new(proxy).unwrap()))
}

#[test]
fn a_cloud_is_reached_through_the_proxy_which_resolves_its_name() {
    let (port, thread) = proxy("HTTP/1.1 200 Connection established\r\n\r\n");
    let client = client(&format!("http://127.0.0.1:{port}"));
    assert_eq!(get(&client, "http://api.example/me?x=1").unwrap().text(), "OK");
    drop(client);
    assert_eq!(thread.join().unwrap(), ["CONNECT api.example:80 HTTP/1.1", "GET /me?x=1 HTTP/1.1"]);
}

#[test]
fn a_proxy_that_refuses_is_named() {
    let (port, thread) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    let error = get(&client(&format!("http://user:secret@127.0.0.1:{port}")), "http://api.example/").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "GET http://api.example/: no way through the proxy: proxy server responded 407/407; \
             check the proxy 127.0.0.1:{port} (HTTPS_PROXY)"
        )
    );
    thread.join().unwrap();
}

#[test]
fn a_proxy_that_says_nothing_ends_with_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&format!("http://user:secret@{}", listener.local_addr().unwrap()));
    let url = Url::parse("http://api.example/").unwrap();
    let request = Request { method: Method::Get, url: &url, headers: Vec::new(), body: None };
    let error = client.send(&request, &Watch::new("asking the API", Duration::from_millis(200))).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout("asking the API"));
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[test]
fn this_machine_is_never_reached_through_a_proxy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut first = String::new();
        BufReader::new(socket.try_clone().unwrap()).read_line(&mut first).unwrap();
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        first
    });
    assert_eq!(get(&client("http://127.0.0.1:9"), &url).unwrap().status, 204);
    assert_eq!(thread.join().unwrap(), "GET / HTTP/1.1\r\n");
}

#[test]
fn a_socks_proxy_is_refused_rather_than_passed_by() {
    let error = get(&client("socks5://127.0.0.1:9"), "https://api.example/").unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[test]
fn a_bmc_has_no_proxy() {
    assert!(Client::new(Peer::Bmc, Trust::system()).proxy.is_none());
}
