//! MCP messages, with the headers of each transport and era: whatever comes in, what goes out is JSON-RPC.
//!
//! The first byte chooses the headers.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ikvm_mcp::base::{Access, Error, Kind, Power, Server, Watch};
use ikvm_mcp::mcp::{Headers, Mcp, Received};
use ikvm_mcp::net::Trust;
use ikvm_mcp::ops::{Ops, Settings};
use ikvm_mcp::provider::{Provider, Wanted};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static MCP: LazyLock<Mcp> = LazyLock::new(|| {
    let settings = Settings { max_edge: 2000, idle: Duration::from_secs(60), max_consoles: 8, trust: Trust::system() };
    Mcp::new(Arc::new(Ops::new(vec![Box::new(Nobody)], settings)))
});

/// A provider that knows no server.
struct Nobody;

impl Provider for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn servers(&self, _: &Watch) -> Result<Vec<Server>, Error> {
        Ok(Vec::new())
    }

    fn access(&self, _: &str, _: Wanted, _: &Watch) -> Result<Access, Error> {
        Err(Error::new(Kind::NotFound, "no such server"))
    }

    fn power(&self, _: &str, _: &Watch) -> Result<Option<Power>, Error> {
        Ok(None)
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&kind, text)) = data.split_first() else { return };
    let version = |version: &str| Headers { protocol_version: Some(version.to_owned()), ..Headers::default() };
    let headers = match kind & 3 {
        0 => None,
        1 => Some(Headers::default()),
        2 => Some(version("2025-03-26")),
        _ => Some(version("2026-07-28")),
    };
    let message = match MCP.receive(text, headers.as_ref()) {
        Received::Nothing => None,
        Received::Answer(answer) => Some(answer.message),
        Received::Work(work) => work.begin(()).finish(),
    };
    match message {
        Some(Value::Array(batch)) => batch.iter().for_each(check),
        Some(message) => check(&message),
        None => {}
    }
});

fn check(message: &Value) {
    assert_eq!(message["jsonrpc"], "2.0", "{message}");
    assert!(message.get("result").is_some() != message.get("error").is_some(), "{message}");
    // The code of a bug.
    assert_ne!(message["error"]["code"], -32603, "{message}");
}
