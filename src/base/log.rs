//! The program's own log on stderr: one line each; a stderr that is closed, or not read, loses them and nothing else.
//!
//! A command at a terminal says `ikvm-mcp: no such server`. A server's lines have their time in UTC, a level, and the
//! number of the tool call they belong to: `2026-07-28T09:30:05Z info call 17: get_screenshot ns1: done after 812 ms`.

mod lines;

use std::cell::Cell;
use std::fmt::{self, Display};
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::{bytes::clean_text, clock};
use lines::Lines;

/// A reader who takes longer for a line has stopped.
const PATIENCE: Duration = Duration::from_millis(250);

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The program cannot do what it is there for.
    Error,
    /// Something is lost, and the rest goes on.
    Warn,
    /// What the operator likes to know.
    Info,
    /// What helps to find out why.
    Debug,
}

impl Level {
    /// All, the gravest first.
    pub const ALL: [Self; 4] = [Self::Error, Self::Warn, Self::Info, Self::Debug];

    /// The word for it, in lines and settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);
/// The way to stderr of a program that serves; `None` in it where no thread is left for that.
static LINES: OnceLock<Option<Lines>> = OnceLock::new();

thread_local! {
    static CALL: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on lines up to `level` are written.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// From now on lines have times: somebody collects them, or does not.
pub fn add_times() {
    LINES.get_or_init(|| Lines::start(std::io::stderr(), PATIENCE).ok());
}

/// What a person at a terminal asked for, or has to know: written at any level.
pub fn line(text: impl Display) {
    write(Level::Info, &text);
}

/// A whole line of another log that goes the same way.
pub fn verbatim(line: String) {
    match LINES.get() {
        Some(Some(lines)) => lines.write(line),
        // Not eprintln!: it panics when stderr is closed. In one piece, so that lines of two threads do not mix.
        _ => drop(std::io::stderr().write_all(line.as_bytes())),
    }
}

/// The program cannot do what it is there for.
pub fn error(text: impl Display) {
    log(Level::Error, &text);
}

/// Something is lost, and the rest goes on.
pub fn warn(text: impl Display) {
    log(Level::Warn, &text);
}

/// What the operator likes to know.
pub fn info(text: impl Display) {
    log(Level::Info, &text);
}

/// What helps to find out why.
pub fn debug(text: impl Display) {
    log(Level::Debug, &text);
}

fn log(level: Level, text: &dyn Display) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        write(level, text);
    }
}

fn write(level: Level, text: &dyn Display) {
    let line = if LINES.get().is_some() {
        format!("{} {} {}{text}", clock::utc(), level.name(), Prefix(call()))
    } else {
        format!("ikvm-mcp: {text}")
    };
    verbatim(clean_text(&line) + "\n");
}

struct Prefix(Option<u64>);

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |call| write!(f, "call {call}: "))
    }
}

/// The call that this thread works for.
pub fn call() -> Option<u64> {
    CALL.get()
}

/// This thread works for a call, until the guard is dropped. A thread that goes on with the work takes it over:
/// `work_for(call())` of the thread that starts it.
#[must_use]
pub fn work_for(call: Option<u64>) -> Working {
    Working { before: CALL.replace(call) }
}

/// See [`work_for`].
#[derive(Debug)]
pub struct Working {
    before: Option<u64>,
}

impl Drop for Working {
    fn drop(&mut self) {
        CALL.set(self.before);
    }
}
