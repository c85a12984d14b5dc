//! A console's bytes right on TCP; TLS may begin with them (AMI), or in the middle of them (VeNCrypt).

use std::net::IpAddr;
use std::time::Instant;

use super::Trust;
use super::link::{Link, Raw};
use super::stream::{Channel, Read};
use crate::base::{Error, Url, Watch};

/// An open connection.
pub struct Plain {
    host: String,
    doing: String,
    link: Link<Raw>,
}

impl Plain {
    /// Connects; nothing is sent yet. `host` is a name or an address, without brackets.
    pub fn open(host: &str, port: u16, watch: &Watch) -> Result<Self, Error> {
        let url = Url::root("vnc", host, port);
        let doing = format!("connection to {}", url.authority());
        let link = Link::open(&url, doing.clone(), &Trust::system(), watch);
        let link = link.map_err(|error| error.doing(&doing))?;
        Ok(Self { host: host.to_owned(), doing, link })
    }

    /// Our own address on this connection.
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.link.local_ip()
    }

    /// Does the TLS handshake, as its client. The thread that reads calls it, with nothing read that is not used.
    pub fn start_tls(&self, trust: &Trust, watch: &Watch) -> Result<(), Error> {
        self.link.start_tls(&self.host, trust, watch).map_err(|error| error.doing(&self.doing))
    }
}

impl Channel for Plain {
    fn read(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error> {
        self.link.read(buffer, until)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        self.link.send(bytes)
    }

    fn close(&self) {
        self.link.close();
    }
}
