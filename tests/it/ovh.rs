//! The OVH provider against a fake of OVH's API: who we are to it, what servers there are, how a console is reached.

use std::time::Duration;

use ikvm_mcp::base::{Error, Kind, Power, Secret, Watch};
use ikvm_mcp::config::Config;
use ikvm_mcp::net::Trust;
use ikvm_mcp::provider::ovh::{Credentials, Endpoint, Ovh, RIGHTS, request_consumer_key};
use ikvm_mcp::provider::{Provider, Wanted};
use serde_json::json;

use crate::support::ovh::{
    ACCESS_TOKEN, APPLICATION_KEY, APPLICATION_SECRET, CLIENT_ID, CLIENT_SECRET, CONSUMER_KEY, FakeOvh, Fault, keys,
};
use crate::support::{LIMITS, secrets, web};

const LIST: &str = "GET /dedicated/server";
const NS1: &str = "GET /dedicated/server/ns1.example";

fn watch() -> Watch {
    Watch::new("testing OVH", Duration::from_secs(20))
}

fn ovh(fake: &FakeOvh, credentials: Credentials) -> Ovh {
    Ovh::new(fake.settings(credentials), Trust::system())
}

fn client(secret: &str) -> Credentials {
    Credentials::Client { id: Secret::new(CLIENT_ID), secret: Secret::new(secret) }
}

/// The sentence of a failure, which tells no secret.
fn sentence<T>(result: Result<T, Error>) -> (Kind, String) {
    let Err(error) = result else { panic!("it did not fail") };
    let text = error.to_string();
    secrets::assert_none(&text);
    (error.kind(), text)
}

