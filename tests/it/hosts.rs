//! The real binary with a file of one's own servers: list, screenshot, check and pin, against real listeners.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use ikvm_mcp::rfb::Encoding;

use crate::support::bmc::{Bmc, Login, Setup, Token, USER};
use crate::support::rfb_encode::console;
use crate::support::vnc::{self, Vnc};
use crate::support::web::ca_file;
use crate::support::{recorded, secrets};

const SCREEN: &str = "screen-grub-720x400";

/// A folder of its own with this file in it, and the binary that reads it.
fn ikvm(name: &str, hosts: &str) -> (Command, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hosts-{name}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("hosts.toml");
    fs::write(&file, hosts).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    command.env_clear().env("HOME", &folder).env("RACK7", USER.1).current_dir(&folder).stdin(Stdio::null());
    command.arg("--hosts").arg(&file);
    (command, file)
}

fn run(name: &str, hosts: &str, args: &[&str]) -> Output {
    let output = ikvm(name, hosts).0.args(args).output().unwrap();
    secrets::assert_none(&output.stdout);
    secrets::assert_none(&output.stderr);
    output
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// A BMC that shows a screen, and the entry for it.
fn rack7(setup: Setup, certificate: &str) -> (Bmc, String) {
    let bmc = Bmc::start(setup);
    bmc.show_recorded(recorded(SCREEN));
    let entry = format!(
        "[[server]]\nid = \"rack7\"\nname = \"Rack 7\"\nconsole = \"{}\"\nkind = \"ami\"\nuser = \"{}\"\n\
         password_env = \"RACK7\"\n{certificate}\n",
        bmc.url(),
        USER.0
    );
    (bmc, entry)
}

fn trusted() -> String {
    format!("ca_file = \"{}\"", ca_file().display())
}

#[test]
fn a_bmc_in_the_file_is_listed_and_seen() {
    let (bmc, entry) = rack7(Setup::default(), &trusted());
    let list = run("list", &entry, &["list", "--json"]);
    let servers: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!((&servers[0]["id"], &servers[0]["provider"]), (&"rack7".into(), &"hosts".into()));
    let shot = run("shot", &entry, &["screenshot", "rack7", "--raw", "-o", "-"]);
    assert!(shot.status.success(), "{}", err(&shot));
    assert!(err(&shot).contains("role: master"), "{}", err(&shot));
    let expected = include_bytes!("../../testdata/ast2500/screen-grub-720x400.png");
    let image = |png: &[u8]| ikvm_mcp::base::png::decode(png).unwrap();
    assert!(image(&shot.stdout) == image(expected), "not the screen that the BMC shows");
    bmc.assert_all_closed();
    assert_eq!(bmc.counts().sessions, 1);
}

#[test]
fn a_refused_password_is_sent_once_a_look_and_no_sentence_repeats_it() {
    let (bmc, entry) = rack7(Setup::default(), &trusted());
    let entry = entry.replace("password_env = \"RACK7\"", "password = \"hush\"");
    let shot = run("wrong", &entry, &["screenshot", "rack7"]);
    assert_eq!(shot.status.code(), Some(1));
    assert!(err(&shot).contains("does not accept the user and the password"), "{}", err(&shot));
    assert!(!err(&shot).contains("hush"), "{}", err(&shot));
    let logins = bmc.counts().requests.into_iter().filter(|request| request.starts_with("POST")).count();
    assert_eq!((logins, bmc.counts().sessions), (1, 0));
    bmc.assert_all_closed();
}

#[test]
fn a_certificate_is_pinned_by_the_line_that_pin_prints() {
    let (bmc, entry) = rack7(Setup::default(), "");
    let refused = run("unpinned", &entry, &["screenshot", "rack7"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("tls_pin = \"sha256:"), "{}", err(&refused));
    let pin = run("pin", "", &["pin", bmc.url().strip_prefix("https://").unwrap()]);
    assert!(pin.status.success(), "{}", err(&pin));
    assert_eq!(out(&pin).lines().count(), 1);
    assert!(err(&pin).contains("the certificate of ") && err(&refused).contains(out(&pin).trim()), "{}", err(&pin));
    let check = run("pinned", &(entry + out(&pin)), &["check", "rack7"]);
    assert!(check.status.success(), "{}{}", out(&check), err(&check));
    bmc.assert_all_closed();
}

#[test]
fn a_check_walks_the_whole_way_and_back() {
    let (bmc, entry) = rack7(Setup::default(), &trusted());
    let check = run("walk", &entry, &["check", "rack7"]);
    assert!(check.status.success(), "{}{}", out(&check), err(&check));
    let lines: Vec<&str> = out(&check).lines().collect();
    let mut rest = lines.iter();
    for step in [
        "access: https://127.0.0.1:",
        "name: 127.0.0.1 is 127.0.0.1",
        "TCP: 127.0.0.1 accepts at port ",
        "TLS: certificate of ",
        "logging in to the BMC",
        "requesting a KVM token",
        "connecting to the console",
        "waiting for the first picture",
        "picture: 720 x 400 pixels, AMI MegaRAC",
        "logging out",
    ] {
        assert!(rest.any(|line| line.starts_with("ok ") && line.contains(step)), "no {step} in its place: {lines:#?}");
    }
    bmc.assert_all_closed();
    assert_eq!((bmc.counts().sessions, bmc.counts().logouts), (1, 1));
}

#[test]
fn a_check_takes_the_url_of_a_console_too() {
    let server = Vnc::showing(vnc::Setup::default(), console(640, 480, 1), Encoding::ZRLE);
    let check = run("check-url", "", &["check", &server.url()]);
    assert!(check.status.success(), "{}{}", out(&check), err(&check));
    assert!(out(&check).contains("picture: 640 x 480 pixels, VNC (RFB)\n"), "{}", out(&check));
}

#[test]
fn a_check_ends_at_the_step_that_fails_and_says_what_to_do() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let dead = format!(
        "[[server]]\nid = \"rack7\"\nconsole = \"https://127.0.0.1:{dead}\"\nkind = \"ami\"\nuser = \"u\"\n\
         password_env = \"RACK7\"\n"
    );
    let missing = dead.replace("RACK7", "NOT_SET");
    let wrong = |setup: Setup| rack7(setup, &trusted());
    let (full, full_entry) = wrong(Setup { login: Login::Unauthorized(15000), ..Setup::default() });
    let (denied, denied_entry) = wrong(Setup { login: Login::Unauthorized(1005), ..Setup::default() });
    let (tokenless, tokenless_entry) = wrong(Setup { token: Token::Nonsense, ..Setup::default() });
    let (stranger, stranger_entry) = rack7(Setup::default(), "");
    for (entry, step, words) in [
        (&missing, "access", "the environment has no NOT_SET; set it"),
        (&dead, "TCP", "connection refused; check the address and the port"),
        (&stranger_entry, "TLS", "tls_pin = \"sha256:"),
        (&full_entry, "logging in to the BMC", "session table is full; close another viewer"),
        (&denied_entry, "logging in to the BMC", "does not accept the user and the password"),
        (&tokenless_entry, "requesting a KVM token", "no KVM token"),
    ] {
        let check = run("fails", entry, &["check", "rack7"]);
        assert_eq!(check.status.code(), Some(if step == "access" { 2 } else { 1 }), "{}", out(&check));
        let last = out(&check).lines().last().unwrap();
        assert!(last.starts_with("FAILED ") && last.contains(step) && last.contains(words), "{step}: {}", out(&check));
        assert!(err(&check).starts_with("ikvm-mcp: check of rack7: "), "{}", err(&check));
    }
    [full, denied, tokenless, stranger].iter().for_each(Bmc::assert_all_closed);
}

#[test]
fn a_check_without_a_server_tells_of_each_and_goes_on_after_a_failure() {
    let (bmc, entry) = rack7(Setup::default(), &trusted());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let hosts = format!("[[server]]\nid = \"vm1\"\nconsole = \"vnc://127.0.0.1:{closed}\"\n{entry}");
    let check = ikvm("all", &hosts).0.arg("check").env("OVH_CONSUMER_KEY", "half").output().unwrap();
    assert_eq!(check.status.code(), Some(2));
    let lines: Vec<&str> = out(&check).lines().collect();
    assert!(lines[0].starts_with("FAILED ") && lines[0].contains("settings of ovh: OVH's credentials"), "{lines:#?}");
    assert!(lines[1].contains("servers of hosts: 2 found"), "{lines:#?}");
    assert!(lines[2].starts_with("FAILED ") && lines[2].contains("vm1: connection refused"), "{lines:#?}");
    assert!(lines[3].starts_with("ok ") && lines[3].contains("rack7: 127.0.0.1 accepts"), "{lines:#?}");
    assert_eq!(bmc.counts().requests, [""; 0], "it logged in");

    let fine = run("fine", &entry, &["check"]);
    assert!(fine.status.success(), "{}", out(&fine));
}

#[test]
fn a_file_with_a_mistake_keeps_no_other_provider_away_and_an_open_one_is_refused() {
    let (bad, _) = ikvm("mistake", "[[server]]\nid = \"a\"\nconsol = \"x\"\n");
    let mut bad = bad;
    let list = bad.arg("list").output().unwrap();
    assert_eq!(list.status.code(), Some(2));
    assert!(err(&list).contains("hosts.toml line 3: unknown key \"consol\""), "{}", err(&list));
    let (mut open, file) = ikvm("open", "[[server]]\nid = \"a\"\nconsole = \"vnc://x\"\npassword = \"hush\"\n");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let list = open.arg("list").output().unwrap();
    assert!(err(&list).contains("; run `chmod 600 ") && !err(&list).contains("hush"), "{}", err(&list));
}
