//! The AMI console against the fake BMC: the driver unchanged, over real sockets.
//!
//! Every scenario ends with the fake's own account: as many logouts and closes as logins and opens.

mod live;
mod login;
mod refusals;
mod rpc;
mod sign_on;
mod video;

use std::sync::Arc;
use std::time::Duration;

use ikvm_mcp::base::{Access, Certificate, Error, Frame, Kind, Route, Secret, Watch};
use ikvm_mcp::console::{self, Console};
use ikvm_mcp::net::Trust;

use crate::support::bmc::{Bmc, Setup};
use crate::support::web::ca_file;
use crate::support::{LIMITS, picture, recorded, secrets};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);

/// The screen that the fake shows unless a test wants another.
const SCREEN: &str = "screen-seabios-720x400";

fn trust() -> Trust {
    Trust::with_extra(&std::fs::read(ca_file()).unwrap()).unwrap()
}

fn access(url: String) -> Access {
    Access {
        route: Route::Viewer(Secret::new(url)),
        certificate: Certificate::default(),
        expires: None,
        notes: Vec::new(),
    }
}

/// A fake that shows [`SCREEN`].
fn showing(setup: Setup) -> Bmc {
    let bmc = Bmc::start(setup);
    bmc.show_recorded(recorded(SCREEN));
    bmc
}

fn open_at(access: &Access, watch: &Watch) -> Result<Arc<dyn Console>, Error> {
    console::open(access, &trust(), watch).map(Arc::from)
}

fn open_within(bmc: &Bmc, limit: Duration) -> Result<Arc<dyn Console>, Error> {
    open_at(&access(bmc.viewer_url()), &Watch::new("opening the console", limit))
}

fn open(bmc: &Bmc) -> Arc<dyn Console> {
    open_within(bmc, LONG).unwrap()
}

/// Opens the console, takes the picture, closes.
fn look(bmc: &Bmc) -> Arc<Frame> {
    look_at(bmc, &access(bmc.viewer_url()))
}

fn look_at(bmc: &Bmc, access: &Access) -> Arc<Frame> {
    let console = open_at(access, &Watch::new("opening the console", LONG)).unwrap();
    let frame = console.snapshot().frame.clone();
    console.close();
    bmc.assert_all_closed();
    frame.expect("a picture")
}

/// Opens a console that will not open: the error, with nothing left open behind it.
fn refused(setup: Setup, limit: Duration) -> Error {
    let bmc = showing(setup);
    let error = open_within(&bmc, limit).err().expect("a refusal");
    bmc.assert_all_closed();
    error
}

/// The error of a console that keeps us waiting at this stage.
#[track_caller]
fn timed_out(setup: &Setup, stage: &str) -> Error {
    let mut errors = LIMITS.iter().map(|&limit| refused(setup.clone(), limit));
    let error = errors.find(|error| matches!(error.kind(), Kind::Timeout(at) if at.contains(stage)));
    error.unwrap_or_else(|| panic!("never waited at {stage:?}"))
}

/// Asserts the kind, and that the sentence has these words and a hint.
#[track_caller]
fn assert_says(error: &Error, kind: Kind, words: &[&str]) {
    let sentence = error.to_string();
    secrets::assert_none(&sentence);
    assert_eq!(error.kind(), kind, "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "no {word:?} in: {sentence}");
    }
    assert!(sentence.contains("; "), "no hint in: {sentence}");
}

#[test]
fn the_picture_is_the_screen_to_the_bit() {
    let bmc = showing(Setup::default());
    assert_eq!(*look(&bmc), picture(SCREEN));
    let counts = bmc.counts();
    assert_eq!((counts.sessions, counts.logouts), (1, 1));
    assert_eq!((counts.kvm_opens, counts.stops, counts.goodbyes, counts.tokens), (1, 1, 1, 1));
}
