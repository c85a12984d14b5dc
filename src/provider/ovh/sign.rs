//! The signature of a call to OVH's API.
//!
//! Source: OVH's "First steps with the API". `"$1$"` and the SHA-1, in hexadecimal, of the application secret, the
//! consumer key, the method, the whole URL, the body and the timestamp, joined by `+`.

use sha1_smol::Sha1;

use crate::base::Secret;

/// What is signed: exactly what goes over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// `GET`, `POST` ...
    pub method: &'a str,
    /// The whole URL as sent, query included.
    pub url: &'a str,
    /// The body as sent, empty where there is none.
    pub body: &'a str,
    /// OVH's time, in seconds since 1970.
    pub timestamp: u64,
}

/// The value of `X-Ovh-Signature`.
pub fn signature(application_secret: &Secret, consumer_key: &Secret, call: Call<'_>) -> String {
    let timestamp = call.timestamp.to_string();
    let parts =
        [application_secret.reveal(), consumer_key.reveal(), call.method, call.url, call.body, timestamp.as_str()];
    format!("$1${}", Sha1::from(parts.join("+")).digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(method: &str, body: &str) -> String {
        let url = "https://eu.api.ovh.com/1.0/dedicated/server?x=%20y";
        let call = Call { method, url, body, timestamp: 1_785_231_005 };
        signature(&Secret::new("application-secret-of-a-test"), &Secret::new("consumer-key-of-a-test"), call)
    }

    #[test]
    fn the_signature_is_what_sha1sum_says() {
        // printf '%s' 'application-secret-of-a-test+consumer-key-of-a-test+GET+https://...++1785231005' | sha1sum
        assert_eq!(sign("GET", ""), "$1$9d8fac9fac82d7eab1f96c76be3dfe94c8d67c1a");
        assert_eq!(sign("POST", r#"{"type":"kvmipHtml5URL"}"#), "$1$302eb9ffaf31b6801dfa3b3ea2d3ef09dedcaabd");
    }
}
