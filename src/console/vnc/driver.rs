//! The loop of an RFB console's thread: read, feed the session, ask for what is missing or changes, publish.
//!
//! One request for changes is always outstanding, so that the picture stays current by itself; what a picture needs to
//! be whole, and when silence is answered, `rfb::completion` says.

use std::time::{Duration, Instant};

use super::{KIND, Line, PHRASES};
use crate::base::bytes::quote;
use crate::base::{Error, Kind, Watch, clock};
use crate::console::Signal;
use crate::console::changes::Changes;
use crate::console::live::{COALESCE, DRAIN, News, OPENING_TICK, Shared};
use crate::net::stream::Read;
use crate::rfb::{Completion, Event, Failure, Options, Request, Session, Verdict};

/// How long the server may take from the connection to its screen's size, a TLS handshake included.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(20);
/// And to a whole picture.
const PICTURE_LIMIT: Duration = Duration::from_secs(10);
/// How long nothing is asked of a server whose picture is whole: it sends by itself.
const IDLE: Duration = Duration::from_secs(3600);
/// Characters shown of what a server calls itself.
const MAX_NAME: usize = 80;

/// One connection from its first byte.
pub(super) struct Driver<'a> {
    shared: &'a Shared,
    line: Line,
    session: Session,
    completion: Completion,
    changes: Changes,
    buffer: Vec<u8>,
    /// When the screen was asked for first.
    began: Option<Instant>,
    /// What the server calls itself, until that is published.
    name: Option<String>,
    failure: Option<Failure>,
    last_video: Option<Instant>,
    /// Whether something is not published yet, and whether pixels are among it.
    dirty: bool,
    painted: bool,
}

impl<'a> Driver<'a> {
    pub(super) fn new(shared: &'a Shared, line: Line, options: Options) -> Self {
        Self {
            shared,
            line,
            session: Session::new(options),
            completion: Completion::default(),
            changes: Changes::default(),
            buffer: Vec::new(),
            began: None,
            name: None,
            failure: None,
            last_video: None,
            dirty: false,
            painted: false,
        }
    }

    /// How another attempt may get farther, after one that failed.
    pub(super) fn again(&self, options: &Options) -> Option<Options> {
        self.failure.as_ref()?.again(options)
    }

    /// Shakes hands and waits for the first whole picture; `heard` was read already.
    pub(super) fn open(&mut self, heard: &[u8], watch: &Watch) -> Result<(), Error> {
        let handshake = watch.within("waiting for the VNC handshake", HANDSHAKE_LIMIT);
        self.session.receive(heard);
        self.handle_events(&handshake)?;
        self.run_until(&handshake, |driver| driver.began.is_some())?;
        let picture = watch.within("waiting for the first picture", PICTURE_LIMIT);
        let is_whole = |driver: &Self| matches!(driver.completion.verdict(driver.time()), Verdict::Complete { .. });
        let result = match self.run_until(&picture, is_whole) {
            // A part of a picture, and a screen without pixels, are answers too.
            Err(error) if matches!(error.kind(), Kind::Timeout(_)) && self.has_something() => Ok(()),
            Err(error) if matches!(error.kind(), Kind::Timeout(_)) => {
                Err(error.hint("the server sends no pixels: look at it with another VNC viewer"))
            }
            other => other,
        };
        self.dirty = true;
        self.publish();
        result
    }

    /// Keeps the picture current until the console is closed (Ok) or ends.
    pub(super) fn stay(&mut self) -> Result<(), Error> {
        // For longer than a turn takes.
        let watching = || Watch::new("watching the console", 2 * IDLE);
        // What a flood left over when the first picture was due.
        self.handle_events(&watching())?;
        self.publish();
        loop {
            self.turn(clock::now() + IDLE, &watching())?;
            if self.shared.is_closing() {
                return Ok(());
            }
        }
    }

    fn run_until(&mut self, watch: &Watch, done: impl Fn(&Self) -> bool) -> Result<(), Error> {
        while !done(self) {
            watch.left()?;
            let until = watch.deadline().min(clock::now() + OPENING_TICK);
            if let Err(error) = self.turn(until, watch) {
                watch.left()?;
                return Err(error.doing(watch.stage()));
            }
        }
        Ok(())
    }

    fn has_something(&self) -> bool {
        let coverage = self.session.screen().map(|screen| screen.coverage());
        coverage.is_some_and(|coverage| coverage.total() == 0 || coverage.missing() < coverage.total())
    }

