//! A fake AMI BMC: a real listener with web pages, REST endpoints and an IVTP console, that counts and complains.
//!
//! Source: the AMI MegaRAC notes, read apart from the client; nothing of `src/ivtp` or `src/console` is used.
//! What a client does wrong is a complaint, which [`Bmc::assert_all_closed`] shows.
//! Deliberately absent: the keyboard and the mouse, virtual media.

mod kvm;
pub mod link;
pub mod packet;
mod pages;
mod rpc;
mod setup;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use link::Cut;
pub use setup::{Engine, Features, Greeting, Jnlp, Jpeg, Login, Rpc, Setup, SignOn, Token, Upgrade, Video};

use ikvm_mcp::base::Frame;

use super::secrets;
use super::tile::{Encoder, Mode};
use super::vnc::Vnc;
use super::web::Web;

/// Everything the fake does happens within this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// The user and password of `POST /api/session`.
pub const USER: (&str, &str) = ("admin", "p&ss w\u{f6}rd");

pub struct Bmc {
    shared: Arc<Shared>,
    web: Option<Web>,
    /// Where the console of the Java era listens.
    console: Option<Web>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    setup: Setup,
    screen: Screen,
    /// `None` where the screen shows a recording.
    shown: Option<Shown>,
    /// What the screen shows once sharper video is asked for.
    sharp: Option<Frame>,
    /// Origin of the web server, as clients name it.
    origin: String,
    vnc: Option<Arc<Vnc>>,
    /// The port of the console of the Java era, and whether it wants TLS.
    console: (u16, bool),
    sessions: HashMap<String, Session>,
    /// What a viewer URL's token signs on to.
    viewers: HashMap<String, String>,
    tokens: HashMap<String, KvmToken>,
    /// The open consoles.
    talks: HashMap<u64, Talk>,
    /// Packets 18 that were right.
    tries: usize,
    secrets: u64,
    commands: Vec<Command>,
    counts: Counts,
    /// How many web requests are being served.
    busy: u32,
    complaints: Vec<String>,
    stopping: bool,
}

/// A web session, by the value of its cookie.
struct Session {
    csrf: String,
    alive: bool,
    seen: bool,
}

/// An open console.
struct Talk {
    session: String,
    /// Packet 8 was said.
    stopped: bool,
}

struct KvmToken {
    session: String,
    used: bool,
}

/// What the screen shows, as frames (header and tiles) one after another.
#[derive(Clone, Default)]
struct Screen {
    generation: u64,
    full: Vec<Vec<u8>>,
    /// From the generation before.
    change: Option<Vec<u8>>,
}

/// What was shown last, and what encodes the differences to it.
struct Shown {
    frame: Frame,
    encoder: Encoder,
}

/// What every open console does next.
#[derive(Clone)]
enum Command {
    Send(Vec<u8>),
    HangUp,
}

/// What the fake saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Web sessions somebody used.
    pub sessions: u32,
    pub logouts: u32,
    /// Web sessions in use that the BMC ended by itself.
    pub forgotten: u32,
    /// Web requests: method and path, in order.
    pub requests: Vec<String>,
    /// KVM tokens given out.
    pub tokens: u32,
    /// Accepted WebSocket upgrades, and those that ended.
    pub kvm_opens: u32,
    pub kvm_ends: u32,
    /// Consoles whose client said packet 8, and closed the WebSocket.
    pub stops: u32,
    pub goodbyes: u32,
    /// At most this many web requests were served at a time.
    pub web_at_once: u32,
    /// Full frames sent, or what stood in for one.
    pub frames: u32,
    /// Received packets by type.
    pub packets: BTreeMap<u16, u32>,
    /// The statuses of packets 32 and 50 that answered a request to share, in order.
    pub sharing: Vec<(u16, u16)>,
    /// The lengths of the validation bodies, and the type and status of the packet before each.
    pub validations: Vec<(usize, Option<(u16, u16)>)>,
}

impl Counts {
    pub fn packets(&self, kind: u16) -> u32 {
        self.packets.get(&kind).copied().unwrap_or_default()
    }
}

