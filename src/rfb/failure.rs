//! Why a session ended without us: each cause its own sentence, and what a second attempt should do otherwise.

use std::fmt;

use super::message::ServerMessage;
use super::{Encoding, Options, SecurityType};
use crate::base::bytes::quote;
use crate::base::{DecodeError, Error, Kind};

/// Why a session ended. Displays as the middle of a sentence, without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The first bytes are no RFB version.
    NotRfb {
        /// What came instead, made printable.
        first: String,
    },
    /// A repeater answered, which leads to one of several servers.
    Repeater,
    /// The dialect of ATEN, on Supermicro boards.
    Aten,
    /// The server refused before any authentication.
    Refused {
        /// In the server's words; may be empty.
        reason: String,
    },
    /// No security type that we know.
    NoSecurity {
        /// What the server offers.
        offered: Vec<SecurityType>,
    },
    /// TLS was insisted on, and there is none with a certificate.
    TlsNeeded {
        /// What the server offers.
        offered: Vec<SecurityType>,
    },
    /// Only TLS without certificates.
    AnonymousTls {
        /// Whether the server offered something else beside VeNCrypt.
        others: bool,
    },
    /// Credentials are asked for, and we have none.
    CredentialsNeeded {
        /// Whether a user name is needed too.
        user: bool,
    },
    /// The server did not accept the credentials.
    Denied {
        /// How we had authenticated.
        security: SecurityType,
        /// In the server's words; may be empty.
        reason: String,
    },
    /// The server does not even look at credentials any more.
    TooManyAttempts {
        /// In the server's words; may be empty.
        reason: String,
    },
    /// The server broke the protocol before the first update.
    Handshake(DecodeError),
    /// A message of no known type: one of us lost its place.
    UnknownMessage {
        /// Its type.
        kind: u8,
        /// The message before it.
        after: ServerMessage,
        /// Bytes received before it.
        at: u64,
    },
    /// A rectangle in an encoding that we did not ask for and do not know.
    UnknownEncoding {
        /// Which.
        encoding: Encoding,
        /// Bytes received before it.
        at: u64,
    },
    /// A message or rectangle broke its format.
    Broken {
        /// What it was.
        what: String,
        /// How.
        error: DecodeError,
        /// Bytes received before it.
        at: u64,
    },
    /// The connection ended.
    Closed {
        /// What we waited for.
        waiting: &'static str,
        /// Bytes received in all.
        received: u64,
        /// Whether that was after our first messages and before the first update.
        at_first: bool,
    },
}

impl Failure {
    /// How a second attempt could do better; `None` where it would not.
    pub fn again(&self, options: &Options) -> Option<Options> {
        let mut again = options.clone();
        let mut changed = false;
        match self {
            Self::AnonymousTls { others: true } => set(&mut again.without_vencrypt, &mut changed),
            Self::Denied { security: SecurityType::VNC, .. } => {
                let password = options.password.as_ref().map_or("", |password| password.reveal());
                if !password.is_ascii() && password.chars().all(|c| u8::try_from(c).is_ok()) {
                    set(&mut again.latin1, &mut changed);
                }
            }
            Self::UnknownMessage { .. }
            | Self::UnknownEncoding { .. }
            | Self::Broken { .. }
            | Self::Closed { at_first: true, .. } => set(&mut again.simple, &mut changed),
            _ => {}
        }
        changed.then_some(again)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Repeater
            | Self::Aten
            | Self::NoSecurity { .. }
            | Self::TlsNeeded { .. }
            | Self::AnonymousTls { .. } => Kind::Unsupported,
            Self::Refused { .. } | Self::Denied { .. } => Kind::Denied,
            Self::TooManyAttempts { .. } => Kind::Busy,
            Self::CredentialsNeeded { .. } => Kind::Usage,
            _ => Kind::Peer,
        }
    }

    fn hint(&self) -> &'static str {
        match self {
            Self::NotRfb { .. } => "check the port and, over WebSocket, the path",
            Self::Repeater => "give the address of the server itself",
            Self::Refused { .. } => "close other viewers of it, or wait some minutes, and try again",
            Self::NoSecurity { .. } => "enable VNC authentication (a VNC password) on the server",
            Self::TlsNeeded { .. } => "give the server a certificate (X509), or use vnc:// if the way to it is safe",
            Self::AnonymousTls { .. } => {
                "give the server a certificate (X509), or enable VNC authentication without TLS"
            }
            Self::CredentialsNeeded { user: true } => {
                "configure a user and a password: user and password_env in hosts.toml, IKVM_CONSOLE_USER and \
                 IKVM_CONSOLE_PASSWORD for a URL"
            }
            Self::CredentialsNeeded { user: false } => {
                "configure a password: password_env in hosts.toml, IKVM_CONSOLE_PASSWORD for a URL"
            }
            Self::Denied { security: SecurityType::VNC, .. } => {
                "check the password; VNC authentication counts its first 8 bytes only"
            }
            Self::Denied { .. } => "check user and password",
            Self::TooManyAttempts { .. } => "wait some minutes before the next attempt",
            _ => "",
        }
    }
}