    /// Milliseconds since the screen was asked for first.
    fn time(&self) -> u64 {
        self.began.map_or(0, |began| (clock::now() - began).as_millis() as u64)
    }

    /// Asks where silence calls for it, reads until then, takes in everything that arrived, and publishes the picture.
    fn turn(&mut self, until: Instant, watch: &Watch) -> Result<(), Error> {
        let mut until = until;
        if let Some(began) = self.began {
            if let Some(request) = self.completion.idle(self.time()) {
                self.session.request(request);
                self.handle_events(watch)?;
            }
            if let Some(wake) = self.completion.wake().filter(|wake| *wake > self.time()) {
                until = until.min(began + Duration::from_millis(wake));
            }
        }
        let mut read = self.read(until, watch)?;
        let drained = clock::now() + COALESCE;
        while read && self.dirty && clock::now() < drained {
            read = self.read(clock::now() + DRAIN, watch)?;
        }
        self.publish();
        Ok(())
    }

    /// Reads once and handles what came; false when the time was up first.
    fn read(&mut self, until: Instant, watch: &Watch) -> Result<bool, Error> {
        self.buffer.clear();
        match self.line.channel.read(&mut self.buffer, until)? {
            Read::TimedOut => Ok(false),
            Read::Closed => {
                self.publish();
                Err(self.fail(None))
            }
            Read::Data => {
                self.completion.heard(self.time());
                self.session.receive(&self.buffer);
                self.handle_events(watch)?;
                Ok(true)
            }
        }
    }

    /// Handles what came. A few bytes can fill a large screen a thousand times: the watch may end before they do, and
    /// who looks meanwhile sees how far they are.
    fn handle_events(&mut self, watch: &Watch) -> Result<(), Error> {
        let mut due = clock::now() + COALESCE;
        while let Some(event) = self.session.poll() {
            match event {
                Event::Send(bytes) => self.line.channel.send(&bytes)?,
                Event::StartTls => {
                    let unable = || Error::new(Kind::Internal, "TLS cannot begin on this connection");
                    let (plain, trust) = self.line.tls.as_ref().ok_or_else(unable)?;
                    plain.start_tls(trust, watch)?;
                    self.session.tls_started();
                }
                Event::Ready { name } => {
                    self.began = Some(clock::now());
                    self.name = Some(name).filter(|name| !name.is_empty());
                    self.shared.allow(Some(PHRASES));
                    self.session.request(Request::Full);
                }
                Event::Updated(update) => {
                    let now = self.time();
                    let Some(screen) = self.session.screen() else { continue };
                    let request = self.completion.updated(now, &update, screen);
                    self.session.request(request);
                    if update.pixels || update.resized.is_some() {
                        self.last_video = Some(clock::now());
                        self.dirty = true;
                        self.painted |= update.pixels;
                    }
                }
                Event::Failed(failure) => return Err(self.fail(Some(failure))),
            }
            watch.left()?;
            if clock::now() >= due {
                self.publish();
                due = clock::now() + COALESCE;
            }
        }
        Ok(())
    }

    /// Remembers why the session is over: what the server did, or that it closed the connection.
    fn fail(&mut self, failure: Option<Failure>) -> Error {
        let failure = failure.unwrap_or_else(|| self.session.closed());
        self.failure = Some(failure.clone());
        self.shared.allow(None);
        failure.into()
    }

    /// Lets everybody see what is known now.
    fn publish(&mut self) {
        let Some(screen) = self.session.screen().filter(|_| std::mem::take(&mut self.dirty)) else { return };
        let coverage = screen.coverage();
        let drawn = coverage.percent();
        let is_seen = coverage.missing() < coverage.total() || self.last_video.is_some();
        let signal = match (coverage.total(), is_seen) {
            (0, _) => Signal::None,
            (_, true) => Signal::Video,
            (_, false) => Signal::Unknown,
        };
        let news = News {
            frame: (signal == Signal::Video).then(|| screen.frame().clone()),
            heard: self.last_video,
            complete: coverage.is_complete(),
            signal,
            kind: KIND,
            // A part alone is no answer to a request, the rest may follow.
            answered: std::mem::take(&mut self.painted) && coverage.is_complete(),
        };
        let name = self.name.take().map(|name| name.chars().take(MAX_NAME).collect::<String>());
        self.shared.publish(news, &mut self.changes, |snapshot| {
            let note = name.map(|name| format!("the console calls itself {}", quote(&name)));
            snapshot.drawn = Some(drawn);
            // A second attempt hears it again.
            snapshot.notes.extend(note.filter(|note| !snapshot.notes.contains(note)));
        });
    }
}
