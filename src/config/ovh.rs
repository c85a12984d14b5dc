//! OVH's credentials: out of the environment, `./ovh.conf`, `~/.ovh.conf` or `/etc/ovh.conf`, in this order.
//!
//! Each value comes from the first place that has it. There are three ways to sign in, and exactly one counts: the
//! one that the first place with any credentials names.
//!
//! | variable | in ovh.conf | way |
//! |---|---|---|
//! | `OVH_ENDPOINT` | `endpoint` in `[default]` | all; `ovh-eu` where nobody says |
//! | `OVH_APPLICATION_KEY`, `OVH_APPLICATION_SECRET`, `OVH_CONSUMER_KEY` | the same in lower case, without `OVH_`, in the section of the endpoint: `[ovh-eu]` | signed calls |
//! | `OVH_CLIENT_ID`, `OVH_CLIENT_SECRET` | likewise | OAuth2 |
//! | `OVH_ACCESS_TOKEN` | likewise | a bearer token |
//!
//! A URL as endpoint counts in `OVH_ENDPOINT` only: an `ovh.conf` in a folder that somebody else wrote must not lead
//! a token to another host.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::ovh_conf::OvhConf;
use super::{Environment, Files};
use crate::base::{Error, Kind, Secret};
use crate::provider::ovh::{Credentials, DEFAULT, Endpoint, Settings};

