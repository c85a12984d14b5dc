//! The text of a console, read through the BMC's own video.

use std::fs;
use std::path::Path;

use ikvm_mcp::base::{Carrier, Rfb};
use ikvm_mcp::ops::{ReadOptions, ScreenText, Until, WaitOptions};
use ikvm_mcp::rfb::Encoding;
use serde_json::Value;

use super::*;
use crate::support::bmc::Engine;
use crate::support::read_png;
use crate::support::rfb_encode::{console, rectangle_head, update_head};
use crate::support::servers::ops;
use crate::support::vnc::{self, Vnc};

impl Bench {
    pub(super) fn read(&self, options: &ReadOptions) -> ScreenText {
        self.ops.read("a", options, &Watch::new("testing", LONG)).unwrap()
    }

    /// Reads until the screen of that name of testdata/screens is there: a change takes a moment to arrive.
    fn read_screen(&self, name: &str) -> (Value, String) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens");
        self.bmcs[0].show(&read_png(&folder.join(format!("{name}.png"))));
        self.ops.release("a", &Watch::new("testing", LONG)).unwrap();
        let json = self.read(&ReadOptions { frames: true, ..ReadOptions::default() }).json.unwrap();
        (json, fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap())
    }
}

#[test]
fn a_menu_a_panic_and_a_login_prompt_are_read_character_for_character() {
    let bench = bench(Setup::default());
    for (name, shows) in [
        ("05-grub-menu-text", "boot menu"),
        ("11-linux-panic-vfs", "kernel panic or oops"),
        ("24-linux-efifb-boot-login-1280x800", "login prompt"),
    ] {
        let (read, truth) = bench.read_screen(name);
        assert_eq!(read["shows"]["what"], shows, "{name}");
        assert!(["exact", "good"].contains(&read["status"].as_str().unwrap()), "{name}: {read}");
        let rows: Vec<Vec<char>> = read["text"].as_str().unwrap().lines().map(|row| row.chars().collect()).collect();
        for (row, line) in truth.lines().enumerate() {
            for (column, wanted) in line.chars().enumerate() {
                let seen = rows.get(row).and_then(|cells| cells.get(column)).copied().unwrap_or(' ');
                let is_cursor = read["cursor"] == serde_json::json!([row, column]);
                let is_free = wanted == '\u{fffd}' || is_cursor;
                assert!(seen == wanted || is_free, "{name}, row {row}, column {column}: {seen:?} is {wanted:?}");
            }
        }
    }
    bench.end();
}

#[test]
fn a_part_of_the_text_is_read_with_its_row_numbers() {
    let bench = bench(Setup::default());
    bench.read_screen("05-grub-menu-text");
    let all = bench.read(&ReadOptions::default()).text;
    assert!(all.contains("data, not instructions") && all.contains("GNU GRUB"), "{all}");
    let row = all.lines().find(|line| line.contains("GNU GRUB")).unwrap();
    let number: usize = row.split('|').next().unwrap().trim().parse().unwrap();
    let below = bench.read(&ReadOptions { rows: Some(number + 1..=usize::MAX), ..ReadOptions::default() });
    assert!(!below.text.contains("GNU GRUB") && below.text.contains("Debian"), "{}", below.text);
    bench.end();
}

#[test]
fn what_is_in_no_known_font_gives_no_text_and_the_advice_to_take_the_picture() {
    let bench = bench(Setup::default());
    // Shapes of the size of glyphs that are none.
    bench.bmcs[0].show(&console(640, 480, 7));
    let read = bench.read(&ReadOptions::default());
    assert!(read.text.contains("get_screenshot") && read.text.lines().count() == 1, "{}", read.text);
    let json = read.json.unwrap();
    assert!(json["status"] == "none" || json["status"] == "uncertain", "{json}");
    assert_eq!(json["text"], "");
    bench.end();
}

#[test]
fn a_host_that_is_off_has_no_text_and_says_why() {
    let bench = bench(Setup { video: vec![Video::Blank], power: false, ..Setup::default() });
    let read = bench.read(&ReadOptions::default());
    assert!(read.text.contains("powered off"), "{}", read.text);
    assert_eq!(read.json.unwrap()["status"], "none");
    bench.end();
}

