//! What is kept on record of a tool call: who asked for what, and how it went.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// So many sessions of the handshake era keep their client's name; who calls in an older one has none.
const MAX_SESSIONS: usize = 1024;
/// So much of a name is kept, in characters.
const MAX_NAME: usize = 80;

/// One tool call that has ended.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// Its number, as in the log.
    pub call: u64,
    /// What the client calls itself; it may lie. Empty where it does not say.
    pub client: &'a str,
    /// The session of the handshake era over HTTP, else empty.
    pub session: &'a str,
    /// The tool.
    pub tool: &'static str,
    /// The server that was named, if one was.
    pub server: Option<&'a str>,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
    /// Text and pictures in the answer, as they are sent.
    pub bytes: usize,
}

/// How a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has a result.
    Done,
    /// It has a sentence that says why not.
    Failed,
    /// Nobody wanted the answer any more.
    Cancelled,
    /// It was not begun, for too many are at work.
    Refused,
    /// A bug.
    Panicked,
}

impl Outcome {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Panicked => "panicked",
        }
    }
}

/// Takes down every call.
pub type Account = dyn Fn(&Record<'_>) + Send + Sync;

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Caller {
    pub client: String,
    pub session: String,
    /// Whether a notification of this session can cancel the call.
    pub may_cancel: bool,
}

/// The names of clients by their session, the oldest first.
#[derive(Default)]
pub(super) struct Clients {
    names: Mutex<VecDeque<(String, String)>>,
}

impl Clients {
    /// A client introduces itself.
    pub(super) fn remember(&self, session: &str, name: &Value) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.retain(|(known, _)| known != session);
        if names.len() >= MAX_SESSIONS {
            names.pop_front();
        }
        names.extend(short(name).map(|name| (session.to_owned(), name)));
    }

    pub(super) fn name(&self, session: &str) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.iter().rev().find(|(known, _)| known == session).map(|(_, name)| name.clone())
    }
}

/// A name as it is kept.
pub(super) fn short(name: &Value) -> Option<String> {
    Some(name.as_str()?.chars().take(MAX_NAME).collect())
}