impl Bmc {
    /// Serves HTTPS and WSS with the test certificate.
    pub fn start(setup: Setup) -> Self {
        Self::start_on(setup, Web::https)
    }

    /// The same at `[::1]`.
    pub fn start_v6(setup: Setup) -> Self {
        Self::start_on(setup, Web::https_v6)
    }

    /// Serves plain HTTP and WS.
    pub fn start_plain(setup: Setup) -> Self {
        Self::start_on(setup, Web::http)
    }

    /// The same, with a server of RFB behind [`Setup::rfb`].
    pub fn start_with(setup: Setup, vnc: Arc<Vnc>) -> Self {
        let bmc = Self::start(setup);
        bmc.shared.state().vnc = Some(vnc);
        bmc
    }

    fn start_on(setup: Setup, serve: impl FnOnce(pages::Handler) -> Web) -> Self {
        let state = State {
            setup,
            screen: Screen::default(),
            shown: None,
            sharp: None,
            origin: String::new(),
            vnc: None,
            console: (0, false),
            sessions: HashMap::new(),
            viewers: HashMap::new(),
            tokens: HashMap::new(),
            talks: HashMap::new(),
            tries: 0,
            secrets: 0,
            commands: Vec::new(),
            counts: Counts::default(),
            busy: 0,
            complaints: Vec::new(),
            stopping: false,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let web = serve(pages::handler(Arc::clone(&shared)));
        let tls = web.url().starts_with("https");
        let console = shared.state().setup.rpc.map(|_| {
            let shared = Arc::clone(&shared);
            Web::raw(tls, move |stream| kvm::serve_bare(&shared, stream))
        });
        {
            let mut state = shared.state();
            state.origin = web.url();
            state.console = (console.as_ref().map_or(0, Web::port), tls);
        }
        Self { shared, web: Some(web), console }
    }

    /// A new web session's viewer URL, as a provider hands it out.
    pub fn viewer_url(&self) -> String {
        let mut state = self.shared.state();
        let session = state.open_session();
        let token =
            if state.setup.sign_on == SignOn::Parameter { session.clone() } else { state.secret("sso-token", 32) };
        state.viewers.insert(token.clone(), session);
        format!("{}/viewer?token={token}", state.origin)
    }

    /// The address of its web server.
    pub fn url(&self) -> String {
        self.shared.state().origin.clone()
    }

    /// Ends every web session, as an idle timeout does.
    pub fn forget_sessions(&self) {
        let mut state = self.shared.state();
        let State { sessions, counts, .. } = &mut *state;
        for session in sessions.values_mut() {
            if session.alive && session.seen {
                counts.forgotten += 1;
            }
            session.alive = false;
        }
    }

    /// Turns switches.
    pub fn change(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.shared.state().setup);
    }

    /// Shows a picture. Open consoles get what changed; with at most four colors in each block of 8 x 8, and those of
    /// VGA, without loss.
    pub fn show(&self, frame: &Frame) {
        self.shared.state().show(frame);
    }

    /// What is shown in place of a recording once sharper video is asked for.
    pub fn sharp(&self, frame: Frame) {
        self.shared.state().sharp = Some(frame);
    }

    /// The switches as they are now.
    pub fn setup(&self) -> Setup {
        self.shared.state().setup.clone()
    }

    /// Shows a recorded frame, header and tiles; open consoles get it as a full frame.
    pub fn show_recorded(&self, frame: Vec<u8>) {
        let mut state = self.shared.state();
        let generation = state.screen.generation + 1;
        state.shown = None;
        state.screen = Screen { generation, full: vec![frame], change: None };
    }

    /// Shows what a recorded frame of differences makes of the screen.
    pub fn show_recorded_change(&self, frame: Vec<u8>) {
        let mut state = self.shared.state();
        state.shown = None;
        let screen = &mut state.screen;
        screen.generation += 1;
        screen.full.push(frame.clone());
        screen.change = Some(frame);
    }

