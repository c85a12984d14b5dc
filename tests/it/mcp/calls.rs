//! Tool calls: arguments, results, progress, and every way to end.

use std::time::Duration;

use ikvm_mcp::base::{Error, Kind};
use ikvm_mcp::mcp::{Headers, Received, Running, Step};
use ikvm_mcp::provider::demo::Demo;
use serde_json::{Value, json};

use super::*;
use crate::support::servers::{self, Listing};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(60);
const AT_ONCE: Duration = Duration::ZERO;

fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({ "name": tool, "arguments": arguments }))
}

fn list(id: impl Into<Value>) -> Value {
    request(id, "tools/call", json!({ "name": "list_servers" }))
}

fn begin(mcp: &Mcp, message: &Value, headers: Option<&Headers>) -> Running {
    match mcp.receive(message.to_string().as_bytes(), headers) {
        Received::Work(work) => work.begin(()),
        _ => panic!("no work: {message}"),
    }
}

fn cancel(mcp: &Mcp, id: Value, headers: Option<&Headers>) {
    let params = json!({ "requestId": id, "reason": "the test" });
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
    assert!(matches!(mcp.receive(message.to_string().as_bytes(), headers), Received::Nothing));
}

/// The sentence of a failed call.
fn sentence(mcp: &Mcp, message: &Value) -> String {
    let result = result(mcp, message, None);
    assert_eq!(result["isError"], true, "{result}");
    let [block] = result["content"].as_array().unwrap().as_slice() else { panic!("{result}") };
    block["text"].as_str().unwrap().to_owned()
}

#[test]
fn servers_come_as_text_and_as_structure_what_is_known_last() {
    let wanted = json!([
        {
            "id": "ns1.example",
            "name": "the first",
            "provider": "scripted",
            "datacenter": "sbg3",
            "ip": "192.0.2.1",
            "state": "ok",
            "power": "on",
            "os": "debian12_64",
        },
        { "id": "ns2.example", "name": "the second", "provider": "scripted", "datacenter": null, "ip": null },
    ]);
    for arguments in [json!({}), Value::Null] {
        let result = result(&mcp(), &call(0, "list_servers", arguments), None);
        let text = result["content"][0]["text"].as_str().unwrap();
        // As text: the order counts.
        assert_eq!(text, wanted.to_string());
        assert_eq!(result["structuredContent"], json!({ "servers": wanted }));
        assert!(result.get("isError").is_none());
    }
    assert_eq!(result(&over(Listing::Known(Vec::new())), &list(0), None)["content"][0]["text"], "[]");
}

#[test]
fn arguments_may_be_left_out_altogether() {
    assert!(result(&mcp(), &list(0), None)["structuredContent"]["servers"].is_array());
}

#[test]
fn a_screenshot_is_a_picture_and_then_its_facts_and_nothing_else() {
    let mcp = Mcp::new(servers::ops(Demo));
    for (message, is_stateless) in [
        (call(0, "get_screenshot", json!({ "serverId": "demo-grub" })), false),
        (
            stateless(0, "tools/call", json!({ "name": "get_screenshot", "arguments": { "serverId": "demo-grub" } })),
            true,
        ),
    ] {
        let result = result(&mcp, &message, None);
        let [picture, facts] = result["content"].as_array().unwrap().as_slice() else { panic!("{result}") };
        assert_eq!((&picture["type"], &picture["mimeType"]), (&json!("image"), &json!("image/png")));
        assert!(picture["data"].as_str().unwrap().starts_with("iVBORw"));
        assert!(facts["text"].as_str().unwrap().contains("demo-grub"), "{facts}");
        assert!(result.get("structuredContent").is_none());
        assert_eq!(result.get("resultType").is_some(), is_stateless);
    }
}

#[test]
fn a_screen_with_nothing_to_see_is_an_answer_and_not_an_error() {
    let result =
        result(&Mcp::new(servers::ops(Demo)), &call(0, "get_screenshot", json!({ "serverId": "demo-off" })), None);
    let [facts] = result["content"].as_array().unwrap().as_slice() else { panic!("{result}") };
    assert!(facts["text"].as_str().unwrap().contains("off"), "{facts}");
    assert!(result.get("isError").is_none());
}

