//! Pictures through the console: messages cut anyhow, lost fragments, differences, JPEG.

use std::path::Path;

use ikvm_mcp::base::jpeg;

use super::{SCREEN, look, open, picture, showing};
use crate::support::bmc::{Bmc, Cut, Jpeg, Setup, Video};
use crate::support::recorded;

#[test]
fn the_picture_does_not_depend_on_how_messages_are_cut() {
    for (name, cuts) in [
        // The drip, one byte a message, with a picture that makes it bearable.
        ("unit-jpeg-444", [Cut::Every(1), Cut::Every(9), Cut::Every(65_536)]),
        (SCREEN, [Cut::Whole, Cut::Random(1), Cut::Random(2)]),
    ] {
        for cut in cuts {
            for subprotocol in [Some("binary"), Some("base64"), None] {
                let bmc = Bmc::start(Setup { cut, subprotocol, fragment: 500, ..Setup::default() });
                bmc.show_recorded(recorded(name));
                assert_eq!(*look(&bmc), picture(name), "{cut:?} {subprotocol:?}");
            }
        }
    }
}

#[test]
fn a_lossy_screen_and_a_subsampled_one_decode_to_the_bit() {
    for name in
        ["screen-boot-log-720x400-jpeg", "screen-panic-720x400-420", "screen-login-1280x800", "unit-odd-size-420"]
    {
        let bmc = Bmc::start(Setup::default());
        bmc.show_recorded(recorded(name));
        assert_eq!(*look(&bmc), picture(name), "{name}");
    }
}

#[test]
fn a_lost_fragment_or_a_damaged_frame_is_asked_for_again() {
    for fault in [Video::Gap, Video::Truncated, Video::Corrupt] {
        // As many as a client asks for at the start, and one that it asks for because of the damage.
        let video = vec![fault.clone(), fault.clone(), fault.clone(), Video::Good];
        let bmc = showing(Setup { video, fragment: 2_000, ..Setup::default() });
        assert_eq!(*look(&bmc), picture(SCREEN), "{fault:?}");
    }
}

#[test]
fn jpeg_pictures_are_shown_in_whatever_form_they_come() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/jpeg/screen-seabios.jpg");
    let file = std::fs::read(path).unwrap();
    let wanted = jpeg::decode(&file).unwrap();
    for form in [Jpeg::InPackets, Jpeg::Bare] {
        for cut in [Cut::Whole, Cut::Every(100), Cut::Random(3)] {
            let video = vec![Video::Jpeg(form, file.clone())];
            let bmc = showing(Setup { video, cut, fragment: 3_000, ..Setup::default() });
            assert_eq!(*look(&bmc), wanted, "{form:?} {cut:?}");
        }
    }
}

#[test]
fn a_recorded_session_of_differences_ends_with_its_last_picture() {
    let bmc = Bmc::start(Setup::default());
    bmc.show_recorded(recorded("sequence-scroll-0"));
    bmc.show_recorded_change(recorded("sequence-scroll-1"));
    bmc.show_recorded_change(recorded("sequence-scroll-2"));
    let console = open(&bmc);
    super::live::wait_for_picture(&*console, &picture("sequence-scroll-2"));
    console.close();
    bmc.assert_all_closed();
}
