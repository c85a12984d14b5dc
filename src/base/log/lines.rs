//! Lines on their way to somebody who may have stopped reading: then lines are lost, and nobody is held up.
//!
//! Observed: clients that start a server on a pipe and never read its stderr, which is full after 64 KiB.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::base::clock;

/// So many lines wait for a reader; those that follow are lost.
const MAX_WAITING: usize = 256;

/// The way to one output.
pub(super) struct Lines {
    shared: Arc<Shared>,
    patience: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    sent: u64,
    written: u64,
    lost: u64,
    /// Whether a line was not taken in time, and since then not all that wait.
    is_stuck: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Writes to `out`, on a thread of its own. A line may take as long as `patience`.
    pub fn start(out: impl Write + Send + 'static, patience: Duration) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let job = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || job.pass_on(out))?;
        Ok(Self { shared, patience })
    }

    /// Writes a line; returns when it is written, unless its reader has stopped.
    pub fn write(&self, line: String) {
        let mut state = self.shared.state();
        if state.waiting.len() >= MAX_WAITING {
            state.lost += 1;
            return;
        }
        let number = state.send(line);
        self.shared.changed.notify_all();
        if !state.is_stuck {
            let is_waiting = |state: &mut State| state.written < number;
            let waited = self.shared.changed.wait_timeout_while(state, self.patience, is_waiting);
            let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            state.is_stuck |= waited.timed_out();
        }
    }
}

impl State {
    fn send(&mut self, line: String) -> u64 {
        self.waiting.push_back(line);
        self.sent += 1;
        self.sent
    }
}

impl Shared {
    fn pass_on(&self, mut out: impl Write) {
        loop {
            let waited = self.changed.wait_while(self.state(), |state| state.waiting.is_empty());
            let line = waited.unwrap_or_else(PoisonError::into_inner).waiting.pop_front().unwrap_or_default();
            // A closed output loses lines as well.
            let _ = out.write_all(line.as_bytes());
            let mut state = self.state();
            state.written += 1;
            if state.waiting.is_empty() {
                state.is_stuck = false;
                let lost = std::mem::take(&mut state.lost);
                if lost > 0 {
                    state.send(format!("{} warn {lost} lines are lost here: nobody read them\n", clock::utc()));
                }
            }
            drop(state);
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A reader who takes a line when allowed.
    struct Slow {
        taken: Sender<String>,
        allowed: Receiver<()>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.taken.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
            self.allowed.recv().unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_stops_holds_up_nobody_and_hears_what_was_lost() {
        let ((taken, lines), (allow, allowed)) = (channel(), channel());
        let out = Lines::start(Slow { taken, allowed }, Duration::ZERO).unwrap();
        out.write("first".to_owned());
        assert_eq!(lines.recv().unwrap(), "first");
        for number in 0..MAX_WAITING + 3 {
            out.write(number.to_string());
        }
        for number in 0..MAX_WAITING {
            allow.send(()).unwrap();
            assert_eq!(lines.recv().unwrap(), number.to_string());
        }
        allow.send(()).unwrap();
        let told = lines.recv().unwrap();
        assert!(told.ends_with(" warn 3 lines are lost here: nobody read them\n"), "{told}");
        // And then it is as it was.
        allow.send(()).unwrap();
        out.write("last".to_owned());
        assert_eq!(lines.recv().unwrap(), "last");
        allow.send(()).unwrap();
    }

    #[test]
    fn a_line_is_written_when_the_call_returns() {
        let ((taken, lines), (allow, allowed)) = (channel(), channel());
        let out = Lines::start(Slow { taken, allowed }, Duration::from_secs(60)).unwrap();
        for line in ["one", "two"] {
            allow.send(()).unwrap();
            out.write(line.to_owned());
            assert_eq!(lines.try_recv().as_deref(), Ok(line));
        }
    }
}
