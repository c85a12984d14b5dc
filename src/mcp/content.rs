//! What a tool answers with: content blocks, and the result around them.
//!
//! Source: MCP, "Tools", "Tool Result". A result with a picture never carries `structuredContent`: observed, clients
//! that get both show the model one of the two. A failure carries text alone: pictures in it are dropped.

use serde_json::{Value, json};

use crate::base::{Error, base64};

/// A block of text.
pub fn text(text: impl Into<String>) -> Value {
    json!({ "type": "text", "text": text.into() })
}

/// A picture, as a client shows it to the model.
pub fn png(bytes: &[u8]) -> Value {
    json!({ "type": "image", "data": base64::encode(bytes), "mimeType": "image/png" })
}

/// A result of blocks.
pub fn blocks(blocks: Vec<Value>) -> Value {
    json!({ "content": blocks })
}

/// A result for programs, with the text that says the same to a model.
pub fn structured(plain: String, value: Value) -> Value {
    json!({ "content": [text(plain)], "structuredContent": value })
}

/// A failed call: one sentence that names the next step.
pub fn failure(error: &Error) -> Value {
    json!({ "content": [text(error.to_string())], "isError": true })
}

/// Why a call failed, if it did.
pub fn failure_of(result: &Value) -> Option<&str> {
    (result["isError"] == true).then(|| result["content"][0]["text"].as_str().unwrap_or_default())
}

/// How much text and picture is in a result, in bytes as they are sent.
pub fn size(result: &Value) -> usize {
    let blocks = result["content"].as_array().into_iter().flatten();
    blocks.flat_map(|block| [&block["text"], &block["data"]]).filter_map(Value::as_str).map(str::len).sum()
}
