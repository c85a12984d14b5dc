//! Finding the colors of a picture, as long as they are few.

use super::view::View;
use crate::base::Rgb;

/// Colors that an indexed PNG can have at most.
const MAX_COLORS: usize = 256;

/// A picture as a list of its colors and, for each pixel, a place in that list.
pub struct Indexed {
    /// At most 256 different colors, in the order of their first pixels.
    pub colors: Vec<Rgb>,
    /// One place a pixel, in rows from the top left.
    pub pixels: Vec<u8>,
    /// Pixels a row.
    pub width: usize,
}

/// The picture by its palette, or `None` when it has more than 256 colors.
pub fn index(view: &View) -> Option<Indexed> {
    let width = view.width();
    let mut table = Table::new();
    let mut pixels = vec![0; width * view.height()];
    let mut above: &[Rgb] = &[];
    // The color of the pixel before, and its place.
    let mut last = None;
    for (row, start) in view.rows().zip((0..).step_by(width)) {
        if row == above {
            // Blank lines are many on a console.
            pixels.copy_within(start - width..start, start);
            continue;
        }
        for (pixel, &color) in pixels[start..].iter_mut().zip(row) {
            let place = match last {
                Some((same, place)) if same == color => place,
                _ => table.place(color)?,
            };
            *pixel = place;
            last = Some((color, place));
        }
        above = row;
    }
    Some(Indexed { colors: table.colors, pixels, width })
}

/// A hash table with open addressing, four times as large as it may fill, so that probing stays short.
struct Table {
    slots: [u16; SLOTS],
    colors: Vec<Rgb>,
}

const SLOTS: usize = 4 * MAX_COLORS;
const FREE: u16 = u16::MAX;

impl Table {
    fn new() -> Self {
        Self { slots: [FREE; SLOTS], colors: Vec::new() }
    }

    /// The place of `color`, a new one if need be, or `None` when all are taken.
    fn place(&mut self, color: Rgb) -> Option<u8> {
        let [red, green, blue] = color.map(u32::from);
        // The top 10 bits of a product with the golden ratio (Knuth, volume 3, section 6.4).
        let mut slot = ((red << 16 | green << 8 | blue).wrapping_mul(0x9e37_79b1) >> 22) as usize;
        loop {
            let place = self.slots[slot];
            if place == FREE {
                let new = u8::try_from(self.colors.len()).ok()?;
                self.slots[slot] = u16::from(new);
                self.colors.push(color);
                return Some(new);
            }
            if self.colors[usize::from(place)] == color {
                return Some(place as u8);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Frame;

    /// One row of `count` different colors, 0, 0, 0 among them.
    fn row_of(count: usize) -> Frame {
        let pixels = (0..count).map(|n| [(n % 256) as u8, (n / 256) as u8, (n * 7) as u8]).collect();
        Frame { width: count, height: 1, pixels }
    }

    #[test]
    fn the_colors_looked_up_by_the_pixels_are_the_picture() {
        for frame in [row_of(1), row_of(3), row_of(256), Frame { width: 3, height: 2, pixels: vec![[9; 3]; 6] }] {
            let Indexed { colors, pixels, .. } = index(&View::whole(&frame)).unwrap();
            let pixels: Vec<Rgb> = pixels.iter().map(|&place| colors[usize::from(place)]).collect();
            assert_eq!(pixels, frame.pixels);
        }
    }

    #[test]
    fn each_color_is_listed_once() {
        let frame = Frame { width: 4, height: 1, pixels: [[1, 2, 3], [0; 3]].repeat(2) };
        let indexed = index(&View::whole(&frame)).unwrap();
        assert_eq!(indexed.colors, [[1, 2, 3], [0, 0, 0]]);
        assert_eq!(indexed.pixels, [0, 1, 0, 1]);
    }

    #[test]
    fn the_257th_color_is_one_too_many() {
        assert!(index(&View::whole(&row_of(256))).is_some());
        assert!(index(&View::whole(&row_of(257))).is_none());
    }
}
