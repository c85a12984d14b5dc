//! A console that stays open: it stays current by itself, and ends as it should.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use ikvm_mcp::base::clock;

use super::*;
use crate::support::rfb_encode::{Encoder, rectangle_head, update_head};
use crate::support::vnc::{Asked, Said, pictures};

/// Waits for the picture by looking at the snapshot; its thread keeps it current, nobody asks.
#[track_caller]
fn wait_for(console: &dyn Console, picture: &Frame) -> Arc<Snapshot> {
    let end = clock::now() + LONG;
    loop {
        let snapshot = console.snapshot();
        if snapshot.frame.as_deref() == Some(picture) {
            return snapshot;
        }
        assert!(clock::now() < end, "the picture never came");
        std::thread::yield_now();
    }
}

#[test]
fn changes_arrive_without_being_asked_for_again() {
    // The third picture answers the second request for changes, and so on.
    let all: Vec<Frame> = (1..5).map(screen).collect();
    let server = Vnc::tcp(Setup::default(), pictures(all, Encoding::ZRLE));
    let console = open(&access(&server.url()));
    wait_for(&*console, &screen(4));
    let seen = server.wait("a request that stays open", |seen| seen.asked.len() == 5);
    assert!(seen.asked[1..].iter().all(|asked| !asked.full), "{:?}", seen.asked);
    console.close();
}

#[test]
fn a_part_that_changes_changes_that_part_and_the_pictures_id() {
    let server = Vnc::showing(Setup::default(), screen(1), Encoding::ZRLE);
    let console = open(&access(&server.url()));
    let mut changed = screen(1);
    for y in 20..30 {
        changed.pixels[y * 64..y * 64 + 40].fill([200; 3]);
    }
    let before = console.snapshot().id;
    let rect = rectangle_head(0, 20, 40, 10, Encoding::RAW);
    server.push([&update_head(1)[..], &rect, &[200; 40 * 10 * 4]].concat());
    assert_eq!(wait_for(&*console, &changed).id, before + 1);
    console.close();
}

#[test]
fn a_flood_is_seen_while_it_goes_on() {
    const UPDATES: usize = 1_000;
    let rect = [update_head(1), rectangle_head(0, 0, 4_096, 4_096, Encoding::RRE)].concat();
    // One color with a band of another: some bytes, of which each update fills 50 MB.
    let banded = |band: u8| [&rect[..], &[0, 0, 0, 1, 9, 9, 9, 0], &[band, 0, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0]].concat();
    let (first, flood) = (banded(1), (0..UPDATES).flat_map(|number| banded(number as u8)).collect());
    let answer = move |asked: Asked| Said::Bytes(if asked.number == 0 { first.clone() } else { Vec::new() });
    let server = Vnc::tcp(Setup { size: (4_096, 4_096), ..Setup::default() }, answer);
    let console = open(&access(&server.url()));
    let (before, end) = (console.snapshot().id, clock::now() + LONG);
    server.push(flood);
    while console.snapshot().id == before {
        assert!(clock::now() < end, "it was never seen");
        std::thread::yield_now();
    }
    // One request follows each update.
    let handled = server.seen().asked.len();
    assert!(handled < UPDATES, "{handled}");
    console.close();
}

#[test]
fn a_look_at_a_quiet_screen_asks_for_all_of_it_once() {
    let server = Vnc::showing(Setup::default(), screen(1), Encoding::ZRLE);
    let console = open(&access(&server.url()));
    let heard = console.snapshot().heard;
    let watch = Watch::new("testing", LONG);
    // While a picture is fresh nobody asks.
    assert!(console.refresh(&watch).unwrap().heard == heard);
    watch.sleep(Duration::from_millis(1_001).saturating_sub(clock::now() - heard)).unwrap();
    let short = Watch::new("testing", Duration::from_millis(200));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            // An unchanged screen may send nothing: the last picture is the answer then.
            scope.spawn(|| assert_shows(&console.refresh(&short).unwrap(), &screen(1)));
        }
    });
    let seen = server.seen();
    assert_eq!(seen.asked.iter().filter(|asked| asked.full).count(), 2, "{:?}", seen.asked);
    console.close();
}

