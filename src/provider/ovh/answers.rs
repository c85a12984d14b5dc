//! What OVH's answers hold, out of their JSON. Every member may be missing or of another type: then it is not there.
//!
//! Source: OVH's API schemas.

use serde_json::Value;

use super::NAME;
use crate::base::bytes::clean_text;
use crate::base::clock::Utc;
use crate::base::{Power, Secret, Server};

/// A server's details: `GET /dedicated/server/{server}`.
pub(super) fn server(id: &str, details: &Value) -> Server {
    Server {
        id: id.to_owned(),
        name: text(&details["name"]).unwrap_or_else(|| id.to_owned()),
        provider: NAME,
        datacenter: text(&details["datacenter"]),
        ip: text(&details["ip"]),
        state: text(&details["state"]),
        power: power(details),
        os: text(&details["os"]),
    }
}

/// Whether a server is switched on, out of its details.
pub(super) fn power(details: &Value) -> Option<Power> {
    match details["powerState"].as_str()? {
        "poweron" => Some(Power::On),
        "poweroff" => Some(Power::Off),
        _ => None,
    }
}

/// What `GET .../features/ipmi` knows, and how a person calls it.
const FEATURES: [(&str, &str); 4] = [
    (HTML5, "an HTML5 console"),
    ("kvmipJnlp", "a Java console"),
    ("serialOverLanURL", "serial over LAN in a browser"),
    ("serialOverLanSshKey", "serial over LAN by SSH"),
];

/// The feature, and type of access, that this program uses.
pub(super) const HTML5: &str = "kvmipHtml5URL";

/// Which consoles a server has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) is_active: bool,
    pub(super) has_html5: bool,
    /// All others, in words: `a Java console (kvmipJnlp)`.
    pub(super) others: Vec<String>,
}

impl Features {
    pub(super) fn read(answer: &Value) -> Self {
        let has = |name: &str| answer["supportedFeatures"][name].as_bool().unwrap_or(false);
        let others = FEATURES.iter().filter(|(name, _)| *name != HTML5 && has(name));
        Self {
            is_active: answer["activated"].as_bool().unwrap_or(true),
            has_html5: has(HTML5),
            others: others.map(|(name, words)| format!("{words} ({name})")).collect(),
        }
    }
}

/// Something that OVH does in the background.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) id: u64,
    pub(super) status: Status,
    /// OVH's words on it, often none.
    pub(super) comment: String,
}

/// How far a task is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// Under way; the stage in words.
    Waiting(&'static str),
    Done,
    /// It ended without a result: OVH's word.
    Failed(String),
}

impl Task {
    /// `None` where the answer is no task.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let status = match answer["status"].as_str()? {
            "init" => Status::Waiting("waiting for OVH's access task (init)"),
            "todo" => Status::Waiting("waiting for OVH's access task (todo)"),
            "doing" => Status::Waiting("waiting for OVH's access task (doing)"),
            "done" => Status::Done,
            failed @ ("cancelled" | "customerError" | "ovhError") => Status::Failed(failed.to_owned()),
            _ => Status::Waiting("waiting for OVH's access task (in a state of its own)"),
        };
        Some(Self { id: answer["taskId"].as_u64()?, status, comment: text(&answer["comment"]).unwrap_or_default() })
    }
}

/// An access to a console: `GET .../features/ipmi/access`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    /// The viewer's URL.
    pub(super) value: Secret,
    /// Until when it may be used to connect.
    pub(super) expiration: Option<Utc>,
}

impl Opening {
    /// `None` while OVH has no value yet.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let value = answer["value"].as_str().filter(|value| !value.is_empty())?;
        Some(Self { value: Secret::new(value), expiration: answer["expiration"].as_str().and_then(Utc::parse) })
    }
}

/// OVH's texts are a line at most; a longer one is cut.
const MAX_TEXT: usize = 400;

/// A text that says something, fit for a message.
fn text(value: &Value) -> Option<String> {
    let text: String = clean_text(value.as_str()?).trim().chars().take(MAX_TEXT).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_without_details_keeps_its_id() {
        let bare = server("ns1", &Value::Null);
        assert_eq!((bare.name.as_str(), bare.provider, bare.power), ("ns1", "ovh", None));
        let full = json!({"name": "ns1", "datacenter": "sbg3", "ip": "192.0.2.1", "state": "ok", "os": "debian12_64",
            "powerState": "poweroff", "rack": 7});
        let full = server("ns1", &full);
        assert_eq!((full.datacenter.as_deref(), full.ip.as_deref()), (Some("sbg3"), Some("192.0.2.1")));
        assert_eq!(
            (full.state.as_deref(), full.os.as_deref(), full.power),
            (Some("ok"), Some("debian12_64"), Some(Power::Off))
        );
        assert_eq!(server("ns1", &json!({"powerState": "unknown", "os": "", "ip": 5})).os, None);
    }

    #[test]
    fn the_features_are_told_in_words() {
        let answer = json!({"activated": true, "supportedFeatures":
            {"kvmipHtml5URL": false, "kvmipJnlp": true, "serialOverLanURL": false, "serialOverLanSshKey": true}});
        let features = Features::read(&answer);
        assert!(features.is_active && !features.has_html5);
        assert_eq!(features.others, ["a Java console (kvmipJnlp)", "serial over LAN by SSH (serialOverLanSshKey)"]);
        assert!(!Features::read(&Value::Null).has_html5);
    }

    #[test]
    fn a_task_is_waiting_done_or_failed() {
        let status = |word: &str| Task::read(&json!({"taskId": 7, "status": word})).unwrap().status;
        assert_eq!(status("doing"), Status::Waiting("waiting for OVH's access task (doing)"));
        assert!(matches!(status("new in 2030"), Status::Waiting(_)));
        assert_eq!(status("done"), Status::Done);
        assert_eq!(status("ovhError"), Status::Failed("ovhError".to_owned()));
        assert_eq!(Task::read(&json!({"status": "done"})), None);
        assert_eq!(Task::read(&json!([])), None);
    }

    #[test]
    fn an_access_without_a_value_is_not_there_yet() {
        assert_eq!(Opening::read(&json!({"value": null, "expiration": "2026-07-28T09:30:05+00:00"})), None);
        let opening =
            Opening::read(&json!({"value": "https://x/", "expiration": "2026-07-28T11:30:05+02:00"})).unwrap();
        assert_eq!(opening.expiration, Some(Utc::from_seconds(1_785_231_005)));
        assert!(!format!("{opening:?}").contains("https"));
    }
}
