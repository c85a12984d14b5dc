//! The real binary as a person starts it: output, exit status, files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::secrets;

/// The binary in an environment that names no credentials, in a folder of its own.
fn ikvm(folder: &str) -> (Command, PathBuf) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    command.env_clear().env("HOME", &folder).current_dir(&folder).stdin(Stdio::null());
    (command, folder)
}

fn run(folder: &str, args: &[&str]) -> (Output, PathBuf) {
    let (mut command, folder) = ikvm(folder);
    (command.args(args).output().unwrap(), folder)
}

fn out(output: &Output) -> &str {
    secrets::assert_none(&output.stdout);
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    secrets::assert_none(&output.stderr);
    std::str::from_utf8(&output.stderr).unwrap()
}

/// The size a PNG says it has, in pixels.
fn size(png: &[u8]) -> (u32, u32) {
    let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    (reader.info().width, reader.info().height)
}

#[test]
fn help_and_version_go_to_stdout() {
    let (output, _) = run("help", &["--help"]);
    assert!(output.status.success());
    for word in ["stdio", "list", "IKVM_AUDIT", "unit", "screenshot", "login", "--demo", "PORT", "OVH_APPLICATION_KEY"]
    {
        assert!(out(&output).contains(word), "{word}");
    }
    let (output, _) = run("version", &["--version"]);
    assert_eq!(out(&output), format!("ikvm-mcp {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_tells_its_own_part_of_the_help() {
    let (output, _) = run("help", &["wait", "--help"]);
    assert!(output.status.success());
    assert!(out(&output).contains("--still SECONDS") && out(&output).contains("--hosts FILE"), "{}", out(&output));
    assert!(!out(&output).contains("--attributes") && !out(&output).contains("IKVM_AUDIT"), "{}", out(&output));
}

#[test]
fn every_variable_is_in_the_help_and_in_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut read = BTreeSet::new();
    for file in ["mod", "console", "fonts", "hosts", "ovh", "serving"] {
        let source = fs::read_to_string(root.join(format!("src/config/{file}.rs"))).unwrap();
        read.extend(variables(&source).filter(|name| name.starts_with("IKVM_") || name.starts_with("OVH_")));
    }
    assert!(read.len() > 20 && read.contains("IKVM_AUDIT") && read.contains("OVH_CLIENT_SECRET"), "{read:?}");
    read.extend(["PORT", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY"].map(str::to_owned));

    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let table = readme.split("\n## ").find(|section| section.starts_with("Configuration\n")).unwrap();
    let (output, _) = run("help", &["--help"]);
    for (place, text) in [("the help", out(&output)), ("README.md", table)] {
        let told: BTreeSet<String> = variables(text).collect();
        assert!(read.is_subset(&told), "{place} lacks {:?}", read.difference(&told));
        let settings = told.iter().filter(|name| name.starts_with("IKVM_") || name.starts_with("OVH_"));
        let unknown: Vec<&String> = settings.filter(|name| !read.contains(*name)).collect();
        assert!(unknown.is_empty(), "{place} names {unknown:?}");
    }
}

/// What looks like the name of a variable in a text.
fn variables(text: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    let names = text.split(move |c| !is_part(c)).filter(|name| name.len() > 3 && !name.ends_with('_'));
    names.map(str::to_owned)
}

#[test]
fn wrong_usage_is_status_2_and_one_line_on_stderr() {
    let (output, _) = run("usage", &["frobnicate"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(out(&output), "");
    assert_eq!(err(&output), "ikvm-mcp: there is no command frobnicate (ikvm-mcp --help)\n");
}

#[test]
fn the_text_of_a_picture_is_printed_or_why_there_is_none() {
    let picture = |name: &str| format!("{}/testdata/{name}", env!("CARGO_MANIFEST_DIR"));
    let (output, _) = run("text", &["text", "--image", &picture("screens/05-grub-menu-text.png")]);
    assert!(output.status.success(), "{}", err(&output));
    for line in [
        "screen 720x400 text 80x25 font vga-9x16 exact",
        " 4|*Debian GNU/Linux <selected>",
        " 6| Memory test (memtest86+x64.bin)",
        "shows: boot menu (row 1)",
    ] {
        assert!(out(&output).lines().any(|printed| printed == line), "{line}: {}", out(&output));
    }
    let (output, _) = run("text-json", &["text", "--json", "--image", &picture("screens/11-linux-panic-vfs.png")]);
    let json: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    assert_eq!(json["status"], "exact");
    assert_eq!(json["shows"]["what"], "kernel panic or oops");
    assert!(json["text"].as_str().unwrap().contains("kernel_init_freeable+0x250/0x27a"));
    let (output, _) = run("text-none", &["text", "--image", &picture("ast2500/unit-selector-7.png")]);
    assert!(output.status.success() && out(&output).contains(" none: "), "{}", out(&output));
    let (output, _) = run("text-not", &["text", "--image", &picture("README.md")]);
    assert_eq!((output.status.code(), out(&output)), (Some(1), ""));
    assert!(err(&output).contains("README.md: malformed data: PNG"), "{}", err(&output));
}

#[test]
fn the_list_is_a_table_or_json() {
    let (output, _) = run("list", &["list", "--demo"]);
    assert!(output.status.success(), "{}", err(&output));
    let lines: Vec<&str> = out(&output).lines().collect();
    assert!(lines[0].starts_with("ID ") && lines.iter().any(|line| line.starts_with("demo-grub ")), "{lines:?}");

    let (output, _) = run("list-json", &["list", "--json", "--demo"]);
    let servers: serde_json::Value = serde_json::from_str(out(&output)).unwrap();
    let first: Vec<&str> = servers[0].as_object().unwrap().keys().map(String::as_str).take(5).collect();
    assert_eq!(first, ["id", "name", "provider", "datacenter", "ip"]);
}

#[test]
fn a_screenshot_is_saved_under_the_servers_name_and_scaled_for_reading() {
    let (output, folder) = run("screenshot", &["screenshot", "demo-grub", "--demo"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output), "demo-grub.png\n");
    let png = fs::read(folder.join("demo-grub.png")).unwrap();
    assert_eq!(size(&png), (1440, 800));
    assert!(png.len() < 50_000, "{} bytes", png.len());
    assert!(err(&output).contains("720 x 400"), "{}", err(&output));
}

#[test]
fn a_raw_screenshot_is_the_consoles_own_pixels() {
    let (output, _) = run("raw", &["screenshot", "demo-grub", "--demo", "--raw", "-o", "-"]);
    let mut reader = png::Decoder::new(std::io::Cursor::new(&output.stdout)).read_info().unwrap();
    assert_eq!((reader.info().width, reader.info().height), (720, 400));
    let expected = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/ast2500/screen-grub-720x400.png")).unwrap();
    let pixels = |png: &[u8]| {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        pixels
    };
    assert!(reader.next_frame(&mut vec![0; reader.output_buffer_size().unwrap()]).is_ok());
    assert_eq!(pixels(&output.stdout), pixels(&expected));
}

#[test]
fn a_host_that_is_off_is_an_answer_and_a_sick_bmc_an_error() {
    let (output, folder) = run("off", &["screenshot", "demo-off", "--demo"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(err(&output).contains("powered off"), "{}", err(&output));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);

    let (output, _) = run("sick", &["screenshot", "demo-sick", "--demo"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("ikvm-mcp: screenshot of demo-sick: "), "{}", err(&output));
    assert_eq!(err(&output).lines().count(), 1);
}

#[test]
fn a_region_and_the_status_are_there_for_people_too() {
    let (output, folder) = run("region", &["screenshot", "demo-grub", "--demo", "--region", "0,0,90,50"]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(size(&fs::read(folder.join("demo-grub.png")).unwrap()), (720, 400));

    let (output, _) = run("status", &["status", "demo-off", "--demo"]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).starts_with("server: demo-off\n") && out(&output).contains("power: off\n"), "{output:?}");
    let (output, _) = run("no-text", &["text", "demo-off", "--demo"]);
    assert!(out(&output).starts_with("text: none: ") && out(&output).ends_with("look again\n"), "{output:?}");
}

#[test]
fn an_unknown_server_is_answered_with_the_known_ones() {
    let (output, _) = run("unknown", &["screenshot", "nope", "--demo"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no such server") && err(&output).contains("demo-grub"), "{}", err(&output));
}

#[test]
fn without_credentials_the_next_step_is_named() {
    let (output, _) = run("bare", &["list"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("ikvm-mcp login") && err(&output).contains("--demo"), "{}", err(&output));
}

#[test]
fn a_bad_setting_is_named_with_its_range() {
    let (mut command, _) = ikvm("setting");
    let output = command.args(["list", "--demo"]).env("IKVM_MAX_EDGE", "huge").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("IKVM_MAX_EDGE"), "{}", err(&output));
}

#[test]
fn a_port_in_use_is_one_sentence_that_names_the_setting() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (mut command, _) = ikvm("port");
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command.arg("--demo").env("PORT", port).env("IKVM_LOG", "error").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("PORT") && err(&output).contains("Z error "), "{}", err(&output));
    assert_eq!(err(&output).lines().count(), 1, "{}", err(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (mut command, _) = ikvm("pipe");
    let mut child = command.args(["list", "--demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(err(&output), "");
}

#[test]
fn a_token_is_made_that_the_server_takes() {
    let (output, folder) = run("token", &["token"]);
    let token = out(&output).trim_end();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert_ne!(out(&run("token", &["token"]).0), out(&output));

    let file = folder.join("token");
    fs::write(&file, token).unwrap();
    let serve = |mode: u32| {
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
        // An address that no machine has: it gets as far as listening.
        command.env_clear().arg("--demo").env("IKVM_LISTEN", "192.0.2.1:0").env("IKVM_TOKEN_FILE", &file);
        command.output().unwrap()
    };
    let told = serve(0o644);
    assert!(err(&told).contains("run `chmod 600 "), "{}", err(&told));
    assert!(!err(&told).contains(token));
    assert!(err(&serve(0o600)).contains("192.0.2.1 is no address of this machine"));
}

#[test]
fn listening_to_a_network_without_a_token_is_refused_with_the_next_step() {
    let (mut command, _) = ikvm("network");
    let output = command.arg("--demo").env("IKVM_LISTEN", "0.0.0.0:0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("make one with `ikvm-mcp token`, set it as IKVM_TOKEN"), "{}", err(&output));
}

#[test]
fn the_unit_starts_this_program_in_a_sandbox() {
    let (output, _) = run("unit", &["unit"]);
    let program = env!("CARGO_BIN_EXE_ikvm-mcp");
    let installed = format!("install -m 755 '{program}' /usr/local/bin/ikvm-mcp\n");
    // Where the sandbox cannot see this folder, it says how to install the program first.
    let place = if out(&output).contains(&installed) { "/usr/local/bin/ikvm-mcp" } else { program };
    for line in [
        &format!("ExecStart={place}\n"),
        "DynamicUser=yes\n",
        "ProtectSystem=strict\n",
        "LoadCredential=token:/etc/ikvm-mcp/token\n",
    ] {
        assert!(out(&output).contains(line), "{line}");
    }
}

#[test]
fn bash_reads_its_completion() {
    let (output, _) = run("completion", &["completion", "bash"]);
    let script = format!("{}\nCOMP_WORDS=(ikvm-mcp scr); COMP_CWORD=1; _ikvm_mcp; echo $COMPREPLY", out(&output));
    let completed = Command::new("bash").args(["-euc", &script]).output().unwrap();
    assert_eq!(out(&completed), "screenshot\n", "{}", err(&completed));
    for shell in ["zsh", "fish"] {
        assert!(out(&run("completion", &["completion", shell]).0).contains("screenshot"), "{shell}");
    }
}