    /// Sends a packet on every open console.
    pub fn send(&self, packet: Vec<u8>) {
        self.shared.state().commands.push(Command::Send(packet));
    }

    /// Somebody else asks to be let in, on every open console.
    pub fn ask_to_share(&self) {
        self.send(packet::packet(packet::SHARING, 1, &packet::client_record("operator", "203.0.113.9", 1)));
    }

    /// Drops every open console's connection without a word.
    pub fn hang_up(&self) {
        self.shared.state().commands.push(Command::HangUp);
    }

    pub fn counts(&self) -> Counts {
        self.shared.state().counts.clone()
    }

    /// What clients did against the notes, in order.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.state().complaints.clone()
    }

    /// Waits until the counts are as wanted.
    pub fn wait_until(&self, what: &str, wanted: impl Fn(&Counts) -> bool) {
        let mut state = self.shared.state();
        let end = Instant::now() + PATIENCE;
        while !wanted(&state.counts) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the BMC never saw {what}: {:?} {:?}", state.counts, state.complaints);
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every session is logged out, every console closed, and nothing was done against the notes.
    pub fn assert_all_closed(&self) {
        self.wait_until("everything closed", |counts| {
            counts.sessions == counts.logouts + counts.forgotten && counts.kvm_opens == counts.kvm_ends
        });
        let state = self.shared.state();
        assert_eq!(state.complaints, [""; 0]);
        assert!(state.counts.web_at_once <= 1, "{} web requests at a time", state.counts.web_at_once);
    }
}

impl Drop for Bmc {
    fn drop(&mut self) {
        self.shared.state().stopping = true;
        self.shared.changed.notify_all();
        drop((self.web.take(), self.console.take()));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and wakes those who wait for it.
    fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state());
        self.changed.notify_all();
        result
    }

    /// Takes as long as a web request does.
    fn work(&self) {
        let state = self.state();
        let time = state.setup.web_time;
        drop(self.changed.wait_timeout_while(state, time, |state| !state.stopping));
    }

    fn complain(&self, complaint: impl Into<String>) {
        self.update(|state| state.complaints.push(complaint.into()));
    }
}

impl State {
    fn show(&mut self, frame: &Frame) {
        let full = join(Encoder::new(Mode::Vq).encode(frame));
        let State { shown, screen, .. } = self;
        let Some(shown) = shown else {
            let mut encoder = Encoder::new(Mode::Vq);
            encoder.encode(frame);
            *shown = Some(Shown { frame: frame.clone(), encoder });
            *screen = Screen { generation: screen.generation + 1, full: vec![full], change: None };
            return;
        };
        if shown.frame == *frame {
            return; // the engine's stream of nothing, which the server does not send
        }
        let change = Some(join(shown.encoder.encode(frame)));
        shown.frame = frame.clone();
        *screen = Screen { generation: screen.generation + 1, full: vec![full], change };
    }

    /// Text of this length that is new each time.
    fn secret(&mut self, prefix: &str, length: usize) -> String {
        self.secrets += 1;
        secrets::marked(format!("{prefix}{:0>width$}", self.secrets, width = length - prefix.len()))
    }

    /// A new web session; its cookie.
    fn open_session(&mut self) -> String {
        let (cookie, csrf) = (self.secret("Qs", 30), self.secret("Cs-", 8));
        self.sessions.insert(cookie.clone(), Session { csrf, alive: true, seen: false });
        cookie
    }

    /// Marks a session as used by somebody.
    fn see(&mut self, cookie: &str) {
        if let Some(session) = self.sessions.get_mut(cookie).filter(|session| !session.seen) {
            session.seen = true;
            self.counts.sessions += 1;
        }
    }
}

/// Header and tiles in one.
fn join((header, tiles): ([u8; packet::HEADER], Vec<u8>)) -> Vec<u8> {
    [&header[..], &tiles].concat()
}

/// The entry for this try of those that come one a try; the last one stays.
fn nth<T: Clone>(tries: &[T], tried: usize) -> T {
    tries[tried.min(tries.len() - 1)].clone()
}
