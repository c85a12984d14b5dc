//! The signals that end the program: what is open is closed first.
//!
//! Whoever ends it likes to do so twice: the terminal and then a wrapper that passes on what the terminal sent, or a
//! client that tries harder after a tenth of a second. So a second signal ends it at once only after the time that
//! closing may take.
//!
//! | signal | from |
//! |---|---|
//! | SIGINT | Ctrl-C |
//! | SIGTERM | a service manager, `kill` |
//! | SIGHUP | the terminal or the SSH session that was closed; not where it is ignored, as `nohup` has it |
//!
//! The system tells of a closed terminal, and its shell does so again: SIGHUP counts once.

use std::mem;
use std::sync::Arc;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::base::{clock, log};
use crate::ops::{CLOSING_LIMIT, Ops};

/// Closes what is open and ends the program with this exit status.
pub fn exit_on_signals(ops: &Arc<Ops>, status: i32) {
    let ops = Arc::clone(ops);
    on_signals(move || {
        ops.close();
        std::process::exit(status);
    });
}

/// Calls `end` at the first signal.
pub fn on_signals(end: impl FnOnce() + Send + 'static) {
    let hangup = (!ignores_hangup()).then_some(SIGHUP);
    let mut signals = match Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup)) {
        Ok(signals) => signals,
        Err(error) => {
            return log::warn(format_args!("no handler for signals ({error}): Ctrl-C will not close open consoles"));
        }
    };
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        let (first, mut has_hung_up) = (clock::now(), signal == SIGHUP);
        thread::spawn(move || {
            for signal in signals.forever() {
                let is_echo = signal == SIGHUP && mem::replace(&mut has_hung_up, true);
                if !is_echo && clock::now() - first > CLOSING_LIMIT {
                    std::process::exit(1);
                }
            }
        });
        end();
    });
}

/// Whether whoever started the program wants it to outlive the terminal. Where the system does not tell, it does.
fn ignores_hangup() -> bool {
    std::fs::read_to_string("/proc/self/status").map_or(true, |status| ignores(&status, SIGHUP))
}

/// Whether a process with this /proc/PID/status ignores a signal.
fn ignores(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask >> (signal - 1) & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_ignored_where_its_bit_is_set_or_nobody_knows() {
        // Signals are counted from 1: bit 0 is SIGHUP's.
        let status = "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001002\n";
        assert_eq!([1, 2, 3, 13].map(|signal| ignores(status, signal)), [false, true, false, true]);
        assert!(ignores("SigIgn:\t0000000000000001\n", SIGHUP) && ignores("Name:\tx\n", SIGHUP));
    }
}
