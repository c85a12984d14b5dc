//! The console over channels in memory: recordings, and a BMC that can be odd in every way.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::*;
use crate::base::{Kind, Power, Recording, Secret, clock};
use crate::console::replay::Recorded;
use crate::console::{Role, Signal};
use crate::ivtp::{Era, Hello};
use crate::net::stream::Read;

const GREETING: (Command, u16, &[u8]) = (Command::CONNECTION_ALLOWED, 2, &[]);
const LIMIT: Duration = Duration::from_secs(20);

fn build((command, status, payload): (Command, u16, &[u8])) -> Vec<u8> {
    packet::build(command, status, payload)
}

fn valid() -> Vec<u8> {
    build((Command::VALIDATED_VIDEO_SESSION, 0, &[1, 0]))
}

fn power(is_on: bool) -> Vec<u8> {
    build((Command::POWER_STATUS, is_on.into(), &[]))
}

fn blank() -> Vec<u8> {
    build((Command::BLANK_SCREEN, 0, &[]))
}

/// A frame for a screen of 8 x 8 pixels and more to the right: blocks of one gray each, from the left.
fn frame(width: u16, grays: &[u8]) -> Vec<u8> {
    let mut bits = String::new();
    for gray in grays {
        // One VQ color, new, in slot 0: Y, Cb, Cr.
        bits += &format!("0101100{gray:08b}1000000010000000");
    }
    bits += "1001"; // the end
    while bits.len() % 32 != 0 {
        bits.push('0');
    }
    let words = (0..bits.len()).step_by(32).map(|at| u32::from_str_radix(&bits[at..at + 32], 2).unwrap());
    let stream: Vec<u8> = words.flat_map(u32::to_le_bytes).collect();
    let mut frame = vec![0; 86];
    let mut put = |at: usize, value: u16| frame[at..at + 2].copy_from_slice(&value.to_le_bytes());
    for (at, value) in [(0, 1), (2, 86), (4, width), (6, 8), (13, width), (15, 8), (69, stream.len() as u16)] {
        put(at, value);
    }
    frame.extend(stream);
    frame
}

fn video(frame: &[u8]) -> Vec<u8> {
    build((Command::VIDEO_PACKETS, 0, &[&[0, 0x80], frame].concat()))
}

fn gray(console: &dyn Console) -> Option<u8> {
    console.snapshot().frame.as_ref().map(|frame| frame.pixels[0][0])
}

type React = dyn Fn(Command, usize) -> Vec<u8> + Send + Sync;

/// A BMC in memory: says what `react` makes of each packet and how often it came.
struct Bmc {
    react: Box<React>,
    /// Whether it closes the connection when told to stop, as a BMC should.
    closes: bool,
    state: Mutex<Talk>,
    changed: Condvar,
}

#[derive(Default)]
struct Talk {
    says: Vec<u8>,
    heard: Vec<(Command, u16)>,
    is_closed: bool,
    is_mute: bool,
    panics: bool,
}

