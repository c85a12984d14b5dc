//! What servers do between the handshake and the first whole picture, each quirk as somebody met it.

use std::sync::Mutex;

use ikvm_mcp::console::Signal;
use ikvm_mcp::rfb::PixelFormat;

use super::*;
use crate::support::rfb_encode::{Encoder, rectangle_head, update_head};
use crate::support::vnc::{Asked, Said, pictures};

/// An update of one rectangle with this content.
fn update(rect: [usize; 4], encoding: Encoding, content: &[u8]) -> Vec<u8> {
    let [x, y, width, height] = rect;
    [&update_head(1)[..], &rectangle_head(x, y, width, height, encoding), content].concat()
}

/// Rows of a picture, as an update in Raw.
fn rows(picture: &Frame, from: usize, count: usize) -> Vec<u8> {
    let rows = &picture.pixels[from * picture.width..(from + count) * picture.width];
    let pixels: Vec<u8> = rows.iter().flat_map(|&[r, g, b]| [b, g, r, 0]).collect();
    update([0, from, picture.width, count], Encoding::RAW, &pixels)
}

fn whole(picture: &Frame) -> Vec<u8> {
    rows(picture, 0, picture.height)
}

fn extended_desktop_size(width: usize, height: usize) -> Vec<u8> {
    let screens = [&[1, 0, 0, 0][..], &[0; 16]].concat();
    update([0, 0, width, height], Encoding::EXTENDED_DESKTOP_SIZE, &screens)
}

/// What a server says to each request in turn; nothing afterwards.
fn script(answers: Vec<Vec<u8>>) -> impl Fn(Asked) -> Said + Send + Sync + 'static {
    move |asked| Said::Bytes(answers.get(asked.number).cloned().unwrap_or_default())
}

fn asked(server: &Vnc) -> Vec<bool> {
    server.seen().asked.iter().map(|asked| asked.full).collect()
}

/// Opens the console and looks; then which requests were full ones.
#[track_caller]
fn shows(setup: Setup, answers: Vec<Vec<u8>>, picture: &Frame) -> Vec<bool> {
    let server = Vnc::tcp(setup, script(answers));
    assert_shows(&look(&access(&server.url())), picture);
    asked(&server)
}

#[test]
fn an_answer_without_pixels_is_not_taken_for_the_picture() {
    // QEMU, TigerVNC, x11vnc: never answered with another full request, or it would go on for ever.
    let requests = shows(Setup::default(), vec![extended_desktop_size(64, 48), whole(&screen(1))], &screen(1));
    assert_eq!(requests[..2], [true, false]);
    // TightVNC for Windows: a new size, then the pixels.
    let setup = Setup { size: (32, 16), ..Setup::default() };
    let size = update([0, 0, 64, 48], Encoding::DESKTOP_SIZE, &[]);
    let requests = shows(setup.clone(), vec![size, whole(&screen(1))], &screen(1));
    assert_eq!(requests[..2], [true, true]);
    // An update of nothing.
    let requests = shows(Setup::default(), vec![update_head(0), whole(&screen(1))], &screen(1));
    assert_eq!(requests[..2], [true, true]);
}

#[test]
fn a_server_that_answers_every_other_time_with_one_pixel_is_asked_again() {
    let pixel = update([0, 0, 1, 1], Encoding::RAW, &[0; 4]);
    let requests = shows(Setup::default(), vec![pixel, whole(&screen(1))], &screen(1));
    assert_eq!(requests[..2], [true, true]);
}

#[test]
fn parts_make_a_whole_whether_asked_for_or_not() {
    let parts: Vec<Vec<u8>> = (0..48).step_by(12).map(|from| rows(&screen(1), from, 12)).collect();
    // UltraVNC: one part for each request; others: all parts for the first.
    shows(Setup::default(), parts.clone(), &screen(1));
    shows(Setup::default(), vec![parts.concat()], &screen(1));
}

