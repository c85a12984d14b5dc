//! Security types: their names, which of them we know, and which is chosen.
//!
//! Source: RFC 6143 section 7.2 and the registry of rfbproto; VeNCrypt's subtypes share the numbers.

use std::fmt;

use super::Failure;
use crate::base::Secret;

/// How to talk to a server: credentials, and what a second attempt does otherwise.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The user's name, where a type asks for one.
    pub user: Option<String>,
    /// The password; an empty one is a password too.
    pub password: Option<Secret>,
    /// Whether VNC authentication takes the password in Latin-1 instead of UTF-8.
    pub latin1: bool,
    /// Where TLS is.
    pub tls: Tls,
    /// Whether VeNCrypt is left alone, because it led nowhere.
    pub without_vencrypt: bool,
    /// The simple mode that nearly every server gets right: its own pixel format, Raw and Hextile only.
    pub simple: bool,
}

/// Where TLS is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// Nowhere, and the driver cannot begin it.
    #[default]
    None,
    /// Nowhere yet; the driver begins it on [`super::Event::StartTls`].
    Available,
    /// The same, and without it there is no session.
    Required,
    /// Under all of the connection already.
    Carrier,
}

/// A security type, or a subtype of VeNCrypt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecurityType(pub u32);

impl Tls {
    fn can_begin(self) -> bool {
        matches!(self, Self::Available | Self::Required)
    }
}

impl SecurityType {
    /// No authentication.
    pub const NONE: Self = Self(1);
    /// A password of eight bytes.
    pub const VNC: Self = Self(2);
    /// TightVNC's tunnels and types.
    pub const TIGHT: Self = Self(16);
    /// VeNCrypt: subtypes, most of them with TLS.
    pub const VENCRYPT: Self = Self(19);
    /// xvp: user and target in front of VNC authentication.
    pub const XVP: Self = Self(22);
    /// User and password as they are.
    pub const PLAIN: Self = Self(256);
    /// TLS without a certificate, then nothing.
    pub const TLS_NONE: Self = Self(257);
    /// TLS with a certificate, then nothing.
    pub const X509_NONE: Self = Self(260);
    /// TLS with a certificate, then a password.
    pub const X509_VNC: Self = Self(261);
    /// TLS with a certificate, then user and password.
    pub const X509_PLAIN: Self = Self(262);

    const NAMES: [(Self, &str); 27] = [
        (Self::NONE, "None"),
        (Self::VNC, "VNC authentication"),
        (Self(5), "RA2"),
        (Self(6), "RA2ne"),
        (Self(13), "RA2, RealVNC"),
        (Self::TIGHT, "Tight"),
        (Self(17), "Ultra"),
        (Self(18), "anonymous TLS"),
        (Self::VENCRYPT, "VeNCrypt"),
        (Self(20), "SASL"),
        (Self::XVP, "xvp"),
        (Self(30), "Apple Diffie-Hellman"),
        (Self(31), "Apple"),
        (Self(32), "Apple"),
        (Self(33), "Apple RSA"),
        (Self(35), "Apple Kerberos"),
        (Self(36), "Apple SRP"),
        (Self(113), "MS-Logon II"),
        (Self(129), "RA2-256"),
        (Self(130), "RA2ne-256"),
        (Self::PLAIN, "Plain"),
        (Self::TLS_NONE, "TLSNone"),
        (Self(258), "TLSVnc"),
        (Self(259), "TLSPlain"),
        (Self::X509_NONE, "X509None"),
        (Self::X509_VNC, "X509Vnc"),
        (Self::X509_PLAIN, "X509Plain"),
    ];

    /// Whether it needs TLS with a certificate, begun inside the connection.
    pub fn is_x509(self) -> bool {
        (260..=262).contains(&self.0)
    }

    /// Whether it needs TLS without a certificate, which no modern TLS library does.
    fn is_anonymous_tls(self) -> bool {
        self.0 == 18 || (257..=259).contains(&self.0)
    }

    /// What follows the TLS of a VeNCrypt subtype; any other type is followed by itself.
    pub fn inner(self) -> Self {
        match self {
            Self::X509_NONE => Self::NONE,
            Self::X509_VNC => Self::VNC,
            Self::X509_PLAIN => Self::PLAIN,
            other => other,
        }
    }
}

