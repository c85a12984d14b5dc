//! An IVTP session, whole and byte by byte: the events are the same.

#![no_main]

use ikvm_mcp::base::{DecodeError, Secret};
use ikvm_mcp::ivtp::{Config, Era, Event, Hello, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let whole = events(data.chunks(data.len().max(1)));
    let bytes: usize = whole.0.iter().map(kept).sum();
    assert!(bytes <= data.len(), "{bytes} bytes of pictures out of {}", data.len());
    assert_eq!(whole, events(data.chunks(1)));
});

fn kept(event: &Event) -> usize {
    match event {
        Event::Video(bytes) | Event::Jpeg(bytes) => bytes.len(),
        _ => 0,
    }
}

fn events<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Event>, Option<DecodeError>) {
    let mut session = Session::new(Config {
        token: Secret::new("TOKEN"),
        client_ip: "192.0.2.7".to_owned(),
        server_ip: Some("192.0.2.8".to_owned()),
        username: "admin".to_owned(),
        hello: Hello::New,
        era: Era::Html5,
    });
    let mut events = Vec::new();
    for piece in pieces {
        session.receive(piece);
        loop {
            match session.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}
