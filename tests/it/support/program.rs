//! The real program as a process that serves MCP over HTTP: its answers, and what it holds of the machine.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use super::client::{Client, message};
use super::secrets;

const EVENTS: &str = "Accept: application/json, text/event-stream";

/// A process that is ended with the test.
pub struct Program {
    child: Child,
    pub port: u16,
    /// Reads what it logs until it ends.
    log: Option<JoinHandle<Vec<u8>>>,
}

impl Program {
    /// Serves on a free port, once it says so.
    pub fn serve(binary: &str, args: &[&str], environment: Vec<(&'static str, String)>) -> Self {
        let mut command = Command::new(binary);
        command.args(args).env_clear().envs(environment).env("PORT", "0").stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut told = String::new();
        let port = loop {
            told.clear();
            assert!(lines.read_line(&mut told).unwrap() > 0, "the program does not serve");
            let address = told.split_once("listening on http://").and_then(|(_, rest)| rest.split_once("/mcp"));
            if let Some((_, port)) = address.and_then(|(address, _)| address.rsplit_once(':')) {
                break port.parse().unwrap();
            }
        };
        let log = thread::spawn(move || {
            let mut log = told.into_bytes();
            // What was read until the pipe broke counts.
            let _ = lines.read_to_end(&mut log);
            log
        });
        Self { child, port, log: Some(log) }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// Ends it as Ctrl-C does; whether it went well.
    pub fn interrupt(self) -> bool {
        self.signal("INT");
        self.wait()
    }

    /// Sends it a signal: `INT`, `TERM` ...
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// Waits until it ends; whether it went well.
    pub fn wait(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Ends it at once, if it still runs as it should; what it said on stderr since it served.
    pub fn end(mut self) -> String {
        assert!(self.child.try_wait().unwrap().is_none(), "it has ended by itself");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        String::from_utf8_lossy(&self.log.take().unwrap().join().unwrap()).into_owned()
    }

    /// A line of /proc/PID/status as a number: `VmRSS` and `VmHWM` in KiB, `Threads`.
    pub fn status(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let open = fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log.take().map(|log| log.join().expect("reading cannot fail"));
        if !thread::panicking() {
            secrets::assert_none(log.unwrap_or_default());
        }
    }
}

/// Calls a tool; its result.
pub fn call(client: &mut Client, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = client.ask(&request.to_string(), EVENTS);
    if !answer.is_stream() {
        return answer.json()["result"].take();
    }
    let mut result = Value::Null;
    while let Some(event) = client.event() {
        if event.starts_with("event: message") {
            result = message(&event)["result"].take();
        }
    }
    result
}

/// Looks at a server's console: the facts, and whether a picture came with them.
pub fn look(client: &mut Client, server: &str) -> (String, bool) {
    let result = call(client, "get_screenshot", json!({ "serverId": server }));
    let blocks = result["content"].as_array().unwrap_or_else(|| panic!("{result}"));
    let facts = blocks.last().unwrap()["text"].as_str().unwrap().to_owned();
    (facts, blocks[0]["type"] == "image")
}