#[test]
fn wrong_arguments_are_answered_with_the_next_step() {
    let mcp = mcp();
    let usage = "; call it with serverId (a string), raw (true or false, optional), region (an object of x, y, width, \
        height, optional), ifChangedSince (a string, optional)";
    for (arguments, wanted) in [
        (json!({ "server": "ns1" }), "unknown argument \"server\""),
        (json!({ "serverId": "ns1", "raw": "yes" }), "the argument raw is not true or false"),
        (json!({ "serverId": 7 }), "the argument serverId is not a string"),
        (json!([1]), "the arguments are not an object"),
        (
            json!({ "serverId": "ns1", "ifChangedSince": "" }),
            "the argument ifChangedSince has 0 characters, 1 to 100 are allowed",
        ),
    ] {
        assert_eq!(sentence(&mcp, &call(1, "get_screenshot", arguments)), format!("get_screenshot: {wanted}{usage}"));
    }
    for (arguments, wanted) in [
        (json!({}), "the argument serverId is missing"),
        (json!({ "serverId": "" }), "the argument serverId has 0 characters, 1 to 256 are allowed"),
        (json!({ "serverId": "x".repeat(257) }), "the argument serverId has 257 characters, 1 to 256 are allowed"),
    ] {
        let told = sentence(&mcp, &call(1, "console_status", arguments));
        assert_eq!(told, format!("console_status: {wanted}; take one from list_servers"));
    }
    let backwards = json!({ "serverId": "ns1", "region": { "firstRow": 9, "lastRow": 3 } });
    let wanted = "read_console: region.firstRow is 9, behind region.lastRow, which is 3; exchange them";
    assert_eq!(sentence(&mcp, &call(1, "read_console", backwards)), wanted);
    let wanted = "release_console: unknown argument \"x[2J\"; call it with serverId (a string)";
    assert_eq!(sentence(&mcp, &call(1, "release_console", json!({ "x\u{1b}[2J": 1 }))), wanted);
}

