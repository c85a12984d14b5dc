//! The stream after the handshake: what servers send beside pixels, sizes that change, and what ends it.

use super::super::{Options, Session};
use super::*;

/// The rectangles of an update, each of them whole.
fn update(rectangles: &[&[u8]]) -> Vec<u8> {
    [&[0, 0, 0, rectangles.len() as u8], &rectangles.concat()[..]].concat()
}

fn rectangle(x: u8, y: u8, width: u16, height: u16, encoding: Encoding, data: &[u8]) -> Vec<u8> {
    [&[0, x, 0, y][..], &width.to_be_bytes(), &height.to_be_bytes(), &encoding.0.to_be_bytes(), data].concat()
}

fn raw(x: u8, y: u8, width: u16, height: u16, level: u8) -> Vec<u8> {
    rectangle(x, y, width, height, Encoding::RAW, &[level; 4].repeat(usize::from(width * height)))
}

/// A session past the handshake with a server of this size and format, and what we sent after it.
fn session_of(width: u8, height: u8, format: &PixelFormat, options: Options) -> (Session, Vec<Event>) {
    let mut session = Session::new(options);
    session.receive(b"RFB 003.008\n\x01\x01\0\0\0\0");
    session.receive(&[&[0, width, 0, height][..], &format.build(), &[0, 0, 0, 1, b'x']].concat());
    let events = std::iter::from_fn(|| session.poll()).skip(3).collect();
    (session, events)
}

fn session() -> Session {
    session_of(4, 2, &PixelFormat::WANTED, Options::default()).0
}

fn events(session: &mut Session, bytes: &[u8]) -> Vec<Event> {
    session.receive(bytes);
    std::iter::from_fn(|| session.poll()).collect()
}

fn levels(session: &Session) -> Vec<u8> {
    session.screen().unwrap().frame().pixels.iter().map(|pixel| pixel[0]).collect()
}

fn updated(painted: usize) -> Event {
    Event::Updated(Update { painted, pixels: painted > 0, ..Update::default() })
}

#[test]
fn our_first_messages_keep_a_safe_format_and_replace_another() {
    let ready = Event::Ready { name: "x".to_owned() };
    let encodings = Event::Send(message::set_encodings(&ENCODINGS));
    let wanted = Event::Send(message::set_pixel_format(&PixelFormat::WANTED));
    let deep = PixelFormat { depth: 32, ..PixelFormat::WANTED };
    let (_, sent) = session_of(4, 2, &PixelFormat::WANTED, Options::default());
    assert_eq!(sent, [encodings.clone(), ready.clone()]);
    let (_, sent) = session_of(4, 2, &deep, Options::default());
    assert_eq!(sent, [wanted, encodings, ready.clone()]);
    let (_, sent) = session_of(4, 2, &deep, Options { simple: true, ..Options::default() });
    assert_eq!(sent, [Event::Send(message::set_encodings(&SIMPLE_ENCODINGS)), ready]);
}

#[test]
fn a_request_is_for_all_of_the_screen_and_never_for_nothing() {
    let mut session = session();
    session.request(Request::Full);
    assert_eq!(session.poll(), Some(Event::Send(vec![3, 0, 0, 0, 0, 0, 0, 4, 0, 2])));
    events(&mut session, &update(&[&rectangle(0, 0, 0, 0, Encoding::DESKTOP_SIZE, &[])]));
    session.request(Request::Changes);
    assert_eq!(session.poll(), None);
}

