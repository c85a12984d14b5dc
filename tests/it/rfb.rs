//! RFB sessions recorded from real servers: each decodes to its picture, however it arrives and wherever it ends.

use std::fs;
use std::path::PathBuf;

use ikvm_mcp::base::{Frame, png};
use ikvm_mcp::rfb::{Encoding, Event, Options, PixelFormat, Request, Session};

use super::support::rfb_encode::{self, Encoder, Random};

/// Where ServerInit has the pixel format, behind version, one security type, result and size.
const FORMAT_AT: usize = 12 + 2 + 4 + 4;

struct Recording {
    name: String,
    from_server: Vec<u8>,
    picture: Frame,
    options: Options,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/rfb")
}

fn recordings() -> Vec<Recording> {
    let mut recordings = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "s2c") {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut from_server = fs::read(&path).unwrap();
        let from_client = fs::read(path.with_extension("c2s")).unwrap();
        // The recorder asked for a format of its own, which we make the server's: version, type and ClientInit
        // are 14 bytes, then SetPixelFormat.
        from_server[FORMAT_AT..FORMAT_AT + PixelFormat::SIZE].copy_from_slice(&from_client[18..34]);
        let picture = png::decode(&fs::read(path.with_extension("png")).unwrap()).unwrap();
        // A color map is kept in the simple mode only.
        let options = Options { simple: name.ends_with("cmap"), ..Options::default() };
        recordings.push(Recording { name, from_server, picture, options });
    }
    assert_eq!(recordings.len(), 19);
    recordings
}

/// Feeds a session and returns its events, having asked for the screen when it was ready.
fn events(session: &mut Session, bytes: &[u8]) -> Vec<Event> {
    session.receive(bytes);
    let mut events = Vec::new();
    while let Some(event) = session.poll() {
        if matches!(event, Event::Ready { .. }) {
            session.request(Request::Full);
        }
        events.push(event);
    }
    events
}

fn frame(session: &Session) -> Option<&Frame> {
    session.screen().map(|screen| &**screen.frame())
}

/// How many levels apart two pictures are at most.
fn distance(one: &Frame, other: &Frame) -> u8 {
    assert_eq!((one.width, one.height), (other.width, other.height));
    one.rgb().iter().zip(other.rgb()).map(|(one, other)| one.abs_diff(*other)).max().unwrap_or(0)
}

#[test]
fn every_recording_decodes_to_its_picture() {
    for recording in recordings() {
        let mut session = Session::new(recording.options);
        let events = events(&mut session, &recording.from_server);
        assert!(matches!(events.last(), Some(Event::Updated(_))), "{}: {events:?}", recording.name);
        let distance = distance(frame(&session).unwrap(), &recording.picture);
        // The recorder's JPEG decoder rounds otherwise than ours; the standard allows both. All else is exact.
        let allowed = if recording.name.contains("tightq") { 3 } else { 0 };
        assert!(distance <= allowed, "{}: {distance} levels away", recording.name);
        assert!(session.screen().unwrap().coverage().is_complete(), "{}", recording.name);
    }
}

#[test]
fn a_recording_decodes_to_the_same_however_it_arrives() {
    let mut random = Random(4);
    for recording in recordings() {
        let mut whole = Session::new(recording.options.clone());
        let expected = events(&mut whole, &recording.from_server);
        let mut cuts: [Box<dyn FnMut() -> usize>; 2] = [Box::new(|| 1), Box::new(|| 1 + random.below(40_000))];
        for cut in &mut cuts {
            let mut session = Session::new(recording.options.clone());
            let mut got = Vec::new();
            let mut rest = recording.from_server.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(cut().min(rest.len()));
                got.extend(events(&mut session, piece));
                rest = after;
            }
            assert_eq!(got, expected, "{}", recording.name);
            assert!(frame(&session) == frame(&whole), "{}: another picture", recording.name);
        }
    }
}

