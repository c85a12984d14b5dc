//! When the picture is complete, and what to ask for next: by coverage, never by counting updates.
//!
//! Observed: QEMU, TigerVNC and x11vnc answer the first request without a pixel, TightVNC with a size, VMware with one
//! pixel, UltraVNC in parts; OpenBMC sends a complete black picture and the real one up to a second later.
//!
//! Times are milliseconds since the first request, told by the driver. After each update it sends the request that
//! [`Completion::updated`] returns, and at [`Completion::wake`] the one that [`Completion::idle`] returns. Its own
//! deadline is its own: what is painted by then is a partial picture, as `Coverage` says.

use super::stream::{Resize, Update};
use super::{Request, Screen};
use crate::base::{Frame, Rgb};

/// How long a blank picture is doubted: OpenBMC leaves out its first 30 frames, 1 s at 30 frames per second.
pub const GRACE_MS: u64 = 2_500;

/// How long an incomplete picture waits for the next byte before it is asked for again; doubled each time.
const STALL_MS: u64 = 700;

/// How often, until the picture is complete.
const MAX_STALLS: u32 = 3;

/// How often an update of nearly nothing is answered with a full request at once, until the picture is complete.
const MAX_ALTERNATIONS: u32 = 4;

/// Whether the picture can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Parts were never painted.
    Incomplete,
    /// All was painted, in one color: the real picture may follow.
    Doubtful,
    /// All was painted; `blank` where in one color, and that for long.
    Complete {
        /// Whether (nearly) all of it has one color.
        blank: bool,
    },
}

/// Follows a session from its first request.
#[derive(Clone, Debug)]
pub struct Completion {
    grace: u64,
    complete: bool,
    blank: bool,
    /// Whether a picture that was not blank was ever complete: a blank one is believed from then on.
    trusted: bool,
    /// When it was first complete.
    complete_at: u64,
    heard: u64,
    stalls: u32,
    alternations: u32,
}

impl Default for Completion {
    fn default() -> Self {
        Self::new(GRACE_MS)
    }
}

impl Completion {
    /// Doubts a blank picture for `grace` ms. The driver sends a full request now, at time 0.
    pub fn new(grace: u64) -> Self {
        Self {
            grace,
            complete: false,
            blank: false,
            trusted: false,
            complete_at: 0,
            heard: 0,
            stalls: 0,
            alternations: 0,
        }
    }

    /// Something arrived.
    pub fn heard(&mut self, now: u64) {
        self.heard = now;
    }

    /// An update is over: what to request next.
    pub fn updated(&mut self, now: u64, update: &Update, screen: &Screen) -> Request {
        self.heard = now;
        let coverage = screen.coverage();
        let complete = coverage.is_complete();
        if complete {
            self.blank = is_blank(screen.frame());
            self.trusted |= !self.blank;
            if !self.complete {
                self.complete_at = now;
            }
            // The next picture, of another size, gets as many attempts as this one.
            (self.stalls, self.alternations) = (0, 0);
        }
        self.complete = complete;
        match update.resized {
            Some(Resize::Plain) if !complete => return Request::Full,
            // A full request is answered by an ExtendedDesktopSize: that would never end.
            Some(_) => return Request::Changes,
            None => {}
        }
        let missing_before = coverage.missing() + update.painted;
        let is_crumb = update.painted * 100 < missing_before && !update.extended;
        if !complete && is_crumb && self.alternations < MAX_ALTERNATIONS {
            self.alternations += 1;
            return Request::Full;
        }
        Request::Changes
    }

    /// What to request because nothing arrives.
    pub fn idle(&mut self, now: u64) -> Option<Request> {
        if self.complete || self.stalls >= MAX_STALLS || now < self.stalled_at() {
            return None;
        }
        self.stalls += 1;
        self.heard = now;
        Some(Request::Full)
    }

    /// When the verdict or the request may change though nothing arrives.
    pub fn wake(&self) -> Option<u64> {
        match (self.complete, self.blank && !self.trusted) {
            (true, true) => Some(self.complete_at + self.grace),
            (true, false) => None,
            (false, _) => (self.stalls < MAX_STALLS).then(|| self.stalled_at()),
        }
    }

    /// What the picture is now.
    pub fn verdict(&self, now: u64) -> Verdict {
        match self.complete {
            false => Verdict::Incomplete,
            true if self.blank && !self.trusted && now < self.complete_at + self.grace => Verdict::Doubtful,
            true => Verdict::Complete { blank: self.blank },
        }
    }

    fn stalled_at(&self) -> u64 {
        self.heard + (STALL_MS << self.stalls)
    }
}

/// Whether one color covers more than 99.9 % of a picture: all but a text cursor, say.
pub fn is_blank(frame: &Frame) -> bool {
    const SAMPLES: usize = 8;
    let pixels = &frame.pixels;
    // Where one color is everywhere, eight pixels far apart cannot all have missed it by chance.
    let covers = |color: &Rgb| {
        let mut others = pixels.len() / 1_000;
        pixels.iter().all(|pixel| {
            pixel == color || {
                let is_few = others > 0;
                others = others.saturating_sub(1);
                is_few
            }
        })
    };
    pixels.is_empty() || pixels.iter().step_by(pixels.len().div_ceil(SAMPLES)).any(covers)
}

#[cfg(test)]
mod tests {
    use super::super::screen::Rect;
    use super::*;

    const BLACK: Rgb = [0; 3];
    const BLUE: Rgb = [0, 0, 99];

