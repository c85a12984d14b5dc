//! Both eras: what is answered, and every way to be refused.

use ikvm_mcp::mcp::Headers;
use serde_json::{Value, json};

use super::*;
use crate::support::servers::Listing;

/// A server list that must not be asked for.
fn untouched() -> Mcp {
    over(Listing::Panics)
}

#[test]
fn initialize_agrees_on_the_wanted_revision_or_the_newest_with_a_handshake() {
    for (wanted, given) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let message = request(0, "initialize", json!({ "protocolVersion": wanted, "capabilities": {} }));
        // The header says nothing here, whatever it says.
        for headers in [None, Some(Headers::default()), Some(version(wanted)), Some(version("2026-07-28"))] {
            let result = result(&untouched(), &message, headers.as_ref());
            assert_eq!(result["protocolVersion"], given);
            assert_eq!(result["capabilities"], json!({ "tools": {} }));
            assert_eq!(result["serverInfo"]["name"], "ikvm-mcp");
            assert!(result["instructions"].as_str().unwrap().contains("list_servers"));
            assert!(result.get("resultType").is_none());
        }
    }
}

#[test]
fn a_session_id_is_new_each_time_and_only_where_there_are_headers() {
    let message = request(0, "initialize", json!({ "protocolVersion": "2025-11-25" })).to_string();
    let mcp = untouched();
    let new = || answer(&mcp, &message, Some(&Headers::default())).unwrap().session.unwrap();
    let (first, second) = (new(), new());
    assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    assert_ne!(first, second);
    assert_eq!(answer(&mcp, &message, None).unwrap().session, None);
    let ping = request(1, "ping", json!({})).to_string();
    assert_eq!(answer(&mcp, &ping, Some(&session("made up"))).unwrap().session, None);
}

#[test]
fn discover_tells_what_a_stateless_client_has_to_know() {
    let message = stateless(1, "server/discover", json!({}));
    for headers in [Some(headers_of(&message)), None] {
        let result = result(&untouched(), &message, headers.as_ref());
        assert_eq!(result["supportedVersions"], json!(["2026-07-28"]));
        assert_eq!(result["capabilities"], json!({ "tools": {} }));
        assert!(result["instructions"].as_str().unwrap().contains("get_screenshot"));
        assert_eq!(result["resultType"], "complete");
        assert!(result["ttlMs"].is_u64() && result["cacheScope"] == "public");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "ikvm-mcp");
    }
}

