//! The settings: the environment, and ovh.conf for what the environment does not say.
//!
//! | variable | default | range |
//! |---|---|---|
//! | `IKVM_MAX_EDGE` | 2000 | 256 to 8000 pixels |
//! | `IKVM_IDLE_SECONDS` | 120 | 0 to 86400 s; 0 closes a console at once |
//! | `IKVM_MAX_CONSOLES` | 32 | 1 to 256 |
//! | `IKVM_FONTS` | none | a folder, see [`fonts`] |
//! | `IKVM_PUBLIC_IP` | asked of OVH | one IPv4 address |
//! | `IKVM_LOG` | info | `error`, `warn`, `info` or `debug` |
//! | `IKVM_AUDIT` | none | a file, or `stderr` |
//! | `OVH_...` | none | see [`ovh`] |
//! | `IKVM_HOSTS` | `~/.config/ikvm-mcp/hosts.toml`, `/etc/ikvm-mcp/hosts.toml` | a file of one's own servers: see `hosts.rs` |
//! | `IKVM_CONSOLE_...` | none | see [`console`] |
//! | `PORT`, `IKVM_LISTEN`, `IKVM_TOKEN` ... | a port on loopback | see [`serving`] |
//!
//! The only module that reads the environment. An empty variable counts as none: clients that launch a command like
//! to pass empty ones.

pub mod console;
pub mod fonts;
mod hosts;
pub mod ovh;
mod ovh_conf;
pub mod serving;

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::log::Level;
use crate::base::{Error, Kind};
use crate::provider::hosts::Host;
use crate::provider::ovh::Settings;
use serving::Serving;

/// A system's bundle of authorities has 220 KiB; keeps `./ovh.conf -> /dev/zero` from filling memory.
const MAX_FILE: u64 = 1024 * 1024;

/// The environment: the value of a variable.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The file system: what is in a file.
pub type Files<'a> = &'a dyn Fn(&Path) -> io::Result<File>;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// All of it.
    pub text: String,
    /// Whether everybody on this machine may read it.
    pub is_public: bool,
}

/// Where tool calls are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditLog {
    /// Among the lines of the log.
    Stderr,
    /// At the end of a file.
    File(PathBuf),
}

/// All settings.
#[derive(Debug)]
pub struct Config {
    /// OVH's credentials, `None` where nobody gave any. An error of their own, so that the demo runs and a client
    /// hears what is missing.
    pub ovh: Result<Option<Settings>, Error>,
    /// One's own servers, `None` where there is no such file; likewise.
    pub hosts: Result<Option<Vec<Host>>, Error>,
    /// Where and for whom HTTP is served. An error of its own, for not every command serves.
    pub serving: Result<Serving, Error>,
    /// The longest edge of a picture, in pixels.
    pub max_edge: usize,
    /// How long an unused console stays open; zero closes it at once.
    pub idle: Duration,
    /// How many consoles may be open at once.
    pub max_consoles: usize,
    /// Which lines of the log are written.
    pub log: Level,
    /// Where every tool call is written down, if anywhere.
    pub audit: Option<AuditLog>,
    /// What the operator should know, one sentence each.
    pub notes: Vec<String>,
}

impl Config {
    /// The settings of this process; `hosts` is the file of servers that its arguments name.
    pub fn from_environment(hosts: Option<&Path>) -> Result<Self, Error> {
        Self::read(&process_variable, &read_file, hosts)
    }

    /// The settings that `environment` and `files` hold. `Kind::Usage` names the variable and its range.
    pub fn read(environment: Environment<'_>, files: Files<'_>, hosts: Option<&Path>) -> Result<Self, Error> {
        // As it is: a password may end with a space.
        let hosts = hosts::read(hosts, environment, files);
        let environment = &|name: &str| variable(environment, name);
        let mut notes = Vec::new();
        let public_ip = public_ip(environment)?;
        Ok(Self {
            serving: Serving::read(environment, files),
            max_edge: number(environment, "IKVM_MAX_EDGE", 2000, 256..=8000)? as usize,
            idle: Duration::from_secs(number(environment, "IKVM_IDLE_SECONDS", 120, 0..=86_400)?),
            max_consoles: number(environment, "IKVM_MAX_CONSOLES", 32, 1..=256)? as usize,
            log: level(environment)?,
            audit: environment("IKVM_AUDIT").map(|text| match text.as_str() {
                "stderr" => AuditLog::Stderr,
                path => AuditLog::File(path.into()),
            }),
            ovh: ovh::Sources::read(environment, files, &mut notes).settings(public_ip),
            hosts,
            notes,
        })
    }
}

/// A variable of this process; one that is not UTF-8 keeps its name and loses what is not.
pub(super) fn process_variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// A file of this machine.
pub(super) fn read_file(path: &Path) -> io::Result<File> {
    use io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        // Service accounts have HOME=/dev/null: below a file there is none.
        io::ErrorKind::NotADirectory => io::Error::new(io::ErrorKind::NotFound, error),
        _ => error,
    })?;
    let is_public = file.metadata()?.permissions().mode() & 0o004 != 0;
    if file.take(MAX_FILE + 1).read_to_string(&mut text)? as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is longer than {} KiB", MAX_FILE / 1024)));
    }
    Ok(File { text, is_public })
}

fn variable(environment: Environment<'_>, name: &str) -> Option<String> {
    environment(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

fn number(
    environment: Environment<'_>,
    name: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, Error> {
    let Some(text) = environment(name) else { return Ok(default) };
    let bad = || Error::new(Kind::Usage, format!("not a number from {} to {}", range.start(), range.end())).doing(name);
    text.parse().ok().filter(|value| range.contains(value)).ok_or_else(bad)
}

fn level(environment: Environment<'_>) -> Result<Level, Error> {
    let Some(text) = environment("IKVM_LOG") else { return Ok(Level::Info) };
    let known = Level::ALL.into_iter().find(|level| text.eq_ignore_ascii_case(level.name()));
    known.ok_or_else(|| {
        let names = Level::ALL.map(Level::name).join(", ");
        Error::new(Kind::Usage, "no such level").doing("IKVM_LOG").hint(format!("choose one of {names}"))
    })
}

fn public_ip(environment: Environment<'_>) -> Result<Option<Ipv4Addr>, Error> {
    let name = "IKVM_PUBLIC_IP";
    let Some(text) = environment(name) else { return Ok(None) };
    let bad = || {
        Error::new(Kind::Usage, "not an IPv4 address")
            .hint("give the address that the servers' BMCs see you from, such as 203.0.113.7")
            .doing(name)
    };
    text.parse().ok().filter(|ip: &Ipv4Addr| !ip.is_unspecified()).map(Some).ok_or_else(bad)
}

#[cfg(test)]
mod tests;