    struct Play {
        screen: Screen,
        completion: Completion,
    }

    impl Play {
        fn new() -> Self {
            Self { screen: Screen::new(100, 100).unwrap(), completion: Completion::default() }
        }

        /// One update that paints `rows` rows from the top and changes `flip` one pixel.
        fn update(&mut self, now: u64, rows: usize, color: Rgb, mut update: Update) -> (Request, Verdict) {
            let rect = Rect { x: 0, y: 0, width: 100, height: rows };
            self.screen.canvas(rect).fill(rect, color);
            // A picture that is not of one color: every second row stays black.
            if color != BLACK {
                (0..rows).step_by(2).for_each(|y| self.screen.canvas(rect).row(0, y, 100).fill([0; 3]));
            }
            update.painted = self.screen.cover(rect);
            let request = self.completion.updated(now, &update, &self.screen);
            (request, self.completion.verdict(now))
        }
    }

    const COMPLETE: Verdict = Verdict::Complete { blank: false };

    #[test]
    fn a_picture_that_is_not_blank_is_complete_at_once() {
        let mut play = Play::new();
        assert_eq!(play.update(3, 100, BLUE, Update::default()), (Request::Changes, COMPLETE));
        assert_eq!(play.completion.wake(), None);
        // What goes black later went black.
        assert_eq!(
            play.update(9, 100, BLACK, Update::default()),
            (Request::Changes, Verdict::Complete { blank: true })
        );
    }

    #[test]
    fn the_black_picture_of_openbmc_is_doubted_until_the_real_one_comes() {
        let mut play = Play::new();
        assert_eq!(play.update(10, 100, BLACK, Update::default()), (Request::Changes, Verdict::Doubtful));
        assert_eq!(play.completion.wake(), Some(10 + GRACE_MS));
        assert_eq!(play.update(800, 100, BLUE, Update::default()).1, COMPLETE);
    }

    #[test]
    fn a_black_screen_is_believed_after_the_grace_time() {
        let mut play = Play::new();
        play.update(10, 100, BLACK, Update::default());
        play.update(2_000, 100, BLACK, Update::default());
        assert_eq!(play.completion.verdict(2_509), Verdict::Doubtful);
        assert_eq!(play.completion.verdict(2_510), Verdict::Complete { blank: true });
    }

    #[test]
    fn parts_add_up_and_are_asked_for_incrementally() {
        let mut play = Play::new();
        assert_eq!(play.update(1, 25, BLUE, Update::default()), (Request::Changes, Verdict::Incomplete));
        assert_eq!(play.update(2, 100, BLUE, Update::default()), (Request::Changes, COMPLETE));
    }

    #[test]
    fn updates_of_nearly_nothing_ask_for_everything_but_not_for_ever() {
        let mut play = Play::new();
        for _ in 0..MAX_ALTERNATIONS {
            assert_eq!(play.update(1, 0, BLUE, Update::default()).0, Request::Full);
        }
        assert_eq!(play.update(1, 0, BLUE, Update::default()).0, Request::Changes);
    }

    #[test]
    fn an_extended_desktop_size_is_never_answered_with_a_full_request() {
        let mut play = Play::new();
        let extended = Update { extended: true, ..Update::default() };
        assert_eq!(play.update(1, 0, BLUE, extended).0, Request::Changes);
        let resized = Update { resized: Some(Resize::Extended), ..extended };
        assert_eq!(play.update(1, 0, BLUE, resized).0, Request::Changes);
        let resized = Update { resized: Some(Resize::Plain), ..Update::default() };
        assert_eq!(play.update(1, 0, BLUE, resized).0, Request::Full);
    }

    #[test]
    fn silence_is_answered_three_times_each_after_twice_the_wait() {
        let mut play = Play::new();
        play.update(100, 50, BLUE, Update::default());
        let mut times = Vec::new();
        while let Some(at) = play.completion.wake() {
            assert_eq!(play.completion.idle(at - 1), None);
            assert_eq!(play.completion.idle(at), Some(Request::Full));
            times.push(at);
        }
        assert_eq!(times, [800, 2_200, 5_000]);
        assert_eq!(play.completion.idle(60_000), None);
    }

    #[test]
    fn a_screen_of_another_size_is_asked_for_as_often_as_the_first() {
        let mut play = Play::new();
        for _ in 0..MAX_ALTERNATIONS {
            play.update(1, 0, BLUE, Update::default());
        }
        while let Some(at) = play.completion.wake() {
            play.completion.idle(at);
        }
        assert_eq!(play.update(9_000, 100, BLUE, Update::default()).1, COMPLETE);
        play.screen.uncover();
        assert_eq!(play.update(10_000, 0, BLUE, Update::default()), (Request::Full, Verdict::Incomplete));
        assert_eq!(play.completion.wake(), Some(10_000 + STALL_MS));
    }

    #[test]
    fn a_picture_is_blank_with_a_cursor_on_it_and_not_with_a_line_of_text() {
        let mut frame = Frame { width: 100, height: 100, pixels: vec![[7, 8, 9]; 10_000] };
        assert!(is_blank(&frame) && is_blank(&Frame::default()));
        // Ten pixels of ten thousand, the first one among them, which the first sample hits.
        frame.pixels[..10].fill([0; 3]);
        assert!(is_blank(&frame));
        frame.pixels[10] = [0; 3];
        assert!(!is_blank(&frame));
    }
}
