//! Our TLS and our resolver under ureq (its transport interface, which it declares unstable: hence the exact version).

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};

use rustls::{ClientConnection, StreamOwned};
use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::{Duration, Instant};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use crate::net::{Trust, tcp};

/// What ureq keeps of a resolver's answer.
const MAX_ADDRESSES: usize = 16;

/// Resolves on the calling thread: whoever makes the call waits elsewhere.
#[derive(Debug)]
pub(super) struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = bare_host(uri)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let mut addresses = self.empty();
        for address in tcp::resolve(host, port)?.into_iter().take(MAX_ADDRESSES) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// The host, an IPv6 address without its brackets.
fn bare_host(uri: &Uri) -> Result<&str, Error> {
    let host = uri.host().ok_or_else(|| Error::BadUri("no host".to_owned()))?;
    Ok(host.trim_start_matches('[').trim_end_matches(']'))
}

/// Puts TLS over a connection, or over a tunnel through a proxy, where the URL is `https`.
#[derive(Debug)]
pub(super) struct Tls {
    trust: Trust,
}

impl Tls {
    pub(super) fn new(trust: Trust) -> Self {
        Self { trust }
    }
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(&self, details: &ConnectionDetails<'_>, below: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(below) = below else { return Ok(None) };
        if !details.needs_tls() || below.is_tls() {
            return Ok(Some(Either::A(below)));
        }
        let session = self.trust.session(bare_host(details.uri)?);
        let session = session.map_err(|error| Error::Io(io::Error::other(error)))?;
        let mut adapter = TransportAdapter::new(below.boxed(), details.current_time.clone());
        adapter.set_timeout(left(details));
        let mut stream = StreamOwned::new(session, adapter);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// What connecting has left of the time to connect.
fn left(details: &ConnectionDetails<'_>) -> NextTimeout {
    let mut timeout = details.timeout;
    if let (Duration::Exact(limit), Instant::Exact(began), Instant::Exact(now)) =
        (timeout.after, details.now, (details.current_time)())
    {
        timeout.after = Duration::Exact(limit.saturating_sub(now.saturating_duration_since(began)));
    }
    timeout
}

pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let count = match self.stream.read(self.buffers.input_append_buf()) {
            // No close_notify: many BMCs hang up like that. Whether the body is whole, its length tells.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            result => result?,
        };
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}