#[test]
fn the_black_picture_that_openbmc_sends_first_is_not_the_answer() {
    let (black, jpeg) = (Frame::black(30, 26), include_bytes!("../../../testdata/jpeg/baseline-444.jpg"));
    let length = [(jpeg.len() & 0x7f) as u8 | 0x80, (jpeg.len() >> 7) as u8];
    // Its own encoder, whatever was asked for.
    let real = update([0, 0, 30, 26], Encoding::TIGHT, &[&[0x9f][..], &length, jpeg].concat());
    let setup = Setup { size: (30, 26), ..Setup::default() };
    let picture = ikvm_mcp::base::jpeg::decode(jpeg).unwrap();
    let requests = shows(setup, vec![whole(&black), real], &picture);
    assert_eq!(requests[..2], [true, false]);
}

#[test]
fn a_black_screen_is_the_answer_when_no_other_comes() {
    let black = Frame::black(64, 48);
    let server = Vnc::showing(Setup::default(), black.clone(), Encoding::ZRLE);
    let snapshot = look(&access(&server.url()));
    assert_shows(&snapshot, &black);
    assert_eq!(snapshot.signal, Signal::Video);
}

#[test]
fn a_screen_without_pixels_waits_for_its_size() {
    let setup = Setup { size: (0, 0), ..Setup::default() };
    let server = Vnc::tcp(setup, script(vec![whole(&screen(1))]));
    server.push(update([0, 0, 64, 48], Encoding::DESKTOP_SIZE, &[]));
    assert_shows(&look(&access(&server.url())), &screen(1));
    // Nothing is asked of a screen of nothing: there are servers that close the connection then.
    assert!(server.seen().asked.iter().all(|asked| asked.size == (64, 48)));
}

#[test]
fn what_servers_say_beside_the_picture_is_passed_over() {
    let whole_rect = [0, 0, 64, 48];
    let said = [
        // QEMU, at once after our encodings: rectangles of the screen's size without data.
        update(whole_rect, Encoding::QEMU_AUDIO, &[]),
        update(whole_rect, Encoding::QEMU_KEYS, &[]),
        update([0, 0, 1, 1], Encoding::LED_STATE, &[7]),
        // TigerVNC: an extended clipboard's caps, a fence that wants an answer, a cursor of nothing.
        vec![3, 0, 0, 0, 0xff, 0xff, 0xff, 0xf8, 0, 0, 0, 0, 0, 0, 0, 0],
        vec![248, 0, 0, 0, 0x80, 0, 0, 1, 3, 5, 6, 7],
        vec![150],
        update([0, 0, 0, 0], Encoding::CURSOR, &[]),
        update([1, 1, 2, 2], Encoding::CURSOR, &[9; 2 * 2 * 4 + 2]),
        vec![2],
    ];
    let server = Vnc::tcp(Setup::default(), script(vec![said.concat(), whole(&screen(1))]));
    let console = open(&access(&server.url()));
    assert_shows(&console.snapshot(), &screen(1));
    server.wait("the answer to the fence", |seen| seen.fences == [[5, 6, 7]]);
    console.close();
}

#[test]
fn a_format_that_servers_disagree_about_is_replaced_and_a_small_one_is_kept() {
    // libvncserver's on OpenBMC: depth 32, and 255 for true.
    let format = PixelFormat { depth: 32, shift: [0, 8, 16], ..PixelFormat::WANTED };
    let server = Vnc::tcp(Setup { format, ..Setup::default() }, pictures(vec![screen(1)], Encoding::ZRLE));
    assert_shows(&look(&access(&server.url())), &screen(1));
    assert_eq!(server.seen().format, Some(PixelFormat::WANTED.build().to_vec()));
    // AMT, iDRAC: 16 bits are all they have.
    let rgb565 = PixelFormat { bits: 16, depth: 16, max: [31, 63, 31], shift: [11, 5, 0], ..PixelFormat::WANTED };
    let red = update([0, 0, 64, 48], Encoding::RAW, &[0x00, 0xf8].repeat(64 * 48));
    let server = Vnc::tcp(Setup { format: rgb565, ..Setup::default() }, script(vec![red]));
    assert_eq!(look(&access(&server.url())).frame.as_ref().unwrap().pixels[0], [255, 0, 0]);
    assert_eq!(server.seen().format, None);
}

