//! The fake BMC's console: the upgrade, then one conversation in IVTP for each connection.
//!
//! One thread a connection, in turns: what is due goes out, then a short wait for what the client says.

use super::link::{Link, Received};
use super::packet::{
    ALLOWED, BLANK, CLIENTS, COMPLETE, FAILED, FPS_DIFF, FULL_SCREEN, HEADER, KEEP_ALIVE, MAX_SESSION, MEDIA_INFO,
    NEXT_MASTER, POWER, Packet, SHARING, STOP, VALIDATE, VALIDATED, VIDEO, Validation, announcing, client_record,
    fragment, fragments, header_only, packet, resized,
};
use super::pages::{CLIENT_IP, SERVER_IP};
use super::setup::{Engine, Greeting, Jpeg, Upgrade, Video};
use super::{Command, Shared, Talk, USER};
use crate::support::web::{Reply, Request, Stream};

const RESUME: u16 = 6;
const PAUSE: u16 = 4;
const REFRESH: u16 = 5;
const LED_STATUS: u16 = 20;
const WEB_TOKEN: u16 = 21;
const USER_MACRO: u16 = 40;
const DISPLAY_LOCK: u16 = 51;
const DISPLAY_STATUS: u16 = 52;
const MEDIA_LICENSE: u16 = 53;

const GET_ENGINE: u16 = 0x1003;
const SET_ENGINE: u16 = 0x1004;

/// Silent turns between two pings.
const PING_TURNS: u32 = 10;

/// What a BMC without a free slot writes into the open WebSocket.
const SLOTS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n";

pub fn serve(shared: &Shared, request: &Request, stream: &mut dyn Stream) -> Reply {
    let (setup, session, mut wrong) = shared.update(|state| {
        let session = state.cookie(request);
        let mut wrong = Vec::new();
        if request.header("origin") != Some(&state.origin) {
            wrong.push(format!("/kvm from the origin {:?}", request.header("origin")));
        }
        (state.setup.clone(), session, wrong)
    });
    let offered = request.header("sec-websocket-protocol").unwrap_or_default();
    if !["binary", "base64"].iter().all(|wanted| offered.split(',').any(|name| name.trim() == *wanted)) {
        wrong.push(format!("/kvm with the subprotocols {offered:?}"));
    }
    if request.header("sec-websocket-extensions").is_some() {
        wrong.push("/kvm with extensions".to_owned());
    }
    if request.header("sec-websocket-version") != Some("13") {
        wrong.push("/kvm without version 13".to_owned());
    }
    let refused = !wrong.is_empty();
    wrong.into_iter().for_each(|wrong| shared.complain(wrong));
    let Some(session) = session else { return Reply::status(401, "") };
    if refused {
        return Reply::status(403, "");
    }
    let link = match setup.upgrade {
        Upgrade::Refused(status) => return Reply::status(status, "<html>no</html>"),
        Upgrade::Slots => {
            Link::open(request, stream, setup.subprotocol).write_raw(SLOTS);
            return Reply::Taken;
        }
        Upgrade::Accepted => Link::open(request, stream, setup.subprotocol),
        Upgrade::Sloppy => Link::open_sloppily(stream),
    };
    Conversation::begin(shared, link, session).run();
    Reply::Taken
}

/// A console of the Java era: the connection's first byte is IVTP's.
pub fn serve_bare(shared: &Shared, stream: &mut dyn Stream) {
    if shared.state().tokens.is_empty() {
        shared.complain("a console is opened before its JNLP was requested");
    }
    Conversation::begin(shared, Link::bare(stream), String::new()).run();
}

struct Conversation<'a> {
    shared: &'a Shared,
    link: Link<'a>,
    id: u64,
    input: Vec<u8>,
    greeted: bool,
    /// The packet before 18: type and status.
    complete: Option<(u16, u16)>,
    validated: bool,
    /// Packet 18 was not what this firmware reads: it waits for more of it, for ever.
    deaf: bool,
    streaming: bool,
    /// The screen's generation that the client has.
    shown: u64,
    introduced: bool,
    /// How many of the commands were obeyed.
    obeyed: usize,
    /// Packet 8 was said, by either side; nothing more is sent.
    stopped: bool,
    /// The connection was dropped by us.
    dropped: bool,
    silent_turns: u32,
}