impl Bmc {
    fn new(greeting: Vec<u8>, react: impl Fn(Command, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let state = Mutex::new(Talk { says: greeting, ..Talk::default() });
        Self { react: Box::new(react), closes: true, state, changed: Condvar::new() }
    }

    /// Lets us in, and shows one gray for each full screen, from 50 up.
    fn good() -> Self {
        Self::new(build(GREETING), |command, count| match command {
            Command::VALIDATE_VIDEO_SESSION => valid(),
            Command::POWER_STATUS => power(true),
            Command::GET_FULL_SCREEN => video(&frame(8, &[50 + count as u8])),
            _ => Vec::new(),
        })
    }

    /// One that answers the validation with this code.
    fn refusing(code: u8) -> Self {
        Self::new(build(GREETING), move |command, _| match command {
            Command::VALIDATE_VIDEO_SESSION => build((Command::VALIDATED_VIDEO_SESSION, 0, &[code])),
            _ => Vec::new(),
        })
    }

    fn update(&self, change: impl FnOnce(&mut Talk)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn say(&self, bytes: &[u8]) {
        self.update(|talk| talk.says.extend_from_slice(bytes));
    }

    fn heard(&self, command: Command) -> usize {
        self.state.lock().unwrap().heard.iter().filter(|(heard, _)| *heard == command).count()
    }

    fn wait(&self, what: &str, wanted: impl Fn(&Talk) -> bool) {
        let wait = self.changed.wait_timeout_while(self.state.lock().unwrap(), LIMIT, |talk| !wanted(talk));
        assert!(!wait.unwrap().1.timed_out(), "the BMC never saw {what}");
    }
}

impl Channel for Bmc {
    fn read(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error> {
        let left = until.saturating_duration_since(clock::now());
        let is_idle = |talk: &mut Talk| talk.says.is_empty() && !talk.is_closed && !talk.panics;
        let wait = self.changed.wait_timeout_while(self.state.lock().unwrap(), left, is_idle);
        let mut talk = wait.unwrap_or_else(PoisonError::into_inner).0;
        if std::mem::take(&mut talk.panics) {
            drop(talk);
            panic!("on purpose: this test is about a panic of the console's thread");
        }
        if !talk.says.is_empty() {
            buffer.append(&mut talk.says);
            return Ok(Read::Data);
        }
        Ok(if talk.is_closed { Read::Closed } else { Read::TimedOut })
    }

    fn send(&self, mut bytes: &[u8]) -> Result<(), Error> {
        self.update(|talk| {
            while let Ok(Some((packet, length))) = packet::parse(bytes) {
                let count = talk.heard.iter().filter(|(heard, _)| *heard == packet.command).count();
                talk.heard.push((packet.command, packet.status));
                talk.is_closed |= self.closes && packet.command == Command::STOP_SESSION_IMMEDIATE;
                if !talk.is_mute {
                    talk.says.extend((self.react)(packet.command, count));
                }
                bytes = &bytes[length..];
            }
        });
        Ok(())
    }

    fn close(&self) {
        self.update(|talk| talk.is_closed = true);
    }
}

/// Where the BMCs of one test are dialed, in order.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Dialed>>);

#[derive(Default)]
struct Dialed {
    bmcs: VecDeque<Arc<Bmc>>,
    attempts: Vec<Attempt>,
    power_query: Option<Duration>,
    log_outs: u32,
}

impl Lines {
    fn new(bmcs: &[&Arc<Bmc>]) -> Self {
        let bmcs = bmcs.iter().map(|bmc| Arc::clone(bmc)).collect();
        Self(Arc::new(Mutex::new(Dialed { bmcs, ..Dialed::default() })))
    }

    fn open(&self) -> Result<Box<dyn Console>, Error> {
        open(Box::new(self.clone()), vec!["a note".to_owned()], &Watch::new("testing", LIMIT))
    }

    fn log_outs(&self) -> u32 {
        self.0.lock().unwrap().log_outs
    }
}

impl Line for Lines {
    fn dial(&mut self, attempt: Attempt, _: &Watch) -> Result<Call, Error> {
        let mut dialed = self.0.lock().unwrap();
        dialed.attempts.push(attempt);
        let channel = dialed.bmcs.pop_front().ok_or_else(|| Error::new(Kind::Peer, "nobody answers"))?;
        let (token, client_ip) = (Secret::new("token"), "192.0.2.1".to_owned());
        let username = "domain/username".to_owned();
        Ok(Call::Ivtp {
            channel,
            config: Config { token, client_ip, server_ip: None, username, hello: Hello::New, era: Era::Html5 },
        })
    }

    fn power_query(&self) -> Duration {
        self.0.lock().unwrap().power_query.unwrap_or(POWER_QUERY)
    }

    fn log_out(&mut self) {
        self.0.lock().unwrap().log_outs += 1;
    }
}

/// The error of a console that must not open, and how often it was tried; everything is closed by then.
fn failure(bmcs: Vec<Bmc>) -> (Error, Vec<Attempt>) {
    let bmcs: Vec<_> = bmcs.into_iter().map(Arc::new).collect();
    let lines = Lines::new(&bmcs.iter().collect::<Vec<_>>());
    let error = lines.open().err().expect("a console that must not open");
    assert_eq!(lines.log_outs(), 1);
    let attempts = lines.0.lock().unwrap().attempts.clone();
    for bmc in &bmcs[..attempts.len()] {
        assert!(bmc.state.lock().unwrap().is_closed);
    }
    (error, attempts)
}

/// Looks again and again until the console shows what is wanted.
fn look_until(console: &dyn Console, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let watch = Watch::new("looking", LIMIT);
    loop {
        let snapshot = console.refresh(&watch.within("looking once", FRESH)).unwrap();
        if wanted(&snapshot) {
            return snapshot;
        }
        assert!(watch.sleep(Duration::from_millis(5)).is_ok(), "never saw {what}: {snapshot:?}");
    }
}

#[test]
fn a_console_opens_with_a_whole_picture_and_all_that_is_known() {
    let bmc = Arc::new(Bmc::good());
    let console = Lines::new(&[&bmc]).open().unwrap();
    let snapshot = console.snapshot();
    let frame = snapshot.frame.as_ref().unwrap();
    assert_eq!((frame.width, frame.height, snapshot.id, snapshot.complete), (8, 8, 1, true));
    assert_eq!((snapshot.signal, snapshot.power, snapshot.role), (Signal::Video, Some(Power::On), Some(Role::Master)));
    assert_eq!((snapshot.kind, &snapshot.notes[..]), ("AMI MegaRAC, Aspeed video", &["a note".to_owned()][..]));
    assert!(console.ended().is_none());
}

#[test]
fn a_recording_shows_its_next_look_each_time_it_is_asked() {
    macro_rules! look {
        ($name:literal) => {
            video(
                &[
                    &include_bytes!(concat!("../../../testdata/ast2500/", $name, ".hdr"))[..],
                    include_bytes!(concat!("../../../testdata/ast2500/", $name, ".bin")),
                ]
                .concat(),
            )
        };
    }
    let recording = Recording {
        greeting: build(GREETING),
        validated: valid(),
        power: power(true),
        looks: vec![look!("sequence-scroll-0"), look!("sequence-scroll-1")],
    };
    let line = Box::new(Recorded(Arc::new(recording)));
    let console = open(line, Vec::new(), &Watch::new("testing", LIMIT)).unwrap();
    let first = console.snapshot();
    assert!(first.complete);
    let second = console.refresh(&Watch::new("looking", LIMIT)).unwrap();
    assert_eq!((first.id, second.id, second.complete), (1, 2, true));
    assert!(second.changed > first.changed);
    console.close();
}

#[test]
fn a_host_that_is_off_is_an_answer() {
    let bmc = Arc::new(Bmc::new(build(GREETING), |command, _| match command {
        Command::VALIDATE_VIDEO_SESSION => valid(),
        Command::POWER_STATUS => power(false),
        Command::RESUME_REDIRECTION => blank(),
        _ => Vec::new(),
    }));
    let console = Lines::new(&[&bmc]).open().unwrap();
    let snapshot = console.snapshot();
    assert_eq!((snapshot.id, snapshot.signal, snapshot.power), (0, Signal::None, Some(Power::Off)));
    assert!(snapshot.frame.is_none() && !snapshot.complete);
    // Asked again, it says so at once.
    let watch = Watch::new("looking", LIMIT);
    assert_eq!(console.refresh(&watch).unwrap().power, Some(Power::Off));
    assert!(watch.elapsed() < LIMIT / 2);
}

#[test]
fn each_refusal_has_the_kind_that_callers_act_on() {
    let greeted = |packet: (Command, u16, &[u8])| Bmc::new(build(packet), |_, _| Vec::new());
    for (bmc, kind, words) in [
        (greeted((Command::MAX_SESSION_CLOSE, 0, &[])), Kind::Busy, "maximum"),
        (greeted((Command::MAX_SESSION_CLOSE, 1, &[])), Kind::Busy, "same client"),
        (greeted((Command::CONNECTION_FAILED, 0, &[])), Kind::Peer, "gave up"),
        (greeted((Command::CONNECTION_ALLOWED, 7, &[])), Kind::Unsupported, "SoC id 7"),
        (greeted((Command::STOP_SESSION_IMMEDIATE, 14, &[])), Kind::Busy, "VNC"),
        (greeted((Command(0x1101), 0, &[])), Kind::Peer, "connection"),
        (Bmc::new(b"HTTP/1.1 503 Busy".to_vec(), |_, _| Vec::new()), Kind::Busy, "slots are full"),
        (Bmc::refusing(2), Kind::Denied, "privilege"),
        (Bmc::refusing(8), Kind::Denied, "not registered"),
    ] {
        if words == "connection" {
            bmc.close();
        }
        let (error, attempts) = failure(vec![bmc]);
        assert_eq!((error.kind(), attempts), (kind, vec![Attempt::First]), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_invalid_session_is_begun_once_more_and_never_twice() {
    for code in [0, 3] {
        let (error, attempts) = failure(vec![Bmc::refusing(code), Bmc::refusing(code), Bmc::good()]);
        assert_eq!((error.kind(), attempts), (Kind::Denied, vec![Attempt::First, Attempt::Second]), "{error}");
        let bmcs = [Arc::new(Bmc::refusing(code)), Arc::new(Bmc::good())];
        let lines = Lines::new(&[&bmcs[0], &bmcs[1]]);
        let console = lines.open().unwrap();
        assert!(console.snapshot().complete && bmcs[0].state.lock().unwrap().is_closed);
        console.close();
        assert_eq!(lines.log_outs(), 1);
    }
}

#[test]
fn closing_takes_leave_once_however_often_it_is_called() {
    for closes in [true, false] {
        let bmc = Arc::new(Bmc { closes, ..Bmc::good() });
        let lines = Lines::new(&[&bmc]);
        let console = lines.open().unwrap();
        let watch = Watch::new("closing", Duration::from_secs(2));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    console.close();
                    assert_eq!(lines.log_outs(), 1, "closed before all was closed");
                });
            }
        });
        assert!(watch.left().is_ok(), "closing took {:?}", watch.elapsed());
        assert!(console.ended().is_none() && bmc.state.lock().unwrap().is_closed);
        drop(console);
        assert_eq!((bmc.heard(Command::STOP_SESSION_IMMEDIATE), lines.log_outs()), (1, 1));
    }
}

#[test]
fn a_console_that_ends_by_itself_says_why_and_is_logged_out() {
    let bmc = Arc::new(Bmc::good());
    let lines = Lines::new(&[&bmc]);
    let console = lines.open().unwrap();
    bmc.say(&build((Command::STOP_SESSION_IMMEDIATE, 12, &[])));
    bmc.wait("the end", |talk| talk.is_closed);
    let error = console.refresh(&Watch::new("looking", LIMIT)).err().or(console.ended()).unwrap();
    assert!(error.to_string().contains("the BMC restarts"), "{error}");
    assert_eq!(gray(&*console), Some(40), "the last picture stays");
    drop(console);
    // It ended the session, so there is nobody to take leave of.
    assert_eq!((bmc.heard(Command::STOP_SESSION_IMMEDIATE), lines.log_outs()), (0, 1));
}

#[test]
fn a_bmc_that_answered_and_says_nothing_any_more_is_gone() {
    let bmc = Arc::new(Bmc::good());
    let lines = Lines::new(&[&bmc]);
    lines.0.lock().unwrap().power_query = Some(Duration::from_millis(20));
    let console = lines.open().unwrap();
    let asked = |talk: &Talk| talk.heard.iter().filter(|(command, _)| *command == Command::POWER_STATUS).count();
    bmc.wait("more questions than may go unanswered", |talk| asked(talk) > 8);
    assert!(console.ended().is_none());
    bmc.update(|talk| talk.is_mute = true);
    bmc.wait("the end", |talk| talk.is_closed);
    assert!(console.ended().unwrap().to_string().contains("the console has said nothing for"));
    drop(console);
    assert_eq!((bmc.heard(Command::STOP_SESSION_IMMEDIATE), lines.log_outs()), (1, 1));
}

#[test]
fn a_panic_on_the_console_s_thread_is_an_error_and_everything_is_closed() {
    let bmc = Arc::new(Bmc::good());
    let lines = Lines::new(&[&bmc]);
    let console = lines.open().unwrap();
    bmc.update(|talk| talk.panics = true);
    bmc.wait("the end", |talk| talk.is_closed);
    console.close();
    assert_eq!(console.ended().map(|error| error.kind()), Some(Kind::Internal));
    assert_eq!((bmc.heard(Command::STOP_SESSION_IMMEDIATE), lines.log_outs()), (1, 1));
}

#[test]
fn a_wait_that_nobody_wants_any_more_ends_and_is_logged_out() {
    let bmc = Arc::new(Bmc::new(build(GREETING), |_, _| Vec::new()));
    let lines = Lines::new(&[&bmc]);
    let watch = Watch::new("testing", LIMIT);
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            bmc.wait("the validation", |talk| !talk.heard.is_empty());
            watch.cancel();
        });
        open(Box::new(lines.clone()), Vec::new(), &watch).err().unwrap()
    });
    assert_eq!((error.kind(), lines.log_outs()), (Kind::Cancelled, 1));
    assert_eq!(bmc.heard(Command::STOP_SESSION_IMMEDIATE), 1);
}

