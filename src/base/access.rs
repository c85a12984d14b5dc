//! How one reaches the console of a server: the plain value that joins a provider and a console.
//!
//! A provider makes it, a console consumes it, and neither knows the other.

use std::sync::Arc;
use std::time::Instant;

use super::{Error, Kind, Secret, Url};

/// The way to one server's console, and for how long it may be used.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where the console is.
    pub route: Route,
    /// How its certificate is checked, where TLS is spoken.
    pub certificate: Certificate,
    /// When the way closes for new connections; `None` where nobody said.
    pub expires: Option<Instant>,
    /// What the person or model who asked should know about this access, one sentence each.
    pub notes: Vec<String>,
}

/// Where a console is.
#[derive(Clone, Debug)]
pub enum Route {
    /// A provider's viewer page; its query signs us on, so it is a secret.
    Viewer(Secret),
    /// An AMI MegaRAC BMC that we log in to by name and password.
    Bmc(Bmc),
    /// A console that speaks RFB (VNC).
    Rfb(Box<Rfb>),
    /// A recorded console, replayed in memory through the same session and decoder as a live one.
    Recording(Arc<Recording>),
}

impl Route {
    /// The address without its secrets, for messages: scheme, host and port, or `recording`.
    pub fn describe(&self) -> String {
        match self {
            Self::Viewer(url) => match Url::parse(url.reveal()) {
                Ok(url) => url.origin(),
                Err(_) => "an unreadable viewer URL".to_owned(),
            },
            Self::Bmc(bmc) => bmc.url.origin(),
            Self::Rfb(rfb) => rfb.carrier.describe(),
            Self::Recording(_) => "recording".to_owned(),
        }
    }

    /// The host and the port that are connected to first, and whether TLS begins at once; `None` for a recording, and
    /// for a URL that is none.
    pub fn address(&self) -> Option<(String, u16, bool)> {
        let url = match self {
            Self::Bmc(bmc) => bmc.url.clone(),
            Self::Viewer(url) => Url::parse(url.reveal()).ok()?,
            Self::Rfb(rfb) => match &rfb.carrier {
                Carrier::Tcp { host, port, .. } => return Some((host.clone(), *port, false)),
                Carrier::WebSocket { url, .. } => Url::parse(url.reveal()).ok()?,
            },
            Self::Recording(_) => return None,
        };
        Some((url.host.clone(), url.port(), url.is_tls()))
    }
}

/// How the certificate of a console is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Certificate {
    /// By the system's and the built-in authorities.
    #[default]
    Authorities,
    /// By those and the authorities in this text of a PEM file.
    AuthoritiesAnd(Arc<[u8]>),
    /// It must have this SHA-256 sum; its names, dates and authority do not matter then.
    Pinned([u8; 32]),
    /// Not at all: every answer says so.
    Unchecked,
}

/// Pins as people write them: `sha256:` and 64 hexadecimal digits.
pub mod pin {
    use super::super::{Error, Kind};

    /// Reads a pin; the colons that OpenSSL puts between the bytes are fine, and so are capitals. `Kind::Usage` for
    /// anything else.
    pub fn parse(text: &str) -> Result<[u8; 32], Error> {
        let bad = || {
            Error::new(Kind::Usage, "not a pin: it is sha256: and 64 hexadecimal digits")
                .hint("`ikvm-mcp pin HOST` prints it")
        };
        let digits = text.trim().strip_prefix("sha256:").ok_or_else(bad)?;
        let digits: Vec<u32> =
            digits.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>().ok_or_else(bad)?;
        if digits.len() != 64 {
            return Err(bad());
        }
        Ok(std::array::from_fn(|at| (digits[2 * at] * 16 + digits[2 * at + 1]) as u8))
    }

    /// The pin of this sum.
    pub fn show(sum: &[u8; 32]) -> String {
        use std::fmt::Write;
        let mut text = "sha256:".to_owned();
        for byte in sum {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// The line that pins it in the inventory file.
    pub fn line(sum: &[u8; 32]) -> String {
        format!("tls_pin = \"{}\"", show(sum))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_pin_reads_as_it_is_written_and_as_openssl_writes_it() {
            let sum = std::array::from_fn(|at| at as u8 * 8);
            assert_eq!(parse(&show(&sum)).unwrap(), sum);
            let openssl = "AB:".repeat(31) + "0f";
            assert_eq!(parse(&format!(" sha256:{openssl}")).unwrap()[30..], [0xab, 0x0f]);
            let short = "0".repeat(63);
            for bad in ["", "sha256:", &short, &format!("sha256:{short}"), &format!("sha256:{short}x"), &"0".repeat(64)]
            {
                assert_eq!(parse(bad).unwrap_err().kind(), Kind::Usage, "{bad}");
            }
        }
    }
}

/// An AMI MegaRAC BMC with its login.
#[derive(Clone, Debug)]
pub struct Bmc {
    /// Its web server, `https://bmc.example`.
    pub url: Url,
    /// Who logs in.
    pub user: String,
    /// With what.
    pub password: Secret,
}

/// A console that speaks RFB, and what it asks of us.
#[derive(Clone, Debug)]
pub struct Rfb {
    /// What carries its bytes.
    pub carrier: Carrier,
    /// Who logs in, where the security type asks for a name.
    pub user: Option<String>,
    /// With what, where it asks for a password.
    pub password: Option<Secret>,
}

/// What carries the bytes of RFB.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// A TCP connection (`vnc://host:port`).
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        /// The port; 5900 and the display's number by custom.
        port: u16,
        /// Whether TLS is insisted on (`vnc+tls://`): a server that offers no VeNCrypt with X509 is refused.
        tls: bool,
    },
    /// WebSocket (`ws://`, `wss://`).
    WebSocket {
        /// Where to; its query may sign us on.
        url: Secret,
        /// The `Origin` to send; `None`: the URL's own.
        origin: Option<String>,
        /// The subprotocols to offer, the best first; none: `binary`.
        subprotocols: Vec<String>,
        /// What else goes into the upgrade request: name, value.
        headers: Vec<(String, Secret)>,
    },
}

