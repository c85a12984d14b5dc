//! TLS: whom we trust, and what a failed handshake means.
//!
//! One rustls with one provider (ring) under everything. Deliberately absent: TLS below 1.2 and RSA key exchange,
//! which rustls does not implement.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, OtherError, RootCertStore};

use super::link::Link;
use super::x509::X509;
use crate::base::bytes::clean_text;
use crate::base::{Certificate, Error, Kind, Url, Watch, clock};

mod verify;

use verify::{Distrust, Verifier};

/// Which certificates are believed. Cheap to clone; clones share the TLS configuration and its session cache.
#[derive(Clone)]
pub struct Trust(Arc<Policy>);

struct Policy {
    check: Check,
    config: OnceLock<Arc<ClientConfig>>,
}

#[derive(Clone)]
enum Check {
    /// By the built-in roots, the system's, and these.
    Authorities(Vec<CertificateDer<'static>>),
    Pinned([u8; 32]),
    Unchecked,
}

impl Trust {
    /// The system's roots (SSL_CERT_FILE and SSL_CERT_DIR replace them, as with OpenSSL) and the built-in ones,
    /// which serve where a machine or a container has none.
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Trust> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::new(Check::Authorities(Vec::new()))).clone()
    }

    /// The same, and the authorities of a PEM file; a server may also present one of them as its own.
    /// `Kind::Usage` where it holds no certificate.
    pub fn with_extra(pem: &[u8]) -> Result<Self, Error> {
        Self::system().and(pem)
    }

    /// How a console's certificate is checked: as here, unless its access says otherwise.
    pub fn toward(&self, certificate: &Certificate) -> Result<Self, Error> {
        match certificate {
            Certificate::Authorities => Ok(self.clone()),
            Certificate::AuthoritiesAnd(pem) => self.and(pem),
            Certificate::Pinned(sum) => Ok(Self::new(Check::Pinned(*sum))),
            Certificate::Unchecked => Ok(Self::new(Check::Unchecked)),
        }
    }

    fn and(&self, pem: &[u8]) -> Result<Self, Error> {
        let bad = |what: String| Error::new(Kind::Usage, what).hint("name a PEM file with -----BEGIN CERTIFICATE-----");
        let more: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(format!("not a PEM file of certificates: {error}")))?;
        if more.is_empty() {
            return Err(bad("no certificate in the PEM file".to_owned()));
        }
        let extra = match &self.0.check {
            Check::Authorities(extra) => [extra.as_slice(), &more].concat(),
            Check::Pinned(_) | Check::Unchecked => more,
        };
        Ok(Self::new(Check::Authorities(extra)))
    }

    fn new(check: Check) -> Self {
        Self(Arc::new(Policy { check, config: OnceLock::new() }))
    }

    /// Begins a handshake with `host`, in memory.
    pub(super) fn session(&self, host: &str) -> Result<ClientConnection, rustls::Error> {
        let mut session = ClientConnection::new(Arc::clone(self.config()), server_name(host)?)?;
        // We drain it after every write; the default limit would refuse a large write instead.
        session.set_buffer_limit(None);
        Ok(session)
    }

    fn config(&self) -> &Arc<ClientConfig> {
        self.0.config.get_or_init(|| {
            let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring has the suites of TLS 1.2 and 1.3")
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(self.verifier()))
                .with_no_client_auth();
            Arc::new(config)
        })
    }

    fn verifier(&self) -> Verifier {
        match &self.0.check {
            Check::Authorities(extra) => {
                let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                roots.add_parsable_certificates(system_roots().iter().cloned());
                roots.add_parsable_certificates(extra.iter().cloned());
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
                let authorities = authorities.expect("there are roots, those that are built in");
                Verifier::Authorities { authorities, known: extra.clone() }
            }
            Check::Pinned(sum) => Verifier::Pinned(*sum),
            Check::Unchecked => Verifier::Unchecked,
        }
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| rustls::Error::General(format!("{} is no name that a certificate could have", clean_text(host))))
}

/// A server's certificate, and what speaks against it.
#[derive(Clone, Debug)]
pub struct Presented {
    /// What it says about itself.
    pub certificate: X509,
    /// Why `Trust::system` does not believe it (`is self-signed ...`); `None` where it does.
    pub fault: Option<String>,
}

/// Asks a TLS server for its certificate, which is not believed for that; nothing else is sent.
pub fn presented(host: &str, port: u16, watch: &Watch) -> Result<Presented, Error> {
    let url = Url::root("https", host, port);
    let doing = format!("reading the certificate of {}", url.authority());
    let read = || {
        let link = Link::open(&url, doing.clone(), &Trust::new(Check::Unchecked), watch)?;
        let chain = link.certificates();
        let unreadable = || Error::new(Kind::Peer, "its certificate is unreadable");
        let (first, others) = chain.split_first().ok_or_else(unreadable)?;
        let certificate = X509::parse(first).ok_or_else(unreadable)?;
        let name = server_name(host).map_err(|error| explain(&error))?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(clock::utc().seconds()));
        let checked = Trust::system().verifier().verify_server_cert(first, others, &name, &[], now);
        let fault = checked.err().map(|error| distrust(&error).map_or(error.to_string(), |why| why.what.clone()));
        Ok(Presented { certificate, fault })
    };
    read().map_err(|error: Error| error.doing(doing.clone()))
}

/// The system's roots, read once; a file that cannot be read counts as empty.
fn system_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.check {
            Check::Authorities(extra) => write!(f, "Trust(system and {} more)", extra.len()),
            Check::Pinned(_) => f.write_str("Trust(pinned)"),
            Check::Unchecked => f.write_str("Trust(unchecked)"),
        }
    }
}

/// Why TLS failed, and what to do about it.
pub(super) fn explain(error: &rustls::Error) -> Error {
    const STUNNEL: &str = "update its firmware, or put stunnel in front of it and use that address";
    let unsupported = |what: &str| Error::new(Kind::Unsupported, what).hint(STUNNEL);
    let explained = match error {
        rustls::Error::InvalidCertificate(inner) => match distrust(error) {
            Some(why) => Error::new(Kind::Peer, format!("its certificate {}", why.what)).hint(why.hint.clone()),
            None => {
                let what = format!("its certificate is not acceptable: {}", clean_text(&inner.to_string()));
                Error::new(Kind::Peer, what).hint("have it replaced")
            }
        },
        // What a server says that knows none of our versions or suites.
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion) | rustls::Error::PeerIncompatible(_) => {
            unsupported("it speaks only TLS older than 1.2, which is refused here")
        }
        rustls::Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => {
            unsupported("it offers only TLS that is refused here (RSA key exchange, CBC, SHA-1, or older than 1.2)")
        }
        rustls::Error::InvalidMessage(_) => Error::new(Kind::Peer, "it does not speak TLS on this port")
            .hint("use the scheme without TLS, or another port"),
        rustls::Error::AlertReceived(alert) => {
            Error::new(Kind::Peer, format!("it refused the TLS connection: {alert:?}"))
        }
        other => Error::new(Kind::Peer, format!("TLS failed: {}", clean_text(&other.to_string()))),
    };
    explained.caused_by(error.clone())
}

/// What is wrong with the certificate that made a connection fail, where that is why; goes on after "its certificate".
pub(super) fn fault_of(error: &io::Error) -> Option<&str> {
    let error = error.get_ref()?.downcast_ref()?;
    distrust(error).map(|why| why.what.as_str())
}

/// Our own words about a certificate, inside rustls's error.
fn distrust(error: &rustls::Error) -> Option<&Distrust> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => inner.downcast_ref(),
        _ => None,
    }
}
