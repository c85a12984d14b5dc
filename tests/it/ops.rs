//! The operations on the demo servers: the whole way but for the network and MCP.

use std::time::Duration;

use ikvm_mcp::base::{Kind, Watch};
use ikvm_mcp::net::Trust;
use ikvm_mcp::ops::{Ops, Region, Screenshot, ScreenshotOptions, Settings, StatusOptions};
use ikvm_mcp::provider::demo::Demo;

fn ops() -> Ops {
    let settings = Settings { max_edge: 2000, idle: Duration::from_secs(60), max_consoles: 4, trust: Trust::system() };
    Ops::new(vec![Box::new(Demo)], settings)
}

fn watch() -> Watch {
    Watch::new("testing", Duration::from_secs(60))
}

fn look(ops: &Ops, server: &str, options: &ScreenshotOptions) -> Screenshot {
    ops.screenshot(server, options, &watch()).unwrap()
}

/// The value of a fact.
fn fact<'a>(facts: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    facts.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_else(|| panic!("no {name} in:\n{facts}"))
}

fn picture_id(facts: &str) -> String {
    fact(facts, "picture").split(',').next().unwrap().to_owned()
}

#[test]
fn a_recorded_console_is_seen_through_the_real_session_and_decoder() {
    let ops = ops();
    let shot = look(&ops, "demo-grub", &ScreenshotOptions::default());
    assert!(shot.png.is_some());
    assert_eq!(fact(&shot.facts, "screen"), "720 x 400 pixels");
    assert_eq!(fact(&shot.facts, "image"), "1440 x 800 pixels, scaled up 2x, brightened");
    assert_eq!(fact(&shot.facts, "power"), "on");
    assert_eq!(fact(&shot.facts, "signal"), "video");
    assert_eq!(fact(&shot.facts, "shows"), "boot menu (row 1: \"GNU GRUB  version 2.06-13+deb12u2\")");
    assert!(!shot.facts.contains("note:"), "{}", shot.facts);
}

#[test]
fn the_demo_that_boots_shows_something_else_at_each_look() {
    let ops = ops();
    let raw = ScreenshotOptions { raw: true, ..ScreenshotOptions::default() };
    let shots: Vec<_> = (0..6).map(|_| look(&ops, "demo-boot", &raw)).collect();
    for pair in shots.windows(2) {
        assert!(pair[0].png != pair[1].png, "the same picture twice");
        assert_ne!(picture_id(&pair[0].facts), picture_id(&pair[1].facts));
    }
    let last = include_bytes!("../../testdata/ast2500/screen-login-1280x800.png");
    assert_eq!(fact(&shots[5].facts, "screen"), "1280 x 800 pixels");
    assert!(pixels(shots[5].png.as_ref().unwrap()) == pixels(last), "not the login screen");
    assert!(look(&ops, "demo-boot", &raw).png == shots[0].png, "it does not begin again");
}

fn pixels(png: &[u8]) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::EXPAND);
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels
}

#[test]
fn an_unchanged_screen_is_answered_without_its_picture() {
    let ops = ops();
    let id = picture_id(&look(&ops, "demo-grub", &ScreenshotOptions::default()).facts);
    let again = ScreenshotOptions { if_changed_since: Some(id.clone()), ..ScreenshotOptions::default() };
    let shot = look(&ops, "demo-grub", &again);
    assert_eq!(shot.png, None);
    assert!(fact(&shot.facts, "image").contains("has not changed"), "{}", shot.facts);
    let status = StatusOptions { if_changed_since: Some(id), ..StatusOptions::default() };
    let facts = ops.status("demo-grub", &status, &watch()).unwrap();
    assert_eq!(fact(&facts, "changed since that picture"), "no");

    let unknown = ScreenshotOptions { if_changed_since: Some("1-1".into()), ..ScreenshotOptions::default() };
    assert!(look(&ops, "demo-grub", &unknown).png.is_some());
}

#[test]
fn a_region_is_enlarged_and_one_beside_the_screen_refused() {
    let ops = ops();
    let region = |x, y| ScreenshotOptions {
        region: Some(Region { x, y, width: 100, height: 50 }),
        ..ScreenshotOptions::default()
    };
    let shot = look(&ops, "demo-grub", &region(700, 380));
    assert_eq!(fact(&shot.facts, "region"), "20 x 20 pixels of the screen, from x 700, y 380");
    assert_eq!(fact(&shot.facts, "image"), "160 x 160 pixels, scaled up 8x, brightened");
    let error = ops.screenshot("demo-grub", &region(720, 0), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert!(error.to_string().contains("outside the screen of 720 x 400"), "{error}");
}

#[test]
fn a_host_that_is_off_is_an_answer_and_a_sick_bmc_an_error() {
    let ops = ops();
    let shot = look(&ops, "demo-off", &ScreenshotOptions::default());
    assert_eq!(shot.png, None);
    assert!(fact(&shot.facts, "picture").contains("powered off"), "{}", shot.facts);
    assert_eq!(fact(&shot.facts, "power"), "off");
    let error = ops.screenshot("demo-sick", &ScreenshotOptions::default(), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy);
    assert!(error.to_string().starts_with("screenshot of demo-sick: "), "{error}");
}

#[test]
fn a_released_console_is_opened_again_by_the_next_look() {
    let ops = ops();
    assert!(ops.release("demo-grub", &watch()).unwrap().starts_with("No console"));
    look(&ops, "demo-grub", &ScreenshotOptions::default());
    assert!(ops.release("demo-grub", &watch()).unwrap().contains("is closed"));
    assert!(look(&ops, "demo-grub", &ScreenshotOptions::default()).png.is_some());
}

#[test]
fn after_the_end_nothing_opens() {
    let ops = ops();
    look(&ops, "demo-grub", &ScreenshotOptions::default());
    ops.close();
    let error = ops.screenshot("demo-grub", &ScreenshotOptions::default(), &watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
}