fn assert_says<T>(result: Result<T, Error>, kind: Kind, parts: &[&str]) {
    let (got, text) = sentence(result);
    assert_eq!(got, kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn signed_calls_list_the_servers_in_order_whatever_our_clock_says() {
    for skew in [0, 86_400, -86_400] {
        let fake = FakeOvh::start();
        fake.state().skew = skew;
        fake.state().add("ns0.example").details["powerState"] = "poweroff".into();
        let servers = ovh(&fake, keys()).servers(&watch()).unwrap();
        let names: Vec<&str> = servers.iter().map(|server| server.id.as_str()).collect();
        assert_eq!(names, ["ns0.example", "ns1.example"]);
        let ns1 = &servers[1];
        assert_eq!(
            (ns1.provider, ns1.datacenter.as_deref(), ns1.ip.as_deref()),
            ("ovh", Some("sbg3"), Some("192.0.2.1"))
        );
        assert_eq!((ns1.state.as_deref(), ns1.os.as_deref()), (Some("ok"), Some("debian12_64")));
        assert_eq!((servers[0].power, ns1.power), (Some(Power::Off), Some(Power::On)));
        assert_eq!(fake.count("GET /auth/time"), 1);
    }
}

#[test]
fn calls_go_over_tls_too() {
    let fake = FakeOvh::start_tls();
    let trust = Trust::with_extra(&std::fs::read(web::ca_file()).unwrap()).unwrap();
    let ovh = Ovh::new(fake.settings(keys()), trust);
    assert_eq!(ovh.servers(&watch()).unwrap().len(), 1);
}

#[test]
fn the_environment_leads_to_the_servers() {
    let fake = FakeOvh::start();
    let variables = fake.environment();
    let environment = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone());
    let config = Config::read(&environment, &|_| Err(std::io::ErrorKind::NotFound.into()), None).unwrap();
    let ovh = Ovh::new(config.ovh.unwrap().unwrap(), Trust::system());
    assert_eq!(ovh.servers(&watch()).unwrap().len(), 1);
}

#[test]
fn the_clock_is_asked_again_when_ovh_says_that_it_is_off() {
    let fake = FakeOvh::start();
    let ovh = ovh(&fake, keys());
    ovh.servers(&watch()).unwrap();
    fake.state().skew = 600;
    ovh.access("ns1.example", Wanted::Any, &watch()).unwrap();
    assert_eq!(fake.count("GET /auth/time"), 2);
}

#[test]
fn a_clock_that_stays_off_is_a_sentence_after_one_new_try() {
    let fake = FakeOvh::start();
    fake.fail(LIST, 9, Fault::Refuse(400, "", "Query out of time"));
    let result = ovh(&fake, keys()).servers(&watch());
    assert_says(
        result,
        Kind::Denied,
        &["OVH answered 400: \"Query out of time\" (query FAKE.ext-1.0123); set this machine's clock"],
    );
    assert_eq!((fake.count(LIST), fake.count("GET /auth/time")), (2, 2));
}

#[test]
fn a_wrong_key_secret_or_consumer_key_is_told_apart() {
    let fake = FakeOvh::start();
    let with = |application_key: &str, application_secret: &str, consumer_key: &str| {
        let [application_key, application_secret, consumer_key] =
            [application_key, application_secret, consumer_key].map(Secret::new);
        let credentials = Credentials::Keys { application_key, application_secret, consumer_key };
        ovh(&fake, credentials).servers(&watch())
    };
    assert_says(
        with("other", APPLICATION_SECRET, CONSUMER_KEY),
        Kind::Denied,
        &["INVALID_KEY", "check OVH_APPLICATION_KEY"],
    );
    assert_says(
        with(APPLICATION_KEY, "other", CONSUMER_KEY),
        Kind::Denied,
        &["Invalid signature", "check OVH_APPLICATION_SECRET"],
    );
    assert_says(
        with(APPLICATION_KEY, APPLICATION_SECRET, "other"),
        Kind::Denied,
        &["NOT_CREDENTIAL", "ikvm-mcp login"],
    );
}

#[test]
fn a_wrong_path_of_the_endpoint_is_no_missing_server() {
    let fake = FakeOvh::start();
    let mut settings = fake.settings(Credentials::Token(Secret::new(ACCESS_TOKEN)));
    settings.endpoint = Endpoint::parse(&fake.endpoint().replace("/1.0", "/2.0")).unwrap();
    let ovh = Ovh::new(settings, Trust::system());
    assert_says(ovh.servers(&watch()), Kind::Peer, &["Got an invalid (or empty) URL", "check that OVH_ENDPOINT"]);
    assert_says(ovh.power("ns1.example", &watch()), Kind::Peer, &["check that OVH_ENDPOINT"]);
    assert_says(ovh.access("ns1.example", Wanted::Any, &watch()), Kind::Peer, &["check that OVH_ENDPOINT"]);
}

#[test]
fn an_oauth2_token_is_made_once_and_again_when_it_no_longer_counts() {
    let fake = FakeOvh::start();
    fake.state().add("ns2.example");
    let ovh = ovh(&fake, client(CLIENT_SECRET));
    assert_eq!(ovh.servers(&watch()).unwrap().len(), 2);
    assert_eq!(fake.count("POST /auth/oauth2/token"), 1);
    fake.state().tokens.clear();
    assert_eq!(ovh.access("ns1.example", Wanted::Any, &watch()).unwrap().notes, [""; 0]);
    assert_eq!(fake.count("POST /auth/oauth2/token"), 2);
    assert_eq!(fake.count("GET /auth/time"), 0);
}

#[test]
fn an_oauth2_token_is_replaced_shortly_before_it_expires() {
    let fake = FakeOvh::start();
    fake.state().token_life = 0;
    let ovh = ovh(&fake, client(CLIENT_SECRET));
    ovh.servers(&watch()).unwrap();
    assert_eq!(fake.count("POST /auth/oauth2/token"), 2);
}

#[test]
fn a_wrong_oauth2_client_or_token_is_a_sentence() {
    let fake = FakeOvh::start();
    let result = ovh(&fake, client("wrong-secret-of-ann")).servers(&watch());
    assert_says(
        result,
        Kind::Denied,
        &["401 invalid_client: \"The client is unknown\"", "check OVH_CLIENT_ID and OVH_CLIENT_SECRET"],
    );
    let token = |token: &str| ovh(&fake, Credentials::Token(Secret::new(token))).servers(&watch());
    assert_eq!(token(ACCESS_TOKEN).unwrap().len(), 1);
    assert_says(token("stale"), Kind::Denied, &["OVH answered 401: \"invalid_token\"", "OVH_ACCESS_TOKEN has expired"]);
}

#[test]
fn details_are_asked_four_at_a_time_at_most() {
    let fake = FakeOvh::start();
    for index in 0..12 {
        fake.state().add(&format!("ns{index}.example"));
    }
    fake.state().pace = Duration::from_millis(30);
    assert_eq!(ovh(&fake, keys()).servers(&watch()).unwrap().len(), 12);
    let most = fake.state().most_in_flight;
    assert!((2..=4).contains(&most), "{most}");
}

#[test]
fn the_list_is_asked_once_for_all_who_want_it() {
    let fake = FakeOvh::start();
    fake.state().pace = Duration::from_millis(20);
    let ovh = ovh(&fake, keys());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| ovh.servers(&watch()).unwrap())).collect();
        let lists: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        assert!(lists.iter().all(|list| *list == lists[0]));
    });
    assert_eq!(fake.state().calls, ["GET /auth/time", LIST, NS1]);
}

