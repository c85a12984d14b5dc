//! How a console is reached at OVH, against a fake of its API: which access is used, and what is in its way.

use std::net::Ipv4Addr;
use std::time::Duration;

use ikvm_mcp::base::{Access, Error, Kind, Route, Secret, Watch, clock};
use ikvm_mcp::net::Trust;
use ikvm_mcp::provider::ovh::{Credentials, Ovh};
use ikvm_mcp::provider::{Provider, Wanted};
use serde_json::json;

use crate::support::ovh::{ACCESS_TOKEN, FakeOvh, Fault, features, keys};

const FEATURES: &str = "GET /dedicated/server/ns1.example/features/ipmi";
const ACCESS: &str = "GET /dedicated/server/ns1.example/features/ipmi/access";
const REQUEST: &str = "POST /dedicated/server/ns1.example/features/ipmi/access";
const ADDRESS: &str = "POST /me/geolocation";
const OLD: &str = "https://old.ipmi.ovh.example/viewer?token=old";

fn watch() -> Watch {
    Watch::new("testing OVH", Duration::from_secs(20))
}

fn start() -> (FakeOvh, Ovh) {
    let fake = FakeOvh::start();
    let ovh = Ovh::new(fake.settings(keys()), Trust::system());
    (fake, ovh)
}

fn access(ovh: &Ovh, wanted: Wanted) -> Result<Access, Error> {
    ovh.access("ns1.example", wanted, &watch())
}

fn viewer(access: &Access) -> &str {
    match &access.route {
        Route::Viewer(url) => url.reveal(),
        other => panic!("{other:?}"),
    }
}