/// A way to sign in: its name, its values as ovh.conf names them.
type Way = (&'static str, &'static [&'static str]);

const KEYS: Way = ("an application key", &["application_key", "application_secret", "consumer_key"]);
const CLIENT: Way = ("an OAuth2 client", &["client_id", "client_secret"]);
const TOKEN: Way = ("an access token", &["access_token"]);

/// The places that hold values, the strongest first.
pub(super) struct Sources<'a> {
    environment: Environment<'a>,
    files: Vec<(String, OvhConf)>,
}

/// What `ikvm-mcp login` needs before there is a consumer key.
#[derive(Clone, Debug)]
pub struct Application {
    /// Which API.
    pub endpoint: Endpoint,
    /// Names the application to it.
    pub key: Secret,
}

impl Application {
    /// The application that this process is told of.
    pub fn from_environment() -> Result<Self, Error> {
        Self::read(&super::process_variable, &super::read_file)
    }

    /// The application that `environment` and `files` hold.
    pub fn read(environment: Environment<'_>, files: Files<'_>) -> Result<Self, Error> {
        let environment = &|name: &str| super::variable(environment, name);
        let sources = Sources::read(environment, files, &mut Vec::new());
        let (endpoint, section) = sources.endpoint()?;
        let key = sources.credential("application_key", &endpoint, &section).map_err(|error| {
            let page = endpoint.application_page();
            error.hint(format!("make an application at {page} and set OVH_APPLICATION_KEY and OVH_APPLICATION_SECRET"))
        })?;
        Ok(Self { endpoint, key })
    }
}

impl<'a> Sources<'a> {
    /// Reads the files that there are. One that cannot be read, or not all of it, is told of in `notes`.
    pub(super) fn read(environment: Environment<'a>, files: Files<'_>, notes: &mut Vec<String>) -> Self {
        let home = environment("HOME").map(|home| Path::new(&home).join(".ovh.conf"));
        let paths = [Some(PathBuf::from("ovh.conf")), home, Some(PathBuf::from("/etc/ovh.conf"))];
        let mut read = Vec::new();
        for path in paths.into_iter().flatten() {
            let name = path.display().to_string();
            match files(&path) {
                Ok(file) => {
                    let (conf, odd) = OvhConf::parse(&file.text);
                    if let Some(line) = odd {
                        notes.push(format!("{name}: line {line} is neither [section] nor key=value and was skipped"));
                    }
                    read.push((name, conf));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => notes.push(format!("{name} was not read: {error}")),
            }
        }
        Self { environment, files: read }
    }

    /// The settings; `None` where no place names any credentials.
    pub(super) fn settings(&self, public_ip: Option<Ipv4Addr>) -> Result<Option<Settings>, Error> {
        let (endpoint, section) = self.endpoint()?;
        let Some(way) = self.way(&endpoint, &section)? else { return Ok(None) };
        let value = |key| self.credential(key, &endpoint, &section);
        let credentials = if way == KEYS {
            Credentials::Keys {
                application_key: value("application_key")?,
                application_secret: value("application_secret")?,
                consumer_key: value("consumer_key")?,
            }
        } else if way == CLIENT {
            if endpoint.token_url().is_none() {
                return Err(Error::new(Kind::Usage, format!("{} has no OAuth2", endpoint.name()))
                    .hint("use an application key there: run `ikvm-mcp login`"));
            }
            Credentials::Client { id: value("client_id")?, secret: value("client_secret")? }
        } else {
            Credentials::Token(value("access_token")?)
        };
        Ok(Some(Settings { endpoint, credentials, public_ip }))
    }

    /// The endpoint and the text that names it.
    fn endpoint(&self) -> Result<(Endpoint, String), Error> {
        if let Some(text) = (self.environment)("OVH_ENDPOINT") {
            let endpoint = Endpoint::parse(&text).map_err(|error| error.doing("OVH_ENDPOINT"))?;
            return Ok((endpoint, text));
        }
        for (name, conf) in &self.files {
            if let Some(text) = conf.value("endpoint", |section| section == "default") {
                let endpoint = if text.contains("://") {
                    Err(Error::new(Kind::Usage, "a file may not name a URL").hint("set OVH_ENDPOINT to it"))
                } else {
                    Endpoint::named(text)
                };
                let endpoint = endpoint.map_err(|error| error.doing(format!("endpoint in {name}")))?;
                return Ok((endpoint, text.to_owned()));
            }
        }
        Ok((Endpoint::named(DEFAULT)?, DEFAULT.to_owned()))
    }

    /// Which way to sign in the first place with credentials names.
    fn way(&self, endpoint: &Endpoint, section: &str) -> Result<Option<Way>, Error> {
        let places = self.files.iter().map(|(name, conf)| (name.as_str(), Some(conf)));
        for (place, conf) in std::iter::once(("the environment", None)).chain(places) {
            let has = |key: &&str| match conf {
                None => (self.environment)(&variable_name(key)).is_some(),
                Some(conf) => conf.value(key, |name| is_section(name, endpoint, section)).is_some(),
            };
            let ways: Vec<Way> = [KEYS, CLIENT, TOKEN].into_iter().filter(|(_, keys)| keys.iter().any(has)).collect();
            if ways.len() > 1 {
                let names: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
                return Err(Error::new(Kind::Usage, format!("{place} holds {} for OVH", names.join(" and ")))
                    .hint("keep one of them"));
            }
            if let Some(&way) = ways.first() {
                return Ok(Some(way));
            }
        }
        Ok(None)
    }

    /// A value that must be there, from the first place that has it, and fit for a header.
    fn credential(&self, key: &str, endpoint: &Endpoint, section: &str) -> Result<Secret, Error> {
        let name = variable_name(key);
        let in_files = || {
            let mut files = self.files.iter();
            files.find_map(|(_, conf)| conf.value(key, |name| is_section(name, endpoint, section)).map(str::to_owned))
        };
        let Some(value) = (self.environment)(&name).or_else(in_files) else {
            let hint = if key == "consumer_key" { "run `ikvm-mcp login` to get one" } else { "" };
            let what = format!("OVH's credentials are not complete: {name} is missing");
            return Err(Error::new(Kind::Usage, what).hint(hint));
        };
        if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = "it holds a space or another character that no OVH key has";
            return Err(Error::new(Kind::Usage, what).doing(name));
        }
        Ok(Secret::new(value))
    }
}

fn variable_name(key: &str) -> String {
    format!("OVH_{}", key.to_ascii_uppercase())
}

/// Whether a section of ovh.conf is the endpoint's: as it is written, or another name of the same one.
fn is_section(name: &str, endpoint: &Endpoint, written: &str) -> bool {
    name == written || Endpoint::named(name).is_ok_and(|named| named == *endpoint)
}