#[test]
fn silence_is_a_timeout_that_names_its_stage() {
    let bmc = Arc::new(Bmc::new(Vec::new(), |_, _| Vec::new()));
    let watch = Watch::new("testing", Duration::from_millis(100));
    let error = open(Box::new(Lines::new(&[&bmc])), Vec::new(), &watch).err().unwrap();
    assert_eq!(error.kind(), Kind::Timeout("waiting for the console's greeting"));
}

#[test]
fn a_picture_with_holes_is_forced_to_be_whole() {
    let bmc = Arc::new(Bmc::new(build(GREETING), |command, count| match command {
        Command::VALIDATE_VIDEO_SESSION => valid(),
        Command::RESUME_REDIRECTION if count == 0 => video(&frame(16, &[60])),
        Command::RESUME_REDIRECTION => video(&frame(16, &[60, 61])),
        _ => Vec::new(),
    }));
    let console = Lines::new(&[&bmc]).open().unwrap();
    assert!(console.snapshot().complete);
    let state = bmc.state.lock().unwrap();
    let at = |command, nth| state.heard.iter().enumerate().filter(|(_, heard)| heard.0 == command).nth(nth).unwrap().0;
    assert!(at(Command::PAUSE_REDIRECTION, 0) < at(Command::RESUME_REDIRECTION, 1));
}

