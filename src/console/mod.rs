//! Consoles: a live connection that keeps a picture current, the same for every protocol.
//!
//! Only a console's own thread decodes; everybody else takes snapshots.

use std::sync::Arc;
use std::time::Instant;

use crate::base::clock::Utc;
use crate::base::{Access, Certificate, Error, Frame, Power, Route, Watch};
use crate::net::Trust;

mod ami;
mod changes;
mod live;
mod replay;
mod vnc;

/// What every answer says where nobody checks the certificate.
const UNCHECKED: &str = "the console's certificate is not checked (tls = \"insecure\"): whoever sits in between could \
                         show another screen, and read the password; pin the certificate instead";

/// An open console. Its thread keeps the snapshot current until it is closed or the peer ends it.
pub trait Console: Send + Sync {
    /// What is known now; never waits.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Makes sure that the picture is current. While video arrives it is, and this returns at once; when nothing was
    /// heard for 1 s, it asks for the whole screen, one request for all who call meanwhile, and waits for what comes.
    /// When the watch ends first, the last snapshot is the answer: an unchanged screen may send nothing.
    fn refresh(&self, watch: &Watch) -> Result<Arc<Snapshot>, Error>;

    /// Asks for the sharpest video that the console gives, where that can be asked for: once. Says whether it did; a
    /// better picture may follow, or none.
    fn sharpen(&self) -> bool {
        false
    }

    /// Why the connection ended by itself, once it has.
    fn ended(&self) -> Option<Error>;

    /// Ends the session in the protocol's own way and logs out; returns when all is closed: within 2 s, or 7 s where a BMC
    /// is slow to log us out. Closing again does nothing.
    fn close(&self);
}

/// What a console shows at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Counts the changes of the screen in this session, the blinking of a cursor aside, from 1; 0 before the first.
    pub id: u64,
    /// The screen; `None` while there is no video.
    pub frame: Option<Arc<Frame>>,
    /// When the last video arrived, or when the session began.
    pub heard: Instant,
    /// Since when the screen shows the same, the blinking of a cursor aside.
    pub changed: Instant,
    /// When this picture was taken.
    pub taken: Utc,
    /// Whether every part of the picture was drawn since the session began.
    pub complete: bool,
    /// How much of it was drawn, in percent, 100 only for all of it; where the console tells.
    pub drawn: Option<u8>,
    /// Whether the host drives its video output.
    pub signal: Signal,
    /// Whether the host is switched on, where the console tells.
    pub power: Option<Power>,
    /// What we may do, where the console tells.
    pub role: Option<Role>,
    /// Who else is viewing, as the console names them.
    pub viewers: Vec<String>,
    /// The protocol in words: `AMI MegaRAC, Aspeed video` ...
    pub kind: &'static str,
    /// What else whoever looks should know, one sentence each.
    pub notes: Vec<String>,
}

/// Whether the host drives its video output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Nobody said yet.
    Unknown,
    /// Video arrives.
    Video,
    /// The console said that there is none.
    None,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// View and type.
    Master,
    /// View only: somebody else is master.
    Viewer,
}

/// Opens the console that `access` leads to: returns with its first whole picture, or with what there is instead of
/// one. Whatever fails, nothing stays open and the web session behind it is logged out.
///
/// Errors: `Kind::Denied` where a new access may help, `Kind::Busy` where all places are taken, `Kind::Unsupported`
/// where the console is of a kind that this program does not speak, `Kind::Timeout` with the stage.
pub fn open(access: &Access, trust: &Trust, watch: &Watch) -> Result<Box<dyn Console>, Error> {
    let trust = trust.toward(&access.certificate)?;
    let mut notes = access.notes.clone();
    if access.certificate == Certificate::Unchecked {
        notes.push(UNCHECKED.to_owned());
    }
    let line: Box<dyn ami::Line> = match &access.route {
        Route::Viewer(url) => Box::new(ami::Live::new(url, trust)?),
        Route::Bmc(bmc) => Box::new(ami::Live::with_login(bmc.clone(), trust)),
        Route::Rfb(rfb) => return vnc::open(rfb, trust, notes, watch),
        Route::Recording(recording) => Box::new(replay::Recorded(Arc::clone(recording))),
    };
    ami::open(line, notes, watch)
}
