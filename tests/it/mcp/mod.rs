//! MCP as a function: messages in, answers out, no transport.

mod calls;
mod damage;
mod eras;

use ikvm_mcp::mcp::{Answer, Headers, Mcp, Received};
use serde_json::{Value, json};

use crate::support::servers::{self, Listing, Scripted};

/// MCP over servers that answer.
fn mcp() -> Mcp {
    over(Listing::Known(servers::two_servers()))
}

fn over(listing: Listing) -> Mcp {
    Mcp::new(servers::ops(Scripted(listing)))
}

/// What is in a request of the stateless era.
fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A request of the stateless era.
fn stateless(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    params["_meta"] = meta();
    request(id, method, params)
}

/// The headers that belong to a request of the stateless era.
fn headers_of(message: &Value) -> Headers {
    Headers {
        protocol_version: Some("2026-07-28".to_owned()),
        method: message["method"].as_str().map(str::to_owned),
        name: message["params"]["name"].as_str().map(str::to_owned),
        session: None,
        user_agent: None,
    }
}

fn version(version: &str) -> Headers {
    Headers { protocol_version: Some(version.to_owned()), ..Headers::default() }
}

fn session(session: &str) -> Headers {
    Headers { session: Some(session.to_owned()), ..version("2025-11-25") }
}

/// The answer, work done; `None` where there is none.
fn answer(mcp: &Mcp, text: &str, headers: Option<&Headers>) -> Option<Answer> {
    match mcp.receive(text.as_bytes(), headers) {
        Received::Nothing => None,
        Received::Answer(answer) => Some(answer),
        Received::Work(work) => work.begin(()).finish().map(|message| Answer { message, status: 200, session: None }),
    }
}

/// The result of a request that has one.
fn result(mcp: &Mcp, message: &Value, headers: Option<&Headers>) -> Value {
    let answer = answer(mcp, &message.to_string(), headers).unwrap();
    assert_eq!((answer.status, &answer.message["id"]), (200, &message["id"]), "{}", answer.message);
    assert!(answer.message.get("error").is_none(), "{}", answer.message);
    answer.message["result"].clone()
}

/// Status and code of a request that fails.
fn fault(mcp: &Mcp, text: &str, headers: Option<&Headers>) -> (u16, i64) {
    let answer = answer(mcp, text, headers).unwrap_or_else(|| panic!("no answer to {text}"));
    let code = answer.message["error"]["code"].as_i64().unwrap_or_else(|| panic!("{}", answer.message));
    assert!(!answer.message["error"]["message"].as_str().unwrap().is_empty());
    assert!(answer.message.get("id") != Some(&Value::Null), "{}", answer.message);
    (answer.status, code)
}
