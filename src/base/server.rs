//! A server in an inventory: what a provider tells about it.

/// One server. What a provider does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What calls name it by; unique among all servers.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The provider that told us, in lower case: `ovh`, `demo` ...
    pub provider: &'static str,
    /// The provider's short name of the datacenter.
    pub datacenter: Option<String>,
    /// The main public address.
    pub ip: Option<String>,
    /// The provider's word for its condition: `ok`, `error` ...
    pub state: Option<String>,
    /// Whether it is switched on, as the provider sees it.
    pub power: Option<Power>,
    /// The operating system that the provider installed.
    pub os: Option<String>,
}

/// Whether a host is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Switched on.
    On,
    /// Switched off.
    Off,
}

impl Power {
    /// `on` or `off`.
    pub fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}