impl<'a> Conversation<'a> {
    fn begin(shared: &'a Shared, link: Link<'a>, session: String) -> Self {
        let (id, obeyed) = shared.update(|state| {
            state.counts.kvm_opens += 1;
            let id = u64::from(state.counts.kvm_opens);
            state.talks.insert(id, Talk { session, stopped: false });
            (id, state.commands.len())
        });
        Self {
            shared,
            link,
            id,
            input: Vec::new(),
            greeted: false,
            complete: None,
            validated: false,
            deaf: false,
            streaming: false,
            shown: 0,
            introduced: false,
            obeyed,
            stopped: false,
            dropped: false,
            silent_turns: 0,
        }
    }

    fn run(mut self) {
        let goodbye = self.talk();
        let mut complaints = Vec::new();
        if self.validated && !self.stopped && !self.dropped {
            complaints.push("a client left without packet 8".to_owned());
        }
        if !goodbye && !self.dropped {
            complaints.push("a client left without closing the WebSocket".to_owned());
        }
        self.shared.update(|state| {
            state.talks.remove(&self.id);
            state.counts.kvm_ends += 1;
            state.counts.goodbyes += u32::from(goodbye);
            if !state.stopping {
                state.complaints.append(&mut complaints);
            }
        });
    }

    /// Until the connection ends; whether the client closed it properly.
    fn talk(&mut self) -> bool {
        loop {
            if !self.stopped {
                self.greet();
                self.obey();
                self.follow_screen();
            }
            self.flush();
            if self.dropped && self.link.is_idle() {
                self.link.shut_down();
                return false;
            }
            match self.link.receive() {
                Received::Bytes(bytes) => {
                    self.input.extend_from_slice(&bytes);
                    self.silent_turns = 0;
                }
                Received::Nothing => self.silent_turns += 1,
                Received::Goodbye => return true,
                Received::Gone => return false,
                Received::Wrong(what) => self.shared.complain(what),
            }
            while !self.deaf {
                match Packet::take(&mut self.input) {
                    Ok(Some(packet)) => self.hear(&packet),
                    Ok(None) => break,
                    Err(wrong) => {
                        self.shared.complain(wrong);
                        self.deaf = true;
                    }
                }
            }
        }
    }

    fn say(&mut self, kind: u16, status: u16, payload: &[u8]) {
        self.link.send(&packet(kind, status, payload));
    }

    fn flush(&mut self) {
        let (cut, pings) = {
            let state = self.shared.state();
            (state.setup.cut, state.setup.pings)
        };
        if pings && self.validated && !self.stopped && self.silent_turns % PING_TURNS == PING_TURNS - 1 {
            self.link.ping();
            self.say(KEEP_ALIVE, 0, &[]);
        }
        self.link.flush(cut);
    }

    fn greet(&mut self) {
        if self.greeted {
            return;
        }
        let greeting = self.shared.state().setup.greeting;
        match greeting {
            Greeting::Silent => return,
            Greeting::Allowed(soc) => {
                let mut record = [0; 48];
                record[..7].copy_from_slice(b"KVM 1.0");
                self.say(ALLOWED, soc, &record);
            }
            Greeting::Full(status) => self.say(MAX_SESSION, status, &[]),
            Greeting::Stopped(reason) => self.stop(reason),
            Greeting::Failed => self.say(FAILED, 0, &[]),
        }
        self.greeted = true;
    }

    fn stop(&mut self, reason: u16) {
        self.say(STOP, reason, &[]);
        self.stopped();
    }

    fn stopped(&mut self) {
        self.stopped = true;
        self.shared.update(|state| {
            if let Some(talk) = state.talks.get_mut(&self.id) {
                talk.stopped = true;
            }
        });
    }

    fn obey(&mut self) {
        if !self.validated {
            return;
        }
        let commands = self.shared.state().commands[self.obeyed..].to_vec();
        self.obeyed += commands.len();
        for command in commands {
            match command {
                Command::Send(packet) => {
                    let is_stop = packet.starts_with(&STOP.to_le_bytes());
                    self.link.send(&packet);
                    if is_stop {
                        self.stopped();
                    }
                }
                Command::HangUp => self.dropped = true,
            }
        }
    }

    /// Sends what changed on the screen since the client's picture.
    fn follow_screen(&mut self) {
        if !self.streaming || !self.validated {
            return;
        }
        let screen = self.shared.state().screen.clone();
        match screen.change {
            Some(change) if screen.generation == self.shown + 1 => {
                self.shown = screen.generation;
                self.show(&change);
            }
            _ if screen.generation != self.shown => self.show_all(),
            _ => {}
        }
    }

