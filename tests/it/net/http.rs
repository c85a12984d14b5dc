//! Web calls: answers, limits, and one sentence for each way to fail.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ikvm_mcp::base::{Error, Kind, Url, Watch};
use ikvm_mcp::net::{Client, Method, Peer, Request, Response};

use super::trust;
use crate::support::web::{Reply, Stream, Web};

const LONG: Duration = Duration::from_secs(20);

fn bmc() -> Client {
    Client::new(Peer::Bmc, trust())
}

fn get(client: &Client, url: &str, watch: &Watch) -> Result<Response, Error> {
    let url = Url::parse(url).unwrap();
    client.send(&Request { method: Method::Get, url: &url, headers: Vec::new(), body: None }, watch)
}

fn fail(url: &str) -> Error {
    get(&bmc(), url, &Watch::new("reading the page", LONG)).unwrap_err()
}

/// A server whose every answer is these bytes and the end of the connection.
fn raw(answer: &'static [u8]) -> Web {
    Web::http(move |_, stream| {
        stream.write_all(answer).unwrap();
        Reply::Taken
    })
}

#[test]
fn an_answer_comes_whole_whatever_its_status() {
    for web in [Web::http(serve), Web::https(serve)] {
        let url = Url::parse(&format!("{}/api/session?certlogin=0", web.url())).unwrap();
        let request = Request {
            method: Method::Post,
            url: &url,
            headers: vec![("X-CSRFTOKEN", "abc".to_owned()), ("Content-Type", "text/x".to_owned())],
            body: Some(b"username=a".to_vec()),
        };
        let answer = bmc().send(&request, &Watch::new("logging in", LONG)).unwrap();
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), Some("/login"));
        assert_eq!(answer.all("Set-Cookie").collect::<Vec<_>>(), ["a=1; path=/", "b=2"]);
        assert_eq!(answer.text(), "POST /api/session?certlogin=0 abc text/x username=a");
    }

    fn serve(request: &crate::support::web::Request, _: &mut dyn Stream) -> Reply {
        assert!(request.headers.iter().any(|(name, _)| name == "X-CSRFTOKEN"), "the case is kept");
        let header = |name| request.header(name).unwrap();
        let told = [&request.method, &request.target, header("x-csrftoken"), header("content-type"), &request.text()];
        Reply::status(302, told.join(" "))
            .header("Location", "/login")
            .header("Set-Cookie", "a=1; path=/")
            .header("Set-Cookie", "b=2")
    }
}

#[test]
fn an_answer_shorter_than_announced_is_taken_only_where_that_is_wanted() {
    let web = raw(b"HTTP/1.0 200 OK\r\nContent-Length: 4134\r\n\r\n<jnlp/>");
    let url = Url::parse(&web.url()).unwrap();
    let request = Request { method: Method::Get, url: &url, headers: Vec::new(), body: None };
    let watch = Watch::new("reading the page", LONG);
    assert_eq!(bmc().send_leniently(&request, &watch).unwrap().text(), "<jnlp/>");
    let error = bmc().send(&request, &watch).unwrap_err();
    assert!(error.to_string().contains("closed in the middle of an answer"), "{error}");
}

#[test]
fn every_method_arrives_with_and_without_a_body() {
    let web = Web::http(|request, _| {
        Reply::status(200, format!("{} {:?} {}", request.method, request.header("content-length"), request.text()))
    });
    let url = Url::parse(&web.url()).unwrap();
    let text = |method, body: Option<&str>| {
        let body = body.map(|body| body.as_bytes().to_vec());
        let request = Request { method, url: &url, headers: Vec::new(), body };
        bmc().send(&request, &Watch::new("testing", LONG)).unwrap().text()
    };
    for (method, name, bodiless) in [
        (Method::Get, "GET", "None"),
        (Method::Delete, "DELETE", "None"),
        (Method::Post, "POST", "Some(\"0\")"),
        (Method::Put, "PUT", "Some(\"0\")"),
    ] {
        assert_eq!(text(method, None), format!("{name} {bodiless} "));
        assert_eq!(text(method, Some("x=1")), format!("{name} Some(\"3\") x=1"));
    }
}