fn set(flag: &mut bool, changed: &mut bool) {
    *changed = !*flag;
    *flag = true;
}

fn list(types: &[SecurityType]) -> String {
    let names: Vec<String> = types.iter().map(SecurityType::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = |f: &mut fmt::Formatter<'_>, what: &str, reason: &str| match reason {
            "" => f.write_str(what),
            _ => write!(f, "{what}: {}", quote(reason)),
        };
        match self {
            Self::NotRfb { first } => write!(f, "the server does not speak RFB (VNC): it began with {}", quote(first)),
            Self::Repeater => f.write_str("a VNC repeater answered, which is not supported"),
            Self::Aten => {
                f.write_str("the console speaks ATEN's own dialect of VNC (Supermicro), which is not supported")
            }
            Self::Refused { reason } => said(f, "the server refused the connection", reason),
            Self::NoSecurity { offered } => {
                write!(f, "no security type in common: the server offers {}", list(offered))
            }
            Self::TlsNeeded { offered } => {
                write!(f, "the server offers no TLS with a certificate, only {}", list(offered))
            }
            Self::AnonymousTls { .. } => {
                f.write_str("the server offers TLS without a certificate only (anonymous TLS)")
            }
            Self::CredentialsNeeded { user: true } => f.write_str("the server asks for a user and a password"),
            Self::CredentialsNeeded { user: false } => f.write_str("the server asks for a password"),
            Self::Denied { reason, .. } => said(f, "the server did not accept the credentials", reason),
            Self::TooManyAttempts { reason } => {
                said(f, "the server takes no more attempts to authenticate for now", reason)
            }
            Self::Handshake(error) => write!(f, "the server broke the RFB handshake: {error}"),
            Self::UnknownMessage { kind, after, at } => {
                write!(f, "a message of unknown type {kind} after {after}, at byte {at}")
            }
            Self::UnknownEncoding { encoding, at } => {
                write!(f, "a rectangle in encoding {encoding}, which was not asked for, at byte {at}")
            }
            Self::Broken { what, error, at } => write!(f, "{what} at byte {at}: {error}"),
            Self::Closed { waiting, received, .. } => {
                write!(f, "the server closed the connection ({waiting}, {received} bytes received)")
            }
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind(), failure.to_string()).hint(failure.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Secret;

    #[test]
    fn each_failure_is_a_sentence_with_the_next_step() {
        let offered = [30, 33, 99].map(SecurityType).to_vec();
        for (failure, sentence) in [
            (
                Failure::NoSecurity { offered },
                "no security type in common: the server offers 30 (Apple Diffie-Hellman), 33 (Apple RSA), 99; \
                 enable VNC authentication (a VNC password) on the server",
            ),
            (
                Failure::Denied { security: SecurityType::VNC, reason: "no".to_owned() },
                "the server did not accept the credentials: \"no\"; \
                 check the password; VNC authentication counts its first 8 bytes only",
            ),
            (
                Failure::UnknownMessage { kind: 77, after: ServerMessage::BELL, at: 1234 },
                "a message of unknown type 77 after Bell, at byte 1234",
            ),
            (
                Failure::Refused { reason: String::new() },
                "the server refused the connection; close other viewers of it, or wait some minutes, and try again",
            ),
        ] {
            assert_eq!(Error::from(failure).to_string(), sentence);
        }
    }

    #[test]
    fn a_second_attempt_changes_something_or_is_not_made() {
        let first = Options { password: Some(Secret::new("\u{e4}")), ..Options::default() };
        let desync = Failure::UnknownMessage { kind: 77, after: ServerMessage::BELL, at: 0 };
        let second = desync.again(&first).unwrap();
        assert!(second.simple && desync.again(&second).is_none());
        let denied = Failure::Denied { security: SecurityType::VNC, reason: String::new() };
        let second = denied.again(&first).unwrap();
        assert!(second.latin1 && denied.again(&second).is_none());
        assert!(denied.again(&Options { password: Some(Secret::new("a")), ..first.clone() }).is_none());
        assert!(denied.again(&Options { password: Some(Secret::new("\u{20ac}")), ..first.clone() }).is_none());
        assert!(Failure::AnonymousTls { others: true }.again(&first).unwrap().without_vencrypt);
        assert!(Failure::AnonymousTls { others: false }.again(&first).is_none());
        let closed = |at_first| Failure::Closed { waiting: "x", received: 9, at_first };
        assert!(closed(true).again(&first).unwrap().simple);
        assert!(closed(false).again(&first).is_none());
    }
}