    /// Sends the whole screen, or what the test wants in its place.
    fn show_all(&mut self) {
        let (screen, video) = self.shared.update(|state| {
            let video = super::nth(&state.setup.video, state.counts.frames as usize);
            state.counts.frames += 1;
            (state.screen.clone(), video)
        });
        self.shown = screen.generation;
        let Some(first) = screen.full.first() else { return };
        match video {
            Video::Good => screen.full.iter().for_each(|frame| self.show(frame)),
            Video::Nothing => return,
            Video::Blank => return self.say(BLANK, 0, &[]),
            Video::HeaderOnly => return self.show(&header_only(first)),
            Video::Jpeg(Jpeg::Bare, file) => self.link.send(&file),
            Video::Jpeg(Jpeg::InPackets, file) => self.show(&file),
            Video::Gap => {
                let mut packets = self.pieces(first);
                packets.remove(1);
                self.link.send(&packets.concat());
            }
            Video::Truncated => self.show(&first[..first.len() / 2]),
            Video::Corrupt => {
                let mut frame = first.clone();
                frame[HEADER..HEADER + 4].copy_from_slice(&0x1000_0000_u32.to_le_bytes()); // code 1
                self.show(&frame);
            }
            Video::Endless => self.link.send(&announcing(VIDEO, 0, u32::MAX, &first[..HEADER])),
            Video::Flood => {
                // A JPEG that is one scan without an end.
                let start = [0xff, 0xd8, 0xff, 0xda, 0, 2];
                for number in 0..256 {
                    let mut data = vec![0; 1 << 20];
                    data[..start.len()].copy_from_slice(if number == 0 { &start } else { &[0; 6] });
                    self.link.send(&fragment(number, false, &data));
                }
            }
            Video::Huge => self.show(&resized(first, u16::MAX, u16::MAX)),
            Video::CutOff => {
                let half = first.len() / 2;
                self.link.send(&fragment(0, false, &first[..half]));
                self.dropped = true;
            }
            Video::Stopped(reason) => {
                let half = first.len() / 2;
                self.link.send(&fragment(0, false, &first[..half]));
                self.stop(reason);
            }
        }
        self.introduce();
    }

    fn show(&mut self, frame: &[u8]) {
        self.link.send(&self.pieces(frame).concat());
    }

    fn pieces(&self, frame: &[u8]) -> Vec<Vec<u8>> {
        fragments(frame, self.shared.state().setup.fragment)
    }

    /// Behind the first video: the media, and who is viewing.
    fn introduce(&mut self) {
        if std::mem::replace(&mut self.introduced, true) || self.stopped {
            return;
        }
        let mut media = Vec::new();
        for number in [3_u32, 10] {
            media.extend(number.to_le_bytes()); // retries, seconds between them
        }
        media.extend([2, 0]); // absolute mouse, host display unlocked
        for count in [1_u32, 1, 1] {
            media.extend(count.to_le_bytes());
        }
        self.say(MEDIA_INFO, 0, &media);
        let clients = self.clients();
        self.say(CLIENTS, 0, &clients);
    }

    /// Everybody who is viewing, we first.
    fn clients(&self) -> Vec<u8> {
        let setup = self.shared.state().setup.clone();
        let own = setup.index.unwrap_or_default();
        let mut records = client_record(USER.0, CLIENT_IP, own);
        let ids = (0..).filter(|id| *id != own);
        for (id, (name, ip)) in ids.zip(&setup.others) {
            records.extend(client_record(name, ip, id));
        }
        records
    }