/// The port of display 0 (RFC 6143 section 3).
const RFB_PORT: u16 = 5900;

impl Carrier {
    /// The carrier that a URL names: `vnc://host`, `vnc+tls://host:port`, `ws://` or `wss://host/path?token=...`, the
    /// last two as a browser would open them. `Kind::Usage` where it is none; the error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text)?;
        match url.scheme.as_str() {
            "ws" | "wss" => Ok(Self::WebSocket {
                url: Secret::new(url.reveal()),
                origin: None,
                subprotocols: Vec::new(),
                headers: Vec::new(),
            }),
            "vnc" | "vnc+tls" if (url.path.as_str(), &url.query) != ("/", &None) => {
                Err(Error::new(Kind::Usage, format!("a {}:// URL ends with its port", url.scheme))
                    .hint("leave the path out, or use ws:// or wss:// for a console behind WebSocket"))
            }
            "vnc" | "vnc+tls" => {
                let port = url.explicit_port.unwrap_or(RFB_PORT);
                Ok(Self::Tcp { host: url.host, port, tls: url.scheme == "vnc+tls" })
            }
            scheme => Err(Error::new(Kind::Usage, format!("no console begins with {scheme}://"))
                .hint("use vnc://, vnc+tls://, ws://, wss:// or https://")),
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Tcp { host, port, tls } => {
                let scheme = if *tls { "vnc+tls" } else { "vnc" };
                if host.contains(':') {
                    format!("{scheme}://[{host}]:{port}")
                } else {
                    format!("{scheme}://{host}:{port}")
                }
            }
            Self::WebSocket { url, .. } => match Url::parse(url.reveal()) {
                Ok(url) => url.origin(),
                Err(_) => "an unreadable WebSocket URL".to_owned(),
            },
        }
    }
}

/// What a recorded AMI console sends, as raw IVTP packets (ami-megarac: header of 8 bytes, payload).
#[derive(Debug, Default)]
pub struct Recording {
    /// Sent at once after the connection opens.
    pub greeting: Vec<u8>,
    /// Sent in answer to the validation packet (18).
    pub validated: Vec<u8>,
    /// Sent in answer to the power query (34).
    pub power: Vec<u8>,
    /// One entry for each request of a full screen (6 or 11), over and over.
    pub looks: Vec<Vec<u8>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(url: &str) -> String {
        Carrier::parse(url).map_or_else(|error| error.to_string(), |carrier| carrier.describe())
    }

    #[test]
    fn a_console_url_names_its_carrier() {
        for (url, expected) in [
            ("vnc://vm.example", "vnc://vm.example:5900"),
            ("VNC://192.0.2.7:5901/", "vnc://192.0.2.7:5901"),
            ("vnc+tls://[2001:db8::7]:5902", "vnc+tls://[2001:db8::7]:5902"),
            ("ws://vm.example/websockify?token=hush", "ws://vm.example"),
            ("wss://vm.example:8006/x?vncticket=hush", "wss://vm.example:8006"),
        ] {
            assert_eq!(described(url), expected);
        }
        let Carrier::WebSocket { url, .. } = Carrier::parse("wss://vm.example/x?token=hush").unwrap() else { panic!() };
        assert_eq!(url.reveal(), "wss://vm.example/x?token=hush");
    }

    #[test]
    fn a_url_that_is_no_console_says_what_would_be_one() {
        for (url, words) in [
            ("vnc://vm.example:5901/hush", "a vnc:// URL ends with its port; leave the path out"),
            ("vnc+tls://vm.example?hush", "a vnc+tls:// URL ends with its port"),
            ("http://vm.example/hush", "no console begins with http://; use vnc://"),
            ("vm.example:5901", "not a URL"),
            ("vnc://ann:hush@vm.example", "a user name inside it is not supported"),
            ("vnc://vm.example:99999", "a bad port"),
        ] {
            let error = Carrier::parse(url).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(words) && !error.to_string().contains("hush"), "{error}");
        }
    }
}
