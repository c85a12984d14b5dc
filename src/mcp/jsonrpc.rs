//! JSON-RPC 2.0: a message is one of four kinds, and an answer carries a result or an error.
//!
//! Source: the JSON-RPC 2.0 specification; the error codes also MCP 2026-07-28, "Error codes". Deliberately absent:
//! requests of our own (this server asks its clients nothing) and the codes -32000 to -32019, which MCP retired.

use serde_json::{Map, Value, json};

/// The text is not JSON.
pub const PARSE_ERROR: i64 = -32700;
/// JSON, but no request.
pub const INVALID_REQUEST: i64 = -32600;
/// No such method here.
pub const METHOD_NOT_FOUND: i64 = -32601;
/// A parameter is missing or wrong; an unknown tool counts as one.
pub const INVALID_PARAMS: i64 = -32602;
/// A bug of ours.
pub const INTERNAL_ERROR: i64 = -32603;
/// An HTTP header is missing or says something else than the body.
pub const HEADER_MISMATCH: i64 = -32020;
/// A protocol revision that this server does not speak.
pub const UNSUPPORTED_VERSION: i64 = -32022;

/// The most values, names and commas among them, in one text: clients send a few dozen, and a server's list of tools is
/// not theirs to send. In memory each takes up to 170 bytes, and as text down to 2.
const MAX_PARTS: usize = 20_000;

/// Whether a text has so many parts that it is not worth its memory to read it.
pub fn is_too_dense(text: &[u8]) -> bool {
    let (mut parts, mut is_string, mut is_escaped) = (0, false, false);
    for &byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' => is_string = !is_string,
            b',' | b':' | b'[' | b'{' if !is_string => parts += 1,
            _ => {}
        }
    }
    parts > MAX_PARTS
}

/// One message from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Wants an answer under its id: a string or an integer.
    Request {
        /// Echoed in the answer.
        id: Value,
        /// What to do.
        method: String,
        /// An object, an array, or null where there were none.
        params: Value,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: String,
        /// As in a request.
        params: Value,
    },
    /// An answer to a question that was never asked.
    Response,
    /// None of these.
    Invalid {
        /// The request's id, if it was readable.
        id: Option<Value>,
        /// What is wrong.
        fault: Fault,
    },
}

/// Why a request has no result.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// One of the codes above.
    pub code: i64,
    /// One sentence.
    pub message: String,
    /// What a program may act on; null where there is nothing.
    pub data: Value,
    /// The HTTP status that goes with it.
    pub status: u16,
}

impl Fault {
    /// A fault with the status that its code usually has.
    pub fn new(code: i64, message: impl Into<String>) -> Self {
        let status = match code {
            PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | UNSUPPORTED_VERSION => 400,
            _ => 200,
        };
        Self { code, message: message.into(), data: Value::Null, status }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The answer that tells it; without `id` where the request's could not be read.
    pub fn answer(&self, id: Option<&Value>) -> Value {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.data.is_null() {
            error["data"] = self.data.clone();
        }
        let mut answer = Map::new();
        answer.insert("jsonrpc".to_owned(), "2.0".into());
        if let Some(id) = id {
            answer.insert("id".to_owned(), id.clone());
        }
        answer.insert("error".to_owned(), error);
        Value::Object(answer)
    }
}

/// The answer that carries a result.
pub fn success(id: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// A notification to the client.
pub fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// Tells which kind of message `value` is.
pub fn parse(value: Value) -> Message {
    let invalid = |id, what| {
        let fault = Fault::new(INVALID_REQUEST, format!("invalid request: {what}"));
        Message::Invalid { id, fault }
    };
    let Value::Object(mut object) = value else {
        return invalid(None, "a message is a JSON object");
    };
    let answers = object.contains_key("result") || object.contains_key("error");
    if answers && !object.contains_key("method") {
        return Message::Response;
    }
    let id = match object.remove("id") {
        None => None,
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => return invalid(None, "id must be a string or an integer"),
    };
    if object.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid(id, "jsonrpc must be \"2.0\"");
    }
    let Some(Value::String(method)) = object.remove("method") else {
        return invalid(id, "method must be a string");
    };
    let params = object.remove("params").unwrap_or(Value::Null);
    if !(params.is_object() || params.is_array() || params.is_null()) {
        return invalid(id, "params must be an object");
    }
    match id {
        Some(id) => Message::Request { id, method, params },
        None => Message::Notification { method, params },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (Option<Value>, i64) {
        match parse(serde_json::from_str(text).unwrap()) {
            Message::Invalid { id, fault } => (id, fault.code),
            message => panic!("{message:?}"),
        }
    }

    #[test]
    fn a_request_has_an_id_and_a_notification_none() {
        let params = json!({ "a": 1 });
        let value = json!({ "jsonrpc": "2.0", "id": 0, "method": "x", "params": params });
        assert_eq!(parse(value), Message::Request { id: json!(0), method: "x".to_owned(), params });
        let value = json!({ "jsonrpc": "2.0", "method": "x" });
        assert_eq!(parse(value), Message::Notification { method: "x".to_owned(), params: Value::Null });
        assert_eq!(parse(json!({ "jsonrpc": "2.0", "id": 1, "result": {} })), Message::Response);
    }

    #[test]
    fn a_fault_names_the_id_only_where_it_is_one() {
        for text in ["1", "null", "[]", "\"x\""] {
            assert_eq!(code(text), (None, INVALID_REQUEST), "{text}");
        }
        for id in ["null", "1.5", "true", "{}", "[1]", "99999999999999999999"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"x"}}"#);
            assert_eq!(code(&text), (None, INVALID_REQUEST), "{id}");
        }
        for text in [
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":1}"#,
            r#"{"jsonrpc":"1.0","id":7,"method":"x"}"#,
            r#"{"id":7,"method":"x"}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"x","params":"y"}"#,
        ] {
            assert_eq!(code(text), (Some(json!(7)), INVALID_REQUEST), "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_readable_id_has_no_id_at_all() {
        let fault = Fault::new(PARSE_ERROR, "no");
        assert_eq!(fault.answer(None), json!({ "jsonrpc": "2.0", "error": { "code": -32700, "message": "no" } }));
        let answer = fault.answer(Some(&json!("a")));
        assert_eq!(answer["id"], "a");
    }

    #[test]
    fn parts_are_counted_outside_of_strings() {
        let text = r#"[{"a,:[{\",":"\\"},"#;
        for (repeated, is_dense) in [(MAX_PARTS / 4, false), (MAX_PARTS / 4 + 1, true)] {
            assert_eq!(is_too_dense(text.repeat(repeated).as_bytes()), is_dense);
        }
        assert!(!is_too_dense(format!("\"{}", "[".repeat(1 << 20)).as_bytes()));
    }
}
