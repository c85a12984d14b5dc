//! The log and the audit log of the real program: who asked for what, and no secret.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::program::{Program, call};

const TOKEN: &str = "a-token-that-nobody-may-see";

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn serve(environment: &[(&'static str, &str)]) -> Program {
    let environment = environment.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    Program::serve(env!("CARGO_BIN_EXE_ikvm-mcp"), &["--demo"], environment)
}

fn look(client: &mut Client, server: &str) {
    call(client, "get_screenshot", json!({ "serverId": server }));
}

fn entries(text: &str) -> Vec<Value> {
    text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Lines written by the program so far; the last call's comes after its answer.
fn wait_for(file: &PathBuf, lines: usize) -> Vec<Value> {
    let watch = ikvm_mcp::base::Watch::new("waiting for the audit log", Duration::from_secs(60));
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.lines().filter(|line| !line.is_empty()).count() >= lines && text.ends_with('\n') {
            return entries(&text);
        }
        assert!(watch.left().is_ok(), "{text}");
        thread::yield_now();
    }
}

#[test]
fn each_tool_call_is_one_line_of_the_audit_log_without_secret_or_picture() {
    let file = folder("audit").join("audit.jsonl");
    let program = serve(&[("IKVM_AUDIT", file.to_str().unwrap()), ("IKVM_TOKEN", TOKEN)]);
    let mut client = program.client();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let hello =
        json!({ "protocolVersion": "2025-11-25", "clientInfo": { "name": "a \u{1b}[2Jclient", "version": "1" } });
    let hello = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello }).to_string();
    let session = client.ask(&hello, &bearer).header("mcp-session-id").unwrap().to_owned();
    let headers = format!("{bearer}\nMcp-Session-Id: {session}");
    for (tool, arguments) in [
        ("list_servers", json!({})),
        ("get_screenshot", json!({ "serverId": "demo-grub" })),
        ("get_screenshot", json!({ "serverId": "nope\n{\"forged\":true}" })),
    ] {
        let params = json!({ "name": tool, "arguments": arguments });
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        assert_eq!(client.ask(&message.to_string(), &headers).status, 200);
    }
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "1" },
    });
    let params = json!({ "name": "list_servers", "_meta": meta });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let stateless = "MCP-Protocol-Version: 2026-07-28\nMcp-Method: tools/call\nMcp-Name: list_servers";
    assert_eq!(client.ask(&message.to_string(), &format!("{bearer}\n{stateless}")).status, 200);

    let entries = wait_for(&file, 4);
    let told =
        |entry: &Value| ["client", "tool", "server", "outcome"].map(|key| entry[key].as_str().map(str::to_owned));
    let known = |texts: [&str; 4]| texts.map(|text| (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(told(&entries[0]), known(["a [2Jclient", "list_servers", "", "done"]));
    assert_eq!(told(&entries[1]), known(["a [2Jclient", "get_screenshot", "demo-grub", "done"]));
    assert_eq!(told(&entries[2]), known(["a [2Jclient", "get_screenshot", "nope{\"forged\":true}", "failed"]));
    assert_eq!(told(&entries[3]), known(["modern", "list_servers", "", "done"]));
    for (number, entry) in entries.iter().enumerate() {
        assert_eq!(entry["call"], number + 1);
        assert!(ikvm_mcp::base::clock::Utc::parse(entry["time"].as_str().unwrap()).is_some());
        assert!(entry["bytes"].as_u64().unwrap() > 0 && entry["milliseconds"].is_u64());
    }
    assert_eq!(entries[0]["session"], session[..8]);
    let text = fs::read_to_string(&file).unwrap();
    for secret in [TOKEN, &session, "iVBORw0KGgo"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_audit_log_that_was_moved_away_is_begun_anew() {
    let file = folder("rotated").join("audit.jsonl");
    let program = serve(&[("IKVM_AUDIT", file.to_str().unwrap())]);
    let mut client = program.client();
    look(&mut client, "demo-off");
    wait_for(&file, 1);
    fs::rename(&file, file.with_extension("1")).unwrap();
    look(&mut client, "demo-off");
    assert_eq!(wait_for(&file, 1)[0]["call"], 2);
    fs::remove_file(&file).unwrap();
    look(&mut client, "demo-off");
    assert_eq!(wait_for(&file, 1)[0]["call"], 3);
}

#[test]
fn a_full_disk_is_survived_and_told_of_once() {
    let program = serve(&[("IKVM_AUDIT", "/dev/full")]);
    let mut client = program.client();
    for _ in 0..5 {
        look(&mut client, "demo-off");
    }
    assert_eq!(client.ask(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "").status, 200);
    let said = program.end();
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("the audit log /dev/full cannot")).collect();
    assert!(lines.len() == 1 && lines[0].contains(" error call 1: "), "{said}");
}

#[test]
fn every_line_of_a_call_has_its_time_and_number_at_each_level() {
    let (mut lines_at, mut said_at) = (Vec::new(), Vec::new());
    for level in ["error", "warn", "info", "debug"] {
        let program = serve(&[("IKVM_LOG", level), ("IKVM_AUDIT", "stderr")]);
        look(&mut program.client(), "demo-sick");
        let said = program.end();
        lines_at.push(said.lines().filter(|line| !line.starts_with('{')).count());
        assert!(said.lines().any(|line| line.starts_with("{\"time\":")), "{said}");
        said_at.push(said);
    }
    assert!(lines_at.is_sorted() && lines_at[2] < lines_at[3], "{lines_at:?}");
    let debug = said_at.pop().unwrap();
    let of_call = debug.lines().filter(|line| line.contains(" call 1: "));
    for line in of_call.clone() {
        assert!(ikvm_mcp::base::clock::Utc::parse(line.split(' ').next().unwrap()).is_some(), "{line}");
    }
    assert!(of_call.clone().any(|line| line.contains("get_screenshot demo-sick: failed after")), "{debug}");
    assert!(of_call.count() >= 3, "{debug}");
}

#[test]
fn a_log_that_nobody_reads_holds_up_nobody() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ikvm-mcp"));
    command.env_clear().args(["stdio", "--demo"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let (mut input, output) = (program.stdin.take().unwrap(), BufReader::new(program.stdout.take().unwrap()));
    let (answer, answers) = channel();
    let reader = thread::spawn(move || output.lines().for_each(|line| answer.send(line.unwrap()).unwrap()));
    // A line of the log is some 500 bytes, and a pipe takes 64 KiB.
    for id in 0..300 {
        let arguments = json!({ "serverId": "x".repeat(256) });
        let params = json!({ "name": "console_status", "arguments": arguments });
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
        input.write_all(format!("{request}\n").as_bytes()).unwrap();
        let answer = answers.recv_timeout(Duration::from_secs(60)).expect("it is held up");
        assert!(answer.contains("no such server"), "{answer}");
    }
    drop(input);
    assert!(program.wait().unwrap().success());
    reader.join().unwrap();
}
