//! Tests of the settings: what the environment and ovh.conf say, without either.

use std::collections::HashMap;

use super::ovh::Application;
use super::*;
use crate::provider::ovh::Credentials;

const KEYS: [(&str, &str); 3] =
    [("OVH_APPLICATION_KEY", "ak"), ("OVH_APPLICATION_SECRET", "hush"), ("OVH_CONSUMER_KEY", "ck")];

fn table(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn read(environment: &[(&str, &str)], files: &[(&str, &str)]) -> Result<Config, Error> {
    let (environment, files) = (table(environment), table(files));
    Config::read(&|name| environment.get(name).cloned(), &|path| file(&files, path), None)
}

fn file(files: &HashMap<String, String>, path: &Path) -> io::Result<File> {
    match files.get(path.to_str().unwrap()) {
        Some(text) if text == "locked" => Err(io::ErrorKind::PermissionDenied.into()),
        Some(text) => Ok(File { text: text.clone(), is_public: text.starts_with("public") }),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

fn keys(settings: &Settings) -> [&str; 3] {
    match &settings.credentials {
        Credentials::Keys { application_key, application_secret, consumer_key } => {
            [application_key, application_secret, consumer_key].map(|secret| secret.reveal())
        }
        other => panic!("{other:?}"),
    }
}

fn refusal(environment: &[(&str, &str)], files: &[(&str, &str)]) -> String {
    let error = read(environment, files).and_then(|config| config.ovh).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    error.to_string()
}

#[test]
fn an_empty_environment_has_the_defaults_and_no_credentials() {
    let config = read(&[("PORT", ""), ("OVH_CONSUMER_KEY", " ")], &[]).unwrap();
    assert_eq!((config.max_edge, config.max_consoles), (2000, 32));
    assert_eq!(config.idle, Duration::from_secs(120));
    assert!(config.ovh.unwrap().is_none());
    assert!(config.notes.is_empty());
}

#[test]
fn every_number_is_taken_within_its_range_and_refused_beyond_it() {
    for (name, least, most) in
        [("IKVM_MAX_EDGE", 256, 8000), ("IKVM_IDLE_SECONDS", 0, 86_400), ("IKVM_MAX_CONSOLES", 1, 256)]
    {
        for value in [least, most] {
            let config = read(&[(name, &format!(" {value} "))], &[]).unwrap();
            let got = match name {
                "IKVM_MAX_EDGE" => config.max_edge,
                "IKVM_IDLE_SECONDS" => config.idle.as_secs() as usize,
                _ => config.max_consoles,
            };
            assert_eq!(got, value as usize, "{name}");
        }
        let beyond = [(least as i64 - 1).to_string(), (most + 1).to_string()];
        for value in [beyond[0].as_str(), beyond[1].as_str(), "hush", "1.5"] {
            let sentence = read(&[(name, value)], &[]).unwrap_err().to_string();
            assert_eq!(sentence, format!("{name}: not a number from {least} to {most}"));
        }
    }
}

#[test]
fn the_public_address_is_one_ipv4_address() {
    let with = |ip: &str| read(&[&KEYS[..], &[("IKVM_PUBLIC_IP", ip)]].concat(), &[]);
    let settings = with("203.0.113.7").unwrap().ovh.unwrap().unwrap();
    assert_eq!(settings.public_ip, Some(Ipv4Addr::new(203, 0, 113, 7)));
    for ip in ["2001:db8::1", "0.0.0.0", "203.0.113.0/24", "home.example"] {
        let sentence = with(ip).unwrap_err().to_string();
        assert!(sentence.starts_with("IKVM_PUBLIC_IP: not an IPv4 address; give"), "{sentence}");
    }
}

#[test]
fn the_environment_alone_signs_in_each_way_at_the_european_endpoint() {
    let settings = read(&KEYS, &[]).unwrap().ovh.unwrap().unwrap();
    assert_eq!((settings.endpoint.name(), keys(&settings)), ("ovh-eu", ["ak", "hush", "ck"]));
    let client = [("OVH_ENDPOINT", "us"), ("OVH_CLIENT_ID", "id"), ("OVH_CLIENT_SECRET", "hush")];
    let settings = read(&client, &[]).unwrap().ovh.unwrap().unwrap();
    assert_eq!(settings.endpoint.name(), "ovh-us");
    assert!(
        matches!(settings.credentials, Credentials::Client { id, secret } if (id.reveal(), secret.reveal()) == ("id", "hush"))
    );
    let settings = read(&[("OVH_ACCESS_TOKEN", "hush")], &[]).unwrap().ovh.unwrap().unwrap();
    assert!(matches!(settings.credentials, Credentials::Token(token) if token.reveal() == "hush"));
}

#[test]
fn the_nearest_file_wins_and_the_environment_wins_over_all() {
    let near = "[default]\nendpoint=ca\n[ovh-ca]\nconsumer_key=near\n[ovh-eu]\nconsumer_key=wrong region\n";
    let home = "[default]\nendpoint=ovh-eu\n[ovh-ca]\nconsumer_key=home\napplication_secret=home\n";
    let etc = "[ovh-ca]\napplication_key=etc\napplication_secret=etc\n";
    let files = [("ovh.conf", near), ("/home/ann/.ovh.conf", home), ("/etc/ovh.conf", etc)];
    let settings = read(&[("HOME", "/home/ann")], &files).unwrap().ovh.unwrap().unwrap();
    assert_eq!((settings.endpoint.name(), keys(&settings)), ("ovh-ca", ["etc", "home", "near"]));
    let settings = read(&[("HOME", "/home/ann"), ("OVH_APPLICATION_SECRET", "env")], &files).unwrap();
    assert_eq!(keys(&settings.ovh.unwrap().unwrap()), ["etc", "env", "near"]);
}

#[test]
fn the_first_place_with_credentials_decides_the_way_to_sign_in() {
    let client = "[ovh-eu]\nclient_id=id\nclient_secret=s\n";
    let settings = read(&KEYS, &[("ovh.conf", client)]).unwrap().ovh.unwrap().unwrap();
    assert_eq!(keys(&settings), ["ak", "hush", "ck"]);
    let token = [("OVH_ACCESS_TOKEN", "hush")];
    let both = [&KEYS[..], &token].concat();
    assert_eq!(
        refusal(&both, &[]),
        "the environment holds an application key and an access token for OVH; keep one of them"
    );
    let both = client.to_owned() + "access_token=hush";
    assert_eq!(
        refusal(&[], &[("ovh.conf", &both)]),
        "ovh.conf holds an OAuth2 client and an access token for OVH; keep one of them"
    );
}

#[test]
fn half_a_set_names_the_variable_that_is_missing() {
    for (index, (missing, _)) in KEYS.iter().enumerate() {
        let mut given = KEYS.to_vec();
        given.remove(index);
        let sentence = refusal(&given, &[]);
        assert!(
            sentence.starts_with(&format!("OVH's credentials are not complete: {missing} is missing")),
            "{sentence}"
        );
        assert_eq!(sentence.contains("run `ikvm-mcp login`"), *missing == "OVH_CONSUMER_KEY");
    }
    assert!(refusal(&[("OVH_CLIENT_ID", "id")], &[]).contains("OVH_CLIENT_SECRET is missing"));
}

#[test]
fn no_refusal_repeats_a_value() {
    let odd = [KEYS[0], KEYS[2], ("OVH_APPLICATION_SECRET", "hush\nhush")];
    assert_eq!(refusal(&odd, &[]), "OVH_APPLICATION_SECRET: it holds a space or another character that no OVH key has");
    let sentence = refusal(&[&KEYS[..], &[("OVH_ENDPOINT", "hush")]].concat(), &[]);
    assert!(
        sentence.starts_with("OVH_ENDPOINT: no such endpoint; give one of eu, ca, us") && !sentence.contains("hush")
    );
    let client = [("OVH_ENDPOINT", "kimsufi-eu"), ("OVH_CLIENT_ID", "id"), ("OVH_CLIENT_SECRET", "hush")];
    assert_eq!(refusal(&client, &[]), "kimsufi-eu has no OAuth2; use an application key there: run `ikvm-mcp login`");
}

#[test]
fn a_file_cannot_send_the_keys_to_a_url_and_the_environment_can() {
    let file = [("ovh.conf", "[default]\nendpoint=https://evil.example/1.0\n")];
    assert!(refusal(&KEYS, &file).starts_with("endpoint in ovh.conf: a file may not name a URL; set OVH_ENDPOINT"));
    let environment = [&KEYS[..], &[("OVH_ENDPOINT", "https://api.example/1.0/")]].concat();
    let settings = read(&environment, &file).unwrap().ovh.unwrap().unwrap();
    assert_eq!(settings.endpoint.name(), "https://api.example/1.0");
}

#[test]
fn a_file_that_cannot_be_read_is_told_of_and_the_others_count() {
    let etc = "[ovh-eu]\naccess_token=hush\nodd\n";
    let config = read(&[], &[("ovh.conf", "locked"), ("/etc/ovh.conf", etc)]).unwrap();
    assert!(config.ovh.unwrap().is_some());
    assert_eq!(
        config.notes,
        [
            "ovh.conf was not read: permission denied",
            "/etc/ovh.conf: line 3 is neither [section] nor key=value and was skipped"
        ]
    );
}

#[test]
fn a_login_needs_the_application_key_alone() {
    let read = |pairs: &[(&str, &str)]| {
        let environment = table(pairs);
        Application::read(&|name| environment.get(name).cloned(), &|_| Err(io::ErrorKind::NotFound.into()))
    };
    let application = read(&[("OVH_ENDPOINT", "ca"), ("OVH_APPLICATION_KEY", "ak")]).unwrap();
    assert_eq!((application.endpoint.name(), application.key.reveal()), ("ovh-ca", "ak"));
    let sentence = read(&[]).unwrap_err().to_string();
    assert!(
        sentence.contains("OVH_APPLICATION_KEY is missing; make an application at https://eu.api.ovh.com/createApp/")
    );
}

#[test]
fn below_a_file_there_is_no_file() {
    let path = Path::new("/dev/null/.config/ikvm-mcp/hosts.toml");
    assert_eq!(read_file(path).unwrap_err().kind(), io::ErrorKind::NotFound);
}
