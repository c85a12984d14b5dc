//! One RFB session from the first byte: what arrives goes in, what happened and what must be sent comes out.
//!
//! No clock, no socket: the driver keeps the times, and does the TLS handshake that VeNCrypt asks for.

use std::collections::VecDeque;

use super::handshake::Handshake;
use super::stream::Stream;
use super::{Failure, Options, Request, Screen, Update};

/// What happened, or what must be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Send these bytes, as one WebSocket message where there is one.
    Send(Vec<u8>),
    /// Begin TLS on the connection, as its client; call [`Session::tls_started`] before anything that comes through.
    StartTls,
    /// The handshake is over, there is a screen, and nothing was requested of it yet.
    Ready {
        /// What the server calls itself.
        name: String,
    },
    /// An update is over: the screen is whole, as far as it was painted.
    Updated(Update),
    /// The session is over; nothing follows.
    Failed(Failure),
}

/// The session's state.
#[derive(Debug)]
pub struct Session {
    options: Options,
    input: Vec<u8>,
    /// What of `input` was used.
    used: usize,
    /// Bytes used before `input`.
    before: u64,
    stage: Stage,
    events: VecDeque<Event>,
}

#[derive(Debug)]
enum Stage {
    Handshake(Box<Handshake>),
    Stream(Box<Stream>),
    /// Failed; the screen stays, if there was one.
    Over(Option<Box<Stream>>),
}

impl Session {
    /// A session that has heard nothing yet: the server speaks first.
    pub fn new(options: Options) -> Self {
        Self {
            options: options.clone(),
            input: Vec::new(),
            used: 0,
            before: 0,
            stage: Stage::Handshake(Box::new(Handshake::new(options))),
            events: VecDeque::new(),
        }
    }

    /// Takes what arrived, in pieces of any size.
    pub fn receive(&mut self, bytes: &[u8]) {
        if matches!(self.stage, Stage::Over(_)) {
            return;
        }
        // What is left is less than a unit: little is moved, and not again while that unit grows.
        self.before += self.used as u64;
        self.input.drain(..self.used);
        self.used = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next event, or `None` until more arrives.
    pub fn poll(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            match self.step() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(failure) => self.fail(failure),
            }
        }
    }

    /// The driver has done the TLS handshake: what arrives from now on came through it.
    pub fn tls_started(&mut self) {
        let Stage::Handshake(handshake) = &mut self.stage else { return };
        if let Err(failure) = handshake.tls_started(&mut self.events) {
            self.fail(failure);
        }
    }

    /// Asks for the screen, once there is one; the bytes come out of [`Session::poll`].
    pub fn request(&mut self, request: Request) {
        if let Stage::Stream(stream) = &self.stage {
            self.events.extend(stream.request(request).map(Event::Send));
        }
    }

    /// The connection ended, or nothing more is to be expected of it: what that means. Events that were not polled
    /// are lost, the screen stays.
    pub fn closed(&mut self) -> Failure {
        let received = self.before + self.input.len() as u64;
        let failure = match &self.stage {
            Stage::Handshake(handshake) => handshake.closed(&self.input[self.used..], received),
            Stage::Stream(stream) => stream.closed(received),
            Stage::Over(_) => Failure::Closed { waiting: "after a failure", received, at_first: false },
        };
        self.fail(failure.clone());
        self.events.clear();
        failure
    }

    /// The screen, once the handshake is over.
    pub fn screen(&self) -> Option<&Screen> {
        match &self.stage {
            Stage::Handshake(_) => None,
            Stage::Stream(stream) => Some(stream.screen()),
            Stage::Over(stream) => stream.as_ref().map(|stream| stream.screen()),
        }
    }

    fn fail(&mut self, failure: Failure) {
        let stage = std::mem::replace(&mut self.stage, Stage::Over(None));
        self.stage = match stage {
            Stage::Stream(stream) => Stage::Over(Some(stream)),
            other @ Stage::Over(_) => other,
            Stage::Handshake(_) => Stage::Over(None),
        };
        self.input = Vec::new();
        self.used = 0;
        self.events.push_back(Event::Failed(failure));
    }

    /// Uses up one item of what arrived; false while there is no whole one.
    fn step(&mut self) -> Result<bool, Failure> {
        let input = &self.input[self.used..];
        let used = match &mut self.stage {
            Stage::Over(_) => return Ok(false),
            Stage::Handshake(handshake) => {
                let used = handshake.step(input, &mut self.events)?;
                if let Some(init) = handshake.finished() {
                    let stream = Stream::new(&init, &self.options, &mut self.events)?;
                    self.stage = Stage::Stream(Box::new(stream));
                    self.events.push_back(Event::Ready { name: init.name });
                }
                used
            }
            Stage::Stream(stream) => stream.step(input, self.before + self.used as u64, &mut self.events)?,
        };
        self.used += used.unwrap_or(0);
        Ok(used.is_some())
    }
}