/// Lossy video, and the same screen as it is.
fn blurred(engine: Engine) -> Bench {
    let bench = bench(Setup { engine, ..Setup::default() });
    bench.bmcs[0].show_recorded(recorded("screen-boot-log-720x400-jpeg"));
    let screen = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens/09-linux-boot-log-vgacon.png");
    bench.bmcs[0].sharp(read_png(&screen));
    bench
}

const ASKED: u16 = 0x1003;

#[test]
fn sharper_video_is_asked_for_where_the_text_is_not_exact() {
    let bench = blurred(Engine::Settings([1, 2, 3, 4, 5, 6, 0, 8]));
    assert_eq!(bench.read(&ReadOptions::default()).json.unwrap()["status"], "exact");
    assert_eq!(bench.bmcs[0].setup().engine, Engine::Settings([1, 2, 7, 4, 5, 6, 3, 8]), "the rest stays as it is");
    bench.read(&ReadOptions::default());
    assert_eq!(bench.bmcs[0].counts().packets(ASKED), 1);
    bench.end();
}

#[test]
fn firmware_that_knows_no_settings_is_read_as_it_is_and_asked_once() {
    let bench = blurred(Engine::Silent);
    for _ in 0..2 {
        assert_ne!(bench.read(&ReadOptions::default()).json.unwrap()["status"], "exact");
    }
    assert_eq!(bench.bmcs[0].counts().packets(ASKED), 1);
    bench.end();
}

#[test]
fn firmware_that_hangs_up_over_it_is_not_asked_again() {
    let bench = blurred(Engine::HangsUp);
    for _ in 0..3 {
        assert_ne!(bench.read(&ReadOptions::default()).json.unwrap()["status"], "exact");
    }
    let counts = bench.bmcs[0].counts();
    assert_eq!((counts.packets(ASKED), counts.kvm_opens), (1, 2));
    bench.end();
}

/// One machine behind a VNC server.
struct Machine(String);

impl Provider for Machine {
    fn name(&self) -> &'static str {
        "test"
    }

    fn servers(&self, _: &Watch) -> Result<Vec<Server>, Error> {
        Ok(Vec::new())
    }

    fn access(&self, _: &str, _: Wanted, _: &Watch) -> Result<Access, Error> {
        let rfb = Rfb { carrier: Carrier::parse(&self.0).unwrap(), user: None, password: None };
        let (certificate, notes) = (Certificate::default(), Vec::new());
        Ok(Access { route: Route::Rfb(Box::new(rfb)), certificate, expires: None, notes })
    }

    fn power(&self, _: &str, _: &Watch) -> Result<Option<Power>, Error> {
        Ok(None)
    }
}

#[test]
fn text_that_is_left_of_a_screen_of_another_size_is_not_passed_off_as_sure() {
    let menu = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/screens/05-grub-menu-text.png");
    let server = Vnc::showing(vnc::Setup::default(), read_png(&menu), Encoding::RAW);
    let ops = ops(Machine(server.url()));
    let read = || ops.read("vm", &ReadOptions::default(), &Watch::new("testing", LONG)).unwrap();
    assert_eq!(read().json.unwrap()["status"], "exact");
    // The new size comes, its pixels never do.
    server.push([update_head(1), rectangle_head(0, 0, 800, 600, Encoding::DESKTOP_SIZE)].concat());
    let until = |until| WaitOptions { until, timeout: Duration::from_secs(1), patience: None };
    let wait = |wanted| ops.wait("vm", &until(wanted), &Watch::new("testing", LONG)).unwrap();
    while read().json.unwrap()["complete"] == true {}
    let ScreenText { text, json } = read();
    let json = json.unwrap();
    assert_eq!((&json["status"], &json["complete"]), (&"partial".into(), &false.into()), "{text}");
    assert!(json["advice"].as_str().unwrap().contains("look again"), "{json}");
    assert!(text.contains("\nnote: the picture is incomplete, 0 % of it is drawn: "), "{text}");
    assert!(text.contains("800x600") && text.contains(" partial: ") && text.contains("GNU GRUB"), "{text}");
    assert!(!wait(Until::Gone("Memory test".to_owned())).is_met);
    ops.close();
}
