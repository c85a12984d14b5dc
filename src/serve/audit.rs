//! The audit log: one JSON line a tool call, in a file or on stderr.
//!
//! ```json
//! {"time":"2026-07-28T09:30:05Z","call":17,"client":"claude-code","session":"5f3a9c01","tool":"get_screenshot","server":"ns1","outcome":"done","milliseconds":812,"bytes":20480}
//! ```
//!
//! No secret, no picture, and of a session the first characters: who knew all of it could cancel its calls. A file
//! that was moved away is opened anew (logrotate needs no signal); a full disk loses lines, and is told of once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use crate::base::bytes::clean_text;
use crate::base::{Error, Kind, clock, log};
use crate::config::AuditLog;
use crate::mcp::Record;

/// So much of a name that a client made up is kept, in characters.
const MAX_NAME: usize = 80;
/// So much of a session.
const MAX_SESSION: usize = 8;

/// Where the lines go.
pub struct Audit {
    to: To,
}

enum To {
    Stderr,
    File { path: PathBuf, state: Mutex<State> },
}

struct State {
    file: File,
    /// Since writing last worked.
    lost: u64,
}

impl Audit {
    /// Opens the log; a file is made where there is none, for its owner alone.
    pub fn open(log: &AuditLog) -> Result<Self, Error> {
        let to = match log {
            AuditLog::Stderr => To::Stderr,
            AuditLog::File(path) => {
                let file = open(path).map_err(|error| {
                    Error::new(Kind::Usage, format!("cannot write to {}: {error}", path.display()))
                        .doing("IKVM_AUDIT")
                        .hint("name a file that may be written, or stderr")
                })?;
                To::File { path: path.clone(), state: Mutex::new(State { file, lost: 0 }) }
            }
        };
        Ok(Self { to })
    }

    /// Writes down a call that has ended.
    pub fn write(&self, record: &Record<'_>) {
        let line = format!("{}\n", entry(record));
        match &self.to {
            To::Stderr => log::verbatim(line),
            To::File { path, state } => state.lock().unwrap_or_else(PoisonError::into_inner).write(path, &line),
        }
    }
}

impl State {
    fn write(&mut self, path: &Path, line: &str) {
        // What failed may have left half a line behind.
        let separator = if self.lost > 0 { "\n" } else { "" };
        let written = self.reopen(path).and_then(|()| self.file.write_all(format!("{separator}{line}").as_bytes()));
        match written {
            Ok(()) if self.lost > 0 => {
                log::warn(format_args!("the audit log is written again; {} lines are lost", self.lost));
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    log::error(format_args!("the audit log {} cannot be written: {error}", path.display()));
                }
                self.lost += 1;
            }
        }
    }

    /// Opens the file anew if the path stands for another one by now, or for none.
    fn reopen(&mut self, path: &Path) -> io::Result<()> {
        let place = |metadata: &std::fs::Metadata| (metadata.dev(), metadata.ino());
        let is_same =
            path.metadata().is_ok_and(|now| self.file.metadata().is_ok_and(|ours| place(&now) == place(&ours)));
        if !is_same {
            self.file = open(path)?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn entry(record: &Record<'_>) -> Value {
    let short = |text: &str, most: usize| clean_text(text).chars().take(most).collect::<String>();
    json!({
        "time": clock::utc().to_string(),
        "call": record.call,
        "client": short(record.client, MAX_NAME),
        "session": short(record.session, MAX_SESSION),
        "tool": record.tool,
        "server": record.server.map(|server| short(server, MAX_NAME)),
        "outcome": record.outcome.name(),
        "milliseconds": record.took.as_millis() as u64,
        "bytes": record.bytes,
    })
}
