//! Waiting until a console shows something: a look several times a second, at no cost to whoever waits.
//!
//! The console's own picture is looked at, which the BMC keeps current; only where nothing was heard for a while it is
//! asked for. A wait is a job: a caller that runs out of patience leaves it to go on, and the next one joins it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use regex_lite::{Regex, RegexBuilder};

use super::Ops;
use super::jobs::Joined;
use super::look::{Facts, Look, Looked, REFRESH_LIMIT, seconds};
use super::sessions::{OPENING_LIMIT, released};
use crate::base::bytes::quote;
use crate::base::{Error, Frame, Kind, Power, Watch, clock};
use crate::text::{Reading, Reason, RenderOptions, Status};

/// The longest wait.
pub const MAX_WAIT: Duration = Duration::from_secs(600);
/// Between two looks.
const TICK: Duration = Duration::from_millis(200);
/// Where nothing was heard for this long, the console is asked for its picture.
const UNHEARD: Duration = Duration::from_secs(2);
/// Between two questions to the provider whether the host is on, where its console does not tell.
const WITNESS: Duration = Duration::from_secs(5);
/// Between two attempts to open a console again that ended meanwhile.
const REOPENING: Duration = Duration::from_secs(5);
/// What a compiled expression may take, in bytes.
const MAX_REGEX: usize = 1 << 20;

const STAGE: &str = "waiting for the screen";

/// What is waited for.
#[derive(Clone, Debug, PartialEq)]
pub enum Until {
    /// This text is on the screen.
    Text(String),
    /// Text that this regular expression matches is on the screen.
    Regex(String),
    /// This text is not on the screen.
    Gone(String),
    /// The screen is another than in the picture of that id; `None`: than now.
    Changed(Option<String>),
    /// The screen has not changed for so long, the blinking of a cursor aside.
    Still(Duration),
    /// The host is switched on, or off.
    Power(Power),
}

impl Until {
    /// As the end of a sentence that begins with "waiting": `until the text "login:" is there`.
    fn describe(&self) -> String {
        match self {
            Self::Text(text) => format!("until the text {text:?} is there"),
            Self::Regex(pattern) => format!("until text that matches {pattern:?} is there"),
            Self::Gone(text) => format!("until the text {text:?} is gone"),
            Self::Changed(_) => "until the screen changes".to_owned(),
            Self::Still(duration) => format!("until the screen is still for {}", seconds(*duration)),
            Self::Power(power) => format!("until the host is {}", power.name()),
        }
    }
}

/// How to wait.
#[derive(Clone, Debug)]
pub struct WaitOptions {
    /// For what.
    pub until: Until,
    /// How long, from the first look on; [`MAX_WAIT`] at most.
    pub timeout: Duration,
    /// How long the caller waits before the answer is that the wait goes on; `None`: to the end.
    pub patience: Option<Duration>,
}

/// What a wait came to.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Whether what was waited for is there.
    pub is_met: bool,
    /// What was seen, the facts, and the screen's text; or how far the wait is.
    pub text: String,
}

impl Ops {
    /// Waits until the console of `server` shows something. That it does not in time is an answer too.
    pub fn wait(self: &Arc<Self>, server: &str, options: &WaitOptions, watch: &Watch) -> Result<Waited, Error> {
        let told = |error: Error| error.doing(format!("wait for the console of {server}"));
        let until = options.until.describe();
        let condition = Condition::of(&options.until).map_err(told)?;
        let timeout = options.timeout.min(MAX_WAIT);
        let (ops, name) = (Arc::clone(self), server.to_owned());
        let work = move |watch: &Watch| ops.wait_on(&name, condition, timeout, watch);
        let key = format!("{server} {timeout:?} {:?}", options.until);
        let joined = self.waits.join(&key, OPENING_LIMIT + timeout + REOPENING, work, options.patience, watch);
        match joined.map_err(told)? {
            Joined::Done(result) => Result::clone(&result).map_err(told),
            Joined::Working { since } => {
                let (stage, since) = (watch.stage(), seconds(since));
                let last = watch.noted().map(|note| format!(", {note}")).unwrap_or_default();
                let text = format!(
                    "Still waiting at the console of {server} {until}: {since} so far ({stage}{last}). Call again with \
                     the same arguments: the wait goes on meanwhile, and the next call joins it."
                );
                Ok(Waited { is_met: false, text })
            }
        }
    }

