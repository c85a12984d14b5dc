//! Several providers at once: one list of all servers, ids that clash, one of them failing.

use std::time::Duration;

use ikvm_mcp::base::{Error, Kind, Server, Watch};
use ikvm_mcp::mcp::{Mcp, Received};
use ikvm_mcp::ops::{Listing as Servers, Ops, ScreenshotOptions};
use ikvm_mcp::provider::Provider;
use ikvm_mcp::provider::demo::Demo;
use ikvm_mcp::provider::hosts::{Host, Hosts};
use serde_json::{Value, json};

use crate::support::servers::{Listing, Scripted, ops_of, settings, two_servers};

fn watch() -> Watch {
    Watch::new("testing", Duration::from_secs(60))
}

/// Servers of one's own with these ids, whose consoles fail with a sentence that names the id.
fn hosts(ids: &[&str]) -> Box<dyn Provider> {
    let host = |id: &&str| Host {
        server: Server { id: (*id).to_owned(), provider: "hosts", ..two_servers().remove(1) },
        access: Err(Error::new(Kind::Denied, format!("this is {id} of the hosts"))),
    };
    Box::new(Hosts::new(ids.iter().map(host).collect()))
}

/// The operations on the servers of these and of one whose settings are wrong.
fn beside_a_broken_one(providers: Vec<Box<dyn Provider>>) -> Ops {
    let error = Error::new(Kind::Usage, "half a key").hint("add the other half");
    Ops::with_unusable(providers, vec![("ovh", error)], settings())
}

fn ids(servers: &Servers) -> Vec<&str> {
    servers.servers.iter().map(|server| server.id.as_str()).collect()
}

fn refusal(ops: &Ops, server: &str) -> String {
    ops.screenshot(server, &ScreenshotOptions::default(), &watch()).unwrap_err().to_string()
}

#[test]
fn servers_of_all_providers_are_one_list_and_each_is_reached() {
    let ops = ops_of(vec![hosts(&["rack7"]), Box::new(Demo)]);
    let listing = ops.list_servers(&watch()).unwrap();
    assert!(listing.failed.is_empty());
    assert_eq!(ids(&listing)[..3], ["rack7", "demo-boot", "demo-grub"]);
    assert_eq!(refusal(&ops, "rack7"), "screenshot of rack7: this is rack7 of the hosts");
    let shot = ops.screenshot("demo-grub", &ScreenshotOptions::default(), &watch()).unwrap();
    assert!(shot.png.is_some());
    assert!(refusal(&ops, "nope").contains("no such server; call list_servers (6 known: rack7, demo-boot"));
}

#[test]
fn ids_that_clash_get_their_provider_as_prefix_and_are_reached_by_it() {
    let ops = ops_of(vec![hosts(&["demo-grub", "rack7"]), Box::new(Demo)]);
    let listing = ops.list_servers(&watch()).unwrap();
    assert_eq!(ids(&listing)[..4], ["hosts/demo-grub", "rack7", "demo-boot", "demo/demo-grub"]);
    assert!(refusal(&ops, "hosts/demo-grub").contains("this is demo-grub of the hosts"));
    let shot = ops.screenshot("demo/demo-grub", &ScreenshotOptions::default(), &watch()).unwrap();
    assert!(shot.png.is_some());
    // Without a prefix the first provider that knows the id answers.
    assert!(refusal(&ops, "demo-grub").contains("of the hosts"));
    assert!(refusal(&ops, "demo/rack7").contains("no such server"));
}

#[test]
fn a_provider_that_fails_hides_no_other_and_is_told_of() {
    let ops = beside_a_broken_one(vec![Box::new(Demo)]);
    let listing = ops.list_servers(&watch()).unwrap();
    assert_eq!((listing.servers.len(), listing.failed[0].0), (5, "ovh"));
    assert!(ops.screenshot("demo-grub", &ScreenshotOptions::default(), &watch()).unwrap().png.is_some());
    // It may be one of those that could not be listed.
    assert_eq!(refusal(&ops, "nope"), "screenshot of nope: half a key; add the other half");

    let alone = beside_a_broken_one(Vec::new());
    assert_eq!(alone.unusable()[0].to_string(), "half a key; add the other half");
    let error = alone.list_servers(&watch()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(error.to_string(), "list of servers: half a key; add the other half");
    assert!(ops_of(Vec::new()).list_servers(&watch()).unwrap_err().to_string().contains("no provider is configured"));
}

#[test]
fn a_model_sees_the_servers_that_there_are_and_who_failed() {
    let failing = Listing::Fails(Error::new(Kind::Peer, "connection refused").hint("check the network"));
    let mcp = Mcp::new(ops_of(vec![hosts(&["rack7"]), Box::new(Scripted(failing))]));
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "list_servers" } });
    let Received::Work(work) = mcp.receive(call.to_string().as_bytes(), None) else { panic!("no work") };
    let result = work.begin(()).finish().unwrap()["result"].clone();
    assert!(result.get("isError").is_none());
    let array: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(array[0]["id"], "rack7");
    assert_eq!(result["structuredContent"]["servers"], array);
    let sentence = "connection refused; check the network";
    assert_eq!(result["structuredContent"]["failed"], json!([{ "provider": "scripted", "error": sentence }]));
    assert_eq!(result["content"][1]["text"], format!("The servers of scripted are missing: {sentence}"));
}