#[test]
fn what_is_not_for_us_is_read_past_in_any_order_and_any_cut() {
    let bytes = [
        &[2][..], // Bell
        &[3, 0, 0, 0, 0, 0, 0, 3],
        b"cut", // ServerCutText
        &[3, 0, 0, 0, 255, 255, 255, 252],
        b"ext!",                           // the same, extended: -4
        &[150],                            // EndOfContinuousUpdates
        &[250, 0, 1, 1],                   // xvp
        &[255, 1, 0, 1],                   // QEMU: audio begins
        &[255, 1, 0, 2, 0, 0, 0, 2, 9, 9], // QEMU: audio
        &[248, 0, 0, 0, 0, 0, 0, 1, 1, 7], // ServerFence without a question
        &[0, 0, 0, 0],                     // an update of nothing
        &update(&[
            &rectangle(0, 0, 1920, 1080, Encoding::QEMU_KEYS, &[]),
            &rectangle(0, 0, 1920, 1080, Encoding::QEMU_AUDIO, &[]),
            &rectangle(0, 0, 1, 1, Encoding::QEMU_POINTER, &[]),
            &rectangle(0, 0, 9, 9, Encoding::POINTER_POS, &[]),
            &rectangle(0, 0, 1, 1, Encoding::LED_STATE, &[7]),
            &rectangle(0, 0, 9, 2, Encoding::CURSOR, &[7; 9 * 2 * 4 + 2 * 2]),
            &rectangle(0, 0, 0, 0, Encoding::CURSOR, &[]),
            &rectangle(0, 0, 9, 2, Encoding::X_CURSOR, &[7; 6 + 2 * 4]),
            &rectangle(0, 0, 0, 2, Encoding::X_CURSOR, &[]),
            &rectangle(0, 0, 0, 0, Encoding::DESKTOP_NAME, b"\0\0\0\x02me"),
            &rectangle(0, 0, 0, 0, Encoding::H264, &[0, 0, 0, 1, 0, 0, 0, 0, 9]),
            &rectangle(0, 0, 2, 1, Encoding::VMWARE_CURSOR, &[0; 2 + 2 * 2 * 4]),
            &rectangle(0, 0, 2, 1, Encoding::VMWARE_CURSOR, &[1, 0, 9, 9, 9, 9, 9, 9, 9, 9]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_CURSOR_STATE, &[0; 2]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_CURSOR_POSITION, &[]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_KEY_REPEAT, &[0; 10]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_LED_STATE, &[0; 4]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_MODE, &[0; 16]),
            &rectangle(0, 0, 0, 0, Encoding::VMWARE_MACHINE_STATE, &[0; 2]),
        ]),
        &update(&[&raw(0, 0, 4, 2, 7)]),
    ]
    .concat();
    let expected = [updated(0), updated(0), updated(8)];
    let mut whole = session();
    assert_eq!(events(&mut whole, &bytes), expected);
    let mut dripped = session();
    let got: Vec<Event> = bytes.iter().flat_map(|&byte| events(&mut dripped, &[byte])).collect();
    assert_eq!(got, expected);
    assert_eq!(levels(&dripped), [7; 8]);
}

#[test]
fn a_fence_that_asks_is_answered_with_its_payload() {
    let answer = vec![248, 0, 0, 0, 0, 0, 0, 1, 2, 5, 6];
    assert_eq!(events(&mut session(), &[248, 0, 0, 0, 0x80, 0, 0, 5, 2, 5, 6]), [Event::Send(answer)]);
    let too_long = events(&mut session(), &[248, 0, 0, 0, 0x80, 0, 0, 5, 65]);
    assert!(matches!(too_long[..], [Event::Failed(Failure::Broken { .. })]), "{too_long:?}");
}

#[test]
fn parts_of_the_screen_add_up_and_what_lies_outside_is_cut_off() {
    let mut session = session();
    assert_eq!(events(&mut session, &update(&[&raw(0, 0, 4, 1, 1), &raw(2, 1, 4, 4, 2)])), [updated(6)]);
    assert_eq!(session.screen().unwrap().coverage().missing(), 2);
    assert_eq!(events(&mut session, &update(&[&raw(0, 1, 3, 1, 3)])), [updated(2)]);
    assert!(session.screen().unwrap().coverage().is_complete());
    assert_eq!(levels(&session), [1, 1, 1, 1, 3, 3, 3, 2]);
}

#[test]
fn an_update_ends_where_last_rect_says() {
    let last = rectangle(0, 0, 0, 0, Encoding::LAST_RECT, &[]);
    let bytes = [&[0, 0, 0xff, 0xff], &raw(0, 0, 4, 2, 1)[..], &last, &[2]].concat();
    assert_eq!(events(&mut session(), &bytes), [updated(8)]);
}

#[test]
fn a_size_may_change_before_and_after_pixels() {
    let size = |width, height| rectangle(0, 0, width, height, Encoding::DESKTOP_SIZE, &[]);
    let mut session = session();
    let resized = Update { resized: Some(Resize::Plain), ..Update::default() };
    let painted = |painted, update| Event::Updated(Update { painted, pixels: true, ..update });
    assert_eq!(events(&mut session, &update(&[&size(2, 1), &raw(0, 0, 2, 1, 1)])), [painted(2, resized)]);
    assert_eq!(events(&mut session, &update(&[&raw(0, 0, 2, 1, 2), &size(3, 2)])), [painted(0, resized)]);
    assert_eq!(levels(&session), [2, 2, 0, 0, 0, 0]);
    assert_eq!(session.screen().unwrap().coverage().missing(), 6);
    // The same size again is no change.
    assert_eq!(events(&mut session, &update(&[&size(3, 2)])), [updated(0)]);
}

#[test]
fn extended_desktop_size_is_a_size_unless_it_refuses_one_of_ours() {
    let extended = |reason, status, width| {
        let screens = [&[1, 0, 0, 0][..], &[0; 16]].concat();
        rectangle(reason, status, width, 2, Encoding::EXTENDED_DESKTOP_SIZE, &screens)
    };
    let mut session = session();
    let seen = Update { extended: true, ..Update::default() };
    assert_eq!(events(&mut session, &update(&[&extended(0, 0, 4)])), [Event::Updated(seen)]);
    assert_eq!(events(&mut session, &update(&[&extended(1, 3, 9)])), [Event::Updated(seen)]);
    let resized = Update { resized: Some(Resize::Extended), ..seen };
    assert_eq!(events(&mut session, &update(&[&extended(0, 0, 9)])), [Event::Updated(resized)]);
    assert_eq!(levels(&session).len(), 18);
}

