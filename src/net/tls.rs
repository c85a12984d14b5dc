//! TLS: whom we trust, and what a failed handshake means.
//!
//! One rustls with one provider (ring) under everything. Deliberately absent: TLS below 1.2 and RSA key exchange,
//! which rustls does not implement; pinned and unverified certificates.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore};

use crate::base::bytes::clean_text;
use crate::base::clock::Utc;
use crate::base::{Error, Kind};

/// Which certificates are believed. Cheap to clone; clones share the TLS configuration and its session cache.
#[derive(Clone)]
pub struct Trust(Arc<Policy>);

struct Policy {
    /// Beside the built-in and the system's roots.
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Trust {
    /// The system's roots (SSL_CERT_FILE and SSL_CERT_DIR replace them, as with OpenSSL) and the built-in ones,
    /// which serve where a machine or a container has none.
    pub fn system() -> Self {
        static SYSTEM: OnceLock<Trust> = OnceLock::new();
        SYSTEM.get_or_init(|| Self::new(Vec::new())).clone()
    }

    /// The same, and the authorities of a PEM file. `Kind::Usage` where it holds no certificate.
    pub fn with_extra(pem: &[u8]) -> Result<Self, Error> {
        let bad = |what: String| Error::new(Kind::Usage, what).hint("name a PEM file with -----BEGIN CERTIFICATE-----");
        let extra: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(format!("not a PEM file of certificates: {error}")))?;
        if extra.is_empty() {
            return Err(bad("no certificate in the PEM file".to_owned()));
        }
        Ok(Self::new(extra))
    }

    fn new(extra: Vec<CertificateDer<'static>>) -> Self {
        Self(Arc::new(Policy { extra, config: OnceLock::new() }))
    }

    /// Begins a handshake with `host`, in memory.
    pub(super) fn session(&self, host: &str) -> Result<ClientConnection, rustls::Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            rustls::Error::General(format!("{} is no name that a certificate could have", clean_text(host)))
        })?;
        let mut session = ClientConnection::new(Arc::clone(self.config()), name)?;
        // We drain it after every write; the default limit would refuse a large write instead.
        session.set_buffer_limit(None);
        Ok(session)
    }

    fn config(&self) -> &Arc<ClientConfig> {
        self.0.config.get_or_init(|| {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            roots.add_parsable_certificates(system_roots().iter().cloned());
            roots.add_parsable_certificates(self.0.extra.iter().cloned());
            let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .expect("ring has the suites of TLS 1.2 and 1.3")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(config)
        })
    }
}

/// The system's roots, read once; a file that cannot be read counts as empty.
fn system_roots() -> &'static [CertificateDer<'static>] {
    static ROOTS: OnceLock<Vec<CertificateDer<'static>>> = OnceLock::new();
    ROOTS.get_or_init(|| rustls_native_certs::load_native_certs().certs)
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust(system and {} more)", self.0.extra.len())
    }
}

/// Why TLS failed, and what to do about it.
pub(super) fn explain(error: &rustls::Error) -> Error {
    let (kind, what, hint) = match error {
        rustls::Error::InvalidCertificate(error) => certificate(error),
        // What a server says that knows none of our suites or versions.
        rustls::Error::AlertReceived(
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity,
        )
        | rustls::Error::PeerIncompatible(_) => (
            Kind::Unsupported,
            "it offers only TLS that is refused here (older than 1.2, RSA key exchange or CBC)".to_owned(),
            "update its firmware, or put stunnel in front of it and use that address",
        ),
        rustls::Error::InvalidMessage(_) => {
            (Kind::Peer, "it does not speak TLS on this port".to_owned(), "use http:// (ws://) or another port")
        }
        rustls::Error::AlertReceived(alert) => (Kind::Peer, format!("it refused the TLS connection: {alert:?}"), ""),
        other => (Kind::Peer, format!("TLS failed: {}", clean_text(&other.to_string())), ""),
    };
    Error::new(kind, what).hint(hint).caused_by(error.clone())
}

fn certificate(error: &CertificateError) -> (Kind, String, &'static str) {
    let day = |time: &UnixTime| Utc::from_seconds(time.as_secs()).to_string();
    let mut hint = "have it renewed";
    let what = match error {
        CertificateError::ExpiredContext { not_after, .. } => format!("its certificate expired on {}", day(not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            hint = "check this machine's clock";
            format!("its certificate is not valid before {}", day(not_before))
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            hint = "use a name that the certificate holds";
            // Written as `DnsName("bmc.example")`, `IpAddress(192.0.2.1)`.
            let bare = |name: &String| {
                let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
                clean_text(inner.trim_matches('"'))
            };
            let names: Vec<_> = presented.iter().map(bare).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!("its certificate is for {names}, not for {}", expected.to_str())
        }
        CertificateError::UnknownIssuer => {
            hint = "name a file with its authority's certificate in SSL_CERT_FILE";
            "its certificate is self-signed or of an unknown authority".to_owned()
        }
        error if is_authority(error) => {
            hint = "give it a certificate that an authority signed";
            "its certificate is self-signed".to_owned()
        }
        other => format!("its certificate is not acceptable: {}", clean_text(&other.to_string())),
    };
    (Kind::Peer, what, hint)
}

/// Whether a certificate that says it is an authority's was presented as the server's own, which `openssl req -x509`
/// makes by default and so do many BMCs. The error's type belongs to a crate below rustls; its name is all we see.
fn is_authority(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(inner) if format!("{inner:?}").contains("CaUsedAsEndEntity"))
}