impl fmt::Display for SecurityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(kind, _)| kind == self) {
            Some((_, name)) => write!(f, "{} ({name})", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for SecurityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Options {
    /// The bytes of the password as VNC authentication takes them.
    pub fn password_bytes(&self) -> Vec<u8> {
        let password = self.password.as_ref().map_or("", Secret::reveal);
        if self.latin1 {
            password.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
        } else {
            password.as_bytes().to_vec()
        }
    }

    /// Which type is best among those offered: the order is ours. Never a password where none is asked for: one
    /// server offers VNC authentication and then sends no challenge.
    pub(super) fn choose(&self, offered: &[SecurityType]) -> Result<SecurityType, Failure> {
        const VENCRYPT_FIRST: [SecurityType; 5] =
            [SecurityType::VENCRYPT, SecurityType::NONE, SecurityType::VNC, SecurityType::TIGHT, SecurityType::XVP];
        let mut order = VENCRYPT_FIRST;
        if !self.tls.can_begin() {
            order.rotate_left(1);
        }
        if self.tls == Tls::Required {
            return self.best(&[SecurityType::VENCRYPT], offered, |_| true);
        }
        let avoided = |kind| self.without_vencrypt && kind == SecurityType::VENCRYPT;
        self.best(&order, offered, |kind| !avoided(kind))
    }

    /// Which subtype of VeNCrypt is best among those offered.
    pub(super) fn choose_subtype(&self, offered: &[SecurityType]) -> Result<SecurityType, Failure> {
        const ORDER: [SecurityType; 6] = [
            SecurityType::X509_NONE,
            SecurityType::X509_VNC,
            SecurityType::X509_PLAIN,
            SecurityType::NONE,
            SecurityType::VNC,
            SecurityType::PLAIN,
        ];
        self.best(&ORDER, offered, |kind| if kind.is_x509() { self.tls.can_begin() } else { self.tls != Tls::Required })
    }

    /// Which type is best among those behind Tight.
    pub(super) fn choose_behind_tight(&self, offered: &[SecurityType]) -> Result<SecurityType, Failure> {
        self.best(&[SecurityType::NONE, SecurityType::VNC, SecurityType::VENCRYPT], offered, |_| true)
    }

    fn best(
        &self,
        order: &[SecurityType],
        offered: &[SecurityType],
        possible: impl Fn(SecurityType) -> bool,
    ) -> Result<SecurityType, Failure> {
        let possible = || order.iter().copied().filter(|&kind| offered.contains(&kind) && possible(kind));
        if let Some(kind) = possible().find(|&kind| self.has_credentials_for(kind)) {
            return Ok(kind);
        }
        if let Some(kind) = possible().next() {
            return Err(Failure::CredentialsNeeded { user: needs_user(kind) });
        }
        if offered.iter().any(|kind| kind.is_anonymous_tls()) {
            return Err(Failure::AnonymousTls { others: false });
        }
        if self.tls == Tls::Required {
            return Err(Failure::TlsNeeded { offered: offered.to_vec() });
        }
        Err(Failure::NoSecurity { offered: offered.to_vec() })
    }

    fn has_credentials_for(&self, kind: SecurityType) -> bool {
        let has_password = self.password.is_some();
        match kind.inner() {
            SecurityType::VNC => has_password,
            SecurityType::XVP | SecurityType::PLAIN => has_password && self.user.is_some(),
            _ => true,
        }
    }
}

fn needs_user(kind: SecurityType) -> bool {
    [SecurityType::XVP, SecurityType::PLAIN].contains(&kind.inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(numbers: &[u32]) -> Vec<SecurityType> {
        numbers.iter().copied().map(SecurityType).collect()
    }

    fn with(tls: Tls, user: bool, password: bool) -> Options {
        Options {
            tls,
            user: user.then(|| "me".to_owned()),
            password: password.then(|| Secret::new("p")),
            ..Options::default()
        }
    }

    #[test]
    fn the_choice_follows_our_order_and_what_we_have() {
        let (plain, tls, wss) = (Tls::None, Tls::Available, Tls::Carrier);
        for (options, offered, chosen) in [
            (with(plain, false, true), &[2, 1][..], 1),
            (with(plain, false, true), &[2, 16], 2),
            (with(plain, false, false), &[2, 16], 16),
            (with(plain, false, true), &[19, 2], 2),
            (with(plain, false, true), &[19], 19),
            (with(tls, false, true), &[2, 19, 19, 1], 19),
            (with(wss, false, true), &[19, 2], 2),
            (with(plain, true, true), &[22], 22),
            (Options { without_vencrypt: true, ..with(tls, false, true) }, &[19, 2], 2),
        ] {
            assert_eq!(options.choose(&types(offered)), Ok(SecurityType(chosen)), "{offered:?}");
        }
        for (options, offered, chosen) in [
            (with(tls, false, false), &[257, 260][..], 260),
            (with(tls, false, true), &[262, 261], 261),
            (with(tls, true, true), &[256, 262, 259], 262),
            (with(wss, true, true), &[256, 262, 259], 256),
            (with(plain, false, true), &[256, 262, 2, 261], 2),
        ] {
            assert_eq!(options.choose_subtype(&types(offered)), Ok(SecurityType(chosen)), "{offered:?}");
        }
    }

    #[test]
    fn what_cannot_be_chosen_says_why() {
        let nothing = with(Tls::Available, false, false);
        assert_eq!(nothing.choose(&types(&[2])), Err(Failure::CredentialsNeeded { user: false }));
        assert_eq!(nothing.choose_subtype(&types(&[262])), Err(Failure::CredentialsNeeded { user: true }));
        assert_eq!(nothing.choose_subtype(&types(&[257, 258])), Err(Failure::AnonymousTls { others: false }));
        let insists = with(Tls::Required, false, true);
        assert_eq!(insists.choose(&types(&[1, 2])), Err(Failure::TlsNeeded { offered: types(&[1, 2]) }));
        assert_eq!(insists.choose(&types(&[1, 19])), Ok(SecurityType::VENCRYPT));
        assert_eq!(insists.choose_subtype(&types(&[2, 256])), Err(Failure::TlsNeeded { offered: types(&[2, 256]) }));
        assert_eq!(insists.choose_subtype(&types(&[2, 261])), Ok(SecurityType::X509_VNC));
        let apple = types(&[30, 33, 36]);
        assert_eq!(nothing.choose(&apple), Err(Failure::NoSecurity { offered: apple.clone() }));
    }

    #[test]
    fn a_password_is_utf_8_unless_latin_1_is_asked_for() {
        let mut options = with(Tls::None, false, true);
        options.password = Some(Secret::new("\u{e4}\u{20ac}"));
        assert_eq!(options.password_bytes(), b"\xc3\xa4\xe2\x82\xac");
        options.latin1 = true;
        assert_eq!(options.password_bytes(), b"\xe4?");
    }
}
