//! Why a connection failed, as a sentence: what the operating system's errors mean to the one who asked.

use std::fmt;
use std::io::{self, ErrorKind};

use super::tls;
use crate::base::{Error, Kind};

/// What to do about a name that leads nowhere.
pub(super) const UNRESOLVED: &str = "check the name and this machine's DNS";

/// A name without an address; travels inside an `io::Error`.
#[derive(Debug)]
pub(super) struct Unresolvable {
    pub(super) host: String,
    pub(super) cause: String,
}

impl fmt::Display for Unresolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no address for {}: {}", self.host, self.cause)
    }
}

impl std::error::Error for Unresolvable {}

/// The sentence for a socket, or for the TLS over it, that failed.
pub(super) fn explain(error: io::Error) -> Error {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return tls::explain(error);
    }
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<Unresolvable>()) {
        return Error::new(Kind::Peer, error.to_string()).hint(UNRESOLVED);
    }
    let (what, hint) = match error.kind() {
        ErrorKind::ConnectionRefused => ("connection refused", "check the address and the port"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            ("the connection was reset", "")
        }
        ErrorKind::UnexpectedEof => ("the connection was closed in the middle of an answer", ""),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            ("no route to it", "check the network, or the VPN that leads there")
        }
        ErrorKind::TimedOut => ("it stopped answering", ""),
        _ => return Error::new(Kind::Peer, error.to_string()).caused_by(error),
    };
    Error::new(Kind::Peer, what).hint(hint).caused_by(error)
}
