//! Where servers come from: each provider lists its servers and knows the way to their consoles.
//!
//! A provider never touches a console; it answers with an [`Access`] that `console` consumes.

pub mod demo;
pub mod hosts;
pub mod ovh;

use crate::base::{Access, Error, Power, Server, Watch};

/// Which access will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One that is still valid, else a new one.
    Any,
    /// A new one: the last was used up or turned away.
    New,
}

/// A source of servers.
pub trait Provider: Send + Sync {
    /// Its name in lower case, as `list_servers` shows it.
    fn name(&self) -> &'static str;

    /// All its servers, in a fixed order.
    fn servers(&self, watch: &Watch) -> Result<Vec<Server>, Error>;

    /// The way to one server's console. `Kind::NotFound` where it has no such server, `Kind::Unsupported` where
    /// the server has no console that this program could show.
    fn access(&self, server: &str, wanted: Wanted, watch: &Watch) -> Result<Access, Error>;

    /// Whether the server is switched on, as far as the provider can tell without its console.
    fn power(&self, server: &str, watch: &Watch) -> Result<Option<Power>, Error>;
}
