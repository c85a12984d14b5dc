//! A connection whose peer takes nothing, with waits that are shorter than the real ones.

use std::net::TcpListener;

use super::*;

/// Both ends of a connection; the peer's is a plain socket.
fn pair() -> (Link<Raw>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let watch = Watch::new("testing", Duration::from_secs(10));
    let link = Link::open(&url, "testing".to_owned(), &Trust::system(), &watch).unwrap();
    (link, listener.accept().unwrap().0)
}

/// More than the kernel buffers on both ends.
const TOO_MUCH: usize = 64 << 20;

#[test]
fn a_peer_that_takes_nothing_fails_the_sender_and_ends_the_connection() {
    let (link, _peer) = pair();
    link.state().outgoing = vec![0; TOO_MUCH];
    let error = link.flush(clock::now() + Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout("sending"));
    let until = clock::now() + Duration::from_secs(10);
    assert_eq!(link.read(&mut Vec::new(), until).unwrap_err().kind(), Kind::Timeout("sending"));
    assert_eq!(link.send(b"x").unwrap_err().kind(), Kind::Timeout("sending"));
}

#[test]
fn closing_does_not_wait_for_a_sender_that_is_stuck() {
    let (link, mut peer) = pair();
    let link = Arc::new(link);
    let stuck = std::thread::spawn({
        let link = Arc::clone(&link);
        move || link.send(&vec![0; TOO_MUCH])
    });
    peer.read_exact(&mut [0]).unwrap(); // the sender is at it
    let began = clock::now();
    link.close();
    assert!(clock::now() - began < Duration::from_secs(2));
    assert!(stuck.join().unwrap().is_err());
}

#[test]
fn two_senders_never_mix_their_messages() {
    let (link, mut peer) = pair();
    let link = Arc::new(link);
    let senders = [b'a', b'b'].map(|letter| {
        let link = Arc::clone(&link);
        std::thread::spawn(move || (0..50).try_for_each(|_| link.send(&[letter; 1000])))
    });
    let mut received = vec![0; 100 * 1000];
    peer.read_exact(&mut received).unwrap();
    for sender in senders {
        sender.join().unwrap().unwrap();
    }
    assert!(received.chunks(1000).all(|message| message.iter().all(|byte| *byte == message[0])));
}
