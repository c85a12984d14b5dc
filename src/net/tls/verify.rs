//! The check of a server's certificate: by authorities, by a pin, or not at all.
//!
//! A pin replaces names, dates and authority, never the proof that the server holds the certificate's key: a
//! certificate is public. That proof is checked with ring itself where rustls would refuse to look at it: keys of 1,024
//! bits, certificates of version 1 and signatures with SHA-1 are common on BMCs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, PeerMisbehaved, SignatureScheme};

use crate::base::access::pin;
use crate::base::bytes::{clean_text, quote};
use crate::base::clock::Utc;
use crate::net::x509::X509;

/// rustls's own check of a signature, of one version of TLS.
type StrictCheck = fn(
    &WebPkiServerVerifier,
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error>;

/// How certificates are checked.
#[derive(Debug)]
pub(super) enum Verifier {
    /// By authorities; a certificate that is among `known` itself is as good as pinned.
    Authorities { authorities: Arc<WebPkiServerVerifier>, known: Vec<CertificateDer<'static>> },
    /// By the SHA-256 sum of the certificate.
    Pinned([u8; 32]),
    /// Not at all.
    Unchecked,
}

/// Why a certificate is not believed, and what to do about it.
#[derive(Debug)]
pub(super) struct Distrust {
    /// Goes on after "its certificate".
    pub(super) what: String,
    pub(super) hint: String,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the certificate {}", self.what)
    }
}

impl std::error::Error for Distrust {}

impl From<Distrust> for Error {
    fn from(distrust: Distrust) -> Self {
        CertificateError::Other(OtherError(Arc::new(distrust))).into()
    }
}

impl Verifier {
    fn is_known(&self, certificate: &CertificateDer<'_>) -> bool {
        matches!(self, Self::Authorities { known, .. } if known.contains(certificate))
    }

    /// Checks who signed: by the rules of authorities where they vouch for the certificate.
    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        strictly: StrictCheck,
    ) -> Result<HandshakeSignatureValid, Error> {
        match self {
            Self::Authorities { authorities, .. } if !self.is_known(certificate) => {
                strictly(authorities, message, certificate, signed)
            }
            Self::Unchecked => Ok(HandshakeSignatureValid::assertion()),
            _ => possession(message, certificate, signed),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self {
            Self::Unchecked => {}
            Self::Authorities { .. } if self.is_known(certificate) => {}
            Self::Authorities { authorities, .. } => {
                let result = authorities.verify_server_cert(certificate, intermediates, name, ocsp, now);
                result.map_err(|error| {
                    let at = |moment| authorities.verify_server_cert(certificate, intermediates, name, ocsp, moment);
                    distrust(&error, certificate, name, now, at)
                })?;
            }
            Self::Pinned(wanted) => {
                let presented = X509::parse(certificate).ok_or(CertificateError::BadEncoding)?;
                if presented.sha256 != *wanted {
                    return Err(Distrust {
                        what: "is not the pinned one".to_owned(),
                        hint: format!(
                            "ask whoever runs it whether it was changed, and only then pin the new one: {}",
                            pin::line(&presented.sha256)
                        ),
                    }
                    .into());
                }
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed, WebPkiServerVerifier::verify_tls12_signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, certificate, signed, WebPkiServerVerifier::verify_tls13_signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        match self {
            Self::Authorities { authorities, .. } => authorities.supported_verify_schemes(),
            Self::Pinned(_) | Self::Unchecked => SCHEMES.iter().map(|(scheme, _)| *scheme).collect(),
        }
    }
}

/// The sentence for a certificate that authorities do not vouch for. It may have several faults, of which `error` is
/// only the first; `at` checks it as of another time.
fn distrust(
    error: &Error,
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
    at: impl Fn(UnixTime) -> Result<ServerCertVerified, Error>,
) -> Error {
    let (Error::InvalidCertificate(error), Some(presented)) = (error, X509::parse(certificate)) else {
        return error.clone();
    };
    let now = Utc::from_seconds(now.as_secs());
    let mut faults = Vec::new();
    let valid = presented.ends.map_or(now, |ends| now.min(ends)).max(presented.begins.unwrap_or(now));
    let when_valid = at(UnixTime::since_unix_epoch(Duration::from_secs(valid.seconds())));
    if presented.is_self_signed {
        faults.push(("is self-signed".to_owned(), ""));
    } else if matches!(when_valid, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))) {
        let issuer = if presented.issuer.is_empty() { "" } else { &format!(" ({})", quote(&presented.issuer)) };
        let hint = "name a file with that authority's certificate (ca_file, SSL_CERT_FILE), or ";
        faults.push((format!("is of an unknown authority{issuer}"), hint));
    }
    if let Some(ends) = presented.ends.filter(|ends| *ends < now) {
        faults.push((format!("expired on {ends}"), "have it renewed, or "));
    }
    if let Some(begins) = presented.begins.filter(|begins| *begins > now) {
        faults.push((format!("is not valid before {begins}"), "check this machine's clock, or "));
    }
    if !ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok()) {
        let names = presented.quoted_names().unwrap_or_else(|| "no name at all".to_owned());
        let what = format!("is for {names}, not for {}", name.to_str());
        faults.push((what, "use a name that the certificate holds, or "));
    }
    if faults.is_empty() {
        faults.push((format!("is not acceptable ({})", clean_text(&error.to_string())), "have it replaced, or "));
    }
    let hint = format!("{}if it is the right one, pin it: {}", faults[0].1, pin::line(&presented.sha256));
    let faults: Vec<String> = faults.into_iter().map(|(what, _)| what).collect();
    Distrust { what: faults.join(", "), hint }.into()
}

