//! The console of AMI MegaRAC BMCs: IVTP over a channel; where RFB answers instead, that.
//!
//! Source: AMI MegaRAC, the client as a state machine, cleanup order.

use std::sync::Arc;
use std::time::Duration;

use super::live::{self, Beginning, FRESH, Phrases, Shared, Talk};
use super::{Console, Snapshot, vnc};
use crate::base::{Error, Secret, Watch};
use crate::ivtp::{Command, Config, packet};
use crate::net::Channel;

mod driver;
mod login;
mod refused;
mod screen;

use driver::Driver;
pub(super) use login::Live;

const POWER_QUERY: Duration = Duration::from_secs(10);

/// Where sessions come from: the BMC's web server, or a recording.
pub(super) trait Line: Send {
    /// A new connection and a new token. The second attempt comes after a refusal that may lie in how we began, so
    /// it begins in the other way.
    fn dial(&mut self, attempt: Attempt, watch: &Watch) -> Result<Call, Error>;

    /// How long a picture is current without asking: nothing, where none is sent unasked.
    fn freshness(&self) -> Duration {
        FRESH
    }

    /// Between two questions for the power state, which also tell whether the BMC is still there.
    fn power_query(&self) -> Duration {
        POWER_QUERY
    }

    /// Logs out of whatever `dial` logged in to, within 5 s; again, or before any `dial`, it does nothing.
    fn log_out(&mut self);
}

/// Which try it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    First,
    Second,
}

/// An open connection, and how to begin on it.
pub(super) enum Call {
    /// As a viewer of IVTP.
    Ivtp { channel: Arc<dyn Channel>, config: Config },
    /// As one of RFB, for which the BMC has a WebSocket of its own.
    Rfb { channel: Arc<dyn Channel>, password: Option<Secret> },
}

/// What may be said once the BMC greeted us in IVTP, and until it ends the session.
const PHRASES: Phrases = Phrases { look, sharpen: Some(sharpen), goodbye: Some(goodbye) };

fn look(_: &Snapshot) -> Vec<u8> {
    let mut bytes = packet::build(Command::POWER_STATUS, 0, &[]);
    bytes.extend(packet::build(Command::GET_FULL_SCREEN, 0, &[]));
    bytes
}

/// The session answers what comes back.
fn sharpen() -> Vec<u8> {
    packet::build(Command::GET_VIDEO_ENGINE_CONFIGS, 0, &[])
}

fn goodbye() -> Vec<u8> {
    packet::build(Command::STOP_SESSION_IMMEDIATE, 0, &[])
}

/// Opens a console; returns with its first whole picture, or once it is known that there is none to see.
/// `notes` go into every snapshot.
pub(super) fn open(line: Box<dyn Line>, notes: Vec<String>, watch: &Watch) -> Result<Box<dyn Console>, Error> {
    let beginning = Beginning { freshness: line.freshness(), kind: screen::ASPEED, notes };
    live::open(Box::new(Ami(line)), beginning, watch)
}

struct Ami(Box<dyn Line>);

impl Talk for Ami {
    fn talk(&mut self, shared: &Shared, watch: &Watch) -> Result<(), Error> {
        let mut attempt = Attempt::First;
        loop {
            let (channel, config) = match self.0.dial(attempt, watch)? {
                Call::Ivtp { channel, config } => (channel, config),
                Call::Rfb { channel, password } => return vnc::take_over(shared, channel, password, &[], watch),
            };
            shared.connected(&channel);
            let mut driver = Driver::new(shared, Arc::clone(&channel), config, self.0.power_query());
            match driver.open(watch) {
                Err(_) if driver.hears_rfb() => {
                    return vnc::take_over(shared, channel, None, &driver.beginning, watch);
                }
                Err(_) if attempt == Attempt::First && driver.is_worth_a_retry() => attempt = Attempt::Second,
                result => {
                    result?;
                    shared.opened();
                    return driver.stay();
                }
            }
            drop(driver);
            shared.hang_up();
        }
    }

    fn log_out(&mut self) {
        self.0.log_out();
    }
}

#[cfg(test)]
mod tests;
