//! MCP without a transport: a message comes in as bytes, an answer or work goes out.
//!
//! ```text
//!  bytes --> jsonrpc --> version (era, headers) --> method --> Answer          at once: initialize, tools/list ...
//!                                                         `--> Work --> Call   tools/call, on a thread of its own
//! ```
//!
//! Both eras are spoken side by side and nothing is remembered between requests, so that a restart goes unnoticed:
//! the session id of the handshake era is made up and never checked; it only tells two clients' request ids apart.
//!
//! Source: MCP 2024-11-05 to 2026-07-28. Deliberately absent: resources, prompts, completion, logging,
//! subscriptions, tasks, and everything else that a server with tools alone does not declare.

pub mod arguments;
pub mod content;
pub mod jsonrpc;
pub mod tools;
pub mod version;

mod account;
mod call;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::base::{Error, random};
use crate::ops::Ops;
use account::{Caller, Clients, short};
use call::{Call, Calls};
use jsonrpc::{Fault, Message};
use tools::{INSTRUCTIONS, TOOLS, Tool};
use version::Era;

pub use account::{Account, Outcome, Record};
pub use call::{Running, Step, Work};
pub use tools::servers_json;

// Far above what the clients of 2025-03-26 ever sent together; every element may be a call.
const MAX_BATCH: usize = 64;

// The lists change with the program alone.
const CACHE_MILLISECONDS: u32 = 3_600_000;

/// The MCP side of the program.
pub struct Mcp {
    ops: Arc<Ops>,
    calls: Arc<Calls>,
    clients: Clients,
}

/// What came with a message in the headers of its HTTP request; a transport without headers has none of it.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// `MCP-Protocol-Version`.
    pub protocol_version: Option<String>,
    /// `Mcp-Method`.
    pub method: Option<String>,
    /// `Mcp-Name`.
    pub name: Option<String>,
    /// `Mcp-Session-Id`.
    pub session: Option<String>,
    /// `User-Agent`: who calls, where the messages do not say.
    pub user_agent: Option<String>,
}

/// What a message came to.
pub enum Received {
    /// Nothing to answer.
    Nothing,
    /// An answer, at once.
    Answer(Answer),
    /// Something to do first.
    Work(Work),
}

/// An answer, with what a transport that has such things says beside it.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The message.
    pub message: Value,
    /// The HTTP status.
    pub status: u16,
    /// The `Mcp-Session-Id` to hand out.
    pub session: Option<String>,
}

impl Answer {
    fn fault(fault: &Fault, id: Option<&Value>) -> Self {
        Self { message: fault.answer(id), status: fault.status, session: None }
    }

    fn result(id: &Value, era: Era, result: Value) -> Self {
        Self { message: jsonrpc::success(id, finish(era, result)), status: 200, session: None }
    }
}

impl Mcp {
    /// The tools of `ops`, as MCP has them.
    pub fn new(ops: Arc<Ops>) -> Self {
        Self { ops, calls: Arc::default(), clients: Clients::default() }
    }

    /// The same, with `account` told of every tool call that has ended.
    #[must_use]
    pub fn with_account(self, account: Box<Account>) -> Self {
        Self { calls: Arc::new(Calls::told_to(account)), ..self }
    }