#[test]
fn a_person_who_wants_the_console_gets_it_and_is_listed() {
    let bmc = Arc::new(Bmc::good());
    let console = Lines::new(&[&bmc]).open().unwrap();
    let record = |name: &[u8], ip: &[u8], index: u8| {
        let mut record = [0; 134];
        record[..name.len()].copy_from_slice(name);
        record[64..64 + ip.len()].copy_from_slice(ip);
        record[129] = index;
        record
    };
    let person = record(b"operator", b"203.0.113.9", 1);
    bmc.say(&build((Command::KVM_SHARING, 1, &person)));
    let everybody = [record(b"domain/username", b"192.0.2.1", 0), person].concat();
    bmc.say(&build((Command::ACTIVE_CLIENTS, 0, &everybody)));
    bmc.wait("its answers", |talk| {
        [(Command::KVM_SHARING, 1), (Command::SET_NEXT_MASTER, 1), (Command::GET_FULL_SCREEN, 1)]
            .iter()
            .all(|answer| talk.heard.contains(answer))
    });
    let snapshot = look_until(&*console, "the viewer", |snapshot| !snapshot.viewers.is_empty());
    assert_eq!(
        (&snapshot.viewers[..], snapshot.role),
        (&["\"operator\" (203.0.113.9)".to_owned()][..], Some(Role::Viewer))
    );
}

