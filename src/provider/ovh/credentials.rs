//! Who we are to OVH's API: one of its three ways to sign in.

use std::net::Ipv4Addr;

use super::Endpoint;
use crate::base::Secret;

/// What the provider needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which API.
    pub endpoint: Endpoint,
    /// Who we are to it.
    pub credentials: Credentials,
    /// The address that BMCs see us from, where a person set it; else OVH is asked.
    pub public_ip: Option<Ipv4Addr>,
}

/// One way to sign in.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Every call is signed.
    Keys {
        /// Names the application.
        application_key: Secret,
        /// Goes into each signature, never over the wire.
        application_secret: Secret,
        /// Carries the rights that a person granted to the application.
        consumer_key: Secret,
    },
    /// OAuth2 client credentials: a service account, exchanged for a token of about an hour.
    Client {
        /// Names the service account.
        id: Secret,
        /// Its password.
        secret: Secret,
    },
    /// A token made elsewhere.
    Token(Secret),
}

impl Credentials {
    /// `text` with each of our secrets in it replaced by `***`: a peer may repeat what we sent.
    pub(super) fn redact(&self, text: &str) -> String {
        let secrets = match self {
            Self::Keys { application_key, application_secret, consumer_key } => {
                vec![application_key, application_secret, consumer_key]
            }
            Self::Client { id, secret } => vec![id, secret],
            Self::Token(token) => vec![token],
        };
        redact(text, &secrets)
    }
}

/// `text` with each of `secrets` in it replaced by `***`.
pub(super) fn redact(text: &str, secrets: &[&Secret]) -> String {
    let secrets = secrets.iter().map(|secret| secret.reveal()).filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_repeats_our_secrets_does_not_bring_them_into_a_message() {
        let keys = ["ak-1", "as-2", "ck-3"].map(Secret::new);
        let [application_key, application_secret, consumer_key] = keys;
        let credentials = Credentials::Keys { application_key, application_secret, consumer_key };
        assert_eq!(credentials.redact("ak-1 as-2, ck-3ck-3"), "*** ***, ******");
        assert_eq!(Credentials::Token(Secret::default()).redact("as is"), "as is");
        assert!(!format!("{credentials:?}").contains("as-2"));
    }
}
