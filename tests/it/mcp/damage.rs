//! Damaged messages: whatever comes in, what goes out is JSON-RPC, and nobody panics.

use std::time::{Duration, Instant};

use ikvm_mcp::mcp::{Headers, Received};
use serde_json::{Value, json};

use super::*;
use crate::support::servers::Listing;

const TIME: Duration = Duration::from_secs(1);

/// Numbers without a pattern (xorshift64).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn seeds() -> Vec<Value> {
    let call = json!({ "name": "get_screenshot", "arguments": { "serverId": "ns1", "raw": true } });
    vec![
        request(1, "initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {} })),
        request("x", "tools/call", call.clone()),
        stateless(7, "tools/call", call),
        stateless(0, "server/discover", json!({})),
        json!([request(1, "ping", json!({})), { "jsonrpc": "2.0", "method": "notifications/cancelled" }]),
    ]
}

/// Pieces that a damaged message gets, besides single bytes.
const PIECES: [&str; 12] =
    ["null", "[]", "{}", "\"\"", "-1", "1e999", "\\u0000", "\\ud800", "_meta", "\u{7f}", "[[[[[[[[", "\"id\":null,"];

fn damage(text: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(text.len().max(1)).min(text.len());
        let end = (at + random.below(12)).min(text.len());
        match random.below(4) {
            0 if at < text.len() => text[at] = random.below(256) as u8,
            1 => drop(text.drain(at..end)),
            2 => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            _ => drop(text.splice(at..end, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
}

fn check(message: &Value, from: &[u8]) {
    let shown = || format!("{message} from {}", String::from_utf8_lossy(from));
    assert_eq!(message["jsonrpc"], "2.0", "{}", shown());
    assert!(message.get("result").is_some() != message.get("error").is_some(), "{}", shown());
    assert_ne!(message["error"]["code"], -32603, "{}", shown());
    assert!(message.get("id").is_none_or(|id| id.is_string() || id.is_i64() || id.is_u64()), "{}", shown());
}

#[test]
fn a_damaged_message_is_answered_or_ignored() {
    // Whoever asks for the servers finds a bug, which would show as -32603.
    let mcp = over(Listing::Panics);
    let seeds: Vec<Vec<u8>> = seeds().iter().map(|seed| seed.to_string().into_bytes()).collect();
    let headers = [None, Some(Headers::default()), Some(version("2026-07-28")), Some(version("2025-03-26"))];
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let end = Instant::now() + TIME;
    while Instant::now() < end {
        let mut text = seeds[random.below(seeds.len())].clone();
        damage(&mut text, &mut random);
        match mcp.receive(&text, headers[random.below(headers.len())].as_ref()) {
            Received::Answer(answer) => match &answer.message {
                Value::Array(answers) => answers.iter().for_each(|answer| check(answer, &text)),
                answer => check(answer, &text),
            },
            Received::Nothing | Received::Work(_) => {}
        }
    }
}