#[test]
fn video_that_stops_takes_the_picture_with_it_until_it_is_back() {
    let bmc = Arc::new(Bmc::good());
    let console = Lines::new(&[&bmc]).open().unwrap();
    let before = console.snapshot();
    bmc.say(&blank());
    let watch = Watch::new("waiting for the blank", LIMIT);
    while console.snapshot().id < 2 {
        watch.sleep(Duration::from_millis(1)).unwrap();
    }
    let snapshot = console.snapshot();
    assert!(snapshot.frame.is_none() && snapshot.signal == Signal::None && snapshot.changed > before.changed);
    // Asked for, it comes back.
    let snapshot = look_until(&*console, "the picture", |snapshot| snapshot.frame.is_some());
    assert!(snapshot.complete && snapshot.signal == Signal::Video && snapshot.id == 3);
}

#[test]
fn callers_at_the_same_time_share_one_request() {
    let bmc = Arc::new(Bmc::new(build(GREETING), |command, count| match command {
        Command::VALIDATE_VIDEO_SESSION => valid(),
        Command::RESUME_REDIRECTION => [power(false), blank()].concat(),
        // The first is the session's own, the second is answered below.
        Command::GET_FULL_SCREEN if count > 1 => video(&frame(8, &[99])),
        _ => Vec::new(),
    }));
    let console = Lines::new(&[&bmc]).open().unwrap();
    let shared = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                shared.wait();
                console.refresh(&Watch::new("looking", LIMIT)).unwrap();
            });
        }
        bmc.wait("the request", |talk| talk.heard.iter().filter(|(c, _)| *c == Command::GET_FULL_SCREEN).count() == 2);
        bmc.say(&video(&frame(8, &[80])));
    });
    assert_eq!(bmc.heard(Command::GET_FULL_SCREEN), 2);
}

#[test]
fn a_console_of_bare_pictures_is_one_too() {
    let picture = include_bytes!("../../../testdata/jpeg/gray.jpg");
    let bmc = Arc::new(Bmc::new([b"junk".as_slice(), picture].concat(), |_, _| Vec::new()));
    let console = Lines::new(&[&bmc]).open().unwrap();
    let snapshot = console.snapshot();
    assert_eq!((snapshot.complete, snapshot.kind), (true, "AMI MegaRAC, JPEG video"));
    console.close();
    // It was never greeted in packets, so it is not sent any.
    assert_eq!(bmc.state.lock().unwrap().heard, []);
}
