//! A recorded AMI console as a channel: it answers packets in memory, so that a recording runs through the same session
//! and decoder as a live console.
//!
//! | packet from the viewer | answer |
//! |---|---|
//! | none | the greeting |
//! | 18 VALIDATE | `validated` |
//! | 34 POWER_STATUS | `power` |
//! | 6 RESUME, 11 FULL_SCREEN | the next of `looks`; the 11 right after a 6 means the same look |
//! | 8 STOP | the end |

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ami::{Attempt, Call, Line};
use crate::base::{Error, Kind, Recording, Secret, Watch, clock};
use crate::ivtp::{Command, Config, Era, Hello, packet};
use crate::net::stream::{Channel, Read};

/// A recording that can be dialed.
pub(super) struct Recorded(pub(super) Arc<Recording>);

impl Line for Recorded {
    fn dial(&mut self, _: Attempt, _: &Watch) -> Result<Call, Error> {
        let (token, username) = (Secret::default(), "domain/username".to_owned());
        let client_ip = "192.0.2.1".to_owned();
        let config = Config { token, client_ip, server_ip: None, username, hello: Hello::New, era: Era::Html5 };
        Ok(Call::Ivtp { channel: Arc::new(Replay::new(Arc::clone(&self.0))), config })
    }

    fn freshness(&self) -> Duration {
        Duration::ZERO
    }

    fn log_out(&mut self) {}
}

/// The BMC's end and ours in one.
#[derive(Debug)]
struct Replay {
    recording: Arc<Recording>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// What we sent, as far as it is no whole packet.
    request: Vec<u8>,
    /// What the BMC sent and nobody read.
    answer: Vec<u8>,
    validated: bool,
    /// Whether the last request for a picture was a 6.
    resumed: bool,
    looked: usize,
    closed: bool,
}

impl Replay {
    /// Begins with the greeting.
    fn new(recording: Arc<Recording>) -> Self {
        let state = State { answer: recording.greeting.clone(), ..State::default() };
        Self { recording, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, command: Command, recording: &Recording) {
        match command {
            Command::VALIDATE_VIDEO_SESSION => {
                self.answer.extend_from_slice(&recording.validated);
                self.validated = true;
            }
            Command::POWER_STATUS => self.answer.extend_from_slice(&recording.power),
            Command::RESUME_REDIRECTION if self.validated => {
                self.look(recording);
                self.resumed = true;
            }
            Command::GET_FULL_SCREEN if std::mem::take(&mut self.resumed) => {}
            Command::GET_FULL_SCREEN if self.validated => self.look(recording),
            Command::STOP_SESSION_IMMEDIATE => self.closed = true,
            _ => {}
        }
    }

    fn look(&mut self, recording: &Recording) {
        if !recording.looks.is_empty() {
            self.answer.extend_from_slice(&recording.looks[self.looked % recording.looks.len()]);
            self.looked += 1;
        }
    }
}

impl Channel for Replay {
    fn read(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error> {
        let mut state = self.state();
        loop {
            if !state.answer.is_empty() {
                buffer.append(&mut state.answer);
                return Ok(Read::Data);
            }
            if state.closed {
                return Ok(Read::Closed);
            }
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                return Ok(Read::TimedOut);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::new(Kind::Peer, "the recording is closed"));
        }
        state.request.extend_from_slice(bytes);
        while let Some((packet, length)) = packet::parse(&state.request)? {
            let command = packet.command;
            state.request.drain(..length);
            state.answer(command, &self.recording);
        }
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(looks: &[&str]) -> Arc<Recording> {
        Arc::new(Recording {
            greeting: b"greeting,".to_vec(),
            validated: b"validated,".to_vec(),
            power: b"power,".to_vec(),
            looks: looks.iter().map(|look| look.as_bytes().to_vec()).collect(),
        })
    }

    fn heard(replay: &Replay) -> String {
        let mut bytes = Vec::new();
        assert_eq!(replay.read(&mut bytes, clock::now()).unwrap(), Read::Data);
        String::from_utf8(bytes).unwrap()
    }

    fn say(replay: &Replay, command: Command) {
        replay.send(&packet::build(command, 0, &[])).unwrap();
    }

    #[test]
    fn the_start_of_a_session_is_one_look_and_every_later_request_another() {
        let replay = Replay::new(recording(&["one,", "two,", "three,"]));
        assert_eq!(heard(&replay), "greeting,");
        say(&replay, Command::GET_FULL_SCREEN);
        say(&replay, Command::VALIDATE_VIDEO_SESSION);
        say(&replay, Command::RESUME_REDIRECTION);
        say(&replay, Command::POWER_STATUS);
        say(&replay, Command::GET_FULL_SCREEN);
        assert_eq!(heard(&replay), "validated,one,power,");
        for look in ["two,", "three,", "one,"] {
            say(&replay, Command::GET_FULL_SCREEN);
            assert_eq!(heard(&replay), look);
        }
    }

    #[test]
    fn what_was_said_before_the_end_is_still_heard() {
        let replay = Replay::new(recording(&[]));
        say(&replay, Command::STOP_SESSION_IMMEDIATE);
        assert_eq!(heard(&replay), "greeting,");
        assert_eq!(replay.read(&mut Vec::new(), clock::now()).unwrap(), Read::Closed);
        assert_eq!(replay.send(&[]).unwrap_err().kind(), Kind::Peer);
    }
}