#[test]
fn a_cloud_connection_is_kept_and_a_bmc_connection_is_not() {
    for (peer, connections) in [(Peer::Cloud, 1), (Peer::Bmc, 3)] {
        let web = Web::https(|_, _| Reply::ok("text/plain", "x"));
        let client = Client::new(peer, trust());
        for _ in 0..3 {
            get(&client, &web.url(), &Watch::new("testing", LONG)).unwrap();
        }
        assert_eq!(web.accepted(), connections, "{peer:?}");
    }
}

#[test]
fn calls_to_a_bmc_come_one_at_a_time() {
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let web = Web::http({
        let (inside, most) = (Arc::clone(&inside), Arc::clone(&most));
        move |_, _| {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            std::thread::yield_now();
            inside.fetch_sub(1, Ordering::SeqCst);
            Reply::ok("text/plain", "x")
        }
    });
    let client = bmc();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| _ = get(&client, &web.url(), &Watch::new("testing", LONG)).unwrap()));
        }
    });
    assert_eq!((most.load(Ordering::SeqCst), web.accepted()), (1, 40));
}

#[test]
fn cancelling_ends_a_call_at_once_and_the_one_that_waits_behind_it() {
    let (seen, calls) = mpsc::channel();
    let web = Web::https(move |_, stream| {
        seen.send(()).unwrap();
        let _ = stream.read(&mut [0]); // until the client hangs up
        Reply::Taken
    });
    let client = bmc();
    let watch = Watch::new("reading the page", LONG);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let callers = [(); 2].map(|()| scope.spawn(|| get(&client, &web.url(), &watch)));
        calls.recv().unwrap();
        watch.cancel();
        for caller in callers {
            assert_eq!(caller.join().unwrap().unwrap_err().kind(), Kind::Cancelled);
        }
    });
    assert!(began.elapsed() < LONG / 2);
}

#[test]
fn a_silent_server_times_out_by_the_name_of_the_stage() {
    let web = Web::http(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        let _ = stream.read(&mut [0]);
        Reply::Taken
    });
    let watch = Watch::new("everything", LONG).within("reading the page", Duration::from_millis(100));
    let error = get(&bmc(), &format!("{}/viewer?token=secret", web.url()), &watch).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout("reading the page"));
    assert_eq!(error.to_string(), format!("GET {}/viewer: no answer within 0.1 s (reading the page)", web.url()));
}

#[test]
fn each_failure_of_a_connection_has_its_sentence() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = fail(&format!("http://127.0.0.1:{free}/a?b"));
    assert_eq!(error.kind(), Kind::Peer);
    assert_eq!(
        error.to_string(),
        format!("GET http://127.0.0.1:{free}/a: connection refused; check the address and the port")
    );

    // No resolver is asked for a label of more than 63 letters.
    let error = fail(&format!("http://{}.example/", "x".repeat(64)));
    assert!(error.to_string().contains("no address for xxx"), "{error}");
    assert!(error.to_string().ends_with("check the name and this machine's DNS"), "{error}");

    for (answer, sentence) in [
        (&b""[..], "the connection was closed in the middle of an answer"),
        (b"HTTP/1.1 200 O", "the connection was closed in the middle of an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "the connection was closed in the middle of an answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal", "the connection was closed"),
        (b"\x15\x03\x01\x00\x02\x02\x16", "its answer is not HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "its answer is not HTTP"),
    ] {
        let error = fail(&raw(answer).url());
        assert_eq!(error.kind(), Kind::Peer);
        assert!(error.to_string().contains(sentence), "{:?}: {error}", String::from_utf8_lossy(answer));
    }

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let _ = socket.read(&mut [0; 1000]);
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let error = fail(&format!("https://127.0.0.1:{port}/"));
    assert!(error.to_string().contains("it does not speak TLS on this port; use the scheme without TLS"), "{error}");
    thread.join().unwrap();
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let web = Web::http(|request, _| Reply::status(200, vec![b'x'; request.path()[1..].parse().unwrap()]));
    let watch = Watch::new("testing", LONG);
    assert_eq!(get(&bmc(), &format!("{}/4194304", web.url()), &watch).unwrap().body.len(), 4 << 20);
    let error = fail(&format!("{}/4194305", web.url()));
    assert!(error.to_string().ends_with("its answer is longer than 4 MiB, the limit"), "{error}");
    let endless = Web::http(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ").unwrap();
        while stream.write_all(b"and more and more and more and more").is_ok() {}
        Reply::Taken
    });
    let error = fail(&endless.url());
    assert!(error.to_string().contains("the head of its answer exceeds 65536 bytes"), "{error}");
}
