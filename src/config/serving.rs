//! Where and for whom HTTP is served: the address, the token, the names behind a proxy.
//!
//! | variable | default | meaning |
//! |---|---|---|
//! | `PORT` | 3001 | 0 to 65535; 0 lets the system choose |
//! | `IKVM_LISTEN` | `127.0.0.1` and `[::1]` | `localhost` or an address, with its port or without |
//! | `IKVM_TOKEN`, `IKVM_TOKEN_FILE` | none | what every client has to show; at least 16 characters |
//! | `IKVM_ALLOWED_HOSTS` | none | host names, with commas between |
//! | `IKVM_ALLOWED_ORIGINS` | none | `https://page.example`, with commas between |

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{Environment, Files, number};
use crate::base::{Error, Kind, Secret};

/// The shortest token, in characters. `ikvm-mcp token` prints 64.
const LEAST_TOKEN: usize = 16;

/// What the server needs to know before it listens.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Where.
    pub listen: Listen,
    /// What every client has to show; always there where others than this machine can connect.
    pub token: Option<Secret>,
    /// Names that the server has besides `localhost`, without ports.
    pub hosts: Vec<String>,
    /// Web pages that may call, as scheme, host and port.
    pub origins: Vec<String>,
}

/// Where HTTP is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At a port of `127.0.0.1` and of `[::1]`; 0 lets the system choose.
    Loopback(u16),
    /// At one address.
    At(SocketAddr),
}

impl Listen {
    /// Whether this machine alone can connect.
    pub fn is_private(self) -> bool {
        match self {
            Self::Loopback(_) => true,
            Self::At(address) => address.ip().to_canonical().is_loopback(),
        }
    }
}

impl Serving {
    /// What `environment` and `files` hold. `Kind::Usage` names the variable.
    pub(super) fn read(environment: Environment<'_>, files: Files<'_>) -> Result<Self, Error> {
        let port = number(environment, "PORT", 3001, 0..=65_535)? as u16;
        let listen = match environment("IKVM_LISTEN") {
            Some(text) => listen(&text, port).ok_or_else(|| {
                Error::new(Kind::Usage, format!("{text:?} is no address to listen on"))
                    .doing("IKVM_LISTEN")
                    .hint("give an address of this machine, such as 10.0.0.5, [::]:3001 or localhost:8080")
            })?,
            None => Listen::Loopback(port),
        };
        let token = token(environment, files)?;
        if token.is_none() && !listen.is_private() {
            let what = "listening where other machines can connect needs a token";
            let hint = "make one with `ikvm-mcp token`, set it as IKVM_TOKEN here, and give it to your clients";
            return Err(Error::new(Kind::Usage, what).doing("IKVM_LISTEN").hint(hint));
        }
        let hosts = list(environment, "IKVM_ALLOWED_HOSTS");
        if let Some(odd) = hosts.iter().find(|host| host.contains("//") || !host.starts_with('[') && host.contains(':'))
        {
            return Err(Error::new(Kind::Usage, format!("{odd:?} is not the name of a host"))
                .doing("IKVM_ALLOWED_HOSTS")
                .hint("give names alone, such as jump.example, without scheme and port"));
        }
        let origins = list(environment, "IKVM_ALLOWED_ORIGINS");
        let is_origin = |text: &str| {
            let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            authority.is_some_and(|authority| !authority.is_empty() && !authority.contains('/'))
        };
        if let Some(odd) = origins.iter().find(|origin| !is_origin(origin)) {
            return Err(Error::new(Kind::Usage, format!("{odd:?} is not an origin"))
                .doing("IKVM_ALLOWED_ORIGINS")
                .hint("give scheme and host as browsers send them, such as https://page.example"));
        }
        Ok(Self { listen, token, hosts, origins })
    }
}

fn listen(text: &str, port: u16) -> Option<Listen> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, port),
    };
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Listen::Loopback(port));
    }
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = match bare {
        Some(bare) => IpAddr::V6(bare.parse::<Ipv6Addr>().ok()?),
        None => host.parse().ok()?,
    };
    Some(Listen::At(SocketAddr::new(address, port)))
}

fn token(environment: Environment<'_>, files: Files<'_>) -> Result<Option<Secret>, Error> {
    let (name, token) = match (environment("IKVM_TOKEN"), environment("IKVM_TOKEN_FILE")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(Error::new(Kind::Usage, "both IKVM_TOKEN and IKVM_TOKEN_FILE are set").hint("keep one of them"));
        }
        (Some(token), None) => ("IKVM_TOKEN", token),
        (None, Some(path)) => ("IKVM_TOKEN_FILE", token_file(&path, files)?),
    };
    let wrong = |what: String| Error::new(Kind::Usage, what).doing(name).hint("make a good one with `ikvm-mcp token`");
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("the token holds a space or another character that no header can carry".to_owned()));
    }
    if token.len() < LEAST_TOKEN {
        return Err(wrong(format!("the token has {} characters, at least {LEAST_TOKEN} are needed", token.len())));
    }
    Ok(Some(Secret::new(token)))
}

fn token_file(path: &str, files: Files<'_>) -> Result<String, Error> {
    let wrong = |what: String| Error::new(Kind::Usage, what).doing("IKVM_TOKEN_FILE");
    let file = files(Path::new(path)).map_err(|error| {
        wrong(format!("{path} was not read: {error}")).hint(format!("make one: `(umask 077; ikvm-mcp token > {path})`"))
    })?;
    if file.is_public {
        let what = format!("everybody on this machine may read {path}");
        return Err(wrong(what).hint(format!("run `chmod 600 {path}`, and make a new token if it was there for long")));
    }
    Ok(file.text.trim().to_owned())
}