#[test]
fn the_tools_are_listed_alike_in_both_eras_without_asking_anybody() {
    let mcp = untouched();
    let old = result(&mcp, &request("a", "tools/list", json!({})), Some(&version("2025-06-18")));
    let message = stateless("a", "tools/list", json!({}));
    let new = result(&mcp, &message, Some(&headers_of(&message)));
    assert_eq!(old["tools"], new["tools"]);
    assert!(old.get("ttlMs").is_none() && old.get("nextCursor").is_none());
    assert!(new["ttlMs"].is_u64() && new["cacheScope"] == "public" && new["resultType"] == "complete");

    let tools = old["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let all =
        ["list_servers", "get_screenshot", "read_console", "wait_for_console", "console_status", "release_console"];
    assert_eq!(names, all);
    for tool in tools {
        assert!(tool["description"].as_str().unwrap().len() > 80 && tool["title"].is_string());
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert_eq!(tool["inputSchema"]["additionalProperties"], false);
        assert_eq!(tool["annotations"]["readOnlyHint"], tool["name"] != "release_console");
        assert_eq!(tool["annotations"]["destructiveHint"], false);
    }
    assert_eq!(tools[0]["outputSchema"]["required"], json!(["servers"]));
    // A client that sees a schema wants structured content, and then hides the picture from the model.
    assert!(tools[1].get("outputSchema").is_none());
    assert_eq!(tools[1]["inputSchema"]["required"], json!(["serverId"]));
    assert_eq!(tools[1]["inputSchema"]["properties"]["raw"]["type"], "boolean");
}

#[test]
fn ping_belongs_to_the_handshake_era() {
    assert_eq!(result(&untouched(), &request(0, "ping", json!({})), None), json!({}));
    let message = stateless(0, "ping", json!({}));
    assert_eq!(fault(&untouched(), &message.to_string(), Some(&headers_of(&message))), (404, -32601));
}

#[test]
fn a_malformed_message_is_refused_in_every_era() {
    for (text, wanted) in [
        ("", (400, -32700)),
        ("{", (400, -32700)),
        ("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"} x", (400, -32700)),
        ("\"\u{fffd}", (400, -32700)),
        ("1", (400, -32600)),
        ("null", (400, -32600)),
        ("[]", (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":1}"#, (400, -32600)),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, (400, -32600)),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":1}"#, (400, -32600)),
    ] {
        assert_eq!(fault(&untouched(), text, Some(&version("2025-11-25"))), wanted, "{text}");
        assert_eq!(fault(&untouched(), text, Some(&version("2026-07-28"))), wanted, "{text}");
        assert_eq!(fault(&untouched(), text, None), wanted, "{text}");
    }
    // Too deep, and too much of it to be read at all.
    for (times, code) in [(9_000, -32700), (100_000, -32600)] {
        assert_eq!(fault(&untouched(), &"[".repeat(times), None), (400, code));
        assert_eq!(fault(&untouched(), &"{\"a\":".repeat(times), None), (400, code));
    }
    let answer = answer(&untouched(), r#"{"jsonrpc":"1.0","id":"x","method":"ping"}"#, None).unwrap();
    assert_eq!(answer.message["id"], "x");
}

#[test]
fn the_handshake_era_answers_unknown_methods_and_versions_in_its_own_way() {
    let mcp = untouched();
    for method in ["resources/list", "prompts/get", "completion/complete", "logging/setLevel", "x", ""] {
        let text = request(1, method, json!({})).to_string();
        assert_eq!(fault(&mcp, &text, Some(&version("2025-11-25"))), (200, -32601), "{method}");
    }
    let ping = request(1, "ping", json!({})).to_string();
    for known in ["2024-10-07", "2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        assert!(answer(&mcp, &ping, Some(&version(known))).unwrap().message.get("result").is_some());
    }
    for unknown in ["1999-01-01", "garbage", "", "2025-11-26"] {
        assert_eq!(fault(&mcp, &ping, Some(&version(unknown))), (400, -32600), "{unknown}");
    }
    assert_eq!(fault(&mcp, &request(1, "tools/list", json!({ "cursor": "x" })).to_string(), None), (200, -32602));
}

#[test]
fn a_stateless_request_is_refused_rung_by_rung() {
    let mcp = untouched();
    let whole = stateless(1, "tools/call", json!({ "name": "list_servers" }));
    let without = |key: &str| {
        let mut message = whole.clone();
        message["params"]["_meta"].as_object_mut().unwrap().remove(&format!("io.modelcontextprotocol/{key}"));
        message
    };
    let with = |key: &str, value: Value| {
        let mut message = whole.clone();
        message["params"]["_meta"][format!("io.modelcontextprotocol/{key}")] = value;
        message
    };
    let right = headers_of(&whole);
    let ask = |message: &Value, headers: &Headers| fault(&mcp, &message.to_string(), Some(headers));

    // _meta is incomplete, and that comes before what the headers say.
    assert_eq!(ask(&without("protocolVersion"), &right), (400, -32602));
    assert_eq!(ask(&without("clientCapabilities"), &right), (400, -32602));
    assert_eq!(ask(&with("protocolVersion", json!(7)), &right), (400, -32602));
    assert_eq!(ask(&with("clientCapabilities", json!([])), &Headers::default()), (400, -32602));
    assert_eq!(ask(&request(1, "tools/list", Value::Null), &right), (400, -32602));
    assert_eq!(ask(&request(1, "tools/list", json!([1])), &version("2027-01-01")), (400, -32602));
    // The version in the header, before the version itself.
    for other in [None, Some("2025-11-25"), Some("2027-01-01")] {
        let headers = Headers { protocol_version: other.map(str::to_owned), ..right.clone() };
        assert_eq!(ask(&whole, &headers), (400, -32020), "{other:?}");
    }
    assert_eq!(ask(&with("protocolVersion", json!("2027-01-01")), &right), (400, -32020));
    assert_eq!(ask(&with("protocolVersion", json!("2027-01-01")), &version("2027-01-01")), (400, -32022));
    // Mcp-Method, Mcp-Name.
    for other in [None, Some("tools/list"), Some("TOOLS/CALL")] {
        let headers = Headers { method: other.map(str::to_owned), ..right.clone() };
        assert_eq!(ask(&whole, &headers), (400, -32020), "{other:?}");
    }
    for other in [None, Some("get_screenshot"), Some(""), Some("=?base64?***?="), Some("=?base64?bGlzdA==?=")] {
        let headers = Headers { name: other.map(str::to_owned), ..right.clone() };
        assert_eq!(ask(&whole, &headers), (400, -32020), "{other:?}");
    }
    let nameless = stateless(1, "tools/call", json!({}));
    assert_eq!(ask(&nameless, &right), (400, -32020));
    assert_eq!(ask(&nameless, &headers_of(&nameless)), (200, -32602));
    // The method.
    for method in ["initialize", "ping", "resources/list", "subscriptions/listen", "logging/setLevel", "x"] {
        let message = stateless(1, method, json!({}));
        assert_eq!(ask(&message, &headers_of(&message)), (404, -32601), "{method}");
    }
    let message = stateless(1, "resources/read", json!({ "uri": "file:///x" }));
    assert_eq!(ask(&message, &headers_of(&message)), (400, -32020));
    let named = Headers { name: Some("file:///x".to_owned()), ..headers_of(&message) };
    assert_eq!(ask(&message, &named), (404, -32601));
}

#[test]
fn a_version_that_is_not_spoken_is_answered_with_those_that_are() {
    let mut message = stateless(1, "server/discover", json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let answer = answer(&untouched(), &message.to_string(), Some(&version("2099-01-01"))).unwrap();
    let wanted = json!({ "supported": ["2026-07-28"], "requested": "2099-01-01" });
    assert_eq!(answer.message["error"]["data"], wanted);
}

#[test]
fn a_name_in_base64_is_the_name_it_carries() {
    let message = stateless(1, "tools/call", json!({ "name": "list_servers" }));
    let headers = Headers { name: Some("=?base64?bGlzdF9zZXJ2ZXJz?=".to_owned()), ..headers_of(&message) };
    assert!(result(&mcp(), &message, Some(&headers)).get("content").is_some());
}

#[test]
fn without_headers_the_message_alone_tells_its_era() {
    let mcp = untouched();
    assert!(result(&mcp, &stateless(1, "tools/list", json!({})), None).get("resultType").is_some());
    assert!(result(&mcp, &request(1, "tools/list", json!({})), None).get("resultType").is_none());
    assert_eq!(fault(&mcp, &request(1, "server/discover", json!({})).to_string(), None), (400, -32602));
    // With headers, what names no version is of the handshake era.
    let bare = request(1, "server/discover", json!({})).to_string();
    assert_eq!(fault(&mcp, &bare, Some(&Headers::default())), (200, -32601));
}

#[test]
fn notifications_and_answers_are_not_answered() {
    for text in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
        r#"{"jsonrpc":"2.0","method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#,
    ] {
        for headers in [None, Some(version("2026-07-28")), Some(version("1999-01-01"))] {
            assert!(answer(&untouched(), text, headers.as_ref()).is_none(), "{text}");
        }
    }
}

#[test]
fn a_batch_is_answered_where_the_revision_has_batches() {
    let batch = json!([
        request(1, "ping", json!({})),
        { "jsonrpc": "2.0", "method": "notifications/initialized" },
        request("two", "tools/call", json!({ "name": "list_servers" })),
        request(3, "nope", json!({})),
        request(4, "initialize", json!({})),
        7,
    ]);
    for headers in [None, Some(Headers::default()), Some(version("2025-03-26")), Some(version("2024-11-05"))] {
        let answers = answer(&mcp(), &batch.to_string(), headers.as_ref()).unwrap().message;
        let told: Vec<(Value, Value)> = answers.as_array().unwrap().iter().map(outline).collect();
        assert_eq!(
            told,
            [
                (json!(1), json!(null)),
                (json!("two"), json!(null)),
                (json!(3), json!(-32601)),
                (json!(4), json!(-32600)),
                (json!(null), json!(-32600)),
            ]
        );
    }
    for newer in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        assert_eq!(fault(&untouched(), &batch.to_string(), Some(&version(newer))), (400, -32600), "{newer}");
    }
    let modern = json!([stateless(1, "tools/list", json!({}))]).to_string();
    assert_eq!(fault(&untouched(), &modern, Some(&Headers::default())), (400, -32600));
    let many = Value::from_iter(vec![request(1, "ping", json!({})); 65]).to_string();
    assert_eq!(fault(&untouched(), &many, None), (400, -32600));
    let silent = json!([{ "jsonrpc": "2.0", "method": "notifications/initialized" }]).to_string();
    assert!(answer(&untouched(), &silent, None).is_none());
    let quick = json!([request(1, "ping", json!({}))]).to_string();
    let answer = answer(&untouched(), &quick, None).unwrap();
    assert_eq!(answer.message, json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }]));
}

/// Id and error code.
fn outline(answer: &Value) -> (Value, Value) {
    (answer["id"].clone(), answer["error"]["code"].clone())
}
