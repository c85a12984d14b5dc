//! The real binary with credentials, through the real network stack: OVH's API and the server's BMC, TLS under both.

use std::process::{Command, Output, Stdio};

use crate::support::bmc::{Bmc, Setup};
use crate::support::ovh::FakeOvh;
use crate::support::web::ca_file;
use crate::support::{recorded, secrets};

const SERVER: &str = "ns1.example";

fn run(ovh: &FakeOvh, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    command.env_clear().envs(ovh.environment()).env("SSL_CERT_FILE", ca_file()).stdin(Stdio::null());
    command.env("HOME", env!("CARGO_TARGET_TMPDIR")).current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = command.args(args).output().unwrap();
    secrets::assert_none(&output.stdout);
    secrets::assert_none(&output.stderr);
    output
}

#[test]
fn a_persons_list_and_screenshot_work_with_credentials_in_the_environment() {
    let (ovh, bmc) = (FakeOvh::start_tls(), Bmc::start(Setup::ovh()));
    bmc.show_recorded(recorded("screen-grub-720x400"));
    ovh.state().set_access(&bmc.viewer_url(), 600);

    let list = run(&ovh, &["list", "--json"]);
    let servers: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    assert!(servers.as_array().unwrap().iter().any(|server| server["id"] == SERVER), "{servers}");

    let shot = run(&ovh, &["screenshot", SERVER, "--raw", "-o", "-"]);
    assert!(shot.status.success(), "{}", String::from_utf8_lossy(&shot.stderr));
    let expected = image_of(include_bytes!("../../testdata/ast2500/screen-grub-720x400.png"));
    assert!(image_of(&shot.stdout) == expected, "not the screen that the BMC shows");
    bmc.assert_all_closed();
}

fn image_of(png: &[u8]) -> ikvm_mcp::base::Frame {
    ikvm_mcp::base::png::decode(png).unwrap()
}