#[test]
fn a_rectangle_larger_than_the_screen_is_its_new_size_where_the_server_never_told_one() {
    let mut session = session();
    events(&mut session, &update(&[&raw(0, 0, 5, 3, 1)]));
    assert_eq!(levels(&session), [1; 15]);
    events(&mut session, &update(&[&rectangle(0, 0, 4, 2, Encoding::DESKTOP_SIZE, &[])]));
    events(&mut session, &update(&[&raw(0, 0, 5, 3, 2)]));
    assert_eq!(levels(&session), [2; 8]);
}

#[test]
fn a_color_map_in_two_parts_applies_and_a_later_one_asks_for_the_screen_again() {
    let map = PixelFormat { bits: 8, depth: 8, true_color: false, max: [0; 3], shift: [0; 3], ..PixelFormat::WANTED };
    let (mut session, _) = session_of(2, 1, &map, Options { simple: true, ..Options::default() });
    let part = |first: u8, level: u8| [1, 0, 0, first, 0, 1, level, 0xee, level, 0xee, level, 0xee];
    let picture = update(&[&rectangle(0, 0, 2, 1, Encoding::RAW, &[4, 5])]);
    let painted = [updated(2)];
    assert_eq!(events(&mut session, &[&part(4, 40)[..], &part(5, 50), &picture].concat()), painted);
    assert_eq!(levels(&session), [40, 50]);
    assert_eq!(events(&mut session, &part(5, 60)), [Event::Send(message::update_request(Request::Full, 2, 1))]);
    assert_eq!(events(&mut session, &picture), painted);
    assert_eq!(levels(&session), [40, 60]);
    // The same map again, as a server may send it with each picture.
    assert_eq!(events(&mut session, &part(5, 60)), []);
}

#[test]
fn what_is_unknown_or_too_large_ends_the_session_once() {
    let ends = |bytes: &[u8]| {
        let mut session = session();
        let found = events(&mut session, bytes);
        let [Event::Failed(failure)] = &found[..] else {
            panic!("{found:?}");
        };
        assert!(events(&mut session, &[2]).is_empty(), "events after a failure");
        assert_eq!(levels(&session).len(), 8, "the screen stays");
        failure.clone()
    };
    // ServerInit and what is before it are 43 bytes.
    let after = ServerMessage::BELL;
    assert_eq!(ends(&[2, 99]), Failure::UnknownMessage { kind: 99, after, at: 44 });
    let encoding = Encoding(-314);
    assert_eq!(ends(&update(&[&rectangle(0, 0, 1, 1, encoding, &[])])), Failure::UnknownEncoding { encoding, at: 47 });
    for bytes in [
        &[3, 0, 0, 0, 1, 0, 0, 1][..],
        &[255, 1, 0, 2, 1, 0, 0, 1],
        &[255, 9],
        &update(&[&rectangle(0, 0, 9_000, 1, Encoding::RAW, &[])]),
        &update(&[&rectangle(0, 0, 8_000, 8_000, Encoding::ZRLE, &[])]),
        &update(&[&rectangle(0, 0, 8_000, 8_000, Encoding::DESKTOP_SIZE, &[])]),
        &update(&[&rectangle(0, 0, 8_000, 8_000, Encoding::CURSOR, &[])]),
        &update(&[&rectangle(0, 0, 1, 1, Encoding::DESKTOP_NAME, &[255; 4])]),
    ] {
        assert!(matches!(ends(bytes), Failure::Broken { .. }), "{bytes:?}");
    }
}

#[test]
fn an_update_that_paints_for_ever_is_an_error() {
    let copy = rectangle(0, 0, 4_000, 4_000, Encoding::COPY_RECT, &[0; 4]);
    let found = events(&mut session(), &update(&[&copy[..]; 34]));
    assert!(matches!(found[..], [Event::Failed(Failure::Broken { .. })]), "{found:?}");
}

#[test]
fn the_end_of_the_connection_is_worth_a_second_attempt_only_before_the_first_update() {
    let options = Options::default();
    let mut early = session();
    assert!(early.closed().again(&options).unwrap().simple);
    assert_eq!(early.poll(), None);
    let mut late = session();
    events(&mut late, &update(&[]));
    let failure = late.closed();
    assert_eq!(failure.again(&options).map(|again| again.simple), None);
    assert!(failure.to_string().contains("watching for updates, 47 bytes received"), "{failure}");
}