#[test]
fn a_server_that_loses_its_place_is_asked_again_for_the_simplest() {
    let broken = [
        update([0, 0, 64, 48], Encoding(21), &[0; 40]), // an encoding that nobody asked for
        update([0, 0, 64, 48], Encoding::ZRLE, &[0, 0, 0, 4, 1, 2, 3, 4]), // no zlib stream
        vec![77; 20],                                   // no message
    ];
    for bytes in broken {
        let server = Vnc::tcp(Setup::default(), {
            let first = Mutex::new(Some(bytes));
            move |_: Asked| Said::Bytes(first.lock().unwrap().take().unwrap_or_else(|| whole(&screen(1))))
        });
        assert_shows(&look(&access(&server.url())), &screen(1));
        let seen = server.seen();
        assert_eq!((seen.connections, seen.encodings), (2, vec![0, 5, -223]));
    }
    // A server that closes at once gets its second chance too, and then says how far it came.
    let server = Vnc::tcp(Setup::default(), |_| Said::Last(Vec::new()));
    let error = refused(&access(&server.url()));
    assert_says(&error, Kind::Peer, "the server closed the connection (waiting for the first update, ");
    assert_eq!(server.seen().connections, 2);
}

#[test]
fn half_a_picture_is_shown_and_flagged_when_nothing_more_comes() {
    let server = Vnc::tcp(Setup::default(), script(vec![rows(&screen(1), 0, 24)]));
    let console = LIMITS.iter().find_map(|&limit| open_within(&access(&server.url()), limit).ok());
    let snapshot = console.expect("half a picture").snapshot();
    assert_eq!((snapshot.complete, snapshot.drawn), (false, Some(50)));
    let half = 24 * 64;
    let shown = &snapshot.frame.as_ref().unwrap().pixels;
    assert!(shown[..half] == screen(1).pixels[..half] && shown[half..].iter().all(|&pixel| pixel == [0; 3]));
}

#[test]
fn a_flood_of_updates_does_not_outlast_the_wait_for_the_picture() {
    const UPDATES: usize = 1_000;
    // All of a large screen in one color, which is doubted for seconds: 28 bytes that fill 50 MB.
    let fill = update([0, 0, 4_096, 4_096], Encoding::RRE, &[0, 0, 0, 0, 1, 2, 3, 0]);
    let flood = fill.repeat(UPDATES);
    let setup = Setup { size: (4_096, 4_096), ..Setup::default() };
    let answer = move |asked: Asked| Said::Bytes(if asked.number == 0 { flood.clone() } else { Vec::new() });
    let server = Vnc::tcp(setup, answer);
    let console = LIMITS.iter().find_map(|&limit| open_within(&access(&server.url()), limit).ok());
    // One request follows each update.
    let handled = server.seen().asked.len();
    assert!(console.expect("a picture").snapshot().frame.is_some() && handled < UPDATES, "{handled}");
}

#[test]
fn no_pixel_at_all_is_a_timeout_and_no_size_is_no_signal() {
    let server = Vnc::tcp(Setup::default(), script(Vec::new()));
    let error = timed_out(&server.url(), "waiting for the first picture");
    assert_says(&error, Kind::Timeout("waiting for the first picture"), "the server sends no pixels");
    let server = Vnc::tcp(Setup { size: (0, 0), ..Setup::default() }, script(Vec::new()));
    let console = LIMITS.iter().find_map(|&limit| open_within(&access(&server.url()), limit).ok());
    let snapshot = console.expect("a console without a picture").snapshot();
    assert_eq!((snapshot.signal, snapshot.frame.is_none()), (Signal::None, true));
}

#[test]
fn silence_is_broken_by_asking_again() {
    let mut encoder = Encoder::new();
    let picture = encoder.update(&screen(1), Encoding::TIGHT);
    let server = Vnc::tcp(Setup::default(), script(vec![Vec::new(), picture]));
    assert_shows(&look(&access(&server.url())), &screen(1));
    assert_eq!(asked(&server)[..2], [true, true]);
}
