//! One console session from the first byte: what arrives goes in, what happened and what must be sent comes out.
//!
//! Source: AMI MegaRAC, handshake, VALIDATE body, sharing. No clock, no socket: the driver keeps the times.

use std::collections::VecDeque;

use super::jpeg::{START, Scan, Scanner};
use super::packet::{self, Command, HEADER, Packet};
use super::refusal::{Refusal, StopReason, Validation};
use super::video::Assembler;
use crate::base::bytes::{text_field, u16_le, u32_le};
use crate::base::{DecodeError, Power, Secret};

/// What a session needs to know before it begins.
#[derive(Clone, Debug)]
pub struct Config {
    /// The KVM token, fresh: it opens one session.
    pub token: Secret,
    /// Our address as the BMC sees it.
    pub client_ip: String,
    /// The BMC's address where its firmware tells it; such firmware takes the longer validation body.
    pub server_ip: Option<String>,
    /// The account's name; `domain/username` literally is accepted too.
    pub username: String,
    /// What goes before the validation.
    pub hello: Hello,
    /// Whose packets the firmware expects.
    pub era: Era,
}

/// The viewer that a firmware was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// The HTML5 viewer: the statuses of the first packets are 1.
    Html5,
    /// The Java viewer: they are 0.
    Java,
    /// The Java viewer before reconnection: its validation ends before the hardware address.
    OldJava,
}

/// The connection-complete packet, which firmware that knows reconnection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello {
    /// None: the firmware does not know reconnection.
    None,
    /// Type 0, of older HTML5 viewers.
    Old,
    /// Type 58, its status that of the era.
    New,
}

/// What happened, or what must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send these bytes, in order.
    Send(Vec<u8>),
    /// The BMC greeted us; its system on chip.
    Allowed {
        /// 2 is Aspeed's, 0 old or unknown.
        soc: u16,
    },
    /// The BMC let us in. Both requests that follow were queued with it.
    Validated {
        /// Whether we are the one who may type.
        master: bool,
        /// Our number among the sessions.
        index: u8,
    },
    /// Whether we are the one who may type, from now on.
    Master(bool),
    /// There will be no picture; nothing follows.
    Refused(Refusal),
    /// The BMC ended the session; nothing follows.
    Stopped(StopReason),
    /// The host is on or off.
    Power(Power),
    /// The host sends no video signal.
    Blank,
    /// A frame that is a header only: no video, for the moment.
    Empty,
    /// A frame: the header of 86 bytes and the tile stream.
    Video(Vec<u8>),
    /// A picture that is a JPEG.
    Jpeg(Vec<u8>),
    /// Part of the video was lost: ask for a full screen.
    Lost,
    /// Everybody who is viewing, ourselves included.
    Viewers(Vec<Viewer>),
    /// The BMC is there.
    Alive,
}

/// One of those who are viewing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The account's name.
    pub name: String,
    /// Where it comes from.
    pub ip: String,
    /// Its number among the sessions.
    pub index: u8,
}

/// How many keep-alives of the BMC are answered for each of ours: two peers that answer each other's would
/// otherwise never stop.
const ECHOES: u8 = 4;

/// How much is scanned for the start of a JPEG before a stream that is not IVTP is given up.
const MAX_JUNK: usize = 1 << 20;

/// A client record: name 64, address 65, session number 1, privilege 4.
const CLIENT_RECORD: usize = 134;

// Not more than any BMC has slots for; a record is 134 bytes, so this bounds what is kept of a list.
const MAX_VIEWERS: usize = 64;