fn assert_says<T>(result: Result<T, Error>, kind: Kind, parts: &[&str]) {
    let Err(error) = result else { panic!("it did not fail") };
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(!text.contains("token="), "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

#[test]
fn a_new_access_is_made_where_there_is_none() {
    let (fake, ovh) = start();
    fake.state().viewer = "http://127.0.0.1:9/viewer".to_owned();
    let access = access(&ovh, Wanted::Any).unwrap();
    assert_eq!(viewer(&access), "http://127.0.0.1:9/viewer?token=number-1");
    assert_eq!(access.notes, [""; 0]);
    let left = access.expires.unwrap() - clock::now();
    assert!(left > Duration::from_secs(880) && left <= Duration::from_secs(901), "{left:?}");
    assert_eq!(fake.state().requests, [json!({"type": "kvmipHtml5URL", "ttl": 15, "ipToAllow": "203.0.113.7"})]);
    let features = fake.state().calls.iter().position(|call| call == FEATURES).unwrap();
    let request = fake.state().calls.iter().position(|call| call == REQUEST).unwrap();
    assert!(features < request);
}

#[test]
fn an_access_that_has_not_expired_is_used_again() {
    let (fake, ovh) = start();
    fake.state().skew = 7_200;
    fake.state().set_access(OLD, 600);
    let access = access(&ovh, Wanted::Any).unwrap();
    assert_eq!(viewer(&access), OLD);
    let left = access.expires.unwrap() - clock::now();
    assert!(left > Duration::from_secs(580) && left <= Duration::from_secs(601), "{left:?}");
    assert_eq!((fake.count(REQUEST), fake.count(ADDRESS)), (0, 0));
}

#[test]
fn an_access_that_expired_or_soon_will_is_replaced() {
    for seconds in [-600, -1, 10] {
        let (fake, ovh) = start();
        fake.state().set_access(OLD, seconds);
        assert!(viewer(&access(&ovh, Wanted::Any).unwrap()).ends_with("?token=number-1"));
    }
}

#[test]
fn a_new_access_is_never_the_one_that_was_turned_away_however_late_it_comes() {
    let (fake, ovh) = start();
    fake.state().set_access(OLD, 600);
    fake.state().lag = 2;
    assert!(viewer(&access(&ovh, Wanted::New).unwrap()).ends_with("?token=number-1"));
    assert_eq!((fake.count(REQUEST), fake.count(ACCESS)), (1, 4));
    assert!(viewer(&access(&ovh, Wanted::New).unwrap()).ends_with("?token=number-2"));
}

#[test]
fn a_value_that_lags_behind_its_task_is_waited_for() {
    let (fake, ovh) = start();
    fake.state().lag = 2;
    assert!(viewer(&access(&ovh, Wanted::Any).unwrap()).ends_with("?token=number-1"));
    assert_eq!(fake.count(ACCESS), 4);
    fake.state().lag = 1_000;
    let result = ovh.access("ns1.example", Wanted::New, &Watch::new("testing OVH", Duration::from_secs(2)));
    assert_says(result, Kind::Timeout("waiting for the address of OVH's access"), &["no answer within"]);
}

#[test]
fn the_old_access_counts_where_ovh_gives_it_again() {
    let (fake, ovh) = start();
    fake.state().set_access(OLD, 600);
    fake.state().lag = 1_000;
    assert_eq!(viewer(&access(&ovh, Wanted::New).unwrap()), OLD);
    assert_eq!(fake.count(REQUEST), 1);
}

#[test]
fn a_wrong_clock_of_ours_does_not_make_a_new_access_look_expired() {
    let fake = FakeOvh::start();
    // A token needs no clock, so OVH's is never asked.
    fake.state().skew = -86_400;
    let settings = fake.settings(Credentials::Token(Secret::new(ACCESS_TOKEN)));
    let access = access(&Ovh::new(settings, Trust::system()), Wanted::Any).unwrap();
    assert!(access.expires.unwrap() > clock::now() + Duration::from_secs(800));
}

#[test]
fn a_server_without_an_html5_console_is_told_what_it_has() {
    let (fake, ovh) = start();
    for (supported, has) in [
        (
            &["kvmipJnlp", "serialOverLanSshKey"][..],
            "only a Java console (kvmipJnlp) and serial over LAN by SSH (serialOverLanSshKey)",
        ),
        (&["serialOverLanURL"], "only serial over LAN in a browser (serialOverLanURL)"),
        (&[], "no other console either"),
    ] {
        fake.state().servers.get_mut("ns1.example").unwrap().features = Some(features(supported));
        assert_says(
            access(&ovh, Wanted::Any),
            Kind::Unsupported,
            &["OVH offers no HTML5 console for this server", has],
        );
    }
    fake.state().servers.get_mut("ns1.example").unwrap().features = None;
    assert_says(access(&ovh, Wanted::New), Kind::Unsupported, &["OVH offers no IPMI"]);
    assert_says(ovh.access("ns9.example", Wanted::Any, &watch()), Kind::NotFound, &["no such server"]);
    let mut inactive = features(&["kvmipHtml5URL"]);
    inactive["activated"] = false.into();
    fake.state().servers.get_mut("ns1.example").unwrap().features = Some(inactive);
    assert_says(access(&ovh, Wanted::Any), Kind::Unsupported, &["IPMI is not activated", "activate it"]);
    assert_eq!((fake.count(REQUEST), fake.count(ACCESS)), (0, 0));
}

#[test]
fn the_address_of_the_settings_wins_and_ovh_is_not_asked() {
    let fake = FakeOvh::start();
    let mut settings = fake.settings(keys());
    settings.public_ip = Some(Ipv4Addr::new(198, 51, 100, 9));
    access(&Ovh::new(settings, Trust::system()), Wanted::Any).unwrap();
    assert_eq!(fake.state().requests[0]["ipToAllow"], "198.51.100.9");
    assert_eq!(fake.count(ADDRESS), 0);
}

#[test]
fn our_address_is_asked_once_and_again_when_an_access_was_turned_away() {
    let (fake, ovh) = start();
    access(&ovh, Wanted::Any).unwrap();
    fake.state().set_access(OLD, -5);
    access(&ovh, Wanted::Any).unwrap();
    assert_eq!(fake.count(ADDRESS), 1);
    fake.state().address = Some("203.0.113.8");
    access(&ovh, Wanted::New).unwrap();
    assert_eq!(fake.count(ADDRESS), 2);
    let told: Vec<_> = fake.state().requests.iter().map(|request| request["ipToAllow"].clone()).collect();
    assert_eq!(told, ["203.0.113.7", "203.0.113.7", "203.0.113.8"]);
}

#[test]
fn without_our_address_the_access_is_asked_for_all_the_same_and_a_note_says_so() {
    let (fake, ovh) = start();
    fake.state().address = None;
    for wanted in [Wanted::Any, Wanted::New] {
        let note = access(&ovh, wanted).unwrap().notes.join(" ");
        let start = "OVH was not told which address will connect: the credentials lack the right POST /me/geolocation; set IKVM_PUBLIC_IP";
        assert!(note.starts_with(start), "{note}");
        fake.state().set_access(OLD, -5);
    }
    assert_eq!(fake.count(ADDRESS), 1);
    for (address, fault, why) in [
        (Some("2001:db8::1"), None, "it sees no IPv4 address of ours; set IKVM_PUBLIC_IP"),
        (None, Some(Fault::Refuse(500, "", "Oops")), "OVH answered 500: \"Oops\""),
    ] {
        let (fake, ovh) = self::start();
        fake.state().address = address;
        if let Some(fault) = fault {
            fake.fail(ADDRESS, 1, fault);
        }
        let access = access(&ovh, Wanted::Any).unwrap();
        assert!(access.notes[0].contains(why), "{:?}", access.notes);
        assert_eq!(fake.state().requests, [json!({"type": "kvmipHtml5URL", "ttl": 15})]);
    }
}

#[test]
fn each_state_of_the_task_is_a_stage() {
    let (fake, ovh) = start();
    let watch = watch();
    fake.state().watch = Some(watch.clone());
    fake.state().task = vec!["todo", "doing", "done"];
    ovh.access("ns1.example", Wanted::Any, &watch).unwrap();
    let at = |state: &str| format!("waiting for OVH's access task ({state})");
    assert_eq!(fake.state().stages, [at("init"), at("todo"), at("doing")]);
}

#[test]
fn a_task_that_fails_is_told_with_its_comment() {
    for (state, advice) in
        [("cancelled", "try again"), ("customerError", "control panel"), ("ovhError", "the BMC may hang")]
    {
        let (fake, ovh) = start();
        fake.state().task = vec![state];
        fake.state().task_comment = "BMC unreachable";
        let what = format!("OVH ended the access task with {state}: \"BMC unreachable\"; ");
        assert_says(access(&ovh, Wanted::Any), Kind::Peer, &[&what, advice]);
    }
}

#[test]
fn a_task_without_end_is_a_timeout_that_says_where_it_hangs() {
    let (fake, ovh) = start();
    fake.state().task = vec!["doing"];
    let result = ovh.access("ns1.example", Wanted::Any, &Watch::new("testing OVH", Duration::from_secs(2)));
    let stage = "waiting for OVH's access task (doing)";
    assert_says(
        result,
        Kind::Timeout(stage),
        &["no access from OVH within ", "s (waiting for OVH's access task (doing)); try again"],
    );
}

#[test]
fn cancelling_ends_the_wait_for_the_task() {
    let (fake, ovh) = start();
    fake.state().task = vec!["doing"];
    let watch = watch();
    let result = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| ovh.access("ns1.example", Wanted::Any, &watch));
        while fake.count(REQUEST) == 0 {
            std::thread::yield_now();
        }
        watch.cancel();
        waiting.join().unwrap()
    });
    assert_says(result, Kind::Cancelled, &["cancelled"]);
    assert!(watch.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_refused_request_is_not_made_twice_and_one_turned_away_unheard_is() {
    for (fault, kind, advice) in [
        (
            Fault::Refuse(403, "NOT_GRANTED_CALL", "No"),
            Kind::Denied,
            "lacks the right POST /dedicated/server/*/features/ipmi/access: run",
        ),
        (Fault::Refuse(409, "", "Action pending"), Kind::Busy, "try again in a minute"),
        (Fault::Refuse(460, "", "Expired"), Kind::Denied, "renew it"),
        (Fault::Refuse(503, "", "Busy"), Kind::Peer, "try again in a minute"),
        (Fault::Drop, Kind::Peer, "POST "),
        (Fault::Body(200, "{}"), Kind::Peer, "OVH's answer is no task"),
    ] {
        let (fake, ovh) = start();
        fake.fail(REQUEST, 1, fault);
        assert_says(access(&ovh, Wanted::Any), kind, &[advice]);
        assert_eq!(fake.count(REQUEST), 1);
    }
    let (fake, ovh) = start();
    fake.fail(REQUEST, 1, Fault::RetryAfter(429, 0));
    access(&ovh, Wanted::Any).unwrap();
    assert_eq!(fake.count(REQUEST), 2);
}

#[test]
fn a_task_that_ovh_forgot_is_no_word_about_the_server() {
    let (fake, ovh) = start();
    fake.fail("GET /dedicated/server/ns1.example/task/701", 1, Fault::Refuse(404, "", "This task does not exist"));
    assert_says(access(&ovh, Wanted::Any), Kind::Peer, &["no longer knows its access task; try again"]);
}

#[test]
fn an_address_that_no_viewer_has_is_refused_without_being_repeated() {
    for value in ["javascript:token=1", "http://bmc.example/?token=1", "ftp://bmc.example/?token=1"] {
        let (fake, ovh) = start();
        fake.state().set_access(value, 600);
        assert_says(access(&ovh, Wanted::Any), Kind::Peer, &["OVH's access is no"]);
    }
}