#[test]
fn what_fuzzing_found_ends_the_same_however_it_arrives() {
    let mut found = 0;
    for entry in fs::read_dir(folder().with_file_name("crash")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "s2c") {
            let bytes = fs::read(&path).unwrap();
            let [mut whole, mut dripping] = [(); 2].map(|()| Session::new(Options::default()));
            let got: Vec<Event> =
                bytes.iter().flat_map(|byte| events(&mut dripping, std::slice::from_ref(byte))).collect();
            assert_eq!(got, events(&mut whole, &bytes), "{}", path.display());
            assert!(frame(&dripping) == frame(&whole), "{}: another picture", path.display());
            found += 1;
        }
    }
    assert!(found > 0);
}

#[test]
fn a_recording_that_ends_early_is_never_whole_and_says_what_was_waited_for() {
    for recording in recordings() {
        let bytes = &recording.from_server;
        // One session drips on; at each byte but the last there is no update yet.
        let mut session = Session::new(recording.options.clone());
        for (at, byte) in bytes[..bytes.len() - 1].iter().enumerate() {
            let events = events(&mut session, std::slice::from_ref(byte));
            let is_whole = events.iter().any(|event| matches!(event, Event::Updated(_) | Event::Failed(_)));
            assert!(!is_whole, "{} at byte {at}: {events:?}", recording.name);
        }
        for length in (0..bytes.len()).step_by(bytes.len() / 40).chain(0..60) {
            let mut session = Session::new(recording.options.clone());
            events(&mut session, &bytes[..length]);
            let failure = session.closed().to_string();
            let stage = format!("{length} bytes received)");
            assert!(failure.contains("(waiting for ") && failure.contains(&stage), "{}: {failure}", recording.name);
            assert!(session.poll().is_none());
        }
    }
}

#[test]
fn damaged_recordings_end_in_an_event_and_never_in_a_panic() {
    let mut random = Random(1);
    let recordings = recordings();
    for round in 0..400 {
        let recording = &recordings[round % recordings.len()];
        let mut bytes = recording.from_server.clone();
        // Half of the damage goes to the front, where the sizes are.
        for _ in 0..=random.below(4) {
            let limit = if random.below(2) == 0 { 400 } else { bytes.len() };
            let at = random.below(limit);
            bytes[at] = if random.below(2) == 0 { random.below(256) as u8 } else { 0xff };
        }
        let mut session = Session::new(recording.options.clone());
        let ended = events(&mut session, &bytes).iter().any(|event| matches!(event, Event::Failed(_)));
        if ended {
            assert!(events(&mut session, &bytes).is_empty(), "something follows a failure");
        }
    }
}

#[test]
fn what_our_encoders_write_decodes_to_the_same_picture() {
    // Sizes that no tile divides.
    let pictures = [rfb_encode::console(200, 150, 1), rfb_encode::photo(150, 90, 2), rfb_encode::console(7, 5, 3)];
    for encoding in rfb_encode::ENCODINGS {
        for picture in &pictures {
            for gradient in [false, true] {
                let mut session = Session::new(Options::default());
                let greeting = rfb_encode::greeting(picture.width, picture.height, &PixelFormat::WANTED);
                events(&mut session, &greeting);
                let mut encoder = Encoder::new();
                encoder.gradient = gradient;
                // Twice: the zlib streams go on.
                for _ in 0..2 {
                    let updates = events(&mut session, &encoder.update(picture, encoding));
                    assert!(matches!(updates[..], [Event::Updated(_)]), "{encoding}: {updates:?}");
                    assert!(frame(&session) == Some(picture), "{encoding}: another picture");
                }
            }
        }
    }
}

#[test]
fn a_picture_that_somebody_keeps_is_not_painted_over() {
    let (before, after) = (rfb_encode::console(64, 48, 1), rfb_encode::console(64, 48, 2));
    let mut session = Session::new(Options::default());
    let mut encoder = Encoder::new();
    events(&mut session, &rfb_encode::greeting(64, 48, &PixelFormat::WANTED));
    events(&mut session, &encoder.update(&before, Encoding::ZRLE));
    let kept = std::sync::Arc::clone(session.screen().unwrap().frame());
    events(&mut session, &encoder.update(&after, Encoding::ZRLE));
    assert!(*kept == before && frame(&session) == Some(&after));
}