    fn hear(&mut self, packet: &Packet) {
        self.shared.update(|state| *state.counts.packets.entry(packet.kind).or_default() += 1);
        if !self.greeted && packet.kind != STOP {
            self.shared.complain(format!("packet {} before the greeting", packet.kind));
        }
        let has_payload = !packet.payload.is_empty();
        if has_payload && matches!(packet.kind, 0 | 4..=11 | 34 | 57..=60) {
            self.shared.complain(format!("packet {} with a payload", packet.kind));
        }
        if self.stopped {
            return;
        }
        match packet.kind {
            0 | COMPLETE if !self.validated => self.complete = Some((packet.kind, packet.status)),
            VALIDATE if !self.validated => self.validate(packet),
            STOP => {
                if packet.status != 0 {
                    self.shared.complain(format!("packet 8 with the status {}", packet.status));
                }
                self.shared.update(|state| state.counts.stops += 1);
                self.link.forget();
                self.stopped();
                if self.shared.state().setup.hangs_up {
                    self.link.close();
                }
            }
            RESUME => {
                self.streaming = true;
                self.show_if_validated();
            }
            FULL_SCREEN => {
                if packet.status > 1 {
                    self.shared.complain(format!("packet 11 with the status {}", packet.status));
                }
                self.show_if_validated();
            }
            PAUSE => self.streaming = false,
            POWER if self.validated => {
                let power = self.shared.state().setup.power;
                self.say(POWER, u16::from(power), &[]);
            }
            SHARING | NEXT_MASTER => {
                self.shared.update(|state| state.counts.sharing.push((packet.kind, packet.status)));
            }
            GET_ENGINE => match self.shared.state().setup.engine {
                Engine::Silent => {}
                Engine::Settings(settings) => self.say(GET_ENGINE, 0, &settings),
                Engine::HangsUp => self.dropped = true,
            },
            SET_ENGINE => {
                let wrong = self.shared.update(|state| {
                    let Ok(settings) = <[u8; 8]>::try_from(packet.payload.as_slice()) else { return true };
                    state.setup.engine = Engine::Settings(settings);
                    if let Some(frame) = state.sharp.take() {
                        state.show(&frame);
                    }
                    false
                });
                if wrong {
                    self.shared.complain("settings of the video engine that are not 8 bytes");
                }
            }
            KEEP_ALIVE | FPS_DIFF | REFRESH | WEB_TOKEN | DISPLAY_LOCK | USER_MACRO => {}
            kind => self.shared.complain(format!("packet {kind} at this point")),
        }
    }

    fn show_if_validated(&mut self) {
        if self.validated {
            self.show_all();
        }
    }

    fn validate(&mut self, packet: &Packet) {
        let setup = self.shared.state().setup.clone();
        let complete = self.complete.take();
        self.shared.update(|state| state.counts.validations.push((packet.payload.len(), complete)));
        let is_java = setup.rpc.is_some();
        let validation = match Validation::parse(packet, is_java) {
            Ok(validation) => validation,
            Err(wrong) => return self.refuse(3, wrong),
        };
        let known = self.shared.update(|state| {
            let token = state.tokens.get_mut(&validation.token)?;
            let fresh = !std::mem::replace(&mut token.used, true);
            let session = state.sessions.get(&token.session)?;
            let talk = state.talks.get_mut(&self.id)?;
            if is_java {
                talk.session.clone_from(&token.session);
            }
            (fresh && session.alive && talk.session == token.session).then_some(())
        });
        if known.is_none() {
            return self.refuse(0, "a KVM token that is unknown, used, or of another session".to_owned());
        }
        if validation.client_ip != if is_java { "127.0.0.1" } else { CLIENT_IP } {
            return self.refuse(6, format!("the client address {}", validation.client_ip));
        }
        if validation.server_ip.as_deref().is_some_and(|ip| ip != SERVER_IP) {
            return self.refuse(0, format!("the server address {:?}", validation.server_ip));
        }
        if complete != setup.complete && !setup.takes_any_variant {
            return self.say(VALIDATED, 0, &[0]);
        }
        if packet.payload.len() != setup.body && !setup.takes_any_variant {
            self.deaf = true;
            return;
        }
        let code = self.shared.update(|state| {
            state.tries += 1;
            super::nth(&setup.codes, state.tries - 1)
        });
        if let Some((name, ip)) = setup.others.first().filter(|_| setup.index != Some(0)) {
            self.say(SHARING, 2, &client_record(name, ip, 0)); // wait: somebody else is master
        }
        match (code, setup.index) {
            (1, Some(index)) => self.say(VALIDATED, 0, &[1, index]),
            (code, _) => self.say(VALIDATED, 0, &[code]),
        }
        if code == 1 {
            self.validated = true;
            self.say(MEDIA_LICENSE, 0, &[1]);
            self.say(DISPLAY_STATUS, 0, &[0]);
            self.say(LED_STATUS, 0, &[1]);
        }
    }

    /// Packet 19 for what no client should send.
    fn refuse(&mut self, code: u8, wrong: String) {
        self.shared.complain(wrong);
        self.say(VALIDATED, 0, &[code]);
    }
}
