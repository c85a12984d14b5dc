//! One console named by its URL on the command line, and what the environment says about it.
//!
//! | variable | meaning |
//! |---|---|
//! | `IKVM_CONSOLE_USER`, `IKVM_CONSOLE_PASSWORD` | who logs in, and with what |
//! | `IKVM_CONSOLE_TLS` | `sha256:...`: the pin of its certificate; `insecure`: it is not checked; else a file of authorities |

use std::path::Path;

use super::{Environment, Files, process_variable, read_file, variable};
use crate::base::access::pin;
use crate::base::{Access, Bmc, Carrier, Certificate, Error, Kind, Rfb, Route, Secret, Server, Url};
use crate::provider::hosts::{self, Host};

/// The console that `url` names, as a server whose id is the URL without its path and query; `None` where it is no URL,
/// but an id. `vnc://`, `vnc+tls://`, `ws://`, `wss://`: RFB; `https://`: a BMC where there is a user, else a viewer page.
pub fn named(url: &str) -> Result<Option<Host>, Error> {
    read(url, &process_variable, &read_file)
}

fn read(url: &str, environment: Environment<'_>, files: Files<'_>) -> Result<Option<Host>, Error> {
    if !url.contains("://") {
        return Ok(None);
    }
    let user = variable(environment, "IKVM_CONSOLE_USER");
    // As it is: a password may end with a space.
    let password = environment("IKVM_CONSOLE_PASSWORD").filter(|password| !password.is_empty()).map(Secret::new);
    let parsed = Url::parse(url)?;
    let route = match (parsed.scheme.as_str(), user) {
        ("http" | "https", Some(user)) => {
            let missing = || {
                let hint = "set IKVM_CONSOLE_PASSWORD, or unset IKVM_CONSOLE_USER for a viewer page";
                Error::new(Kind::Usage, "a BMC needs a password").hint(hint)
            };
            Route::Bmc(Bmc { url: parsed, user, password: password.ok_or_else(missing)? })
        }
        ("http" | "https", None) => Route::Viewer(Secret::new(url)),
        (_, user) => Route::Rfb(Box::new(Rfb { carrier: Carrier::parse(url)?, user, password })),
    };
    let id = route.describe();
    let server = Server {
        id: id.clone(),
        name: id,
        provider: hosts::NAME,
        datacenter: None,
        ip: None,
        state: None,
        power: None,
        os: None,
    };
    let access = Access { route, certificate: certificate(environment, files)?, expires: None, notes: Vec::new() };
    Ok(Some(Host { server, access: Ok(access) }))
}

fn certificate(environment: Environment<'_>, files: Files<'_>) -> Result<Certificate, Error> {
    let name = "IKVM_CONSOLE_TLS";
    match variable(environment, name).as_deref() {
        None => Ok(Certificate::Authorities),
        Some("insecure") => Ok(Certificate::Unchecked),
        Some(text) if text.starts_with("sha256:") => {
            pin::parse(text).map(Certificate::Pinned).map_err(|error| error.doing(name))
        }
        Some(path) => {
            let file = files(Path::new(path)).map_err(|error| {
                Error::new(Kind::Usage, format!("cannot read {path}: {error}"))
                    .hint("give a pin (sha256:...), a file of authorities, or the word insecure")
                    .doing(name)
            })?;
            Ok(Certificate::AuthoritiesAnd(file.text.into_bytes().into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::super::File;
    use super::*;

    fn host(url: &str, variables: &[(&str, &str)]) -> Result<Option<Host>, Error> {
        let value = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let file = |path: &Path| match path.to_str() {
            Some("ca.pem") => Ok(File { text: "PEM".to_owned(), is_public: true }),
            _ => Err(io::ErrorKind::NotFound.into()),
        };
        read(url, &value, &file)
    }

    fn access(url: &str, variables: &[(&str, &str)]) -> Access {
        host(url, variables).unwrap().unwrap().access.unwrap()
    }

    #[test]
    fn a_url_is_a_server_of_its_own_and_an_id_is_none() {
        assert!(host("ns1.example", &[]).unwrap().is_none());
        let secrets = [("IKVM_CONSOLE_USER", "ann"), ("IKVM_CONSOLE_PASSWORD", "hush ")];
        for (url, variables, id, kind) in [
            ("vnc://192.0.2.7", &secrets[..], "vnc://192.0.2.7:5900", "Rfb"),
            ("wss://vm.example/x?token=t", &[], "wss://vm.example", "Rfb"),
            ("https://bmc.example/viewer?token=t", &[], "https://bmc.example", "Viewer"),
            ("https://bmc.example", &secrets, "https://bmc.example", "Bmc"),
        ] {
            let host = host(url, variables).unwrap().unwrap();
            assert_eq!(host.server.id, id);
            assert!(format!("{:?}", host.access).contains(kind), "{host:?}");
        }
        let Route::Rfb(rfb) = access("vnc://192.0.2.7", &secrets).route else { panic!() };
        let password = rfb.password.as_ref().map(Secret::reveal);
        assert_eq!((rfb.user.as_deref(), password), (Some("ann"), Some("hush ")));
    }

    #[test]
    fn the_certificate_is_checked_as_the_environment_says() {
        let pinned = format!("sha256:{}", "ab".repeat(32));
        for (value, expected) in [
            ("", Certificate::Authorities),
            ("insecure", Certificate::Unchecked),
            (&pinned, Certificate::Pinned([0xab; 32])),
            ("ca.pem", Certificate::AuthoritiesAnd(b"PEM"[..].into())),
        ] {
            assert_eq!(access("vnc://vm.example", &[("IKVM_CONSOLE_TLS", value)]).certificate, expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_repeated() {
        for (url, variables, words) in [
            ("ftp://vm.example/hush", &[][..], "no console begins with ftp://"),
            (
                "https://bmc.example",
                &[("IKVM_CONSOLE_USER", "ann")],
                "a BMC needs a password; set IKVM_CONSOLE_PASSWORD",
            ),
            ("vnc://vm.example", &[("IKVM_CONSOLE_TLS", "sha256:12")], "IKVM_CONSOLE_TLS: not a pin"),
            ("vnc://vm.example", &[("IKVM_CONSOLE_TLS", "none.pem")], "IKVM_CONSOLE_TLS: cannot read none.pem"),
        ] {
            let error = host(url, variables).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().contains(words) && !error.to_string().contains("hush"), "{error}");
        }
    }
}