/// The text block of an answer.
fn told(mcp: &Mcp, tool: &str, arguments: Value) -> String {
    let result = result(mcp, &call(0, tool, arguments), None);
    assert!(result.get("isError").is_none(), "{result}");
    result["content"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap().to_owned()
}

#[test]
fn what_has_not_changed_costs_no_picture_and_a_region_shows_more_of_less() {
    let mcp = Mcp::new(servers::ops(Demo));
    let facts = told(&mcp, "get_screenshot", json!({ "serverId": "demo-grub" }));
    let (_, picture) = facts.split_once("picture: ").unwrap();
    let (id, _) = picture.split_once(',').unwrap();
    let seen = json!({ "serverId": "demo-grub", "ifChangedSince": id });
    let again = result(&mcp, &call(0, "get_screenshot", seen.clone()), None);
    assert_eq!(again["content"].as_array().unwrap().len(), 1, "{again}");
    assert!(told(&mcp, "console_status", seen).contains("changed since that picture: no"));
    let region = json!({ "x": 8, "y": 16, "width": 16, "height": 32 });
    let closer = told(&mcp, "get_screenshot", json!({ "serverId": "demo-grub", "region": region }));
    assert!(closer.contains("region: 16 x 32 pixels of the screen, from x 8, y 16"), "{closer}");
    let beside = json!({ "x": 9000, "y": 0, "width": 1, "height": 1 });
    let refused = sentence(&mcp, &call(0, "get_screenshot", json!({ "serverId": "demo-grub", "region": beside })));
    assert!(refused.contains("outside the screen"), "{refused}");
    let beyond = json!({ "serverId": "demo-grub", "region": { "firstColumn": 200 } });
    let outside = "reading of demo-grub: the region begins at column 200, the last of the screen's text is 79; \
        choose a region of the text, or leave it out";
    assert_eq!(sentence(&mcp, &call(0, "read_console", beyond)), outside);
}

#[test]
fn a_console_is_released_by_a_call() {
    let mcp = Mcp::new(servers::ops(Demo));
    assert!(told(&mcp, "console_status", json!({ "serverId": "demo-off" })).contains("power: off"));
    let release = || told(&mcp, "release_console", json!({ "serverId": "demo-off" }));
    assert!(release().contains("closed and logged out"));
    assert!(release().contains("No console of demo-off was open"));
}

#[test]
fn a_failure_is_a_sentence_and_no_protocol_error() {
    let error = Error::new(Kind::Denied, "the key lacks a right").hint("run `ikvm-mcp login`");
    let told = sentence(&over(Listing::Fails(error)), &list(1));
    assert!(told.ends_with("the key lacks a right; run `ikvm-mcp login`"), "{told}");
    let told = sentence(&mcp(), &call(1, "get_screenshot", json!({ "serverId": "ns9" })));
    assert!(told.starts_with("screenshot of ns9: no such server"), "{told}");
}

#[test]
fn an_unknown_tool_or_no_tool_is_a_protocol_error() {
    for params in [json!({ "name": "nope" }), json!({ "name": 7 }), json!({}), Value::Null, json!(["list_servers"])] {
        assert_eq!(fault(&mcp(), &request(1, "tools/call", params).to_string(), None), (200, -32602));
    }
    let message = stateless(1, "tools/call", json!({ "name": "nope" }));
    assert_eq!(fault(&mcp(), &message.to_string(), Some(&headers_of(&message))), (200, -32602));
}

#[test]
fn a_panic_ends_its_own_call_and_no_other() {
    let mcp = over(Listing::Panics);
    assert_eq!(fault(&mcp, &list(1).to_string(), None), (200, -32603));
    let answers = answer(&mcp, &json!([list(1), request(2, "ping", json!({}))]).to_string(), None).unwrap().message;
    assert_eq!((&answers[0]["error"]["code"], &answers[1]["result"]), (&json!(-32603), &json!({})));
}

#[test]
fn progress_grows_and_names_the_stage_for_any_token() {
    for token in [json!(0), json!("t"), json!(7.5)] {
        let (listing, begins, _) = servers::waiting();
        let mcp = over(listing);
        let mut message = list(1);
        message["params"]["_meta"] = json!({ "progressToken": token });
        let mut running = begin(&mcp, &message, None);
        begins.recv_timeout(LONG).unwrap();
        let mut last = 0.0;
        for _ in 0..100 {
            assert_eq!(running.wait(AT_ONCE), Step::Working);
            let told = running.progress().unwrap();
            assert_eq!((&told["method"], told.get("id")), (&json!("notifications/progress"), None));
            assert_eq!(told["params"]["progressToken"], token);
            assert_eq!(told["params"]["message"], "waiting for the test (0 s)");
            let progress = told["params"]["progress"].as_f64().unwrap();
            assert!(progress > last, "{progress} after {last}");
            last = progress;
        }
        mcp.close();
    }
}

#[test]
fn nobody_is_told_of_progress_without_a_token_of_the_right_kind() {
    for meta in [json!({}), json!({ "progressToken": null }), json!({ "progressToken": {} }), json!([])] {
        let mcp = mcp();
        let mut message = list(1);
        message["params"]["_meta"] = meta;
        let mut running = begin(&mcp, &message, None);
        assert_eq!(running.progress(), None);
        assert!(running.finish().is_some());
    }
}

#[test]
fn a_cancelled_call_ends_and_is_not_answered() {
    let (listing, begins, ends) = servers::waiting();
    let mcp = over(listing);
    let stateless = stateless("b", "tools/call", json!({ "name": "list_servers" }));
    // With headers a notification of the handshake era; without, of either.
    for (message, headers) in [(list("a"), Some(session("s"))), (list("a"), None), (stateless, None)] {
        let running = begin(&mcp, &message, headers.as_ref());
        begins.recv_timeout(LONG).unwrap();
        cancel(&mcp, message["id"].clone(), headers.as_ref());
        assert_eq!(ends.recv_timeout(LONG).unwrap(), Kind::Cancelled);
        assert_eq!(running.finish(), None);
    }
}

#[test]
fn nobody_cancels_the_call_of_another() {
    let (listing, begins, ends) = servers::waiting();
    let mcp = over(listing);
    let ours = begin(&mcp, &list(1), Some(&session("ours")));
    begins.recv_timeout(LONG).unwrap();
    cancel(&mcp, json!(1), Some(&session("theirs")));
    cancel(&mcp, json!(1), Some(&Headers::default()));
    cancel(&mcp, json!("1"), Some(&session("ours")));
    cancel(&mcp, json!(2), Some(&session("ours")));
    cancel(&mcp, Value::Null, Some(&session("ours")));
    // A client of the stateless era has no session, whatever it sends.
    let message = stateless(1, "tools/call", json!({ "name": "list_servers" }));
    let headers = Headers { session: Some("ours".to_owned()), ..headers_of(&message) };
    let theirs = begin(&mcp, &message, Some(&headers));
    begins.recv_timeout(LONG).unwrap();
    assert_eq!((ours.wait(AT_ONCE), theirs.wait(AT_ONCE)), (Step::Working, Step::Working));
    cancel(&mcp, json!(1), Some(&session("ours")));
    assert_eq!(ours.finish(), None);
    assert_eq!(theirs.wait(AT_ONCE), Step::Working);
    theirs.abandon();
    assert_eq!((ends.recv_timeout(LONG), ends.recv_timeout(LONG)), (Ok(Kind::Cancelled), Ok(Kind::Cancelled)));
}

#[test]
fn a_lost_client_cancels_its_call_in_the_stateless_era_alone() {
    let (listing, begins, ends) = servers::waiting();
    let mcp = over(listing);
    let old = begin(&mcp, &list(1), Some(&session("s")));
    let message = stateless(2, "tools/call", json!({ "name": "list_servers" }));
    let new = begin(&mcp, &message, Some(&headers_of(&message)));
    begins.recv_timeout(LONG).unwrap();
    begins.recv_timeout(LONG).unwrap();
    old.abandon();
    new.abandon();
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
    // The other goes on until somebody ends it.
    assert!(ends.try_recv().is_err());
    mcp.close();
    assert_eq!(ends.recv_timeout(LONG), Ok(Kind::Cancelled));
}

#[test]
fn one_cancelled_call_leaves_the_rest_of_its_batch() {
    let (listing, begins, _) = servers::waiting();
    let mcp = over(listing);
    let batch = json!([list(1), request(2, "ping", json!({}))]);
    let running = begin(&mcp, &batch, None);
    begins.recv_timeout(LONG).unwrap();
    cancel(&mcp, json!(1), None);
    assert_eq!(running.finish(), Some(json!([{ "jsonrpc": "2.0", "id": 2, "result": {} }])));
}

#[test]
fn what_is_held_is_given_back_before_the_answer() {
    let mcp = mcp();
    let held = std::sync::Arc::new(());
    let Received::Work(work) = mcp.receive(list(1).to_string().as_bytes(), None) else { panic!() };
    let running = work.begin(std::sync::Arc::clone(&held));
    assert!(running.finish().is_some());
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
}

#[test]
fn work_that_is_not_begun_can_be_refused_call_by_call() {
    let mcp = mcp();
    let batch = json!([list(1), request(2, "ping", json!({}))]);
    let Received::Work(work) = mcp.receive(batch.to_string().as_bytes(), None) else { panic!() };
    let answers = work.refuse("too much at once");
    assert_eq!(answers[0]["result"]["content"][0]["text"], "list_servers: too much at once");
    assert_eq!((&answers[0]["result"]["isError"], &answers[1]["id"]), (&json!(true), &json!(2)));
}