    /// Reads one message, or a batch of them. `headers` is `None` where the transport has none (stdio).
    pub fn receive(&self, text: &[u8], headers: Option<&Headers>) -> Received {
        if jsonrpc::is_too_dense(text) {
            return self.refuse("a message of too many parts");
        }
        let read = || match serde_json::from_slice(text) {
            Ok(Value::Array(batch)) => self.batch(batch, headers),
            Ok(message) => self.message(message, headers, false),
            Err(error) => {
                Received::Answer(Answer::fault(&Fault::new(jsonrpc::PARSE_ERROR, format!("not JSON: {error}")), None))
            }
        };
        catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Received::Answer(Answer::fault(&call::panicked(), None)))
    }

    /// The answer to a message that the transport did not read: `what` says why.
    pub fn refuse(&self, what: &str) -> Received {
        let fault = Fault::new(jsonrpc::INVALID_REQUEST, format!("invalid request: {what}"));
        Received::Answer(Answer::fault(&fault, None))
    }

    /// Ends every call that is at work, none of which is answered, and closes what is open. Returns within 3 s.
    pub fn close(&self) {
        self.calls.cancel_all();
        self.ops.close();
    }

    fn batch(&self, batch: Vec<Value>, headers: Option<&Headers>) -> Received {
        let is_stateless = |message: &Value| version::has_stateless_meta(&message["params"]);
        if !version::knows_batches(headers) || batch.iter().any(is_stateless) {
            return self.refuse("batches ended with revision 2025-06-18; send one message at a time");
        }
        if batch.is_empty() || batch.len() > MAX_BATCH {
            return self.refuse(&format!("a batch of {} messages, 1 to {MAX_BATCH} are allowed", batch.len()));
        }
        let mut work = Work::batch(Arc::clone(&self.ops));
        for message in batch {
            match self.message(message, headers, true) {
                Received::Nothing => {}
                Received::Answer(answer) => work.answered(answer.message),
                Received::Work(calls) => work.join(calls),
            }
        }
        work.into_received()
    }

    fn message(&self, message: Value, headers: Option<&Headers>, in_batch: bool) -> Received {
        match jsonrpc::parse(message) {
            Message::Request { id, method, params } => self
                .request(&id, &method, params, headers, in_batch)
                .unwrap_or_else(|fault| Received::Answer(Answer::fault(&fault, Some(&id)))),
            Message::Notification { method, params } => {
                let session = session(headers).filter(|_| method == "notifications/cancelled");
                if let Some(session) = session {
                    self.calls.cancel(session, &params["requestId"]);
                }
                Received::Nothing
            }
            Message::Response => Received::Nothing,
            Message::Invalid { id, fault } => Received::Answer(Answer::fault(&fault, id.as_ref())),
        }
    }

    fn request(
        &self,
        id: &Value,
        method: &str,
        params: Value,
        headers: Option<&Headers>,
        in_batch: bool,
    ) -> Result<Received, Fault> {
        let era = version::era(method, &params, headers);
        match era {
            Era::Stateless => version::check_stateless(method, &params, headers)?,
            Era::Handshake => version::check_handshake(method, headers)?,
        }
        let result = match (method, era) {
            ("initialize", Era::Handshake) if in_batch => {
                return Err(Fault::new(jsonrpc::INVALID_REQUEST, "initialize must not be part of a batch"));
            }
            ("initialize", Era::Handshake) => {
                let mut answer = Answer::result(id, era, initialize(&params));
                answer.session = headers.map(|_| random::hex::<16>()).transpose().map_err(no_session)?;
                self.clients.remember(answer.session.as_deref().unwrap_or_default(), &params["clientInfo"]["name"]);
                return Ok(Received::Answer(answer));
            }
            ("ping", Era::Handshake) => json!({}),
            ("server/discover", Era::Stateless) => discover(),
            ("tools/list", _) => list(era, &params)?,
            ("tools/call", _) => return self.call(id, era, params, headers),
            _ => {
                let status = if era == Era::Stateless { 404 } else { 200 };
                let method: String = method.chars().take(80).collect();
                let what = format!("no such method: {method}");
                return Err(Fault::new(jsonrpc::METHOD_NOT_FOUND, what).with_status(status));
            }
        };
        Ok(Received::Answer(Answer::result(id, era, result)))
    }

    fn call(&self, id: &Value, era: Era, mut params: Value, headers: Option<&Headers>) -> Result<Received, Fault> {
        let Some(name) = params["name"].as_str() else {
            return Err(Fault::new(jsonrpc::INVALID_PARAMS, "params.name must be the name of a tool"));
        };
        let Some(tool) = Tool::named(name) else {
            let known: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
            let name: String = name.chars().take(80).collect();
            let what = format!("unknown tool: {name}; call one of {}", known.join(", "));
            return Err(Fault::new(jsonrpc::INVALID_PARAMS, what));
        };
        let arguments = params.get_mut("arguments").map(Value::take).unwrap_or_default();
        let session = session(headers);
        let introduced = short(&params["_meta"][version::META_CLIENT]["name"]);
        let client = introduced.or_else(|| self.clients.name(session?)).or_else(|| headers?.user_agent.clone());
        let caller = Caller {
            client: client.unwrap_or_default(),
            session: session.unwrap_or_default().to_owned(),
            // In the stateless era a client of HTTP cancels by closing the stream: it has no session.
            may_cancel: session.is_some() && (era == Era::Handshake || headers.is_none()),
        };
        let token = params["_meta"].get("progressToken").filter(|token| token.is_string() || token.is_number());
        let call = Call::new(id.clone(), era, tool, arguments, token.cloned(), caller, &self.calls);
        Ok(Received::Work(Work::one(Arc::clone(&self.ops), call)))
    }
}

/// Whose request ids they are; `None` where nobody can tell.
fn session(headers: Option<&Headers>) -> Option<&str> {
    match headers {
        None => Some(""),
        Some(headers) => headers.session.as_deref(),
    }
}

fn server_info() -> Value {
    json!({ "name": "ikvm-mcp", "title": "Bare-metal server consoles", "version": env!("CARGO_PKG_VERSION") })
}

fn initialize(params: &Value) -> Value {
    json!({
        "protocolVersion": version::negotiate(&params["protocolVersion"]),
        "capabilities": { "tools": {} },
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    })
}

fn discover() -> Value {
    json!({
        "supportedVersions": version::STATELESS,
        "capabilities": { "tools": {} },
        "instructions": INSTRUCTIONS,
        "ttlMs": CACHE_MILLISECONDS,
        "cacheScope": "public",
    })
}

fn list(era: Era, params: &Value) -> Result<Value, Fault> {
    if !params["cursor"].is_null() {
        return Err(Fault::new(jsonrpc::INVALID_PARAMS, "unknown cursor: the list of tools has one page"));
    }
    let mut result = json!({ "tools": TOOLS.iter().map(Tool::definition).collect::<Vec<_>>() });
    if era == Era::Stateless {
        result["ttlMs"] = CACHE_MILLISECONDS.into();
        result["cacheScope"] = "public".into();
    }
    Ok(result)
}

/// A result as its era wants it.
fn finish(era: Era, mut result: Value) -> Value {
    if era == Era::Stateless {
        result["resultType"] = "complete".into();
        let info = Map::from_iter([("io.modelcontextprotocol/serverInfo".to_owned(), server_info())]);
        result["_meta"] = Value::Object(info);
    }
    result
}

fn no_session(error: Error) -> Fault {
    Fault::new(jsonrpc::INTERNAL_ERROR, error.to_string())
}
