//! X.509 certificates, as far as a person needs to read them: whose, for which names, from when to when, which key.
//!
//! Source: RFC 5280 section 4.1, X.690 (DER). Nothing is verified here, and nothing is trusted because of it; what
//! rustls refuses to parse (version 1, odd serial numbers) is read all the same, for many BMCs present such ones.
//!
//! ```text
//! Certificate: SEQUENCE
//!   TBSCertificate: SEQUENCE
//!     [0] version, INTEGER serial, SEQUENCE algorithm
//!     Name issuer, SEQUENCE { Time begins, Time ends }, Name subject
//!     SEQUENCE { SEQUENCE algorithm, BIT STRING key }
//!     [3] extensions: SEQUENCE of SEQUENCE { OBJECT IDENTIFIER, BOOLEAN, OCTET STRING }
//!   SEQUENCE algorithm, BIT STRING signature
//! ```

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::bytes::{clean_text, quote};
use crate::base::clock::Utc;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// 2.5.4.3, commonName.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// 2.5.29.17, subjectAltName.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

/// Names shown of a certificate; those of a content network may have hundreds.
const MAX_NAMES: usize = 8;
/// Characters shown of one of them: the longest name of a host.
const MAX_NAME: usize = 253;

/// What a certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X509 {
    /// The SHA-256 sum of all of it (DER): what a pin names.
    pub sha256: [u8; 32],
    /// Its subject's common name; may be empty.
    pub subject: String,
    /// Its issuer's common name; may be empty.
    pub issuer: String,
    /// Whether it names itself as its issuer.
    pub is_self_signed: bool,
    /// The names and addresses it is for, at most 8.
    pub names: Vec<String>,
    /// From when it is valid; `None` where that is unreadable.
    pub begins: Option<Utc>,
    /// Until when.
    pub ends: Option<Utc>,
    /// The bits of its public key.
    pub(super) key: Vec<u8>,
}

impl X509 {
    /// Reads a certificate in DER; `None` where it is none.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let mut outer = Der(der);
        let mut certificate = Der(outer.take(SEQUENCE)?);
        let mut fields = Der(certificate.take(SEQUENCE)?);
        fields.take(VERSION);
        fields.take(INTEGER)?;
        fields.take(SEQUENCE)?;
        let issuer = fields.take(SEQUENCE)?;
        let mut validity = Der(fields.take(SEQUENCE)?);
        let (begins, ends) = (validity.time(), validity.time());
        let subject = fields.take(SEQUENCE)?;
        let mut key = Der(fields.take(SEQUENCE)?);
        key.take(SEQUENCE)?;
        // The first byte counts the bits that the last byte leaves unused: none in a key.
        let (&0, key) = key.take(BIT_STRING)?.split_first()? else { return None };
        let mut names = Vec::new();
        while let Some((tag, content)) = fields.next() {
            if tag == EXTENSIONS {
                names = alternative_names(content).unwrap_or_default();
            }
        }
        let sum = ring::digest::digest(&ring::digest::SHA256, der);
        Some(Self {
            sha256: sum.as_ref().try_into().ok()?,
            subject: common_name(subject).unwrap_or_default(),
            issuer: common_name(issuer).unwrap_or_default(),
            is_self_signed: subject == issuer,
            names,
            begins,
            ends,
            key: key.to_vec(),
        })
    }

    /// `"bmc7.example", "192.0.2.7"`; `None` where it is for none.
    pub(super) fn quoted_names(&self) -> Option<String> {
        let names: Vec<String> = self.names.iter().map(|name| quote(name)).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl fmt::Display for X509 {
    /// `certificate of "bmc7.example", issued by "Example CA", valid until 2027-01-01T00:00:00Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_nobody = |name: &str| if name.is_empty() { "nobody".to_owned() } else { quote(name) };
        let subject = self.quoted_names().unwrap_or_else(|| or_nobody(&self.subject));
        write!(f, "certificate of {subject}")?;
        if self.is_self_signed {
            f.write_str(", self-signed")?;
        } else {
            write!(f, ", issued by {}", or_nobody(&self.issuer))?;
        }
        match &self.ends {
            Some(ends) => write!(f, ", valid until {ends}"),
            None => Ok(()),
        }
    }
}

fn common_name(name: &[u8]) -> Option<String> {
    let mut name = Der(name);
    while let Some(set) = name.take(SET) {
        let mut attribute = Der(Der(set).take(SEQUENCE)?);
        if attribute.take(OBJECT_IDENTIFIER)? == COMMON_NAME {
            let (_, text) = attribute.next()?;
            return Some(words(text));
        }
    }
    None
}

fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(Der(extensions).take(SEQUENCE)?);
    while let Some(extension) = extensions.take(SEQUENCE) {
        let mut extension = Der(extension);
        if extension.take(OBJECT_IDENTIFIER)? != ALTERNATIVE_NAMES {
            continue;
        }
        // Behind the flag whether it is critical, where there is one.
        let (_, value) = std::iter::from_fn(|| extension.next()).last()?;
        let mut list = Der(Der(value).take(SEQUENCE)?);
        let names = std::iter::from_fn(|| list.next()).filter_map(|(tag, name)| match tag {
            DNS_NAME => Some(words(name)),
            IP_ADDRESS => match name.len() {
                4 => Some(Ipv4Addr::from(*name.first_chunk()?).to_string()),
                16 => Some(Ipv6Addr::from(*name.first_chunk::<16>()?).to_string()),
                _ => None,
            },
            _ => None,
        });
        return Some(names.take(MAX_NAMES).collect());
    }
    None
}

fn words(name: &[u8]) -> String {
    clean_text(&String::from_utf8_lossy(name)).chars().take(MAX_NAME).collect()
}

/// Elements of DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and its content.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, mut rest) = rest.split_first()?;
        let length = if first < 0x80 {
            usize::from(first)
        } else {
            // Three bytes of length are 16 MiB, more than TLS carries.
            let (bytes, after) =
                rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 3)?;
            rest = after;
            bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte))
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next element if it has this tag; else it stays.
    fn take(&mut self, wanted: u8) -> Option<&'a [u8]> {
        let before = self.0;
        match self.next() {
            Some((tag, content)) if tag == wanted => Some(content),
            _ => {
                self.0 = before;
                None
            }
        }
    }

    fn time(&mut self) -> Option<Utc> {
        let (tag, text) = self.next()?;
        let text = std::str::from_utf8(text).ok()?;
        let text = match tag {
            // Years from 1950 to 2049.
            UTC_TIME if text.is_ascii() && text.len() == 13 => {
                let century = if text < "50" { "20" } else { "19" };
                format!("{century}{text}")
            }
            GENERALIZED_TIME if text.is_ascii() && text.len() == 15 => text.to_owned(),
            _ => return None,
        };
        let [year, month, day, hour, minute, second] =
            [0..4, 4..6, 6..8, 8..10, 10..12, 12..15].map(|part| &text[part]);
        Utc::parse(&format!("{year}-{month}-{day}T{hour}:{minute}:{second}"))
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(name: &str) -> Vec<u8> {
        let path = format!("{}/testdata/tls/{name}.pem", env!("CARGO_MANIFEST_DIR"));
        CertificateDer::from_pem_file(path).unwrap().to_vec()
    }

    fn read(name: &str) -> X509 {
        X509::parse(&der(name)).unwrap()
    }

    #[test]
    fn a_certificate_says_whose_it_is_for_which_names_and_from_when_to_when() {
        let server = read("server");
        assert_eq!((server.subject.as_str(), server.issuer.as_str()), ("server", "Test CA"));
        assert!(!server.is_self_signed);
        assert_eq!(server.names, ["127.0.0.1", "::1", "localhost"]);
        assert_eq!(server.begins, Utc::parse("2020-01-01T00:00:00Z"));
        assert_eq!(server.ends, Utc::parse("2070-01-01T00:00:00Z"));
        // P-256: an uncompressed point.
        assert_eq!((server.key.len(), server.key[0]), (65, 4));
        assert_eq!(read("expired").ends, Utc::parse("2021-01-01T00:00:00Z"));
        assert_eq!(read("elsewhere").names, ["elsewhere.example"]);
        let own = read("ca-as-server");
        assert!(own.is_self_signed && own.names.is_empty());
    }

    #[test]
    fn the_words_of_a_certificate_stand_in_quotation_marks() {
        let server = X509 { names: vec!["a\"; do".to_owned(), "::1".to_owned()], ..read("server") };
        let wanted = "certificate of \"a'; do\", \"::1\", issued by \"Test CA\", valid until 2070-01-01T00:00:00Z";
        assert_eq!(server.to_string(), wanted);
        let nameless = X509 { names: Vec::new(), subject: String::new(), is_self_signed: true, ends: None, ..server };
        assert_eq!(nameless.to_string(), "certificate of nobody, self-signed");
        assert_eq!(words(&b"\x1bx".repeat(1_000)), "x".repeat(MAX_NAME));
    }

    #[test]
    fn a_certificate_cut_anywhere_or_damaged_is_none_or_another_and_no_panic() {
        let whole = der("server");
        for length in 0..whole.len() {
            assert_eq!(X509::parse(&whole[..length]), None);
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0x80, 0x83, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                let parsed = X509::parse(&damaged);
                assert!(damaged == whole || parsed != X509::parse(&whole), "byte {at}");
            }
        }
    }
}
