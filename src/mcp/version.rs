//! The protocol's two eras and their revisions, and how a request tells which era it is of.
//!
//! | era | revisions | a request |
//! |---|---|---|
//! | handshake | 2024-11-05 to 2025-11-25 | follows `initialize`; the version may stand in a header |
//! | stateless | 2026-07-28 | carries version and capabilities in `params._meta`, mirrored into headers |
//!
//! Source: the published revisions of the Model Context Protocol, "Versioning" and "Transports".

use serde_json::Value;

use super::Headers;
use super::jsonrpc::{Fault, HEADER_MISMATCH, INVALID_PARAMS, INVALID_REQUEST, UNSUPPORTED_VERSION};
use crate::base::base64;

/// The stateless revisions spoken here, newest first.
pub const STATELESS: &[&str] = &["2026-07-28"];

/// The handshake revisions spoken here, newest first.
pub const HANDSHAKE: &[&str] = &["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// A pre-release that old SDKs still name in the header.
const PRE_RELEASE: &str = "2024-10-07";

/// The revisions that know batches; a request without a version may be of one of them.
const WITH_BATCHES: &[&str] = &["2025-03-26", "2024-11-05", PRE_RELEASE];

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Where a stateless request says whose it is.
pub const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// Up to 2025-11-25.
    Handshake,
    /// Since 2026-07-28.
    Stateless,
}

/// The era of a request. `headers` is `None` where the transport has none.
pub fn era(method: &str, params: &Value, headers: Option<&Headers>) -> Era {
    let header_is_stateless = || {
        let version = headers.and_then(|headers| headers.protocol_version.as_deref());
        version.is_some_and(|version| is_date(version) && version >= STATELESS[STATELESS.len() - 1])
    };
    // Without headers nothing but the method tells a stateless client that forgot its _meta.
    let probes = headers.is_none() && method == "server/discover";
    let stateless = has_stateless_meta(params) || method != "initialize" && (probes || header_is_stateless());
    if stateless { Era::Stateless } else { Era::Handshake }
}

/// Whether `params` carry the version as a stateless request does.
pub fn has_stateless_meta(params: &Value) -> bool {
    params["_meta"].get(META_VERSION).is_some()
}

/// Whether the revision that the header names, if any, knows batches.
pub fn knows_batches(headers: Option<&Headers>) -> bool {
    match headers.and_then(|headers| headers.protocol_version.as_deref()) {
        Some(version) => WITH_BATCHES.contains(&version),
        None => true,
    }
}

/// The revision that `initialize` answers with: the wanted one where it is spoken here, else the newest.
pub fn negotiate(wanted: &Value) -> &'static str {
    let wanted = wanted.as_str();
    HANDSHAKE.iter().find(|version| Some(**version) == wanted).unwrap_or(&HANDSHAKE[0])
}

/// Checks what a stateless request must carry, in the order in which a client is told.
pub fn check_stateless(method: &str, params: &Value, headers: Option<&Headers>) -> Result<(), Fault> {
    let meta = &params["_meta"];
    let incomplete = |key: &str, wanted: &str| {
        Fault::new(INVALID_PARAMS, format!("params._meta[\"{key}\"] must be {wanted}")).with_status(400)
    };
    let version = meta[META_VERSION].as_str().ok_or_else(|| incomplete(META_VERSION, "a string"))?;
    if !meta[META_CAPABILITIES].is_object() {
        return Err(incomplete(META_CAPABILITIES, "an object"));
    }
    if let Some(headers) = headers {
        must_equal("MCP-Protocol-Version", headers.protocol_version.as_deref(), version)?;
    }
    if !STATELESS.contains(&version) {
        let mut fault = Fault::new(UNSUPPORTED_VERSION, "unsupported protocol version");
        fault.data = serde_json::json!({ "supported": STATELESS, "requested": version });
        return Err(fault);
    }
    let Some(headers) = headers else { return Ok(()) };
    must_equal("Mcp-Method", headers.method.as_deref(), method)?;
    let named = match method {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" => &params["uri"],
        "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
        _ => return Ok(()),
    };
    match (named.as_str(), headers.name.as_deref()) {
        // The method itself says what is wrong with its parameters.
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Fault::new(HEADER_MISMATCH, "the header Mcp-Name names what the body does not")),
        (Some(name), header) => {
            let plain = header.map(|header| plain_text(header).ok_or_else(|| bad_encoding(header))).transpose()?;
            must_equal("Mcp-Name", plain.as_deref(), name)
        }
    }
}

/// Checks the version header of a handshake request; `initialize` comes before any version.
pub fn check_handshake(method: &str, headers: Option<&Headers>) -> Result<(), Fault> {
    match headers.and_then(|headers| headers.protocol_version.as_deref()) {
        Some(version) if method != "initialize" && version != PRE_RELEASE && !HANDSHAKE.contains(&version) => {
            let known = [STATELESS, HANDSHAKE].concat().join(", ");
            Err(Fault::new(INVALID_REQUEST, format!("unknown MCP-Protocol-Version; send one of {known}")))
        }
        _ => Ok(()),
    }
}

fn must_equal(name: &str, header: Option<&str>, body: &str) -> Result<(), Fault> {
    match header {
        Some(header) if header == body => Ok(()),
        Some(_) => Err(Fault::new(HEADER_MISMATCH, format!("the header {name} says something else than the body"))),
        None => Err(Fault::new(HEADER_MISMATCH, format!("the header {name} is missing"))),
    }
}

fn bad_encoding(header: &str) -> Fault {
    let header: String = header.chars().take(80).collect();
    Fault::new(HEADER_MISMATCH, format!("the header Mcp-Name is not what it claims to be: {header}"))
}

/// A header value as the client meant it: `=?base64?...?=` carries what a header cannot. `None` where that is broken.
fn plain_text(header: &str) -> Option<String> {
    match header.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(base64::decode(encoded.as_bytes())?).ok(),
        None => Some(header.to_owned()),
    }
}

/// Whether `version` is written like a revision, so that two of them compare as dates.
fn is_date(version: &str) -> bool {
    let is_digit_or_dash =
        |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    version.len() == 10 && version.bytes().enumerate().all(is_digit_or_dash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_handshake_revisions_are_negotiated() {
        for version in HANDSHAKE {
            assert_eq!(negotiate(&json!(version)), *version);
        }
        for version in [json!("2026-07-28"), json!("1999-01-01"), json!("2024-10-07"), json!(7), Value::Null] {
            assert_eq!(negotiate(&version), "2025-11-25", "{version}");
        }
    }

    #[test]
    fn a_base64_header_is_read_as_what_it_carries() {
        assert_eq!(plain_text("=?base64?c2VydmVy?=").as_deref(), Some("server"));
        assert_eq!(plain_text("server").as_deref(), Some("server"));
        assert_eq!(plain_text("=?base64?***?="), None);
        assert_eq!(plain_text("=?base64?/w==?="), None);
    }

    #[test]
    fn a_version_is_a_date_or_nothing() {
        assert!(is_date("2026-07-28"));
        for text in ["", "2026-07-2", "2026-07-288", "zzzz-zz-zz", "2026/07/28"] {
            assert!(!is_date(text), "{text}");
        }
    }
}
