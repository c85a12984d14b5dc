//! The speed figures, on one core: each topic prints its lines. `make bench` runs it.

mod image;
mod rfb;
#[path = "../it/support/rfb_encode.rs"]
mod rfb_encode;

use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    image::run();
    rfb::run();
}

/// Prints the best and the median time of `work`, done for half a second and at least five times.
fn measure<T>(name: &str, work: impl Fn() -> T) {
    let begin = Instant::now();
    let mut times = Vec::new();
    while times.len() < 5 || begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        black_box(work());
        times.push(start.elapsed());
    }
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!("{name:60} {:8.2} ms best {:8.2} ms median", ms(times[0]), ms(times[times.len() / 2]));
}
