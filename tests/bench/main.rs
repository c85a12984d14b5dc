//! The speed figures: each topic prints its lines. `make bench` runs all of them,
//! `cargo bench --bench bench -- server` one.

mod decode;
mod image;
mod rfb;
mod server;
#[allow(dead_code, unused_imports)]
#[path = "../it/support/mod.rs"]
mod support;
mod text;

use std::hint::black_box;
use std::time::{Duration, Instant};

use support::rfb_encode;

fn main() {
    // Cargo adds options of its own.
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (topic, run) in [
        ("decode", decode::run as fn()),
        ("image", image::run),
        ("rfb", rfb::run),
        ("server", server::run),
        ("text", text::run),
    ] {
        if asked.is_empty() || asked.iter().any(|word| word == topic) {
            run();
        }
    }
}

/// Prints the best and the median time of `work`, done for half a second and at least five times; gives the best.
fn measure<T>(name: &str, work: impl Fn() -> T) -> Duration {
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
    times[0]
}
