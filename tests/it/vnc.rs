//! The RFB console against the fake server: the driver unchanged, over real sockets.

mod carriers;
mod quirks;
mod security;
mod viewers;
mod warm;

use std::sync::Arc;
use std::time::Duration;

use ikvm_mcp::base::{Access, Carrier, Certificate, Error, Frame, Kind, Rfb, Route, Secret, Watch};
use ikvm_mcp::console::{self, Console, Snapshot};
use ikvm_mcp::net::Trust;
use ikvm_mcp::rfb::Encoding;

use crate::support::vnc::{Security, Setup, Vnc};
use crate::support::web::ca_file;
use crate::support::{LIMITS, read_png, rfb_encode};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

fn trust() -> Trust {
    Trust::with_extra(&std::fs::read(ca_file()).unwrap()).unwrap()
}

fn access(url: &str) -> Access {
    let rfb = Rfb { carrier: Carrier::parse(url).unwrap(), user: None, password: None };
    Access { route: Route::Rfb(Box::new(rfb)), certificate: Certificate::default(), expires: None, notes: Vec::new() }
}

/// The same with credentials.
fn with(mut access: Access, user: Option<&str>, password: &str) -> Access {
    if let Route::Rfb(rfb) = &mut access.route {
        (rfb.user, rfb.password) = (user.map(str::to_owned), Some(Secret::new(password)));
    }
    access
}

fn open_within(access: &Access, limit: Duration) -> Result<Arc<dyn Console>, Error> {
    console::open(access, &trust(), &Watch::new("opening the console", limit)).map(Arc::from)
}

fn open(access: &Access) -> Arc<dyn Console> {
    open_within(access, LONG).unwrap()
}

/// The error of a console that keeps us waiting at this stage.
#[track_caller]
fn timed_out(url: &str, stage: &'static str) -> Error {
    let mut errors = LIMITS.iter().map(|&limit| open_within(&access(url), limit).err().expect("no console"));
    errors.find(|error| error.kind() == Kind::Timeout(stage)).expect(stage)
}

/// Opens a console that will not open: the error.
#[track_caller]
fn refused(access: &Access) -> Error {
    open_within(access, LONG).err().expect("a refusal")
}

/// Asserts the kind, and that the sentence has these words and a hint.
#[track_caller]
fn assert_says(error: &Error, kind: Kind, words: &str) {
    let sentence = error.to_string();
    assert!(sentence.contains(words), "no {words:?} in: {sentence}");
    assert_eq!(error.kind(), kind, "{sentence}");
    assert!(sentence.contains("; "), "no hint in: {sentence}");
}

/// The first look, and the end of the console.
fn look(access: &Access) -> Arc<Snapshot> {
    let console = open(access);
    let snapshot = console.snapshot();
    console.close();
    snapshot
}

#[track_caller]
fn assert_shows(snapshot: &Snapshot, picture: &Frame) {
    assert!(snapshot.frame.as_deref() == Some(picture), "another picture");
    assert!(snapshot.complete, "incomplete");
}

/// A screen of 64 x 48 pixels that is not blank.
fn screen(seed: u64) -> Frame {
    rfb_encode::console(64, 48, seed)
}

#[test]
fn the_picture_is_the_screen_to_the_bit_in_each_encoding() {
    let picture = rfb_encode::console(200, 150, 1);
    for encoding in rfb_encode::ENCODINGS {
        let server = Vnc::showing(Setup::default(), picture.clone(), encoding);
        let snapshot = look(&access(&server.url()));
        assert_shows(&snapshot, &picture);
        assert_eq!((snapshot.id, snapshot.kind), (1, "VNC (RFB)"));
        assert_eq!(snapshot.notes, ["the console calls itself \"fake\""]);
        let seen = server.wait("the end", |seen| seen.ended == 1);
        assert_eq!(seen.shared, Some(true), "others were shut out");
        assert!(seen.asked[0].full && seen.asked[0].size == (200, 150));
        assert!(seen.asked[1..].iter().all(|asked| !asked.full));
        assert_eq!(seen.format, None, "the server's own format is fine");
    }
}

#[test]
fn the_command_line_takes_the_url_of_a_console_for_a_server() {
    let setup = Setup { security: Security::Vnc("secret"), ..Setup::default() };
    let server = Vnc::showing(setup, screen(1), Encoding::ZRLE);
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("vnc-url.png");
    let run = |password: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
        command.env_clear().env("IKVM_CONSOLE_PASSWORD", password);
        command.args(["screenshot", &server.url(), "--raw", "-o"]).arg(&file).output().unwrap()
    };
    let output = run("secret");
    assert!(output.status.success(), "{output:?}");
    assert!(read_png(&file) == screen(1), "another picture");
    let output = run("wrong");
    let said = String::from_utf8_lossy(&output.stderr);
    let words = format!("screenshot of {}: waiting for the VNC handshake: the server did not accept", server.url());
    assert!(output.status.code() == Some(1) && said.contains(&words), "{said}");
}
