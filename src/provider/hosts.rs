//! Servers that people name themselves, in a file: BMCs with a login, virtual machines, cloud consoles.
//!
//! The way to each is known from the start; nothing is asked of anybody.

use super::{Provider, Wanted};
use crate::base::{Access, Error, Kind, Power, Server, Watch};

/// The provider's name.
pub const NAME: &str = "hosts";

/// One server of the file.
#[derive(Clone, Debug)]
pub struct Host {
    /// What the file tells about it.
    pub server: Server,
    /// The way to its console, or why there is none: a password that is not there yet, for example, which is no reason
    /// to withhold the other servers.
    pub access: Result<Access, Error>,
}

/// The servers of the file.
#[derive(Debug)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// The servers, each with an id of its own.
    pub fn new(hosts: Vec<Host>) -> Self {
        Self(hosts)
    }

    fn host(&self, server: &str) -> Result<&Host, Error> {
        let found = self.0.iter().find(|host| host.server.id == server);
        found.ok_or_else(|| Error::new(Kind::NotFound, "no such server"))
    }
}

impl Provider for Hosts {
    fn name(&self) -> &'static str {
        NAME
    }

    fn servers(&self, _: &Watch) -> Result<Vec<Server>, Error> {
        Ok(self.0.iter().map(|host| host.server.clone()).collect())
    }

    fn access(&self, server: &str, _: Wanted, _: &Watch) -> Result<Access, Error> {
        self.host(server)?.access.clone()
    }

    fn power(&self, server: &str, _: &Watch) -> Result<Option<Power>, Error> {
        self.host(server).map(|_| None)
    }
}