    /// The wait itself, on the job's thread.
    fn wait_on(
        &self,
        server: &str,
        mut condition: Condition,
        timeout: Duration,
        watch: &Watch,
    ) -> Result<Waited, Error> {
        let mut look = self.look_to_the_end(server, watch)?;
        if condition.needs_text() {
            self.sharpen(server, &mut look, watch);
        }
        let begun = clock::now();
        let mut read = Reader::default();
        let mut asked = Asked { picture: begun, power: begun };
        loop {
            let reading = read.see(self, &look, &condition);
            let met = condition.check(&look, reading.as_deref());
            let waited = clock::now() - begun;
            if met.is_some() || waited >= timeout {
                let told = match &met {
                    Some(seen) => format!("Seen after {}: {seen}", seconds(waited)),
                    None => format!("Not seen within {}. The screen as it is now:", seconds(timeout)),
                };
                return Ok(Waited { is_met: met.is_some(), text: self.conclude(server, told, &look) });
            }
            watch.enter(STAGE);
            if let Some(line) = &read.last {
                watch.note(format!("last new line: {}", quote(line)));
            }
            watch.sleep(TICK)?;
            // Where it ended by itself, another call may have opened it again.
            if look.lease.is_released() && look.lease.console.ended().is_none() {
                return Err(released());
            }
            if let Err(error) = self.look_again(server, &mut look, &mut asked, watch) {
                // Whoever took the console from us keeps it.
                if look.lease.console.ended().is_none() || error.kind() == Kind::Busy {
                    return Err(error);
                }
                let old = look.snapshot.frame.clone();
                drop(look);
                look = self.reopen(server, error, begun + timeout, watch)?;
                condition.reopened(old.as_deref(), &look);
            }
        }
    }

    /// Takes what the console shows by now. Where it said nothing for a while, it is asked; an error where it ended.
    fn look_again(&self, server: &str, look: &mut Look, asked: &mut Asked, watch: &Watch) -> Result<(), Error> {
        let now = clock::now();
        let console = &look.lease.console;
        if let Some(error) = console.ended() {
            return Err(error);
        }
        let snapshot = if now - look.snapshot.heard.max(asked.picture) < UNHEARD {
            console.snapshot()
        } else {
            asked.picture = now;
            console.refresh(&watch.within(STAGE, REFRESH_LIMIT))?
        };
        look.take(snapshot);
        if look.snapshot.power.is_none() && now - asked.power >= WITNESS {
            asked.power = now;
            look.power = self.power(server, watch);
        }
        Ok(())
    }

    /// A look that waits for the opening, however long that takes.
    fn look_to_the_end(&self, server: &str, watch: &Watch) -> Result<Look, Error> {
        match self.look(server, None, watch)? {
            Looked::At(look) => Ok(look),
            // Only a caller's patience ends before the opening does.
            Looked::Opening(what) => Err(Error::new(Kind::Internal, what)),
        }
    }

    /// The console ended by itself: opens it again, and again, as long as the wait lasts.
    fn reopen(&self, server: &str, ended: Error, end: Instant, watch: &Watch) -> Result<Look, Error> {
        let mut last = ended;
        while clock::now() < end {
            match self.look_to_the_end(server, watch) {
                Err(error) if matches!(error.kind(), Kind::Busy | Kind::Peer | Kind::Timeout(_)) => last = error,
                result => return result,
            }
            watch.sleep(REOPENING)?;
        }
        Err(last)
    }

    fn conclude(&self, server: &str, told: String, look: &Look) -> String {
        let mut facts = Facts { text: told };
        facts.add("server", server);
        look.describe(&mut facts);
        facts.text + "\n" + &self.render(look, &RenderOptions::default())
    }
}

/// When somebody was asked last.
struct Asked {
    picture: Instant,
    power: Instant,
}

/// The screen's text as it changes.
#[derive(Default)]
struct Reader {
    lines: Vec<String>,
    /// The last line that was new.
    last: Option<String>,
    read: Option<Arc<Reading>>,
}

