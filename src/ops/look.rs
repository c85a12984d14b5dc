//! A look at a console: the open one or a new one, its current snapshot, and the facts that follow from it.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use super::Ops;
use super::sessions::{Joined, Lease};
use crate::base::{Error, Power, Watch, clock};
use crate::console::{Role, Signal, Snapshot};

/// How long a refresh is waited for: an unchanged screen may send nothing.
pub(super) const REFRESH_LIMIT: Duration = Duration::from_secs(1);
/// A picture heard of within this time counts as current.
const CURRENT: Duration = Duration::from_secs(2);
/// How long the provider may take to tell the power state, as a second witness.
const POWER_LIMIT: Duration = Duration::from_secs(5);

/// What a look at a console came to.
pub(super) enum Looked {
    /// The console is open.
    At(Look),
    /// It is still being opened, and the caller's patience ended: this is what to tell.
    Opening(String),
}

/// A console's snapshot, current as far as can be told.
pub(super) struct Look {
    pub snapshot: Arc<Snapshot>,
    pub power: Option<Power>,
    /// Names the session and the picture in it; no other picture has the same.
    pub picture_id: String,
    /// Keeps the console open until the answer is made.
    pub lease: Lease,
}

impl Ops {
    /// Opens the console of `server` where it is not open, and takes its current snapshot.
    pub(super) fn look(&self, server: &str, patience: Option<Duration>, watch: &Watch) -> Result<Looked, Error> {
        let name = self.providers.name(server, watch);
        let mut is_second = false;
        loop {
            let lease = match self.sessions.acquire(name, patience, watch)? {
                Joined::Open(lease) => lease,
                Joined::Opening { stage, since } => {
                    return Ok(Looked::Opening(format!(
                        "The console of {server} is still being opened: {stage}, {:.0} s so far. Call again: the \
                         opening goes on meanwhile, and the next call joins it.",
                        since.as_secs_f64()
                    )));
                }
            };
            let snapshot = if lease.just_opened {
                Ok(lease.console.snapshot())
            } else {
                lease.console.refresh(&watch.within("waiting for the current picture", REFRESH_LIMIT))
            };
            let snapshot = match snapshot {
                // It ended while it was asked: it is opened again, once.
                Err(_) if !is_second && lease.console.ended().is_some() => {
                    is_second = true;
                    continue;
                }
                snapshot => snapshot?,
            };
            let power = snapshot.power.or_else(|| self.power(server, watch));
            let picture_id = picture_id(&lease, &snapshot);
            return Ok(Looked::At(Look { snapshot, power, picture_id, lease }));
        }
    }

    /// What the provider says, as a second witness.
    pub(super) fn power(&self, server: &str, watch: &Watch) -> Option<Power> {
        let watch = watch.within("asking the provider for the power state", POWER_LIMIT);
        // A witness that fails is no reason to withhold the picture.
        self.providers.ask(server, &watch, |provider, id| provider.power(id, &watch)).ok().flatten()
    }
}

/// Names the session and the picture in it.
fn picture_id(lease: &Lease, snapshot: &Snapshot) -> String {
    format!("{:x}-{}", lease.session, snapshot.id)
}

impl Look {
    /// Takes the snapshot that the console has by now.
    pub fn take(&mut self, snapshot: Arc<Snapshot>) {
        self.power = snapshot.power.or(self.power);
        self.picture_id = picture_id(&self.lease, &snapshot);
        self.snapshot = snapshot;
    }

    /// Why there is no picture, and what to do about it; `None` while there is one.
    pub fn nothing_to_see(&self) -> Option<&'static str> {
        if self.snapshot.frame.is_some() {
            return None;
        }
        Some(match (self.power, self.snapshot.signal) {
            (Some(Power::Off), _) => "none: the host is powered off; switch it on and look again",
            (None, Signal::None) => {
                "none: the console has no video signal; the host may be off: look again in some seconds"
            }
            (Some(Power::On), Signal::None) => {
                "none: the host is on but gives no video signal; it may be between video modes (look again in some \
                 seconds) or use another graphics card (set the primary display to onboard in its firmware)"
            }
            (_, Signal::Unknown | Signal::Video) => "none: no picture arrived; look again in some seconds",
        })
    }

    /// Goes with a picture that is not whole.
    pub fn incomplete(&self) -> Option<String> {
        let Snapshot { complete: false, drawn, .. } = *self.snapshot else { return None };
        let drawn = drawn.map(|percent| format!(", {percent} % of it is drawn")).unwrap_or_default();
        Some(format!(
            "the picture is incomplete{drawn}: parts not drawn yet are black or as before a change of its size; look again"
        ))
    }

    /// Whether the screen is still as it was in the picture of that id; an id that we do not know counts as changed.
    pub fn is_unchanged_since(&self, picture_id: &str) -> bool {
        self.picture_id == picture_id
    }

    /// What is known beside the pixels: one fact a line.
    pub fn describe(&self, facts: &mut Facts) {
        let snapshot = &self.snapshot;
        if let Some(frame) = &snapshot.frame {
            facts.add("screen", format!("{} x {} pixels", frame.width, frame.height));
            let now = clock::now();
            facts.add("picture", format!("{}, {} old", self.picture_id, seconds(now - snapshot.heard)));
            facts.add("unchanged for", seconds(now - snapshot.changed));
            if frame.is_blank() {
                facts.add("note", "the screen is blank: a picture of one color arrived");
            }
            if let Some(note) = self.incomplete() {
                facts.add("note", note);
            }
            let unheard = now - snapshot.heard;
            if unheard > CURRENT {
                facts.add("note", format!("unconfirmed for {}: asked for the screen, the console sent nothing new, as for an unchanged one", seconds(unheard)));
            }
        }
        if let Some(why) = self.nothing_to_see() {
            facts.add("picture", why);
        }
        facts.add("power", self.power.map_or("unknown", Power::name));
        facts.add(
            "signal",
            match snapshot.signal {
                Signal::Video => "video",
                Signal::None => "none",
                Signal::Unknown => "unknown",
            },
        );
        facts.add("console", snapshot.kind);
        match snapshot.role {
            Some(Role::Master) => facts.add("role", "master: nobody else controls the console"),
            Some(Role::Viewer) => facts.add("role", "viewer only: somebody else controls the console"),
            None => {}
        }
        if !snapshot.viewers.is_empty() {
            facts.add("also viewing", snapshot.viewers.join(", "));
        }
        for note in &snapshot.notes {
            facts.add("note", note);
        }
    }
}

/// A duration as people read it, to a tenth of a second while it is short.
pub(super) fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 10.0 { format!("{seconds:.1} s") } else { format!("{seconds:.0} s") }
}

/// Facts as text, one `name: value` a line.
#[derive(Default)]
pub(super) struct Facts {
    pub text: String,
}

impl Facts {
    /// Adds a line.
    pub fn add(&mut self, name: &str, value: impl AsRef<str>) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{name}: {}", value.as_ref());
    }
}
