//! Whether a host can be reached at all: its name, TCP, TLS, one after another; nothing is sent beside the handshake.

use std::net::{IpAddr, SocketAddr};

use super::link::Link;
use super::tcp::{self, CONNECT_LIMIT};
use super::x509::X509;
use super::{Trust, failure};
use crate::base::{Error, Url, Watch};

/// The addresses of a host, in the order in which they are tried.
pub fn addresses(host: &str, watch: &Watch) -> Result<Vec<IpAddr>, Error> {
    let found = tcp::addresses(host, 0, watch)?;
    Ok(found.iter().map(SocketAddr::ip).collect())
}

/// Connects and hangs up; the address that accepted.
pub fn connect(host: &str, port: u16, watch: &Watch) -> Result<IpAddr, Error> {
    let addresses = tcp::addresses(host, port, watch)?;
    let socket = tcp::connect(&addresses, &watch.within("connecting", CONNECT_LIMIT))?;
    socket.peer_addr().map(|address| address.ip()).map_err(failure::explain)
}

/// Does the TLS handshake, checks the certificate as `trust` says, and hangs up. The certificate, where it is readable.
pub fn handshake(host: &str, port: u16, trust: &Trust, watch: &Watch) -> Result<Option<X509>, Error> {
    let url = Url::root("https", host, port);
    let link = Link::open(&url, String::new(), trust, watch)?;
    Ok(link.certificates().first().and_then(|certificate| X509::parse(certificate)))
}