fn list(environment: Environment<'_>, name: &str) -> Vec<String> {
    let text = environment(name).unwrap_or_default();
    text.split(',').map(|part| part.trim().trim_end_matches('/').to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::File;
    use super::*;

    const TOKEN: (&str, &str) = ("IKVM_TOKEN", "0123456789abcdef");

    fn read(variables: &[(&str, &str)]) -> Result<Serving, String> {
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        let file = |path: &Path| match path.to_str() {
            Some("/private") => Ok(File { text: "fedcba9876543210\n".to_owned(), is_public: false }),
            Some("/public") => Ok(File { text: "fedcba9876543210\n".to_owned(), is_public: true }),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        Serving::read(&environment, &file).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_it_is_port_3001_of_the_loopback_interface_for_everybody() {
        let serving = read(&[]).unwrap();
        assert_eq!((serving.listen, serving.token), (Listen::Loopback(3001), None));
        assert!(serving.hosts.is_empty() && serving.origins.is_empty());
        for port in [0, 65_535] {
            assert_eq!(read(&[("PORT", &port.to_string())]).unwrap().listen, Listen::Loopback(port));
        }
        for port in ["-1", "65536", "hush"] {
            assert_eq!(read(&[("PORT", port)]).unwrap_err(), "PORT: not a number from 0 to 65535");
        }
    }

    #[test]
    fn an_address_has_its_own_port_or_the_usual_one() {
        for (text, listen) in [
            ("localhost", Listen::Loopback(7)),
            ("localhost:80", Listen::Loopback(80)),
            ("10.0.0.5", Listen::At("10.0.0.5:7".parse().unwrap())),
            ("0.0.0.0:80", Listen::At("0.0.0.0:80".parse().unwrap())),
            ("::", Listen::At("[::]:7".parse().unwrap())),
            ("[::1]", Listen::At("[::1]:7".parse().unwrap())),
            ("[2001:db8::5]:80", Listen::At("[2001:db8::5]:80".parse().unwrap())),
        ] {
            assert_eq!(read(&[("PORT", "7"), ("IKVM_LISTEN", text), TOKEN]).unwrap().listen, listen, "{text}");
        }
        for text in ["jump.example", "10.0.0.5:", "10.0.0.5:65536", "10.0.0", "[10.0.0.5]", "::1:x", ":80", "*"] {
            let told = read(&[("IKVM_LISTEN", text), TOKEN]).unwrap_err();
            assert!(told.starts_with(&format!("IKVM_LISTEN: {text:?} is no address")), "{told}");
        }
    }

    #[test]
    fn a_network_is_served_with_a_token_alone() {
        for private in ["localhost", "127.0.0.1", "127.0.0.2:80", "::1", "[::ffff:127.0.0.1]:80"] {
            assert!(read(&[("IKVM_LISTEN", private)]).unwrap().listen.is_private(), "{private}");
        }
        for public in ["0.0.0.0", "[::]:80", "10.0.0.5", "::ffff:10.0.0.5"] {
            let told = read(&[("IKVM_LISTEN", public)]).unwrap_err();
            assert!(told.contains("needs a token; make one with `ikvm-mcp token`"), "{told}");
            let serving = read(&[("IKVM_LISTEN", public), TOKEN]).unwrap();
            assert_eq!(serving.token, Some(Secret::new("0123456789abcdef")));
        }
    }

    #[test]
    fn a_token_is_long_fit_for_a_header_and_in_a_file_that_others_cannot_read() {
        assert_eq!(read(&[("IKVM_TOKEN_FILE", "/private")]).unwrap().token, Some(Secret::new("fedcba9876543210")));
        for (variables, start) in [
            (vec![TOKEN, ("IKVM_TOKEN_FILE", "/private")], "both IKVM_TOKEN and IKVM_TOKEN_FILE are set; keep one"),
            (vec![("IKVM_TOKEN", "0123456789abcde")], "IKVM_TOKEN: the token has 15 characters, at least 16"),
            (vec![("IKVM_TOKEN", "0123456789 abcdef")], "IKVM_TOKEN: the token holds a space or"),
            (
                vec![("IKVM_TOKEN_FILE", "/public")],
                "IKVM_TOKEN_FILE: everybody on this machine may read /public; run `chmod",
            ),
            (
                vec![("IKVM_TOKEN_FILE", "/none")],
                "IKVM_TOKEN_FILE: /none was not read: entity not found; make one: `(umask",
            ),
        ] {
            let told = read(&variables).unwrap_err();
            assert!(told.starts_with(start), "{told}");
            assert!(!told.contains("456789"), "{told}");
        }
    }

    #[test]
    fn names_and_pages_are_lists_of_what_headers_hold() {
        let serving = read(&[
            ("IKVM_ALLOWED_HOSTS", "jump.example, [2001:db8::7],"),
            ("IKVM_ALLOWED_ORIGINS", "https://page.example/,http://10.0.0.5:8080"),
        ]);
        let serving = serving.unwrap();
        assert_eq!(serving.hosts, ["jump.example", "[2001:db8::7]"]);
        assert_eq!(serving.origins, ["https://page.example", "http://10.0.0.5:8080"]);
        for host in ["https://jump.example", "jump.example:80"] {
            assert!(read(&[("IKVM_ALLOWED_HOSTS", host)]).unwrap_err().starts_with("IKVM_ALLOWED_HOSTS"), "{host}");
        }
        for origin in ["page.example", "https://", "https://page.example/app", "null"] {
            assert!(read(&[("IKVM_ALLOWED_ORIGINS", origin)]).unwrap_err().starts_with("IKVM_ALLOWED_ORIGINS"));
        }
    }
}
