//! The handshake: from the server's version to ServerInit.
//!
//! Source: RFC 6143 sections 7.1 to 7.3; rfbproto for Tight and VeNCrypt. Observed: QEMU closes without the reason it
//! owes and ends texts with a NUL; TigerVNC lists a type twice; Apple (003.889), AMT (004.000) and RealVNC (005.000)
//! announce versions of their own and take 003.008.

use std::collections::VecDeque;

use super::encoding::Reader;
use super::{Event, Failure, Options, PixelFormat, SecurityType, des, screen};
use crate::base::DecodeError;
use crate::base::bytes::{clean_text, groups};

/// Bytes kept of a name or a reason.
const MAX_TEXT: usize = 4 << 10;

/// Bytes of the longest name that is read past; names are some dozen bytes.
const MAX_NAME: usize = 1 << 20;

/// Entries of the longest list that Tight may send; its servers know a dozen.
const MAX_ENTRIES: usize = 256;

/// A tunnel or type of Tight: number, vendor, signature.
const TIGHT_ENTRY: usize = 16;

/// What the server says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInit {
    /// Pixels across and down; 0x0 is legal.
    pub size: (usize, usize),
    /// How it has its pixels.
    pub format: PixelFormat,
    /// What it calls itself.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    V33,
    V37,
    V38,
}

/// What is read next.
#[derive(Debug)]
enum State {
    Version,
    Types,
    /// 3.3: the server chooses.
    Type,
    Refusal,
    Challenge,
    TightTunnels,
    TightTypes,
    VencryptVersion,
    VencryptAccepted,
    VencryptSubtypes,
    VencryptReady(SecurityType),
    /// The driver does the TLS handshake.
    Tls(SecurityType),
    Result,
    Denial {
        too_many: bool,
    },
    ServerInit,
    Name {
        init: ServerInit,
        left: usize,
    },
    Capabilities {
        init: ServerInit,
        left: usize,
    },
}

/// The state of a handshake.
#[derive(Debug)]
pub struct Handshake {
    options: Options,
    version: Version,
    state: State,
    /// How we authenticate.
    security: SecurityType,
    /// Whether ServerInit has a tail.
    tight: bool,
    /// Whether the server offered types beside VeNCrypt.
    others: bool,
    finished: Option<ServerInit>,
}

/// Bytes used up, or `None` where more are needed.
type Used = Result<Option<usize>, Failure>;

