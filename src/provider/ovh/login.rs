//! A consumer key with exactly the rights that this program needs: what `ikvm-mcp login` asks for.

use serde_json::json;

use super::Endpoint;
use super::api::Line;
use super::refusal::{Call, Speaker};
use crate::base::bytes::clean_text;
use crate::base::{Error, Kind, Secret, Url, Watch};
use crate::net::{Method, Trust};

/// The rights: method and path, `*` for anything.
pub const RIGHTS: [(Method, &str); 4] = [
    (Method::Get, "/dedicated/server"),
    (Method::Get, "/dedicated/server/*"),
    (Method::Post, "/dedicated/server/*/features/ipmi/access"),
    (Method::Post, "/me/geolocation"),
];

/// A key that counts as soon as a person has opened its page and agreed.
#[derive(Clone, Debug)]
pub struct ConsumerKey {
    /// For `OVH_CONSUMER_KEY`.
    pub key: Secret,
    /// The page where a person agrees. It holds a token of its own, so it is shown to nobody but that person.
    pub validation_url: Secret,
}

/// Asks OVH for a consumer key for the application that `application_key` names.
pub fn request_consumer_key(
    endpoint: &Endpoint,
    application_key: &Secret,
    trust: Trust,
    watch: &Watch,
) -> Result<ConsumerKey, Error> {
    let call = Call { method: Method::Post, path: "/auth/credential" };
    let rules: Vec<_> =
        RIGHTS.iter().map(|(method, path)| json!({"method": method.to_string(), "path": path})).collect();
    let body = json!({"accessRules": rules}).to_string();
    let headers = vec![("x-ovh-application", application_key.reveal().to_owned())];
    watch.enter("asking OVH for a consumer key");
    let line = Line::new(trust);
    let speaker = Speaker { credentials: None, sent: Some(application_key) };
    let answer = line.send(call, &endpoint.url(call.path), headers, Some(&body), speaker, watch)?;
    let text = |key: &str| answer[key].as_str().filter(|text| !text.is_empty() && clean_text(text) == **text);
    let is_page = |text: &&str| Url::parse(text).is_ok_and(|url| matches!(url.scheme.as_str(), "https" | "http"));
    match (text("consumerKey"), text("validationUrl").filter(is_page)) {
        (Some(key), Some(page)) => Ok(ConsumerKey { key: Secret::new(key), validation_url: Secret::new(page) }),
        _ => {
            let keys: Vec<String> = answer.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
            let what = format!("OVH's answer has no consumerKey and validationUrl, but: {}", keys.join(", "));
            Err(Error::new(Kind::Peer, speaker.quote(&what)).doing(call.name()))
        }
    }
}

/// The right that a call needs, as [`RIGHTS`] writes it, or the call itself where none of them covers it.
pub(super) fn right_for(method: Method, path: &str) -> String {
    let covers = |pattern: &str| match pattern.split_once('*') {
        None => pattern == path,
        Some((start, end)) => path.len() > start.len() + end.len() && path.starts_with(start) && path.ends_with(end),
    };
    let right = RIGHTS.iter().find(|(verb, pattern)| *verb == method && covers(pattern));
    right.map_or(format!("{method} {path}"), |(verb, pattern)| format!("{verb} {pattern}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_traced_to_the_right_it_needs() {
        for (method, path, right) in [
            (Method::Get, "/dedicated/server", "GET /dedicated/server"),
            (Method::Get, "/dedicated/server/ns1/task/7", "GET /dedicated/server/*"),
            (
                Method::Post,
                "/dedicated/server/ns1/features/ipmi/access",
                "POST /dedicated/server/*/features/ipmi/access",
            ),
            (Method::Post, "/dedicated/server/features/ipmi/access", "POST /dedicated/server/features/ipmi/access"),
            (Method::Get, "/me/geolocation", "GET /me/geolocation"),
        ] {
            assert_eq!(right_for(method, path), right);
        }
    }
}