/// The session's state.
#[derive(Debug)]
pub struct Session {
    config: Config,
    bytes: Vec<u8>,
    /// What of `bytes` was used.
    used: usize,
    talk: Talk,
    video: Assembler,
    master: bool,
    validated: bool,
    echoes: u8,
    junk: usize,
    /// Whether the BMC was asked for sharper video.
    sharpened: bool,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum Talk {
    /// Nothing decided yet.
    Unknown,
    /// Packets; what stands between two of them may be a JPEG.
    Packets,
    /// Not packets: looking for the start of a JPEG.
    Junk,
    /// Inside a JPEG, among packets or junk.
    Jpeg { scanner: Scanner, packets: bool },
    /// Refused, stopped, or failed; and why, if failed.
    Over(Option<DecodeError>),
}

impl Session {
    /// A session that has heard nothing yet.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            bytes: Vec::new(),
            used: 0,
            talk: Talk::Unknown,
            video: Assembler::default(),
            master: false,
            validated: false,
            echoes: ECHOES,
            junk: 0,
            sharpened: false,
            events: VecDeque::new(),
        }
    }

    /// Takes what arrived, in pieces of any size.
    pub fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.talk, Talk::Over(_)) {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// The next event, or `None` until more arrives. After an error it stays that error.
    pub fn poll(&mut self) -> Result<Option<Event>, DecodeError> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            if let Talk::Over(Some(error)) = self.talk {
                return Err(error);
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => {
                    self.bytes.drain(..self.used);
                    self.used = 0;
                    return Ok(None);
                }
                Err(error) => self.end(Some(error)),
            }
        }
    }

    /// Our own keep-alive, due every few seconds; the BMC's are answered by themselves.
    pub fn keep_alive(&mut self) -> Vec<u8> {
        self.echoes = ECHOES;
        packet::build(Command::KEEP_ALIVE, 0, &[])
    }

    fn end(&mut self, error: Option<DecodeError>) {
        self.talk = Talk::Over(error);
        (self.bytes, self.used) = (Vec::new(), 0);
    }

    /// Uses up one unit of what arrived; false while there is no whole one.
    fn step(&mut self) -> Result<bool, DecodeError> {
        let bytes = &self.bytes[self.used..];
        match &mut self.talk {
            Talk::Over(_) => Ok(false),
            // Always decided on the same 8 bytes, however they arrive.
            Talk::Unknown if bytes.len() < HEADER => Ok(false),
            Talk::Unknown => {
                if bytes.starts_with(b"RFB ") {
                    self.refuse(Refusal::Rfb);
                } else if bytes.starts_with(b"HTTP/") {
                    self.refuse(Refusal::Http);
                } else {
                    self.talk = if is_packet(bytes) { Talk::Packets } else { Talk::Junk };
                }
                Ok(true)
            }
            Talk::Packets if bytes.len() >= HEADER && bytes.starts_with(&START) => {
                self.talk = Talk::Jpeg { scanner: Scanner::default(), packets: true };
                Ok(true)
            }
            Talk::Packets => {
                let Some((packet, length)) = packet::parse(bytes)? else { return Ok(false) };
                self.used += length;
                match packet.command {
                    Command::VIDEO_PACKETS => {
                        self.video.receive(packet.payload, &mut self.events)?;
                        if let Some(Event::Refused(_)) = self.events.back() {
                            self.end(None);
                        }
                    }
                    command => {
                        let payload = packet.payload.to_vec();
                        self.handle(Packet { command, status: packet.status, payload: &payload })?;
                    }
                }
                Ok(true)
            }
            Talk::Junk => {
                let start = bytes.windows(START.len()).position(|window| window == START);
                // The start may be cut: its first two bytes stay.
                let junk = start.unwrap_or(bytes.len().saturating_sub(START.len() - 1));
                self.used += junk;
                self.junk += junk;
                if self.junk > MAX_JUNK {
                    return Err(DecodeError::Malformed { what: "neither IVTP packets nor JPEG pictures" });
                }
                if start.is_some() {
                    self.talk = Talk::Jpeg { scanner: Scanner::default(), packets: false };
                }
                Ok(start.is_some())
            }
            Talk::Jpeg { scanner, packets } => {
                let length = match scanner.scan(bytes)? {
                    Scan::More => return Ok(false),
                    Scan::Whole(length) => {
                        self.events.push_back(Event::Jpeg(bytes[..length].to_vec()));
                        self.junk = 0;
                        length
                    }
                    Scan::Broken(length) => {
                        self.events.push_back(Event::Lost);
                        self.junk += length;
                        length
                    }
                };
                self.talk = if *packets { Talk::Packets } else { Talk::Junk };
                self.used += length;
                Ok(true)
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.events.push_back(Event::Refused(refusal));
        self.end(None);
    }

    fn send(&mut self, command: Command, status: u16, payload: &[u8]) {
        self.events.push_back(Event::Send(packet::build(command, status, payload)));
    }

    fn handle(&mut self, packet: Packet<'_>) -> Result<(), DecodeError> {
        let Packet { command, status, payload } = packet;
        match command {
            // 0 is what old firmware says, 2 is Aspeed; every other chip has a decoder of its own.
            Command::CONNECTION_ALLOWED if !matches!(status, 0 | 2) => self.refuse(Refusal::ForeignSoc(status)),
            Command::CONNECTION_ALLOWED => {
                self.events.push_back(Event::Allowed { soc: status });
                let start = self.start();
                self.events.push_back(Event::Send(start));
            }
            Command::VALIDATED_VIDEO_SESSION => {
                let code = payload.first().copied().map(Validation);
                let code = code.ok_or(DecodeError::Malformed { what: "a validation without its code" })?;
                if code != Validation::VALID {
                    self.refuse(Refusal::Invalid(code));
                    return Ok(());
                }
                let index = payload.get(1).copied().unwrap_or_default();
                self.validated = true;
                self.master = index == 0;
                self.events.push_back(Event::Validated { master: self.master, index });
                self.send(Command::POWER_STATUS, 0, &[]);
                self.send(Command::GET_FULL_SCREEN, 0, &[]);
            }
            Command::MAX_SESSION_CLOSE => self.refuse(Refusal::NoRoom(status)),
            Command::CONNECTION_FAILED => self.refuse(Refusal::Failed),
            Command::STOP_SESSION_IMMEDIATE => {
                self.events.push_back(Event::Stopped(StopReason(status)));
                self.end(None);
            }
            Command::POWER_STATUS => {
                let power = if status == 0 { Power::Off } else { Power::On };
                self.events.push_back(Event::Power(power));
            }
            Command::BLANK_SCREEN => self.events.push_back(Event::Blank),
            Command::KEEP_ALIVE => {
                if self.echoes > 0 {
                    self.echoes -= 1;
                    self.send(Command::KEEP_ALIVE, 0, &[]);
                }
                self.events.push_back(Event::Alive);
            }
            Command::ACTIVE_CLIENTS => {
                let viewers = payload.chunks_exact(CLIENT_RECORD).take(MAX_VIEWERS).map(viewer).collect();
                self.events.push_back(Event::Viewers(viewers));
                // What every viewer answers; status 1 leaves the inactivity timer alone.
                self.send(Command::GET_FULL_SCREEN, 1, &[]);
            }
            Command::KVM_SHARING => self.share(status, payload),
            Command::GET_VIDEO_ENGINE_CONFIGS if !self.sharpened => {
                if let Some(settings) = sharpest(payload) {
                    // Once: firmware that does not take them may say the old ones again.
                    self.sharpened = true;
                    self.send(Command::SET_VIDEO_ENGINE_CONFIGS, 0, &settings);
                    self.send(Command::GET_FULL_SCREEN, 0, &[]);
                }
            }
            // Everything else is of no use to a viewer that only looks.
            _ => {}
        }
        Ok(())
    }

    /// Sharing: the low byte of the status is what is said, the high byte the answer to it.
    fn share(&mut self, status: u16, payload: &[u8]) {
        const ASKED: u8 = 1;
        const WAIT: u8 = 2;
        const GIVEN: u8 = 3;
        const ANSWERED: u8 = 4;
        const ALLOW: u16 = 1;
        const ALLOW_PARTLY: u16 = 1 | 2 << 8;
        let [said, answer] = status.to_le_bytes();
        // The record of the one who asks goes back with the answer.
        let record = &payload[..payload.len().min(CLIENT_RECORD)];
        match said {
            // Denied; blocked and denied.
            ANSWERED if matches!(answer, 1 | 8) => self.refuse(Refusal::NotShared(answer)),
            ANSWERED if self.validated => self.become_master(answer == 0),
            // Observed: a viewer that starts answers whatever comes so, and then gets its video.
            _ if !self.validated => self.send(Command::KVM_SHARING, ALLOW_PARTLY, record),
            ASKED => {
                // A person waits: they get the console at once, and we go on looking.
                self.send(Command::KVM_SHARING, ALLOW, record);
                self.send(Command::SET_NEXT_MASTER, ALLOW, record);
                self.become_master(false);
            }
            WAIT => self.become_master(false),
            GIVEN => self.become_master(true),
            _ => {}
        }
    }

    fn become_master(&mut self, master: bool) {
        if master != self.master {
            self.master = master;
            self.events.push_back(Event::Master(master));
        }
    }

    /// What answers the greeting, in one piece: the connection is complete, here is the token, start the video.
    fn start(&self) -> Vec<u8> {
        let status = u16::from(self.config.era == Era::Html5);
        let mut bytes = match self.config.hello {
            Hello::None => Vec::new(),
            Hello::Old => packet::build(Command::OLD_CONNECTION_COMPLETE, 0, &[]),
            Hello::New => packet::build(Command::CONNECTION_COMPLETE, status, &[]),
        };
        bytes.extend(packet::build(Command::VALIDATE_VIDEO_SESSION, status, &validation_body(&self.config)));
        bytes.extend(packet::build(Command::RESUME_REDIRECTION, 0, &[]));
        bytes
    }
}

/// Whether a stream that begins so consists of packets: a command that a BMC sends, and a length that can be.
fn is_packet(bytes: &[u8]) -> bool {
    let command = Command(u16_le(bytes, 0).unwrap_or_default());
    let small = u32_le(bytes, 2).is_some_and(|length| length as usize <= packet::MAX_PAYLOAD);
    small && command != Command::OLD_CONNECTION_COMPLETE && command.name().is_some()
}

/// | size | offset | field |
/// |---|---|---|
/// | 1 | 0 | kind of token: 0, of a web session |
/// | 129 | 1 | token |
/// | 65 | 130 | our address |
/// | 129 | 195 | user |
/// | 49 | 324 | hardware address, not checked; not in the oldest |
/// | 65 | 373 | the BMC's address, only where its firmware names it |
///
/// Every text ends with a NUL and is filled up with NULs.
fn validation_body(config: &Config) -> Vec<u8> {
    let mut body = vec![0];
    let mut field = |text: &str, size: usize| {
        let text = &text.as_bytes()[..text.len().min(size - 1)];
        let end = body.len() + size;
        body.extend_from_slice(text);
        body.resize(end, 0);
    };
    field(config.token.reveal(), 129);
    field(&config.client_ip, 65);
    field(&config.username, 129);
    if config.era != Era::OldJava {
        field("00-00-00-00-00-00", 49);
    }
    if let Some(server_ip) = &config.server_ip {
        field(server_ip, 65);
    }
    body
}

/// The settings for the sharpest video: the finest tables (byte 2: 0 to 7), no subsampling and blocks of four colors
/// (byte 6: 0 is 4:2:0, 1 is 4:4:4, 2 and 3 add blocks of 2 and 4 colors). The rest stays as it is; `None` where all
/// does, or where these are no settings.
fn sharpest(settings: &[u8]) -> Option<[u8; 8]> {
    let now: [u8; 8] = *settings.first_chunk()?;
    let mut best = now;
    (best[2], best[6]) = (7, 3);
    (best != now).then_some(best)
}

fn viewer(record: &[u8]) -> Viewer {
    Viewer { name: text_field(&record[..64]), ip: text_field(&record[64..129]), index: record[129] }
}

#[cfg(test)]
mod tests;