#[test]
fn a_new_size_is_followed_whichever_way_it_is_told() {
    for encoding in [Encoding::DESKTOP_SIZE, Encoding::EXTENDED_DESKTOP_SIZE] {
        let after = rfb_encode::console(100, 30, 2);
        let picture = after.clone();
        let server = Vnc::tcp(Setup::default(), move |asked| {
            let mut encoder = Encoder::new();
            let shown = if asked.size == (64, 48) { screen(1) } else { picture.clone() };
            // The old screen once, the new one whenever it is asked for.
            let is_due = asked.number == 0 || asked.size == (100, 30);
            Said::Bytes(if is_due { encoder.update(&shown, Encoding::RAW) } else { Vec::new() })
        });
        let console = open(&access(&server.url()));
        assert_shows(&console.snapshot(), &screen(1));
        let data: &[u8] = if encoding == Encoding::DESKTOP_SIZE { &[] } else { &[0; 4] };
        server.push([&update_head(1)[..], &rectangle_head(0, 0, 100, 30, encoding), data].concat());
        assert!(wait_for(&*console, &after).complete);
        console.close();
    }
}

#[test]
fn a_look_right_after_a_new_size_waits_for_the_pixels_of_that_size() {
    let after = rfb_encode::console(100, 30, 2);
    let (picture, looks) = (after.clone(), AtomicUsize::new(0));
    let server = Vnc::tcp(Setup::default(), move |asked| {
        let is_new = asked.full && asked.size == (100, 30) && looks.fetch_add(1, Ordering::Relaxed) == 1;
        let shown = if is_new { picture.clone() } else { screen(1) };
        let is_due = asked.number == 0 || is_new;
        Said::Bytes(if is_due { Encoder::new().update(&shown, Encoding::RAW) } else { Vec::new() })
    });
    let console = open(&access(&server.url()));
    server.push([update_head(1), rectangle_head(0, 0, 100, 30, Encoding::DESKTOP_SIZE)].concat());
    // The console's own question is the first, and stays without an answer.
    let end = clock::now() + LONG;
    while console.snapshot().complete {
        assert!(clock::now() < end, "the new size never came");
        std::thread::yield_now();
    }
    assert_shows(&console.refresh(&Watch::new("testing", LONG)).unwrap(), &after);
    console.close();
}

#[test]
fn a_console_whose_server_goes_away_says_so_and_keeps_its_picture() {
    let server = Vnc::tcp(Setup::default(), move |asked| match asked.number {
        0 => Said::Bytes(Encoder::new().update(&screen(1), Encoding::RAW)),
        1 => Said::Bytes(Vec::new()),
        _ => Said::Last(Vec::new()),
    });
    let console = open(&access(&server.url()));
    // Whatever it is told, it asks for more, and that is the end.
    server.push(update_head(0));
    let end = clock::now() + LONG;
    while console.ended().is_none() && clock::now() < end {
        std::thread::yield_now();
    }
    let error = console.ended().expect("an end");
    assert_says(&error, Kind::Peer, "the server closed the connection (watching for updates, ");
    assert_shows(&console.snapshot(), &screen(1));
    assert_eq!(console.refresh(&Watch::new("testing", LONG)).err().unwrap().to_string(), error.to_string());
    console.close();
}

#[test]
fn closing_ends_the_connection_and_is_no_error() {
    let server = Vnc::wss(Setup::default(), pictures(vec![screen(1)], Encoding::ZRLE));
    let console = open(&access(&server.url()));
    console.close();
    console.close();
    server.wait("the end", |seen| seen.ended == 1);
    assert!(console.ended().is_none());
}

#[test]
fn cancelling_ends_an_opening_at_once() {
    let (asks, asked) = mpsc::channel();
    let server = Vnc::tcp(Setup::default(), move |_| {
        let _ = asks.send(());
        Said::Bytes(Vec::new())
    });
    let watch = Watch::new("opening the console", LONG);
    let canceller = watch.clone();
    let thread = std::thread::spawn(move || {
        asked.recv().unwrap();
        canceller.cancel();
    });
    let error = console::open(&access(&server.url()), &trust(), &watch).err().unwrap();
    assert_eq!(error.kind(), Kind::Cancelled);
    thread.join().unwrap();
    server.wait("the end", |seen| seen.ended == 1);
}
