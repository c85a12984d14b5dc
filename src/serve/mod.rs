//! The transports of MCP: HTTP behind a guard, and a pair of pipes.
//!
//! They carry messages between clients and [`Mcp`](crate::mcp::Mcp) and know nothing of what those say.

pub mod audit;
pub mod http;
pub mod stdio;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// So many tool calls are at work at once: each is a thread, and most wait for some BMC.
pub const MAX_CALLS: usize = 64;
/// The longest message, in bytes: what the official SDKs accept.
pub const MAX_MESSAGE: usize = 4 << 20;
/// How often a client that waits for a tool hears that the work goes on. Clients stop after 60 s without progress,
/// and a connection that nobody reads shows only when something is written to it.
const BEAT: Duration = Duration::from_secs(4);

/// Ends serving, from any thread. Clones are the same handle.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    fn state(&self) -> MutexGuard<'_, bool> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends serving: whoever serves under this handle closes what is open and returns.
    pub fn stop(&self) {
        *self.state() = true;
        self.shared.1.notify_all();
    }

    /// Waits until somebody stops.
    fn wait(&self) {
        let stopped = self.shared.1.wait_while(self.state(), |stopped| !*stopped);
        drop(stopped.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until somebody stops, no longer than `limit`; says whether somebody did.
    fn wait_for(&self, limit: Duration) -> bool {
        let waited = self.shared.1.wait_timeout_while(self.state(), limit, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Lets so many in at a time.
struct Gate {
    limit: usize,
    inside: Mutex<usize>,
    left: Condvar,
}

/// A place inside; dropping it gives it back.
struct Permit(Arc<Gate>);

impl Gate {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, inside: Mutex::new(0), left: Condvar::new() })
    }

    fn inside(&self) -> MutexGuard<'_, usize> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place if there is one.
    fn try_enter(self: &Arc<Self>) -> Option<Permit> {
        let mut inside = self.inside();
        (*inside < self.limit).then(|| {
            *inside += 1;
            Permit(Arc::clone(self))
        })
    }

    /// A place, once there is one.
    fn enter(self: &Arc<Self>) -> Permit {
        let full = self.left.wait_while(self.inside(), |inside| *inside >= self.limit);
        *full.unwrap_or_else(PoisonError::into_inner) += 1;
        Permit(Arc::clone(self))
    }

    /// Waits until nobody is inside, no longer than `limit`.
    fn wait_empty(&self, limit: Duration) {
        drop(self.left.wait_timeout_while(self.inside(), limit, |inside| *inside > 0));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.inside() -= 1;
        self.0.left.notify_all();
    }
}
