//! The loop of an AMI console's thread: read, feed the session, decode, publish, and keep the times.
//!
//! | every | while | sent |
//! |---|---|---|
//! | 3 s | connected | 57 KEEP_ALIVE |
//! | 100 ms | video flows | 60 FPS_DIFF, always 0: a frame is decoded before the next is read |
//! | 3 s | there is no whole picture | 11 GET_FULL_SCREEN |
//! | 10 s | connected | 34 POWER_STATUS |
//!
//! A BMC that has answered the last and then says nothing at all while it is asked three times is gone, and its picture
//! is of the past.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::PHRASES;
use super::refused::{is_worth_a_retry, refused, stopped};
use super::screen::Screen;
use crate::base::bytes::quote;
use crate::base::{DecodeError, Error, Kind, Power, Watch, clock};
use crate::console::changes::Changes;
use crate::console::live::{COALESCE, DRAIN, News, OPENING_TICK, Shared};
use crate::console::{Role, Signal};
use crate::ivtp::{Command, Config, Event, Refusal, Session, Viewer, packet};
use crate::net::Channel;
use crate::net::stream::Read;

// How long each stage may take. Slow BMCs take up to 27 s to validate.
const GREETING_LIMIT: Duration = Duration::from_secs(15);
const VALIDATION_LIMIT: Duration = Duration::from_secs(30);
const PICTURE_LIMIT: Duration = Duration::from_secs(30);

const KEEP_ALIVE: Duration = Duration::from_secs(3);
const FPS_DIFF: Duration = Duration::from_millis(100);
/// Between two requests for the full screen while there is no whole picture.
const FULL_SCREEN: Duration = Duration::from_secs(3);
/// And at least, whatever asks for it.
const FULL_SCREEN_PAUSE: Duration = Duration::from_millis(250);
/// Video younger than this flows.
const FLOWS: Duration = Duration::from_secs(1);

/// A picture of JPEG blocks is refined by later frames: how long without one until it has settled, and at most.
const QUIET: Duration = Duration::from_millis(150);
const SETTLE_LIMIT: Duration = Duration::from_millis(500);
/// How long a first picture may have holes before the video is paused and resumed, which begins with a full frame,
/// and before it is taken as it is.
const HOLES_PATIENCE: Duration = Duration::from_secs(1);
const HOLES_LIMIT: Duration = Duration::from_secs(6);
const PAUSE: Duration = Duration::from_millis(150);
/// How long a host that is on may show nothing (it changes its video mode) before that is the answer: one repeated
/// request and its answer fit in.
const BLANK_LIMIT: Duration = Duration::from_secs(4);
/// And one that is off, if the BMC does not say that there is no video.
const OFF_LIMIT: Duration = Duration::from_secs(1);

/// Bytes by which the session knows what answered.
const GREETING: usize = 8;
/// Questions for the power state in a row that a BMC may leave unanswered.
const MAX_UNANSWERED: u32 = 3;
/// Broken frames in a row before the console is given up.
const MAX_FAULTS: u32 = 20;

/// One connection from its first byte.
pub(super) struct Driver<'a> {
    shared: &'a Shared,
    channel: Arc<dyn Channel>,
    session: Session,
    client_ip: String,
    screen: Screen,
    changes: Changes,
    buffer: Vec<u8>,
    /// What was read before the greeting, for whoever understands it.
    pub(super) beginning: Vec<u8>,
    /// What the next snapshot says beside the picture.
    signal: Signal,
    power: Option<Power>,
    role: Option<Role>,
    index: u8,
    viewers: Vec<String>,
    refused: Option<Refusal>,
    greeted: bool,
    validated: Option<Instant>,
    /// Since when there is no video, by the BMC's word.
    blank: Option<Instant>,
    first_picture: Option<Instant>,
    whole_picture: Option<Instant>,
    last_video: Option<Instant>,
    /// Whether something is not published yet, and whether it answers a request.
    dirty: bool,
    answered: bool,
    fault: Option<DecodeError>,
    faults: u32,
    paused: bool,
    /// Between two questions for the power state, and how many there were since the BMC said anything.
    power_query: Duration,
    unanswered: u32,
    next_keep_alive: Instant,
    next_fps_diff: Instant,
    next_power: Instant,
    /// When the full screen was asked for, and when it is to be.
    last_full: Option<Instant>,
    next_full: Option<Instant>,
    resume: Option<Instant>,
}

