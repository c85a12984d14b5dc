//! Consoles that speak RFB (VNC): over TCP, with TLS begun inside it (VeNCrypt) where the server has a certificate, and
//! over WebSocket.
//!
//! A first attempt that breaks off for a reason that may lie in how we spoke is followed by a second, simpler one.

use std::sync::Arc;

use super::live::{self, Beginning, FRESH, Phrases, Shared, Talk};
use super::{Console, Snapshot};
use crate::base::{Carrier, Error, Kind, Rfb, Secret, Url, Watch};
use crate::net::{Channel, Plain, Trust, ws};
use crate::rfb::{Options, Request, Tls, message};

mod driver;

use driver::Driver;

/// The console's kind.
const KIND: &str = "VNC (RFB)";

/// What may be said once there is a screen. A closed connection is leave enough.
const PHRASES: Phrases = Phrases { look, sharpen: None, goodbye: None };

fn look(snapshot: &Snapshot) -> Vec<u8> {
    let (width, height) = snapshot.frame.as_ref().map_or((0, 0), |frame| (frame.width, frame.height));
    // There are servers that close the connection when asked for nothing.
    if width * height == 0 { Vec::new() } else { message::update_request(Request::Full, width, height) }
}

/// Opens a console; returns with its first whole picture, or with what there is instead of one.
pub(super) fn open(rfb: &Rfb, trust: Trust, notes: Vec<String>, watch: &Watch) -> Result<Box<dyn Console>, Error> {
    let beginning = Beginning { freshness: FRESH, kind: KIND, notes };
    live::open(Box::new(Vnc { rfb: rfb.clone(), trust }), beginning, watch)
}

/// Goes on with a connection on which a server of RFB spoke before anybody spoke to it; `heard` is what it said.
pub(super) fn take_over(
    shared: &Shared,
    channel: Arc<dyn Channel>,
    password: Option<Secret>,
    heard: &[u8],
    watch: &Watch,
) -> Result<(), Error> {
    shared.connected(&channel);
    let mut driver = Driver::new(shared, Line { channel, tls: None }, Options { password, ..Options::default() });
    driver.open(heard, watch)?;
    shared.opened();
    driver.stay()
}

struct Vnc {
    rfb: Rfb,
    trust: Trust,
}

/// A connection, and how TLS begins on it, where it can.
struct Line {
    channel: Arc<dyn Channel>,
    tls: Option<(Arc<Plain>, Trust)>,
}

impl Talk for Vnc {
    fn talk(&mut self, shared: &Shared, watch: &Watch) -> Result<(), Error> {
        let Rfb { carrier, user, password } = &self.rfb;
        let tls = match carrier {
            Carrier::Tcp { tls: true, .. } => Tls::Required,
            Carrier::Tcp { tls: false, .. } => Tls::Available,
            Carrier::WebSocket { url, .. } if url.reveal().starts_with("wss:") => Tls::Carrier,
            Carrier::WebSocket { .. } => Tls::None,
        };
        let mut options = Options { user: user.clone(), password: password.clone(), tls, ..Options::default() };
        let mut failed = None;
        loop {
            // A URL that counts once cannot be dialed again: then it stays at why.
            let line = self.dial(watch).map_err(|error| failed.take().unwrap_or(error))?;
            shared.connected(&line.channel);
            let mut driver = Driver::new(shared, line, options.clone());
            match driver.open(&[], watch) {
                Err(error) => match driver.again(&options) {
                    Some(again) => (options, failed) = (again, Some(error)),
                    None => return Err(error),
                },
                Ok(()) => {
                    shared.opened();
                    return driver.stay();
                }
            }
            drop(driver);
            shared.hang_up();
        }
    }

    fn log_out(&mut self) {}
}

impl Vnc {
    fn dial(&self, watch: &Watch) -> Result<Line, Error> {
        match &self.rfb.carrier {
            Carrier::Tcp { host, port, .. } => {
                let plain = Arc::new(Plain::open(host, *port, watch)?);
                Ok(Line { channel: Arc::clone(&plain) as Arc<dyn Channel>, tls: Some((plain, self.trust.clone())) })
            }
            Carrier::WebSocket { url, origin, subprotocols, headers } => {
                let url = Url::parse(url.reveal()).map_err(|error| error.doing("reading the console's URL"))?;
                if !matches!(url.scheme.as_str(), "ws" | "wss") {
                    return Err(Error::new(Kind::Usage, "the console's URL is not ws:// or wss://"));
                }
                let own = || url.with(if url.is_tls() { "https" } else { "http" }, "/").origin();
                let origin = origin.clone().unwrap_or_else(own);
                let mut sent = vec![("Origin", origin)];
                sent.extend(headers.iter().map(|(name, value)| (name.as_str(), value.reveal().to_owned())));
                let offered: Vec<&str> = match &subprotocols[..] {
                    [] => vec!["binary"],
                    list => list.iter().map(String::as_str).collect(),
                };
                let upgrade = ws::Upgrade { url: &url, headers: sent, subprotocols: &offered };
                let channel = Arc::from(ws::open(&upgrade, &self.trust, watch)?);
                Ok(Line { channel, tls: None })
            }
        }
    }
}
