//! How one reaches the console of a server: the plain value that joins a provider and a console.
//!
//! A provider makes it, a console consumes it, and neither knows the other.

use std::sync::Arc;
use std::time::Instant;

use super::{Secret, Url};

/// The way to one server's console, and for how long it may be used.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the console is.
    pub route: Route,
    /// When the way closes for new connections; `None` where nobody said.
    pub expires: Option<Instant>,
    /// What the person or model who asked should know about this access, one sentence each.
    pub notes: Vec<String>,
}

/// Where a console is.
#[derive(Clone, Debug)]
pub enum Route {
    /// A provider's viewer page; its query signs us on, so it is a secret.
    Viewer(Secret),
    /// A recorded console, replayed in memory through the same session and decoder as a live one.
    Recording(Arc<Recording>),
}

impl Route {
    /// The address without its secrets, for messages: scheme, host and port, or `recording`.
    pub fn describe(&self) -> String {
        match self {
            Self::Viewer(url) => match Url::parse(url.reveal()) {
                Ok(url) => url.origin(),
                Err(_) => "an unreadable viewer URL".to_owned(),
            },
            Self::Recording(_) => "recording".to_owned(),
        }
    }
}

/// What a recorded AMI console sends, as raw IVTP packets (ami-megarac: header of 8 bytes, payload).
#[derive(Debug, Default)]
pub struct Recording {
    /// Sent at once after the connection opens.
    pub greeting: Vec<u8>,
    /// Sent in answer to the validation packet (18).
    pub validated: Vec<u8>,
    /// Sent in answer to the power query (34).
    pub power: Vec<u8>,
    /// One entry for each request of a full screen (6 or 11), over and over.
    pub looks: Vec<Vec<u8>>,
}