impl<'a> Driver<'a> {
    pub(super) fn new(shared: &'a Shared, channel: Arc<dyn Channel>, config: Config, power_query: Duration) -> Self {
        let now = clock::now();
        Self {
            shared,
            channel,
            client_ip: config.client_ip.clone(),
            session: Session::new(config),
            screen: Screen::new(),
            changes: Changes::default(),
            buffer: Vec::new(),
            beginning: Vec::new(),
            signal: Signal::Unknown,
            power: None,
            role: None,
            index: 0,
            viewers: Vec::new(),
            refused: None,
            greeted: false,
            validated: None,
            blank: None,
            first_picture: None,
            whole_picture: None,
            last_video: None,
            dirty: false,
            answered: false,
            fault: None,
            faults: 0,
            paused: false,
            power_query,
            unanswered: 0,
            next_keep_alive: now,
            next_fps_diff: now,
            next_power: now,
            last_full: None,
            next_full: None,
            resume: None,
        }
    }

    /// Whether the console was refused in a way that a new token and another beginning may change.
    pub(super) fn is_worth_a_retry(&self) -> bool {
        self.refused.is_some_and(is_worth_a_retry)
    }

    /// Whether the console greeted us as a server of RFB; nothing was sent to it yet.
    pub(super) fn hears_rfb(&self) -> bool {
        self.refused == Some(Refusal::Rfb)
    }

    /// Shakes hands and waits for the first picture, or for the word that there is none.
    pub(super) fn open(&mut self, watch: &Watch) -> Result<(), Error> {
        // A console that sends bare pictures neither greets nor validates.
        let greeting = watch.within("waiting for the console's greeting", GREETING_LIMIT);
        self.run_until(&greeting, |driver| driver.greeted || driver.first_picture.is_some())?;
        let validation = watch.within("waiting for the console to let us in", VALIDATION_LIMIT);
        self.run_until(&validation, |driver| driver.validated.is_some() || driver.first_picture.is_some())?;
        let picture = watch.within("waiting for the first picture", PICTURE_LIMIT);
        let result = self.run_until(&picture, |driver| driver.is_settled());
        let result = match result {
            // Half a picture, or the word that there is none, is an answer too.
            Err(error) if matches!(error.kind(), Kind::Timeout(_)) && self.has_something() => Ok(()),
            Err(error) if matches!(error.kind(), Kind::Timeout(_)) => Err(match self.fault {
                Some(fault) => error.hint(format!("every frame was broken ({fault}); try again")),
                None => error.hint("the host may be switched off"),
            }),
            other => other,
        };
        self.publish();
        result
    }

    /// Keeps the picture current until the console is closed (Ok) or ends.
    pub(super) fn stay(&mut self) -> Result<(), Error> {
        loop {
            self.turn(None)?;
            if self.shared.is_closing() {
                return Ok(());
            }
        }
    }

    fn run_until(&mut self, watch: &Watch, done: impl Fn(&Self) -> bool) -> Result<(), Error> {
        while !done(self) {
            watch.left()?;
            let until = watch.deadline().min(clock::now() + OPENING_TICK);
            self.turn(Some(until)).map_err(|error| match self.refused {
                None => error.doing(watch.stage()),
                Some(_) => error,
            })?;
        }
        Ok(())
    }

    fn has_something(&self) -> bool {
        // A frame of which nothing could be drawn is black.
        let picture = self.screen.frame.as_ref().filter(|frame| self.fault.is_none() || !frame.is_blank());
        picture.is_some() || self.blank.is_some() || self.power == Some(Power::Off)
    }

    /// Whether the first look has its answer; asks for a full frame where holes remain.
    fn is_settled(&self) -> bool {
        let now = clock::now();
        let past = |since: Option<Instant>, limit| since.is_some_and(|since| now - since >= limit);
        if let Some(whole) = self.whole_picture.filter(|_| self.screen.complete) {
            return self.screen.is_final || past(self.last_video, QUIET) || past(Some(whole), SETTLE_LIMIT);
        }
        if self.screen.frame.is_some() {
            return past(self.first_picture, HOLES_LIMIT);
        }
        match (self.power, self.blank) {
            (Some(Power::Off), Some(_)) => true,
            (Some(Power::Off), None) => past(self.validated, OFF_LIMIT),
            (_, blank) => past(blank, BLANK_LIMIT),
        }
    }

