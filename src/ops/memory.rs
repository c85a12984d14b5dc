//! What was made of a session's pictures, so that nobody makes the same again: their reading, their PNG files.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::base::{Frame, clock};
use crate::image::{Options, Picture};
use crate::text::{Grid, Reading};

/// Files that are kept of one frame: whole, raw, some regions.
const MAX_PICTURES: usize = 4;
/// A reading that nobody asked for may take this long, or it waits ...
const QUICK: Duration = Duration::from_millis(15);
/// ... until the last one is this old: a desktop takes long to be known as no text, and moves all the time.
const PAUSE: Duration = Duration::from_secs(2);

/// What was made of the last frame. Whoever asks for it while it is being made waits, and shares it.
#[derive(Default)]
pub(super) struct Memory {
    pictures: Mutex<Pictures>,
    text: Mutex<Text>,
}

/// The frame is only remembered, not held.
#[derive(Default)]
struct Pictures {
    of: Weak<Frame>,
    made: Vec<(Options, Arc<Picture>)>,
}

#[derive(Default)]
struct Text {
    of: Weak<Frame>,
    reading: Option<Arc<Reading>>,
    /// Where the last text was.
    grid: Option<Grid>,
    /// When the last reading ended, and how long it took.
    made: Option<(Instant, Duration)>,
}

impl Memory {
    /// The picture of `frame` that `make` makes, unless it is there.
    pub fn picture(
        &self,
        frame: &Arc<Frame>,
        options: &Options,
        make: impl FnOnce() -> Option<Picture>,
    ) -> Option<Arc<Picture>> {
        let mut kept = locked(&self.pictures);
        if !is(&kept.of, frame) {
            *kept = Pictures { of: Arc::downgrade(frame), made: Vec::new() };
        }
        if let Some((_, picture)) = kept.made.iter().find(|(made, _)| made == options) {
            return Some(Arc::clone(picture));
        }
        let picture = Arc::new(make()?);
        if kept.made.len() == MAX_PICTURES {
            kept.made.remove(0);
        }
        kept.made.push((options.clone(), Arc::clone(&picture)));
        Some(picture)
    }

    /// The text of `frame`, which `read` reads, beginning on the grid of the last text, unless it is there.
    pub fn reading(&self, frame: &Arc<Frame>, read: impl FnOnce(Option<&Grid>) -> Reading) -> Arc<Reading> {
        locked(&self.text).reading(frame, read)
    }

    /// The same, but `None` where reading took long lately.
    pub fn quick_reading(
        &self,
        frame: &Arc<Frame>,
        read: impl FnOnce(Option<&Grid>) -> Reading,
    ) -> Option<Arc<Reading>> {
        let mut kept = locked(&self.text);
        let is_slow = |(made, took): (Instant, Duration)| took > QUICK && clock::now() - made < PAUSE;
        (is(&kept.of, frame) || !kept.made.is_some_and(is_slow)).then(|| kept.reading(frame, read))
    }
}

impl Text {
    fn reading(&mut self, frame: &Arc<Frame>, read: impl FnOnce(Option<&Grid>) -> Reading) -> Arc<Reading> {
        if let Some(reading) = self.reading.as_ref().filter(|_| is(&self.of, frame)) {
            return Arc::clone(reading);
        }
        let begun = clock::now();
        let reading = Arc::new(read(self.grid.as_ref()));
        let now = clock::now();
        if reading.is_text() {
            self.grid.clone_from(&reading.grid);
        }
        (self.of, self.made) = (Arc::downgrade(frame), Some((now, now - begun)));
        self.reading = Some(Arc::clone(&reading));
        reading
    }
}

fn is(remembered: &Weak<Frame>, frame: &Arc<Frame>) -> bool {
    std::ptr::eq(remembered.as_ptr(), Arc::as_ptr(frame))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::render;
    use crate::text::{self, Library};

    #[test]
    fn a_frame_is_encoded_once_for_each_way_it_is_wanted() {
        let memory = Memory::default();
        let frames = [1, 2].map(|width| Arc::new(Frame::black(width, 1)));
        let raw = Options { raw: true, ..Options::default() };
        let mut made = 0;
        for (frame, options) in [(0, &raw), (0, &raw), (0, &Options::default()), (0, &raw), (1, &raw), (0, &raw)] {
            let frame = &frames[frame];
            let picture = memory.picture(frame, options, || {
                made += 1;
                render(frame, options)
            });
            assert_eq!(picture.unwrap().region.width, frame.width);
        }
        assert_eq!(made, 4, "the first frame is forgotten when the second comes");
        assert!(memory.picture(&frames[0], &Options::default(), || None).is_none());
    }

    #[test]
    fn a_frame_is_read_once() {
        let memory = Memory::default();
        let frames = [1, 2].map(|width| Arc::new(Frame::black(width, 1)));
        let mut read = 0;
        for frame in [0, 0, 1, 1, 0] {
            let reading = memory.reading(&frames[frame], |last| {
                read += 1;
                text::read(&frames[frame], Library::shipped(), last)
            });
            assert_eq!(reading.screen, (frame + 1, 1));
        }
        assert_eq!(read, 3);
    }
}
