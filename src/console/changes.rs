//! Tells a change of the screen from the blinking of its cursor.

use crate::base::Frame;
use crate::base::frame::Difference;

/// Follows a screen from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Where it blinked since the last change.
    blinking: Option<Difference>,
}

impl Changes {
    /// Whether the screen changed from the picture before, the blinking of a cursor aside. What blinks stays in its
    /// place: a bar that grows cell by cell is a change.
    pub(super) fn see(&mut self, old: Option<&Frame>, new: Option<&Frame>) -> bool {
        let difference = match (old, new) {
            (Some(old), Some(new)) => old.difference(new),
            (None, None) => None,
            _ => {
                self.blinking = None;
                return true;
            }
        };
        let Some(difference) = difference else { return false };
        let place = self.blinking.map_or(difference, |blinking| blinking.around(difference));
        let is_blink = difference.is_cursor_blink() && place.is_cursor_blink();
        self.blinking = Some(place).filter(|_| is_blink);
        !is_blink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A black screen of 80 x 16 pixels with these cells of 8 x 16 white.
    fn screen(cells: &[usize]) -> Frame {
        let mut frame = Frame::black(80, 16);
        for (at, pixel) in frame.pixels.iter_mut().enumerate() {
            if cells.contains(&(at % 80 / 8)) {
                *pixel = [255; 3];
            }
        }
        frame
    }

    #[test]
    fn a_cursor_may_blink_in_its_place_for_ever() {
        let mut changes = Changes::default();
        for _ in 0..10 {
            assert!(!changes.see(Some(&screen(&[3])), Some(&screen(&[]))));
            assert!(!changes.see(Some(&screen(&[])), Some(&screen(&[3]))));
        }
        assert!(!changes.see(Some(&screen(&[3])), Some(&screen(&[3]))));
    }

    #[test]
    fn a_bar_that_grows_cell_by_cell_is_a_change() {
        let mut changes = Changes::default();
        let grown = |length| (0..length).collect::<Vec<usize>>();
        let seen: Vec<bool> = (0..6)
            .map(|length| changes.see(Some(&screen(&grown(length))), Some(&screen(&grown(length + 1)))))
            .collect();
        // Two cells of 8 pixels fit into the largest cell there is.
        assert_eq!(seen, [false, false, true, false, false, true]);
    }

    #[test]
    fn video_that_comes_and_goes_is_a_change() {
        let mut changes = Changes::default();
        assert!(changes.see(None, Some(&screen(&[]))));
        assert!(changes.see(Some(&screen(&[])), None));
        assert!(!changes.see(None, None));
    }
}
