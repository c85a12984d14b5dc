//! One `[[server]]` of hosts.toml: what the list tells of it, and the way to its console.

use std::net::IpAddr;
use std::sync::Arc;

use super::exposed;
use super::table::{Table, Text};
use crate::base::access::pin;
use crate::base::{Access, Bmc, Carrier, Certificate, Error, Rfb, Route, Secret, Server, Url};
use crate::provider::hosts::{Host, NAME};

const KEYS: [&str; 16] = [
    "id",
    "name",
    "datacenter",
    "ip",
    "console",
    "kind",
    "user",
    "password_env",
    "password_file",
    "password",
    "origin",
    "subprotocol",
    "headers",
    "ca_file",
    "tls_pin",
    "tls",
];

/// The longest id: that of a DNS name.
pub(super) const MAX_ID: usize = 253;

/// Headers that every upgrade request has anyway, and those that would change what follows it, in lower case.
const RESERVED: [&str; 10] = [
    "host",
    "connection",
    "upgrade",
    "origin",
    "content-length",
    "transfer-encoding",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// A console as its URL and kind name it.
enum Way {
    /// A BMC's web server.
    Bmc {
        url: Url,
        user: String,
    },
    /// A page that signs us on by itself.
    Viewer(Secret),
    Rfb {
        carrier: Carrier,
        user: Option<String>,
    },
}

/// Reads the entry. What only stands in the way of this server's console, such as a password that is not there, is an
/// error inside the host.
pub(super) fn host(table: &Table<'_>) -> Result<Host, Error> {
    table.check_keys(&KEYS)?;
    let server = server(table)?;
    let console = required(table, "console", "give the URL of the console")?;
    let password = table.one_of(&["password_env", "password_file", "password"])?;
    let way = way(table, &console)?;
    if matches!(way, Way::Bmc { .. }) && password.is_none() {
        let hint = "add password_env or password_file";
        return Err(table.wrong(console.line, "a BMC needs the password of its user").hint(hint));
    }
    if let (Way::Viewer(_), Some((key, text))) = (&way, &password) {
        return Err(table.wrong(text.line, format!("a viewer page takes no {key}")).hint(KIND_HINT));
    }
    let certificate = table.one_of(&["ca_file", "tls_pin", "tls"])?;
    let certificate = certificate.map(|(key, text)| check_certificate(table, key, text, &way)).transpose()?;
    // Tokens stand in queries and headers as well.
    let is_token = console.value.contains('?') || matches!(&way, Way::Rfb { carrier, .. } if has_headers(carrier));
    if table.source.file.is_public && (is_token || matches!(password, Some(("password", _)))) {
        return Err(exposed(&table.source.path));
    }
    let access = || {
        let password = password.map(|(key, text)| secret(table, key, &text)).transpose()?;
        let certificate = match certificate {
            Some(Checked::CaFile(file)) => Certificate::AuthoritiesAnd(authorities(table, &file)?),
            Some(Checked::Done(certificate)) => certificate,
            None => Certificate::Authorities,
        };
        let mut notes = Vec::new();
        if matches!(&way, Way::Bmc { url, .. } if !url.is_tls()) {
            notes.push("the BMC is reached over http://: password and picture travel unencrypted".to_owned());
        }
        let route = match way {
            Way::Bmc { url, user } => Route::Bmc(Bmc { url, user, password: password.unwrap_or_default() }),
            Way::Viewer(url) => Route::Viewer(url),
            Way::Rfb { carrier, user } => Route::Rfb(Box::new(Rfb { carrier, user, password })),
        };
        Ok(Access { route, certificate, expires: None, notes })
    };
    Ok(Host { server, access: access() })
}

fn server(table: &Table<'_>) -> Result<Server, Error> {
    let id = required(table, "id", "give the server a short name")?;
    let is_plain = |c: char| c.is_alphanumeric() || "._-:+@".contains(c);
    if id.value.len() > MAX_ID || !id.value.chars().all(is_plain) {
        let what = format!("an id is up to {MAX_ID} letters, digits and . _ - : + @");
        return Err(table.wrong(id.line, what).hint("put what people read into name"));
    }
    let optional = |key| table.text(key).map(|text| text.map(|text| text.value));
    let ip = table.text("ip")?;
    if let Some(ip) = ip.as_ref().filter(|ip| ip.value.parse::<IpAddr>().is_err()) {
        return Err(table.wrong(ip.line, "ip is no IP address").hint("leave it out, or write it like 192.0.2.7"));
    }
    Ok(Server {
        name: optional("name")?.unwrap_or_else(|| id.value.clone()),
        id: id.value,
        provider: NAME,
        datacenter: optional("datacenter")?,
        ip: ip.map(|ip| ip.value),
        state: None,
        power: None,
        os: None,
    })
}

fn required(table: &Table<'_>, key: &str, hint: &str) -> Result<Text, Error> {
    table.text(key)?.ok_or_else(|| table.wrong(table.line, format!("the server has no {key}")).hint(hint))
}

const KIND_HINT: &str = "add kind = \"ami\" to log in to a BMC";

fn way(table: &Table<'_>, console: &Text) -> Result<Way, Error> {
    let at_console = |error: Error| table.wrong(console.line, format!("console: {error}"));
    let user = table.text("user")?;
    let kind = table.text("kind")?;
    if let Some(kind) = kind.as_ref().filter(|kind| kind.value != "ami") {
        return Err(table.wrong(kind.line, "there is no such kind").hint("write kind = \"ami\", or leave it out"));
    }
    let is_web = ["http://", "https://"]
        .iter()
        .any(|scheme| console.value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let carrier = if is_web { None } else { Some(Carrier::parse(&console.value).map_err(at_console)?) };
    let carrier = dressed(table, carrier)?;
    match (carrier, kind, user) {
        (Some(_), Some(kind), _) => {
            Err(table.wrong(kind.line, "kind goes with https:// only").hint("leave it out, what answers is RFB"))
        }
        (Some(carrier), None, user) => Ok(Way::Rfb { carrier, user: user.map(|user| user.value) }),
        (None, Some(_), Some(user)) => {
            let url = Url::parse(&console.value).map_err(at_console)?;
            Ok(Way::Bmc { url, user: user.value })
        }
        (None, Some(kind), None) => {
            Err(table.wrong(kind.line, "a BMC needs a user").hint("add user = \"...\", an account with the KVM right"))
        }
        (None, None, Some(user)) => Err(table.wrong(user.line, "a viewer page takes no user").hint(KIND_HINT)),
        (None, None, None) => {
            Url::parse(&console.value).map_err(at_console)?;
            Ok(Way::Viewer(Secret::new(console.value.clone())))
        }
    }
}

/// The carrier with what the entry says about its upgrade request; an error where there will be none.
fn dressed(table: &Table<'_>, carrier: Option<Carrier>) -> Result<Option<Carrier>, Error> {
    let (origin, subprotocol) = (table.text("origin")?, table.text("subprotocol")?);
    let headers = table.texts("headers")?;
    let first = origin.iter().chain(&subprotocol).chain(headers.iter().map(|(_, text)| text)).next();
    let Some(first) = first else { return Ok(carrier) };
    let Some(Carrier::WebSocket { url, .. }) = carrier else {
        let what = "origin, subprotocol and headers go with ws:// and wss:// only";
        return Err(table.wrong(first.line, what).hint("leave them out"));
    };
    for (name, text) in &headers {
        // RFC 9110 section 5.6.2.
        let is_token = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        if name.is_empty() || !is_token {
            return Err(table
                .wrong(text.line, "that is no name of a header")
                .hint("write headers = { Name = \"value\" }"));
        }
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            let hint = "leave it out, or use origin or subprotocol";
            return Err(table.wrong(text.line, format!("the header {name} is sent by itself")).hint(hint));
        }
    }
    Ok(Some(Carrier::WebSocket {
        url,
        origin: origin.map(|origin| origin.value),
        subprotocols: subprotocol.map(|subprotocol| subprotocol.value).into_iter().collect(),
        headers: headers.into_iter().map(|(name, text)| (name, Secret::new(text.value))).collect(),
    }))
}

fn has_headers(carrier: &Carrier) -> bool {
    matches!(carrier, Carrier::WebSocket { headers, .. } if !headers.is_empty())
}

/// How a certificate is checked, but for the file that is not read yet.
enum Checked {
    CaFile(Text),
    Done(Certificate),
}

fn check_certificate(table: &Table<'_>, key: &str, text: Text, way: &Way) -> Result<Checked, Error> {
    let is_tls = match way {
        Way::Bmc { url, .. } => url.is_tls(),
        Way::Viewer(url) | Way::Rfb { carrier: Carrier::WebSocket { url, .. }, .. } => {
            Url::parse(url.reveal())?.is_tls()
        }
        // A server may begin TLS by itself (VeNCrypt).
        Way::Rfb { .. } => true,
    };
    let wrong = |what: String, hint: &str| Err(table.wrong(text.line, what).hint(hint));
    if !is_tls {
        return wrong(format!("{key} without TLS"), "use https:// or wss://, or leave it out");
    }
    match key {
        "ca_file" => Ok(Checked::CaFile(text)),
        "tls_pin" => match pin::parse(&text.value) {
            Ok(sum) => Ok(Checked::Done(Certificate::Pinned(sum))),
            Err(error) => Err(table.wrong(text.line, format!("tls_pin: {error}"))),
        },
        _ if text.value == "insecure" => Ok(Checked::Done(Certificate::Unchecked)),
        _ => wrong("tls takes the word insecure only".into(), "leave it out to have the certificate checked"),
    }
}

fn authorities(table: &Table<'_>, file: &Text) -> Result<Arc<[u8]>, Error> {
    let path = table.source.resolve(&file.value);
    match (table.source.files)(&path) {
        Ok(file) => Ok(file.text.into_bytes().into()),
        Err(error) => {
            let what = format!("cannot read the ca_file {}: {error}", path.display());
            Err(table.wrong(file.line, what).hint("check the path"))
        }
    }
}

/// The password, from where the key says.
fn secret(table: &Table<'_>, key: &str, text: &Text) -> Result<Secret, Error> {
    let empty = |place: String| Err(table.wrong(text.line, format!("{place} is empty")).hint("put the password there"));
    match key {
        "password_env" => match (table.source.environment)(&text.value) {
            Some(value) if value.is_empty() => empty(format!("the variable {}", text.value)),
            Some(value) => Ok(Secret::new(value)),
            None => {
                let what = format!("the environment has no {}", text.value);
                Err(table.wrong(text.line, what).hint("set it where ikvm-mcp is started"))
            }
        },
        "password_file" => {
            let path = table.source.resolve(&text.value);
            let file = (table.source.files)(&path).map_err(|error| {
                let what = format!("cannot read the password_file {}: {error}", path.display());
                table.wrong(text.line, what).hint("check the path and who may read it")
            })?;
            if file.is_public {
                return Err(exposed(&path));
            }
            match file.text.lines().next().unwrap_or_default() {
                "" => empty(format!("the password_file {}", path.display())),
                line => Ok(Secret::new(line)),
            }
        }
        _ => Ok(Secret::new(text.value.clone())),
    }
}