impl Handshake {
    /// One that has heard nothing.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            version: Version::V38,
            state: State::Version,
            security: SecurityType::NONE,
            tight: false,
            others: false,
            finished: None,
        }
    }

    /// What the server said about itself, once the handshake is over.
    pub fn finished(&mut self) -> Option<ServerInit> {
        self.finished.take()
    }

    /// Reads one item from the start of `input`.
    pub fn step(&mut self, input: &[u8], out: &mut VecDeque<Event>) -> Used {
        let mut reader = Reader::new(input);
        let known = match &mut self.state {
            State::Version => return self.version(input, out),
            State::Types => self.types(&mut reader, out),
            State::Type => self.single_type(&mut reader, out),
            State::Refusal => return reason(input).map_or(Ok(None), |reason| Err(Failure::Refused { reason })),
            State::Challenge => self.challenge(&mut reader, out),
            State::TightTunnels => self.tight_tunnels(&mut reader, out),
            State::TightTypes => self.tight_types(&mut reader, out),
            State::VencryptVersion => self.vencrypt_version(&mut reader, out),
            State::VencryptAccepted => reader.byte().map(|status| match status {
                0 => self.enter(State::VencryptSubtypes),
                _ => Err(malformed("the server does not accept our VeNCrypt version")),
            }),
            State::VencryptSubtypes => self.vencrypt_subtypes(&mut reader, out),
            State::VencryptReady(inner) => {
                let inner = *inner;
                reader.byte().map(|status| match status {
                    1 => {
                        out.push_back(Event::StartTls);
                        self.enter(State::Tls(inner))
                    }
                    _ => Err(malformed("the server does not begin the TLS that it offered")),
                })
            }
            // What comes before the driver is done with TLS was not protected by it.
            State::Tls(_) if input.is_empty() => return Ok(None),
            State::Tls(_) => return Err(malformed("data between VeNCrypt and its TLS handshake")),
            State::Result => self.result(&mut reader, out),
            State::Denial { too_many } => {
                let too_many = *too_many;
                return reason(input).map_or(Ok(None), |reason| Err(self.denial(too_many, reason)));
            }
            State::ServerInit => self.server_init(&mut reader),
            State::Name { .. } | State::Capabilities { .. } => return Ok(self.tail(input)),
        };
        match known {
            Some(done) => done.map(|()| Some(input.len() - reader.rest.len())),
            None => Ok(None),
        }
    }

    /// The driver has done the TLS handshake.
    pub fn tls_started(&mut self, out: &mut VecDeque<Event>) -> Result<(), Failure> {
        match self.state {
            State::Tls(inner) => self.authenticate_inside_vencrypt(inner, out),
            _ => Ok(()),
        }
    }

    /// What the end of the connection means now; `input` is what was not used up.
    pub fn closed(&self, input: &[u8], received: u64) -> Failure {
        let text = || printable(input.get(4..).unwrap_or_default());
        match self.state {
            State::Version if !input.is_empty() && !b"RFB ".starts_with(&input[..input.len().min(4)]) => {
                Failure::NotRfb { first: printable(input) }
            }
            State::Refusal => Failure::Refused { reason: text() },
            State::Denial { too_many } => self.denial(too_many, text()),
            _ => Failure::Closed { waiting: self.waiting(), received, at_first: false },
        }
    }

    fn waiting(&self) -> &'static str {
        match self.state {
            State::Version => "waiting for the RFB version",
            State::Types | State::Type | State::Refusal => "waiting for the security types",
            State::TightTunnels | State::TightTypes => "waiting for the Tight security types",
            State::VencryptVersion | State::VencryptAccepted | State::VencryptSubtypes | State::VencryptReady(_) => {
                "negotiating VeNCrypt"
            }
            State::Tls(_) => "beginning TLS",
            State::Challenge => "waiting for the challenge",
            State::Result | State::Denial { .. } => "waiting for the result of the authentication",
            State::ServerInit | State::Name { .. } | State::Capabilities { .. } => "waiting for ServerInit",
        }
    }

    fn enter(&mut self, state: State) -> Result<(), Failure> {
        self.state = state;
        Ok(())
    }

    fn version(&mut self, input: &[u8], out: &mut VecDeque<Event>) -> Used {
        const LENGTH: usize = 12;
        let Some(line) = input.first_chunk::<LENGTH>() else {
            return Ok(None);
        };
        let [b'R', b'F', b'B', b' ', a, b, c, b'.', d, e, f, b'\n'] = *line else {
            return Err(Failure::NotRfb { first: printable(line) });
        };
        let number = |digits: [u8; 3]| std::str::from_utf8(&digits).ok().and_then(|text| text.parse::<u16>().ok());
        let (answer, version) = match (number([a, b, c]), number([d, e, f])) {
            (Some(0), Some(0)) => return Err(Failure::Repeater),
            (Some(55), Some(8)) => return Err(Failure::Aten),
            (Some(3), Some(3..=6)) => (b"RFB 003.003\n", Version::V33),
            (Some(3), Some(7)) => (b"RFB 003.007\n", Version::V37),
            (Some(3), Some(8..)) | (Some(4..), Some(_)) => (b"RFB 003.008\n", Version::V38),
            _ => return Err(Failure::NotRfb { first: printable(line) }),
        };
        self.version = version;
        out.push_back(Event::Send(answer.to_vec()));
        self.state = if version == Version::V33 { State::Type } else { State::Types };
        Ok(Some(LENGTH))
    }

    fn types(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let count = reader.byte()?;
        if count == 0 {
            return Some(self.enter(State::Refusal));
        }
        let offered: Vec<_> = reader.take(count.into())?.iter().map(|&kind| SecurityType(kind.into())).collect();
        self.others = offered.iter().any(|&kind| kind != SecurityType::VENCRYPT);
        let choice = match self.options.choose(&offered) {
            Ok(choice) => choice,
            Err(failure) => return Some(Err(failure)),
        };
        out.push_back(Event::Send(vec![choice.0 as u8]));
        Some(self.begin(choice, out))
    }

    fn single_type(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let kind = SecurityType(reader.u32()? as u32);
        if kind.0 == 0 {
            return Some(self.enter(State::Refusal));
        }
        Some(self.options.choose(&[kind]).and_then(|kind| self.begin(kind, out)))
    }

    fn begin(&mut self, kind: SecurityType, out: &mut VecDeque<Event>) -> Result<(), Failure> {
        self.security = kind;
        match kind {
            SecurityType::VNC => self.enter(State::Challenge),
            SecurityType::TIGHT => {
                self.tight = true;
                self.enter(State::TightTunnels)
            }
            SecurityType::VENCRYPT => self.enter(State::VencryptVersion),
            SecurityType::XVP => {
                // The target stays empty: the console we are connected to.
                let user = self.options.user.clone().unwrap_or_default();
                let user = &user.as_bytes()[..user.len().min(255)];
                out.push_back(Event::Send([&[user.len() as u8, 0], user].concat()));
                self.enter(State::Challenge)
            }
            // None: before 3.8 nothing confirms it.
            _ if self.version == Version::V38 => self.enter(State::Result),
            _ => self.init(out),
        }
    }

    fn challenge(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let challenge = reader.take(16)?.try_into().unwrap_or_default();
        let answer = des::answer(&self.options.password_bytes(), challenge);
        out.push_back(Event::Send(answer.to_vec()));
        Some(self.enter(State::Result))
    }

    fn tight_tunnels(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let count = reader.u32()?;
        if count > MAX_ENTRIES {
            // Not a count: 24 bytes of ATEN's begin here.
            return Some(Err(Failure::Aten));
        }
        reader.take(count * TIGHT_ENTRY)?;
        if count > 0 {
            out.push_back(Event::Send(vec![0; 4]));
        }
        Some(self.enter(State::TightTypes))
    }

    fn tight_types(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let count = reader.u32()?;
        if count > MAX_ENTRIES {
            return Some(Err(malformed("a list of Tight security types too long")));
        }
        let entries = groups::<TIGHT_ENTRY>(reader.take(count * TIGHT_ENTRY)?);
        let offered: Vec<_> = entries.map(|[a, b, c, d, ..]| SecurityType(u32::from_be_bytes([a, b, c, d]))).collect();
        if offered.is_empty() {
            return Some(self.begin(SecurityType::NONE, out));
        }
        Some(self.options.choose_behind_tight(&offered).and_then(|choice| {
            out.push_back(Event::Send(choice.0.to_be_bytes().to_vec()));
            self.begin(choice, out)
        }))
    }

    fn vencrypt_version(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let version = (reader.byte()?, reader.byte()?);
        if version < (0, 2) {
            return Some(Err(malformed("a VeNCrypt version below 0.2")));
        }
        out.push_back(Event::Send(vec![0, 2]));
        Some(self.enter(State::VencryptAccepted))
    }

    fn vencrypt_subtypes(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let count = usize::from(reader.byte()?);
        let offered = groups(reader.take(count * 4)?);
        let offered: Vec<_> = offered.map(|kind| SecurityType(u32::from_be_bytes(kind))).collect();
        let choice = match self.options.choose_subtype(&offered) {
            Ok(choice) => choice,
            Err(Failure::AnonymousTls { .. }) => return Some(Err(Failure::AnonymousTls { others: self.others })),
            Err(failure) => return Some(Err(failure)),
        };
        out.push_back(Event::Send(choice.0.to_be_bytes().to_vec()));
        Some(if choice.is_x509() {
            self.enter(State::VencryptReady(choice.inner()))
        } else {
            self.authenticate_inside_vencrypt(choice, out)
        })
    }

    fn authenticate_inside_vencrypt(&mut self, inner: SecurityType, out: &mut VecDeque<Event>) -> Result<(), Failure> {
        self.security = inner;
        match inner {
            SecurityType::VNC => return self.enter(State::Challenge),
            SecurityType::PLAIN => {
                let user = self.options.user.as_deref().unwrap_or_default().as_bytes();
                let password = self.options.password.as_ref().map_or(&b""[..], |password| password.reveal().as_bytes());
                let [user_length, password_length] = [user, password].map(|text| (text.len() as u32).to_be_bytes());
                out.push_back(Event::Send([&user_length, &password_length, user, password].concat()));
            }
            _ => {}
        }
        // Here None is confirmed too, in every version.
        self.enter(State::Result)
    }

    fn result(&mut self, reader: &mut Reader, out: &mut VecDeque<Event>) -> Option<Result<(), Failure>> {
        let too_many = match reader.u32()? {
            0 => return Some(self.init(out)),
            2 => true,
            _ => false,
        };
        Some(match self.version {
            Version::V38 => self.enter(State::Denial { too_many }),
            _ => Err(self.denial(too_many, String::new())),
        })
    }

    fn denial(&self, too_many: bool, reason: String) -> Failure {
        if too_many { Failure::TooManyAttempts { reason } } else { Failure::Denied { security: self.security, reason } }
    }

    /// ClientInit: shared, or the operator's own viewer would be disconnected.
    fn init(&mut self, out: &mut VecDeque<Event>) -> Result<(), Failure> {
        out.push_back(Event::Send(vec![1]));
        self.enter(State::ServerInit)
    }

    fn server_init(&mut self, reader: &mut Reader) -> Option<Result<(), Failure>> {
        let size = (reader.u16()?, reader.u16()?);
        let format = reader.take(PixelFormat::SIZE)?.first_chunk().copied()?;
        let left = reader.u32()?;
        Some((|| {
            screen::check_size("screen in pixels", size.0, size.1).map_err(Failure::Handshake)?;
            if left > MAX_NAME {
                let too_large =
                    DecodeError::TooLarge { what: "server's name in bytes", got: left as u64, max: MAX_NAME as u64 };
                return Err(Failure::Handshake(too_large));
            }
            let format = PixelFormat::parse(&format).map_err(Failure::Handshake)?;
            self.enter(State::Name { init: ServerInit { size, format, name: String::new() }, left })
        })())
    }

    /// The name, as far as it is kept; the rest of it; Tight's list.
    fn tail(&mut self, input: &[u8]) -> Option<usize> {
        match &mut self.state {
            State::Name { init, left } if init.name.is_empty() && *left > 0 => {
                let name = input.get(..(*left).min(MAX_TEXT))?;
                // A name of nothing printable must not be read again.
                init.name = Some(printable(name)).filter(|name| !name.is_empty()).unwrap_or_else(|| "-".to_owned());
                *left -= name.len();
                Some(name.len())
            }
            State::Name { left, .. } | State::Capabilities { left, .. } if *left > 0 => {
                let skipped = (*left).min(input.len());
                *left -= skipped;
                (skipped > 0).then_some(skipped)
            }
            State::Name { init, .. } if self.tight => {
                let head = input.first_chunk::<8>()?;
                let [a1, a0, b1, b0, c1, c0, ..] = *head;
                let count: usize =
                    [[a1, a0], [b1, b0], [c1, c0]].map(|count| usize::from(u16::from_be_bytes(count))).iter().sum();
                self.state = State::Capabilities { init: init.clone(), left: count * TIGHT_ENTRY };
                Some(head.len())
            }
            State::Name { init, .. } | State::Capabilities { init, .. } => {
                self.finished = Some(init.clone());
                Some(0)
            }
            _ => None,
        }
    }
}

fn malformed(what: &'static str) -> Failure {
    Failure::Handshake(DecodeError::Malformed { what })
}

/// A text behind its 32-bit length; `None` while it is not whole. Of a text too long its beginning is enough.
fn reason(input: &[u8]) -> Option<String> {
    let mut reader = Reader::new(input);
    let length = reader.u32()?;
    reader.take(length.min(MAX_TEXT)).map(printable)
}

/// What a peer wrote, to be shown: UTF-8, else Latin-1, without control characters and not endless.
fn printable(bytes: &[u8]) -> String {
    const MAX_CHARACTERS: usize = 200;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    };
    clean_text(&text).trim().chars().take(MAX_CHARACTERS).collect()
}

#[cfg(test)]
mod tests;