    /// Sends what is due, reads until something is, takes in everything that arrived, and publishes the picture.
    fn turn(&mut self, until: Option<Instant>) -> Result<(), Error> {
        let due = self.send_what_is_due()?;
        let until = until.map_or(due, |until| until.min(due));
        let mut read = self.read(until)?;
        let drained = clock::now() + COALESCE;
        while read && self.answered && clock::now() < drained {
            read = self.read(clock::now() + DRAIN)?;
        }
        self.publish();
        Ok(())
    }

    /// Reads once and handles what came; false when the time was up first.
    fn read(&mut self, until: Instant) -> Result<bool, Error> {
        self.buffer.clear();
        match self.channel.read(&mut self.buffer, until)? {
            Read::TimedOut => Ok(false),
            Read::Closed => {
                self.publish();
                Err(Error::new(Kind::Peer, "the console closed the connection").hint("try again"))
            }
            Read::Data => {
                self.unanswered = 0;
                self.session.receive(&self.buffer);
                if self.beginning.len() < GREETING {
                    self.beginning.extend_from_slice(&self.buffer);
                }
                while let Some(event) = self.session.poll()? {
                    self.handle(event)?;
                }
                Ok(true)
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), Error> {
        let now = clock::now();
        match event {
            Event::Send(bytes) => self.channel.send(&bytes)?,
            Event::Allowed { .. } => {
                self.greeted = true;
                self.shared.allow(Some(PHRASES));
                (self.next_keep_alive, self.next_power) = (now + KEEP_ALIVE, now + self.power_query);
            }
            Event::Validated { master, index } => {
                self.validated = Some(now);
                // The session asks by itself.
                self.last_full = Some(now);
                self.index = index;
                self.set_role(master);
            }
            Event::Master(master) => self.set_role(master),
            Event::Refused(refusal) => {
                self.refused = Some(refusal);
                return Err(refused(refusal));
            }
            Event::Stopped(reason) => {
                self.shared.allow(None);
                return Err(stopped(reason));
            }
            Event::Power(power) => {
                self.power = Some(power);
                self.dirty = true;
                // Nothing more will come from a host that is off.
                self.answered |= power == Power::Off && self.screen.frame.is_none();
            }
            Event::Blank | Event::Empty => {
                self.blank.get_or_insert(now);
                self.signal = Signal::None;
                self.screen.blank();
                (self.dirty, self.answered) = (true, true);
            }
            Event::Video(frame) => {
                let result = self.screen.draw(&frame);
                self.see(result)?;
            }
            Event::Jpeg(picture) => {
                let result = self.screen.show(&picture);
                self.see(result)?;
            }
            Event::Lost => {
                self.screen.complete = false;
                self.ask_for_full_screen();
            }
            Event::Viewers(viewers) => {
                self.viewers = others(&viewers, &self.client_ip, self.index);
                self.dirty = true;
            }
            Event::Alive => {}
        }
        Ok(())
    }

    fn set_role(&mut self, master: bool) {
        self.role = Some(if master { Role::Master } else { Role::Viewer });
        self.dirty = true;
    }

    /// Takes note of a frame that was drawn, whole or in part.
    fn see(&mut self, result: Result<(), DecodeError>) -> Result<(), Error> {
        let now = clock::now();
        match result {
            Ok(()) => self.faults = 0,
            // Waiting will not change it.
            Err(error @ (DecodeError::Unsupported { .. } | DecodeError::TooLarge { .. })) => {
                return Err(Error::from(error).doing("decoding the video"));
            }
            Err(error) => {
                self.fault = Some(error);
                self.faults += 1;
                self.ask_for_full_screen();
                if self.faults >= MAX_FAULTS {
                    return Err(Error::from(error).doing(format!("decoding the video, {MAX_FAULTS} frames in a row")));
                }
            }
        }
        if self.screen.frame.is_none() {
            return Ok(());
        }
        self.last_video = Some(now);
        self.first_picture.get_or_insert(now);
        if self.screen.complete {
            self.whole_picture.get_or_insert(now);
        } else if self.blank.is_some() {
            self.ask_for_full_screen();
        }
        self.blank = None;
        self.signal = Signal::Video;
        (self.dirty, self.answered) = (true, true);
        Ok(())
    }

    /// As soon as the pause since the last time allows.
    fn ask_for_full_screen(&mut self) {
        let now = clock::now();
        let next = self.last_full.map_or(now, |last| now.max(last + FULL_SCREEN_PAUSE));
        self.next_full = Some(self.next_full.map_or(next, |planned| planned.min(next)));
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        self.channel.send(&packet::build(command, 0, &[]))
    }

    /// Sends what is due by now; when the next is.
    fn send_what_is_due(&mut self) -> Result<Instant, Error> {
        let now = clock::now();
        if !self.greeted {
            return Ok(now + KEEP_ALIVE);
        }
        if now >= self.next_keep_alive {
            self.next_keep_alive = now + KEEP_ALIVE;
            let bytes = self.session.keep_alive();
            self.channel.send(&bytes)?;
        }
        let mut due = self.next_keep_alive;
        let Some(validated) = self.validated else { return Ok(due) };
        if now >= self.next_power {
            if self.power.is_some() && self.unanswered >= MAX_UNANSWERED {
                let seconds = (self.power_query * self.unanswered).as_secs();
                return Err(
                    Error::new(Kind::Peer, format!("the console has said nothing for {seconds} s")).hint("try again")
                );
            }
            self.next_power = now + self.power_query;
            self.unanswered += 1;
            self.send(Command::POWER_STATUS)?;
        }
        due = due.min(self.next_power);
        if self.last_video.is_some_and(|last| now - last < FLOWS) {
            if now >= self.next_fps_diff {
                self.next_fps_diff = now + FPS_DIFF;
                self.send(Command::FPS_DIFF)?;
            }
            due = due.min(self.next_fps_diff);
        }
        if !self.screen.complete {
            due = due.min(self.fill_holes(now, validated)?);
        }
        if let Some(next) = self.next_full {
            if now >= next {
                (self.last_full, self.next_full) = (Some(now), None);
                self.send(Command::GET_FULL_SCREEN)?;
            } else {
                due = due.min(next);
            }
        }
        Ok(due)
    }

    /// Asks again and again while there is no whole picture; once, where the first picture stays with holes, by
    /// pausing and resuming.
    fn fill_holes(&mut self, now: Instant, validated: Instant) -> Result<Instant, Error> {
        if let Some(resume) = self.resume {
            if now < resume {
                return Ok(resume);
            }
            self.resume = None;
            self.last_full = Some(now);
            self.send(Command::RESUME_REDIRECTION)?;
        }
        let again = self.last_full.unwrap_or(validated) + FULL_SCREEN;
        if now >= again {
            self.ask_for_full_screen();
        }
        let mut due = again.max(now + FULL_SCREEN_PAUSE);
        if let Some(first) = self.first_picture.filter(|_| !self.paused && self.whole_picture.is_none()) {
            let pause = first + HOLES_PATIENCE;
            if now >= pause {
                self.paused = true;
                self.resume = Some(now + PAUSE);
                self.send(Command::PAUSE_REDIRECTION)?;
                return Ok(now + PAUSE);
            }
            due = due.min(pause);
        }
        Ok(due)
    }

    /// Lets everybody see what is known now.
    fn publish(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let news = News {
            frame: self.screen.frame.clone(),
            heard: self.last_video,
            complete: self.screen.complete,
            signal: self.signal,
            kind: self.screen.kind(),
            answered: std::mem::take(&mut self.answered),
        };
        let (power, role, viewers) = (self.power, self.role, &self.viewers);
        self.shared.publish(news, &mut self.changes, |snapshot| {
            (snapshot.power, snapshot.role) = (power, role);
            snapshot.viewers.clone_from(viewers);
        });
    }
}

/// Everybody but us, as `name (address)`.
fn others(viewers: &[Viewer], client_ip: &str, index: u8) -> Vec<String> {
    let ours = |viewer: &&Viewer| viewer.ip == client_ip;
    let us = viewers.iter().find(|viewer| ours(viewer) && viewer.index == index).or(viewers.iter().find(ours));
    let others = viewers.iter().filter(|viewer| !us.is_some_and(|us| std::ptr::eq(us, *viewer)));
    others.map(|viewer| format!("{} ({})", quote(&viewer.name), viewer.ip)).collect()
}
