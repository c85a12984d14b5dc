//! An RFB session with every encoding, whole and in small pieces: the events and the picture are the same.
//!
//! The first byte says what the session knows and wants, and how large the pieces are.

#![no_main]

use ikvm_mcp::base::{Frame, Secret};
use ikvm_mcp::rfb::{Event, Options, Request, Session};
use libfuzzer_sys::fuzz_target;

/// Larger screens cost time and find nothing that smaller ones do not.
const MAX_PIXELS: usize = 512 * 512;

fuzz_target!(|data: &[u8]| {
    let Some((&kind, stream)) = data.split_first() else { return };
    let Some(whole) = events(kind, stream, stream.len().max(1)) else { return };
    assert_eq!(Some(whole), events(kind, stream, 1 + usize::from(kind >> 4)));
});

fn events(kind: u8, stream: &[u8], piece: usize) -> Option<(Vec<Event>, Option<Frame>)> {
    let mut session = Session::new(Options {
        user: (kind & 1 != 0).then(|| "admin".to_owned()),
        password: (kind & 2 != 0).then(|| Secret::new("secret")),
        simple: kind & 4 != 0,
        without_vencrypt: kind & 8 != 0,
        ..Options::default()
    });
    let mut events = Vec::new();
    for piece in stream.chunks(piece) {
        session.receive(piece);
        while let Some(event) = session.poll() {
            match event {
                Event::StartTls => session.tls_started(),
                Event::Ready { .. } => session.request(Request::Full),
                _ => {}
            }
            events.push(event);
        }
        if session.screen().is_some_and(|screen| screen.rect().area() > MAX_PIXELS) {
            return None;
        }
    }
    Some((events, session.screen().map(|screen| Frame::clone(screen.frame()))))
}
