//! The session, packet by packet, in any cut, and with damage.

use super::super::packet::build;
use super::*;

fn config() -> Config {
    Config {
        token: Secret::new("TOKEN"),
        client_ip: "192.0.2.7".to_owned(),
        server_ip: None,
        username: "domain/username".to_owned(),
        hello: Hello::New,
        era: Era::Html5,
    }
}

/// What a session makes of `pieces`; the error, if there was one, at the end.
fn run<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Event>, Option<DecodeError>) {
    let mut session = Session::new(config());
    let mut events = Vec::new();
    for piece in pieces {
        session.receive(piece);
        loop {
            match session.poll() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(session.poll(), Err(error), "an error stays");
                    return (events, Some(error));
                }
            }
        }
    }
    (events, None)
}

fn events(bytes: &[u8]) -> Vec<Event> {
    let (events, error) = run([bytes]);
    assert_eq!(error, None);
    events
}

fn greeting() -> Vec<u8> {
    build(Command::CONNECTION_ALLOWED, 2, &[])
}

fn valid() -> Vec<u8> {
    build(Command::VALIDATED_VIDEO_SESSION, 0, &[1, 0])
}

/// What follows the greeting, the validation and what they cause.
fn after_validation(bytes: &[u8]) -> Vec<Event> {
    events(&[greeting(), valid(), bytes.to_vec()].concat()).split_off(5)
}

fn video() -> Vec<u8> {
    let mut frame = vec![0; 86];
    frame[2] = 86;
    frame[69] = 4;
    frame.extend_from_slice(b"abcd");
    frame
}

fn fragment(number: u16, data: &[u8]) -> Vec<u8> {
    build(Command::VIDEO_PACKETS, 0, &[&number.to_le_bytes(), data].concat())
}

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xda, 0, 2, 1, 2, 3, 0xff, 0xd9];

/// A session with something of everything.
fn everything() -> Vec<u8> {
    let record = [7; 134];
    let frame = video();
    [
        greeting(),
        build(Command::KVM_SHARING, 1, &record),
        valid(),
        build(Command::MEDIA_LICENSE_STATUS, 0, &[1]),
        build(Command::POWER_STATUS, 1, &[]),
        fragment(0, &frame[..40]),
        fragment(1, &frame[40..87]),
        build(Command::HW_CURSOR, 0, &[0; 20]),
        fragment(2 | 0x8000, &frame[87..]),
        build(Command::ACTIVE_CLIENTS, 0, &record.repeat(2)),
        build(Command::KEEP_ALIVE, 0, &[]),
        JPEG.to_vec(),
        build(Command::KVM_SHARING, 1, &record),
        build(Command(0x99), 5, b"unknown"),
        fragment(3, b"lost"),
        build(Command::BLANK_SCREEN, 0, &[]),
        build(Command::STOP_SESSION_IMMEDIATE, 12, &[]),
    ]
    .concat()
}