#[test]
fn one_servers_missing_details_do_not_lose_the_list() {
    let fake = FakeOvh::start();
    fake.state().add("ns2.example");
    fake.state().add("ns3.example");
    fake.fail(NS1, 1, Fault::Refuse(460, "", "This service is expired"));
    fake.fail("GET /dedicated/server/ns2.example", 1, Fault::Body(200, "<html>"));
    let servers = ovh(&fake, keys()).servers(&watch()).unwrap();
    let facts: Vec<_> =
        servers.iter().map(|server| (server.id.as_str(), server.state.as_deref(), server.ip.is_some())).collect();
    assert_eq!(
        facts,
        [("ns1.example", Some("expired"), false), ("ns2.example", None, false), ("ns3.example", Some("ok"), true)]
    );
}

#[test]
fn a_name_that_would_leave_its_path_is_not_followed() {
    let fake = FakeOvh::start();
    fake.fail(LIST, 1, Fault::Body(200, r#"["ns1.example", "../../me", "", 7, "ns1.example"]"#));
    let ovh = ovh(&fake, keys());
    assert_eq!(ovh.servers(&watch()).unwrap().len(), 1);
    assert_eq!(fake.state().calls, ["GET /auth/time", LIST, NS1]);
    for id in ["../../me", "ns1.example/task/7", "ns1?x", ""] {
        assert_says(ovh.power(id, &watch()), Kind::NotFound, &["no such server; call list_servers"]);
        assert_says(ovh.access(id, Wanted::Any, &watch()), Kind::NotFound, &["no such server"]);
    }
    assert_eq!(fake.state().calls.len(), 3);
}

#[test]
fn the_power_state_is_kept_for_a_moment() {
    let fake = FakeOvh::start();
    let ovh = ovh(&fake, keys());
    fake.state().servers.get_mut("ns1.example").unwrap().details["powerState"] = "poweroff".into();
    assert_eq!(ovh.power("ns1.example", &watch()).unwrap(), Some(Power::Off));
    assert_eq!(ovh.power("ns1.example", &watch()).unwrap(), Some(Power::Off));
    assert_eq!(fake.count(NS1), 1);
    assert_says(ovh.power("ns9.example", &watch()), Kind::NotFound, &["no such server"]);
}

#[test]
fn that_the_power_state_cannot_be_told_is_kept_too() {
    let fake = FakeOvh::start();
    let ovh = ovh(&fake, keys());
    ovh.access("ns1.example", Wanted::Any, &watch()).unwrap();
    let before = fake.count(NS1);
    fake.fail(NS1, 99, Fault::Refuse(403, "FORBIDDEN", "This call has not been granted"));
    for _ in 0..3 {
        assert_says(ovh.power("ns1.example", &watch()), Kind::Denied, &["the key lacks the right"]);
    }
    assert_eq!(fake.count(NS1), before + 1);
}

#[test]
fn trouble_of_ovhs_own_is_waited_out() {
    let fake = FakeOvh::start();
    let faults = [
        Fault::Refuse(500, "", "Oops"),
        Fault::Body(502, "<html>"),
        Fault::Refuse(503, "", "Busy"),
        Fault::Body(504, ""),
        Fault::Drop,
        Fault::Half,
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        let name = format!("ns{index}.example");
        fake.state().add(&name);
        fake.fail(&format!("GET /dedicated/server/{name}"), 1, fault);
    }
    let servers = ovh(&fake, keys()).servers(&watch()).unwrap();
    assert_eq!(servers.iter().filter(|server| server.ip.is_some()).count(), 6);
}

#[test]
fn retry_after_is_honored_and_a_long_one_is_told_instead() {
    let fake = FakeOvh::start();
    let ovh = ovh(&fake, keys());
    fake.fail(LIST, 1, Fault::RetryAfter(429, 1));
    let whole = watch();
    ovh.servers(&whole).unwrap();
    assert!(whole.elapsed() >= Duration::from_secs(1));
    fake.fail("GET /dedicated/server/ns2.example", 1, Fault::RetryAfter(503, 300));
    fake.state().add("ns2.example");
    assert_says(
        ovh.power("ns2.example", &watch()),
        Kind::Busy,
        &["OVH answered 503", "OVH asks to wait 300 s: try again then"],
    );
}

#[test]
fn what_is_no_answer_is_a_sentence() {
    for (fault, what) in [
        (Fault::Body(200, "<!doctype html>"), "OVH answered 200 with HTML instead of JSON"),
        (Fault::Body(200, ""), "OVH answered 200 with nothing instead of JSON"),
        (Fault::Body(200, "{\"ns1"), "OVH answered 200 with half a body instead of JSON"),
        (Fault::Body(200, "{}"), "OVH's list of servers is no list"),
        (Fault::Body(302, ""), "OVH answered 302"),
        (Fault::Huge, "4 MiB, the limit"),
        (Fault::Half, "closed in the middle of an answer"),
        (
            Fault::Refuse(500, "", "Oops"),
            "OVH answered 500: \"Oops\" (query FAKE.ext-1.0123); this is OVH's own trouble",
        ),
    ] {
        let fake = FakeOvh::start();
        fake.fail(LIST, 99, fault);
        // The wait need not last for every try: what OVH said says more than that it was too short.
        let tried = |&limit| sentence(ovh(&fake, keys()).servers(&Watch::new("testing OVH", limit)));
        let (kind, text) = LIMITS.iter().map(tried).find(|(kind, _)| !matches!(kind, Kind::Timeout(_))).expect(what);
        assert!(kind == Kind::Peer && text.contains(what), "{text:?} lacks {what:?}");
    }
}

#[test]
fn a_login_asks_for_exactly_the_rights_that_are_needed() {
    let fake = FakeOvh::start();
    let endpoint = Endpoint::parse(&fake.endpoint()).unwrap();
    let login = |key: &str| request_consumer_key(&endpoint, &Secret::new(key), Trust::system(), &watch());
    let key = login(APPLICATION_KEY).unwrap();
    assert_eq!(key.key.reveal(), CONSUMER_KEY);
    assert_eq!(key.validation_url.reveal(), "https://www.ovh.example/auth/?credentialToken=abc");
    let rules: Vec<_> =
        RIGHTS.iter().map(|(method, path)| json!({"method": method.to_string(), "path": path})).collect();
    assert_eq!(fake.state().requests, [json!({"accessRules": rules})]);
    assert_eq!(fake.state().calls, ["POST /auth/credential"]);
    assert_says(login("other"), Kind::Denied, &["INVALID_KEY", "check OVH_APPLICATION_KEY"]);
    fake.fail("POST /auth/credential", 1, Fault::Body(200, r#"{"state": "?", "validationUrl": "javascript:"}"#));
    assert_says(login(APPLICATION_KEY), Kind::Peer, &["no consumerKey and validationUrl, but: state, validationUrl"]);
}
