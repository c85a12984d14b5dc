//! The two error types: `DecodeError` of pure code, `Error` of everything that waits for somebody.
//!
//! An `Error` reads as one sentence for a model and for a person: `<doing>: <what>; <hint>`.

use std::fmt;
use std::sync::Arc;

/// Why bytes could not be understood. Input that merely is not whole yet is `Ok(None)` instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes break the format's rules.
    Malformed {
        /// Which rule, in words.
        what: &'static str,
    },
    /// The bytes are right but ask for something this program does not do.
    Unsupported {
        /// What is asked for.
        what: &'static str,
        /// The value that asks for it.
        value: u64,
    },
    /// A size beyond its limit; nothing of that size was allocated.
    TooLarge {
        /// What would be too large.
        what: &'static str,
        /// The size asked for.
        got: u64,
        /// The limit, in the same unit.
        max: u64,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Malformed { what } => write!(f, "malformed data: {what}"),
            Self::Unsupported { what, value } => write!(f, "unsupported {what}: {value} (0x{value:x})"),
            Self::TooLarge { what, got, max } => write!(f, "{what} too large: {got}, the limit is {max}"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The caller asked wrongly: a bad argument, a missing setting.
    Usage,
    /// There is no such thing.
    NotFound,
    /// A peer refuses us: credentials, rights, an access that no longer counts.
    Denied,
    /// Not now: a table is full, a limit reached.
    Busy,
    /// Nothing came in time; the stage says what was waited for.
    Timeout(&'static str),
    /// A peer broke its protocol or the connection.
    Peer,
    /// Understood, and out of reach of this program.
    Unsupported,
    /// Nobody wants the answer any more.
    Cancelled,
    /// A bug of ours, or this machine failing us.
    Internal,
}

/// What went wrong, as one sentence with the next step. As large as a pointer, for every result has room for one.
#[derive(Clone, Debug)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    kind: Kind,
    doing: String,
    what: String,
    hint: String,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error that happened: `what` without a full stop, numbers with units, the limit beside the value.
    #[cold]
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self::of(kind, what.into())
    }

    #[cold]
    #[inline(never)]
    fn of(kind: Kind, what: String) -> Self {
        Self(Box::new(Parts { kind, doing: String::new(), what, hint: String::new(), source: None }))
    }

    /// Says what we were doing. The outermost caller comes first in the sentence.
    #[must_use]
    #[cold]
    pub fn doing(self, doing: impl Into<String>) -> Self {
        self.with_doing(doing.into())
    }

    #[inline(never)]
    fn with_doing(mut self, doing: String) -> Self {
        let inner = &mut self.0.doing;
        *inner = if inner.is_empty() { doing } else { format!("{doing}: {inner}") };
        self
    }

    /// Names the next action as an imperative; the first hint, given closest to the cause, stays.
    #[must_use]
    #[cold]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        self.with_hint(hint.into())
    }

    #[inline(never)]
    fn with_hint(mut self, hint: String) -> Self {
        if self.0.hint.is_empty() {
            self.0.hint = hint;
        }
        self
    }

    /// Keeps the cause, for `source()`; its text belongs into `what`.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What a caller can act on.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { doing, what, hint, .. } = &*self.0;
        if !doing.is_empty() {
            write!(f, "{doing}: ")?;
        }
        f.write_str(what)?;
        if !hint.is_empty() {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        let kind = match error {
            DecodeError::Unsupported { .. } => Kind::Unsupported,
            DecodeError::Malformed { .. } | DecodeError::TooLarge { .. } => Kind::Peer,
        };
        Self::new(kind, error.to_string()).caused_by(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_goes_from_the_outermost_doing_to_the_first_hint() {
        let error = Error::new(Kind::Busy, "the BMC's session table is full")
            .hint("close another viewer")
            .doing("login")
            .hint("never seen")
            .doing("screenshot of ns1");
        assert_eq!(
            error.to_string(),
            "screenshot of ns1: login: the BMC's session table is full; close another viewer"
        );
    }

    #[test]
    fn a_decode_error_becomes_the_fault_of_the_peer() {
        let error = Error::from(DecodeError::TooLarge { what: "packet", got: 20, max: 10 });
        assert_eq!(error.kind(), Kind::Peer);
        assert_eq!(error.to_string(), "packet too large: 20, the limit is 10");
    }
}