type Algorithms = &'static [&'static dyn VerificationAlgorithm];

/// What we let servers sign with, the best first; TLS 1.2 does not bind a curve to its scheme.
const SCHEMES: [(SignatureScheme, Algorithms); 10] = [
    (SignatureScheme::ECDSA_NISTP384_SHA384, &[&signature::ECDSA_P384_SHA384_ASN1, &signature::ECDSA_P256_SHA384_ASN1]),
    (SignatureScheme::ECDSA_NISTP256_SHA256, &[&signature::ECDSA_P256_SHA256_ASN1, &signature::ECDSA_P384_SHA256_ASN1]),
    (SignatureScheme::ED25519, &[&signature::ED25519]),
    // Before PSS, for which ring wants keys of 2,048 bits; TLS 1.3 has PSS alone.
    (SignatureScheme::RSA_PKCS1_SHA256, &[&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY]),
    (SignatureScheme::RSA_PKCS1_SHA512, &[&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY]),
    (SignatureScheme::RSA_PKCS1_SHA384, &[&signature::RSA_PKCS1_2048_8192_SHA384]),
    (SignatureScheme::RSA_PSS_SHA512, &[&signature::RSA_PSS_2048_8192_SHA512]),
    (SignatureScheme::RSA_PSS_SHA384, &[&signature::RSA_PSS_2048_8192_SHA384]),
    (SignatureScheme::RSA_PSS_SHA256, &[&signature::RSA_PSS_2048_8192_SHA256]),
    (SignatureScheme::RSA_PKCS1_SHA1, &[&signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY]),
];

/// Checks that who signed holds the certificate's key.
fn possession(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let presented = X509::parse(certificate).ok_or(CertificateError::BadEncoding)?;
    let Some((_, algorithms)) = SCHEMES.iter().find(|(scheme, _)| *scheme == signed.scheme) else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    let is_valid = |algorithm: &&'static dyn VerificationAlgorithm| {
        UnparsedPublicKey::new(*algorithm, &presented.key).verify(message, signed.signature()).is_ok()
    };
    if algorithms.iter().any(is_valid) {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}
