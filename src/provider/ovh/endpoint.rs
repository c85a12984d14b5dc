//! Where OVH's API is: one entry point for each region and brand, by name or by URL.
//!
//! Source: OVH's official clients (go-ovh, python-ovh).

use crate::base::{Error, Kind, Url};

/// Name, address, and where OAuth2 tokens are made; Kimsufi and So you Start have no OAuth2.
const TABLE: [(&str, &str, Option<&str>); 7] = [
    ("ovh-eu", "https://eu.api.ovh.com/1.0", Some("https://www.ovh.com/auth/oauth2/token")),
    ("ovh-ca", "https://ca.api.ovh.com/1.0", Some("https://ca.ovh.com/auth/oauth2/token")),
    ("ovh-us", "https://api.us.ovhcloud.com/1.0", Some("https://us.ovhcloud.com/auth/oauth2/token")),
    ("kimsufi-eu", "https://eu.api.kimsufi.com/1.0", None),
    ("kimsufi-ca", "https://ca.api.kimsufi.com/1.0", None),
    ("soyoustart-eu", "https://eu.api.soyoustart.com/1.0", None),
    ("soyoustart-ca", "https://ca.api.soyoustart.com/1.0", None),
];

/// The endpoint where nothing else is said.
pub const DEFAULT: &str = "ovh-eu";

/// An entry point of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    name: String,
    base: String,
    token: Option<String>,
}

impl Endpoint {
    /// An endpoint by its name, in any case; `eu`, `ca` and `us` are short for `ovh-eu` and so on.
    pub fn named(name: &str) -> Result<Self, Error> {
        let name = name.to_ascii_lowercase();
        let full = if matches!(name.as_str(), "eu" | "ca" | "us") { format!("ovh-{name}") } else { name };
        match TABLE.iter().find(|(known, ..)| *known == full) {
            Some(&(name, base, token)) => {
                Ok(Self { name: name.to_owned(), base: base.to_owned(), token: token.map(str::to_owned) })
            }
            None => Err(unknown()),
        }
    }

    /// An endpoint by its name or by its URL (`https://host/1.0`; `http` only on this machine, for tests). OAuth2
    /// tokens of a URL outside the table are made on the same host, under `/auth/oauth2/token`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if !text.contains("://") {
            return Self::named(text);
        }
        let url = Url::parse(text)?;
        let has_scheme = url.scheme == "https" || url.scheme == "http" && is_here(&url);
        if !has_scheme || url.query.is_some() {
            return Err(unknown());
        }
        let base = url.reveal().trim_end_matches('/').to_owned();
        if let Some((name, ..)) = TABLE.iter().find(|(_, known, _)| *known == base) {
            return Self::named(name);
        }
        Ok(Self { name: base.clone(), token: Some(url.origin() + "/auth/oauth2/token"), base })
    }

    /// Its full name, `ovh-eu`, or its URL: also the section of ovh.conf that holds its keys.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The whole URL of a path of the API. The signature covers exactly this text.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether it is on this machine, as in tests.
    pub(super) fn is_here(&self) -> bool {
        Url::parse(&self.base).is_ok_and(|url| is_here(&url))
    }

    /// Where OAuth2 tokens are made, for a region that has them.
    pub fn token_url(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The page where a person makes an application key.
    pub fn application_page(&self) -> String {
        format!("{}/createApp/", self.base.trim_end_matches("/1.0"))
    }
}

/// Whether a URL leads to this machine.
pub(super) fn is_here(url: &Url) -> bool {
    matches!(url.host.as_str(), "127.0.0.1" | "::1" | "localhost")
}

fn unknown() -> Error {
    let names: Vec<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    Error::new(Kind::Usage, "no such endpoint").hint(format!(
        "give one of eu, ca, us, {}, or an https URL such as {}",
        names.join(", "),
        TABLE[0].1
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_short_name_leads_to_its_address() {
        for (name, base, _) in TABLE {
            assert_eq!(Endpoint::parse(name).unwrap().url("/me"), format!("{base}/me"));
            assert_eq!(Endpoint::parse(base).unwrap().name(), name);
        }
        for (short, name) in [("eu", "ovh-eu"), ("CA", "ovh-ca"), ("us", "ovh-us")] {
            assert_eq!(Endpoint::parse(short).unwrap(), Endpoint::named(name).unwrap());
        }
        assert_eq!(Endpoint::named("eu").unwrap().application_page(), "https://eu.api.ovh.com/createApp/");
    }

    #[test]
    fn a_url_counts_when_it_is_https_or_on_this_machine() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8080/1.0/").unwrap();
        assert_eq!(endpoint.url("/auth/time"), "http://127.0.0.1:8080/1.0/auth/time");
        assert_eq!(endpoint.token_url(), Some("http://127.0.0.1:8080/auth/oauth2/token"));
        assert!(endpoint.is_here() && !Endpoint::parse("https://127.0.0.1.api.example/1.0").unwrap().is_here());
        for text in ["http://api.example/1.0", "ftp://127.0.0.1/", "https://api.example/?q", "mars", "", "https://"] {
            assert_eq!(Endpoint::parse(text).unwrap_err().kind(), Kind::Usage, "{text}");
        }
    }

    #[test]
    fn an_unknown_endpoint_is_answered_with_the_known_ones() {
        let sentence = Endpoint::named("eu.api.ovh.com").unwrap_err().to_string();
        assert!(sentence.starts_with("no such endpoint; give one of eu, ca, us, ovh-eu, "), "{sentence}");
    }
}