impl Reader {
    /// The text of the look.
    fn see(&mut self, ops: &Ops, look: &Look, condition: &Condition) -> Option<Arc<Reading>> {
        let reading = if condition.needs_text() { ops.reading(look) } else { ops.quick_reading(look) };
        let is_new = match (&reading, &self.read) {
            (Some(new), Some(old)) => !Arc::ptr_eq(new, old),
            (new, _) => new.is_some(),
        };
        if let Some(new) = reading.as_ref().filter(|reading| is_new && reading.is_text()) {
            let lines = new.lines();
            let is_news = |line: &&String| !line.trim().is_empty() && !self.lines.contains(line);
            if let Some(line) = lines.iter().rev().find(is_news) {
                self.last = Some(line.trim().to_owned());
            }
            self.lines = lines;
        }
        self.read.clone_from(&reading);
        reading
    }
}

/// What is waited for, ready to be checked.
enum Condition {
    Text(String),
    Regex(Regex),
    Gone(String),
    Changed(Option<String>),
    Still(Duration),
    Power(Power),
}

impl Condition {
    fn of(until: &Until) -> Result<Self, Error> {
        Ok(match until {
            Until::Text(text) => Self::Text(text.clone()),
            Until::Gone(text) => Self::Gone(text.clone()),
            Until::Changed(since) => Self::Changed(since.clone()),
            Until::Still(duration) => Self::Still(*duration),
            Until::Power(power) => Self::Power(*power),
            Until::Regex(pattern) => {
                let regex = RegexBuilder::new(pattern).size_limit(MAX_REGEX).build().map_err(|error| {
                    Error::new(Kind::Usage, format!("{pattern:?} is no regular expression: {error}"))
                        .hint("mend it, or wait for plain text")
                })?;
                if regex.is_match("") {
                    let what =
                        format!("{pattern:?} also matches where nothing is, so that nothing would be waited for");
                    return Err(Error::new(Kind::Usage, what).hint("leave the empty alternative out"));
                }
                Self::Regex(regex)
            }
        })
    }

    fn needs_text(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Regex(_) | Self::Gone(_))
    }

    /// What was seen, once it is there.
    fn check(&mut self, look: &Look, reading: Option<&Reading>) -> Option<String> {
        match self {
            Self::Text(text) => find(reading?, |line| line.find(text.as_str())),
            Self::Regex(regex) => find(reading?, |line| regex.find(line).map(|found| found.start())),
            Self::Gone(text) => {
                // Text that cannot be read, or is not drawn yet, may be there.
                let is_known = look.snapshot.frame.is_none() || look.snapshot.complete && reading.is_some_and(is_known);
                let is_there = reading.is_some_and(|reading| find(reading, |line| line.find(text.as_str())).is_some());
                (is_known && !is_there).then(|| format!("the text {text:?} is not on the screen"))
            }
            Self::Changed(Some(since)) => {
                (look.picture_id != *since).then(|| format!("the screen is another than in the picture {since}"))
            }
            Self::Changed(now) => {
                *now = Some(look.picture_id.clone());
                None
            }
            Self::Still(wanted) => {
                let still = clock::now() - look.snapshot.changed;
                (still >= *wanted).then(|| format!("the screen has not changed for {}", seconds(still)))
            }
            Self::Power(power) => (look.power == Some(*power)).then(|| format!("the host is {}", power.name())),
        }
    }

    /// Another session has other picture ids, also for the same picture.
    fn reopened(&mut self, old: Option<&Frame>, look: &Look) {
        match self {
            Self::Changed(since) if old == look.snapshot.frame.as_deref() => *since = Some(look.picture_id.clone()),
            _ => {}
        }
    }
}

/// Whether it is known for sure which text is on the screen, and be it none.
fn is_known(reading: &Reading) -> bool {
    reading.is_text() || reading.status == Status::None(Reason::Blank)
}

/// The row where the first match begins, and what stands there. A line that fills its row goes on in the next.
fn find(reading: &Reading, search: impl Fn(&str) -> Option<usize>) -> Option<String> {
    let lines = reading.lines();
    let mut first = 0;
    while first < lines.len() {
        let is_full = |row: &usize| lines[*row].chars().count() == reading.columns && row + 1 < lines.len();
        let rows = 1 + (first..).take_while(is_full).count();
        let paragraph = lines[first..first + rows].concat();
        if let Some(at) = search(&paragraph) {
            let row = first + paragraph[..at].chars().count() / reading.columns.max(1);
            let row = row.min(first + rows - 1);
            return Some(format!("row {row}: {}", quote(lines[row].trim())));
        }
        first += rows;
    }
    None
}