#[test]
fn the_greeting_is_answered_with_hello_token_and_start_in_one_piece() {
    let events = events(&greeting());
    let [Event::Allowed { soc: 2 }, Event::Send(bytes)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(bytes[..16], [0x3a, 0, 0, 0, 0, 0, 1, 0, 0x12, 0, 0x75, 0x01, 0, 0, 1, 0]);
    let body = &bytes[16..16 + 373];
    assert_eq!(body[..8], *b"\0TOKEN\0\0");
    assert_eq!(body[130..140], *b"192.0.2.7\0");
    assert_eq!(body[195..211], *b"domain/username\0");
    assert_eq!(body[324..342], *b"00-00-00-00-00-00\0");
    assert_eq!(bytes[16 + 373..], [6, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn newer_firmware_gets_the_longer_body_and_each_firmware_its_hello() {
    for (hello, length) in [(Hello::None, 8 + 438 + 8), (Hello::Old, 8 + 8 + 438 + 8), (Hello::New, 8 + 8 + 438 + 8)] {
        let server_ip = Some("198.51.100.1".to_owned());
        let long = Config { server_ip, hello, token: Secret::new("T".repeat(500)), ..config() };
        let bytes = Session::new(long).start();
        assert_eq!(bytes.len(), length, "{hello:?}");
        let body = &bytes[bytes.len() - 8 - 438..];
        assert_eq!((body[128], body[129]), (b'T', 0), "a text that is too long still ends with a NUL");
        assert_eq!(body[373..386], *b"198.51.100.1\0");
        let first = [bytes[0], bytes[6]];
        assert_eq!(
            first,
            if hello == Hello::None {
                [18, 1]
            } else if hello == Hello::Old {
                [0, 0]
            } else {
                [58, 1]
            }
        );
    }
}

#[test]
fn older_firmware_gets_what_its_java_viewer_sends() {
    for (hello, era, length) in [(Hello::New, Era::Java, 373), (Hello::None, Era::OldJava, 324)] {
        let bytes = Session::new(Config { hello, era, ..config() }).start();
        let complete =
            if hello == Hello::New { packet::build(Command::CONNECTION_COMPLETE, 0, &[]) } else { Vec::new() };
        let rest = bytes.strip_prefix(&complete[..]).unwrap();
        assert_eq!((rest[0], u32_le(rest, 2), rest[6]), (18, Some(length), 0), "{era:?}");
        assert_eq!(rest[8 + length as usize..], [6, 0, 0, 0, 0, 0, 0, 0]);
    }
}

#[test]
fn a_valid_session_asks_for_power_and_the_full_screen() {
    let events = events(&[greeting(), valid()].concat());
    let expected = [
        Event::Validated { master: true, index: 0 },
        Event::Send(vec![34, 0, 0, 0, 0, 0, 0, 0]),
        Event::Send(vec![11, 0, 0, 0, 0, 0, 0, 0]),
    ];
    assert_eq!(events[2..], expected);
    let second = [greeting(), build(Command::VALIDATED_VIDEO_SESSION, 0, &[1, 3])].concat();
    assert!(run([&second[..]]).0.contains(&Event::Validated { master: false, index: 3 }));
}

#[test]
fn every_refusal_has_its_own_event_and_nothing_follows_it() {
    let validated = |code| build(Command::VALIDATED_VIDEO_SESSION, 0, &[code]);
    for (bytes, refusal) in [
        (b"RFB 003.008\n".to_vec(), Refusal::Rfb),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n".to_vec(), Refusal::Http),
        (build(Command::MAX_SESSION_CLOSE, 0, &[]), Refusal::NoRoom(0)),
        (build(Command::MAX_SESSION_CLOSE, 1, &[]), Refusal::NoRoom(1)),
        (build(Command::CONNECTION_FAILED, 0, &[]), Refusal::Failed),
        (build(Command::CONNECTION_ALLOWED, 5, &[]), Refusal::ForeignSoc(5)),
        ([greeting(), validated(0)].concat(), Refusal::Invalid(Validation::INVALID_SESSION)),
        ([greeting(), validated(2)].concat(), Refusal::Invalid(Validation(2))),
        ([greeting(), validated(8)].concat(), Refusal::Invalid(Validation(8))),
        ([greeting(), build(Command::KVM_SHARING, 0x0104, &[])].concat(), Refusal::NotShared(1)),
        ([greeting(), valid(), build(Command::KVM_SHARING, 0x0804, &[])].concat(), Refusal::NotShared(8)),
        ([greeting(), valid(), fragment(0x8000, &[34; 50])].concat(), Refusal::ForeignVideo(0x2222)),
    ] {
        let more = [bytes, fragment(0x8000, &video())].concat();
        assert_eq!(events(&more).last(), Some(&Event::Refused(refusal)));
    }
}

#[test]
fn a_stop_says_its_reason_and_ends_the_session() {
    let bytes = [build(Command::STOP_SESSION_IMMEDIATE, 10, &[]), fragment(0x8000, &video())].concat();
    assert_eq!(after_validation(&bytes), [Event::Stopped(StopReason(10))]);
}

#[test]
fn who_asks_for_the_console_gets_it_at_once() {
    let asked = build(Command::KVM_SHARING, 1, b"record");
    let expected = [
        Event::Send(build(Command::KVM_SHARING, 1, b"record")),
        Event::Send(build(Command::SET_NEXT_MASTER, 1, b"record")),
        Event::Master(false),
    ];
    assert_eq!(after_validation(&asked), expected);
    // While we start, the answer is that video alone will do.
    assert_eq!(
        events(&[greeting(), asked].concat())[2..],
        [Event::Send(build(Command::KVM_SHARING, 0x0201, b"record"))]
    );
}

#[test]
fn keep_alives_are_answered_but_not_without_end() {
    let mut session = Session::new(config());
    let mut answers = 0;
    let mut alive = |session: &mut Session| {
        session.receive(&build(Command::KEEP_ALIVE, 0, &[]).repeat(100));
        while let Some(event) = session.poll().unwrap() {
            answers += usize::from(event == Event::Send(build(Command::KEEP_ALIVE, 0, &[])));
        }
        answers
    };
    assert_eq!(alive(&mut session), 4);
    assert_eq!(session.keep_alive(), build(Command::KEEP_ALIVE, 0, &[]));
    assert_eq!(alive(&mut session), 8);
}

#[test]
fn viewers_are_listed_by_name_address_and_number() {
    let mut record = [0; 134];
    record[..5].copy_from_slice(b"admin");
    record[64..73].copy_from_slice(b"192.0.2.9");
    record[129] = 1;
    let viewer = Viewer { name: "admin".to_owned(), ip: "192.0.2.9".to_owned(), index: 1 };
    let events = after_validation(&build(Command::ACTIVE_CLIENTS, 0, &[&record[..], &[1; 133]].concat()));
    assert_eq!(events, [Event::Viewers(vec![viewer]), Event::Send(build(Command::GET_FULL_SCREEN, 1, &[]))]);
}

#[test]
fn a_stream_of_jpeg_pictures_is_found_in_its_junk() {
    let stream = [b"some junk \xff\xd8 \xff", JPEG, b"--", JPEG, &JPEG[..6], JPEG].concat();
    let picture = || Event::Jpeg(JPEG.to_vec());
    assert_eq!(events(&stream), [picture(), picture(), Event::Lost, picture()]);
    assert_eq!(after_validation(&[JPEG, &build(Command::BLANK_SCREEN, 0, &[])].concat()), [picture(), Event::Blank]);
}

#[test]
fn junk_without_end_is_given_up() {
    let piece = [0xaa; 4096];
    let (events, error) = run(std::iter::repeat_n(&piece[..], 300));
    assert_eq!((events.len(), error.is_some()), (0, true));
}

#[test]
fn the_events_do_not_depend_on_how_the_bytes_were_cut() {
    let junk = [b"some junk \xff\xd8 \xff", JPEG, b"--", JPEG, &JPEG[..6], JPEG].concat();
    let damaged = [greeting(), build(Command(0x1101), 0, &[])].concat();
    let mut random = Random(1);
    for stream in [everything(), junk, damaged] {
        let whole = run([&stream[..]]);
        assert_eq!(run(stream.chunks(1)), whole);
        for _ in 0..200 {
            let mut rest = &stream[..];
            let mut pieces = Vec::new();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(1 + random.below(rest.len().min(200)));
                pieces.push(piece);
                rest = after;
            }
            assert_eq!(run(pieces), whole);
        }
    }
    assert!(run([&everything()[..]]).0.ends_with(&[Event::Lost, Event::Blank, Event::Stopped(StopReason(12))]));
}

#[test]
fn damage_never_panics_and_never_makes_more_than_arrived() {
    let mut random = Random(7);
    let whole = everything();
    for _ in 0..20_000 {
        let mut stream = whole.clone();
        for _ in 0..1 + random.below(8) {
            let at = random.below(stream.len());
            match random.below(3) {
                0 => stream[at] = random.below(256) as u8,
                1 => stream[at] ^= 1 << random.below(8),
                _ => _ = stream.drain(at..(at + random.below(20)).min(stream.len())),
            }
        }
        let (events, _) = run([&stream[..]]);
        let kept = |event: &Event| match event {
            Event::Video(bytes) | Event::Jpeg(bytes) => bytes.len(),
            _ => 0,
        };
        assert!(events.iter().map(kept).sum::<usize>() <= stream.len());
    }
}

/// Numbers that look random and are always the same (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
