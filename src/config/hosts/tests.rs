//! Tests of hosts.toml: each form of an entry, each sentence for a wrong one, damage.

use std::sync::Arc;

use super::entry::MAX_ID;
use super::table::MAX_TEXT;
use super::*;
use crate::base::{Carrier, Certificate, Route, Server};

const FILE: &str = "/etc/ikvm-mcp/hosts.toml";
const PIN: &str = "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:FF00112233445566778899aabbccddeeff";

/// Reads the file when it and others are these; a name that ends with `!` is a file that everybody may read.
fn read(environment: &[(&str, &str)], files: &[(&str, &str)], given: Option<&str>) -> Result<Option<Vec<Host>>, Error> {
    let environment = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
    let files = |path: &Path| {
        let path = path.to_str().unwrap();
        let found = files.iter().find(|(name, _)| name.trim_end_matches('!') == path);
        let (name, text) = found.ok_or(io::ErrorKind::NotFound)?;
        Ok(File { text: text.to_string(), is_public: name.ends_with('!') })
    };
    super::read(given.map(Path::new), &environment, &files)
}

fn hosts(text: &str) -> Vec<Host> {
    read(&[("BMC_PASSWORD", "hush ")], &[(FILE, text)], None).unwrap().unwrap()
}

/// The one server of a file that holds these lines below its `[[server]]` and `id`.
fn one(lines: &str) -> Host {
    hosts(&format!("[[server]]\nid = \"a\"\n{lines}")).remove(0)
}

fn sentence(text: &str) -> String {
    let error = read(&[], &[(FILE, text)], None).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let sentence = error.to_string();
    assert!(!sentence.contains("hush"), "{sentence}");
    sentence.strip_prefix(FILE).map_or(sentence.clone(), |rest| rest.trim_start().to_owned())
}

/// What is wrong with these lines below `[[server]]` and `id`.
fn refusal(lines: &str) -> String {
    sentence(&format!("[[server]]\nid = \"a\"\n{lines}"))
}

#[test]
fn a_bmc_is_reached_by_its_address_and_login() {
    let host = one("name = 'Rack 7'\ndatacenter = \"home\"\nip = \"192.0.2.7\"\nconsole = \"https://bmc.example\"\n\
         kind = \"ami\"\nuser = \"admin\"\npassword_env = \"BMC_PASSWORD\"\n");
    let Server { name, provider, datacenter, ip, .. } = host.server;
    assert_eq!(
        (name.as_str(), provider, datacenter.as_deref(), ip.as_deref()),
        ("Rack 7", "hosts", Some("home"), Some("192.0.2.7"))
    );
    let access = host.access.unwrap();
    let Route::Bmc(bmc) = access.route else { panic!("{:?}", access.route) };
    assert_eq!((bmc.url.origin().as_str(), bmc.user.as_str()), ("https://bmc.example", "admin"));
    assert_eq!(bmc.password.reveal(), "hush ", "not as it is");
    assert!(access.notes.is_empty());
    let plain = one("console = \"http://bmc.example\"\nkind = \"ami\"\nuser = \"u\"\npassword = \"hush\"\n");
    assert!(plain.access.unwrap().notes[0].contains("unencrypted"));
}

#[test]
fn an_rfb_console_takes_what_its_upgrade_needs() {
    let host = one("console = \"wss://vm.example/x?token=hush\"\norigin = \"https://vm.example\"\n\
         subprotocol = \"binary\"\npassword = \"hush\"\nheaders = { Cookie = \"PVEAuthCookie=hush\" }\n");
    assert_eq!(host.server.name, "a");
    let Route::Rfb(rfb) = host.access.unwrap().route else { panic!() };
    let Carrier::WebSocket { url, origin, subprotocols, headers } = rfb.carrier else { panic!() };
    assert_eq!(url.reveal(), "wss://vm.example/x?token=hush");
    assert_eq!((origin.as_deref(), subprotocols), (Some("https://vm.example"), vec!["binary".to_owned()]));
    assert_eq!((headers[0].0.as_str(), headers[0].1.reveal()), ("Cookie", "PVEAuthCookie=hush"));
    assert_eq!(rfb.password.unwrap().reveal(), "hush");

    let Route::Rfb(rfb) = one("console = \"vnc://vm.example:5901\"\nuser = \"ann\"").access.unwrap().route else {
        panic!()
    };
    assert!(matches!(&rfb.carrier, Carrier::Tcp { host, port: 5901, tls: false } if host == "vm.example"));
    assert_eq!((rfb.user.as_deref(), rfb.password), (Some("ann"), None));
    assert!(matches!(one("console = \"HTTPS://vm.example/view?t=1\"").access.unwrap().route, Route::Viewer(_)));
}

#[test]
fn a_certificate_is_checked_as_the_entry_says() {
    let certificate =
        |line: &str| one(&format!("console = \"vnc+tls://vm.example\"\n{line}")).access.unwrap().certificate;
    assert_eq!(certificate(""), Certificate::Authorities);
    assert_eq!(certificate("tls = \"insecure\""), Certificate::Unchecked);
    let Certificate::Pinned(pin) = certificate(&format!("tls_pin = \"sha256:{PIN}\"")) else { panic!() };
    assert_eq!((pin[1], pin[15], pin[16], pin[31]), (0x11, 0xff, 0x00, 0xff));
    let text = "[[server]]\nid = \"a\"\nconsole = \"vnc://vm.example\"\nca_file = \"tls/ca.pem\"";
    let files = [(FILE, text), ("/etc/ikvm-mcp/tls/ca.pem", "a PEM file")];
    let access = read(&[], &files, None).unwrap().unwrap().remove(0).access;
    assert_eq!(access.unwrap().certificate, Certificate::AuthoritiesAnd(Arc::from(&b"a PEM file"[..])));
}

#[test]
fn the_file_is_the_named_one_or_the_first_that_exists() {
    let entry = |id: &str| format!("[[server]]\nid = \"{id}\"\nconsole = \"vnc://vm.example\"");
    let texts = ["given", "env", "home", "etc"].map(entry);
    let names = ["/given.toml", "/env.toml", "/home/ann/.config/ikvm-mcp/hosts.toml", FILE];
    let files: Vec<_> = names.iter().copied().zip(texts.iter().map(String::as_str)).collect();
    let (home, env) = (("HOME", "/home/ann"), ("IKVM_HOSTS", "/env.toml"));
    let first = |environment: &[(&str, &str)], files: &[(&str, &str)], given| {
        read(environment, files, given).unwrap().map(|hosts| hosts[0].server.id.clone())
    };
    assert_eq!(first(&[home, env], &files, Some("/given.toml")).as_deref(), Some("given"));
    assert_eq!(first(&[home, env], &files, None).as_deref(), Some("env"));
    assert_eq!(first(&[home, ("IKVM_HOSTS", "")], &files, None).as_deref(), Some("home"));
    assert_eq!(first(&[], &files, None).as_deref(), Some("etc"));
    assert_eq!(first(&[home], &[], None), None);
    // No home is not the folder we are started in.
    assert_eq!(first(&[("HOME", "")], &[(".config/ikvm-mcp/hosts.toml", texts[0].as_str())], None), None);
    for (environment, given) in [(&[env][..], None), (&[], Some("/env.toml"))] {
        let error = read(environment, &[], given).unwrap_err().to_string();
        assert!(error.starts_with("cannot read /env.toml: ") && error.contains("; check the path"), "{error}");
    }
}

#[test]
fn a_password_file_is_found_beside_the_file_or_at_home_and_gives_its_first_line() {
    let password = |path: &str, files: &[(&str, &str)]| {
        let text = format!("[[server]]\nid = \"a\"\nconsole = \"vnc://vm.example\"\npassword_file = \"{path}\"");
        let files = [files, &[(FILE, text.as_str())]].concat();
        let access = read(&[("HOME", "/home/ann")], &files, None).unwrap().unwrap().remove(0).access;
        access.map(|access| match access.route {
            Route::Rfb(rfb) => rfb.password.unwrap().reveal().to_owned(),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(password("secret", &[("/etc/ikvm-mcp/secret", "p\u{e4}ss word\r\nmore")]).unwrap(), "p\u{e4}ss word");
    assert_eq!(password("~/secret", &[("/home/ann/secret", "x")]).unwrap(), "x");
    for (files, words) in [
        (&[][..], "line 4: cannot read the password_file /run/secret: "),
        (
            &[("/run/secret!", "hush")],
            "/run/secret holds a secret, and everybody on this machine may read it; run `chmod 600 /run/secret`",
        ),
        (&[("/run/secret", "\nhush")], "line 4: the password_file /run/secret is empty; put the password there"),
    ] {
        let sentence = password("/run/secret", files).unwrap_err().to_string();
        assert!(sentence.contains(words) && !sentence.contains("hush"), "{sentence}");
    }
}

#[test]
fn a_password_that_is_not_there_withholds_that_server_alone() {
    let text = "[[server]]\nid = \"a\"\nconsole = \"vnc://a.example\"\npassword_env = \"MISSING\"\n\
                [[server]]\nid = \"b\"\nconsole = \"vnc://b.example\"\n";
    let hosts = hosts(text);
    let sentence = hosts[0].access.as_ref().unwrap_err().to_string();
    assert_eq!(sentence, format!("{FILE} line 4: the environment has no MISSING; set it where ikvm-mcp is started"));
    assert!(hosts[1].access.is_ok());
}

#[test]
fn a_file_with_secrets_is_refused_while_everybody_may_read_it() {
    let public = |lines: &str| {
        let text = format!("[[server]]\nid = \"a\"\n{lines}");
        read(&[], &[(&format!("{FILE}!"), &text)], None).map(|_| ())
    };
    for lines in [
        "console = \"vnc://vm.example\"\npassword = \"hush\"",
        "console = \"wss://vm.example/?token=hush\"",
        "console = \"https://vm.example/view?token=hush\"",
        "console = \"wss://vm.example\"\nheaders = { Cookie = \"hush\" }",
    ] {
        let sentence = public(lines).unwrap_err().to_string();
        assert!(sentence.ends_with(&format!("; run `chmod 600 {FILE}`")) && !sentence.contains("hush"), "{sentence}");
    }
    public("console = \"vnc://vm.example\"\npassword_env = \"X\"").unwrap();
    public("console = \"wss://vm.example\"\ntls = \"insecure\"").unwrap();
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    const VNC: &str = "console = \"vnc://vm.example\"\n";
    const WSS: &str = "console = \"wss://vm.example\"\n";
    for (lines, words) in [
        ("consol = \"x\"", "line 3: unknown key \"consol\"; use id, name"),
        ("", "line 1: the server has no console; give"),
        ("console = 7", "line 3: console is not a text in quotes"),
        ("console = \"\"", "line 3: console is empty"),
        ("console = \"a\\u001bb\"", "line 3: console holds a control character"),
        ("console = \"ftp://hush\"", "line 3: console: no console begins with ftp://; use vnc://"),
        ("console = \"https://bmc.example\"\nkind = \"dell\"", "line 4: there is no such kind; write kind = \"ami\""),
        ("console = \"https://bmc.example\"\nkind = \"ami\"", "line 4: a BMC needs a user; add user"),
        (
            "console = \"https://bmc.example\"\nkind = \"ami\"\nuser = \"a\"",
            "line 3: a BMC needs the password of its user; add password_env",
        ),
        ("console = \"https://bmc.example\"\nuser = \"a\"", "line 4: a viewer page takes no user; add kind"),
        ("console = \"https://bmc.example\"\npassword = \"hush\"", "line 4: a viewer page takes no password; add kind"),
    ] {
        let sentence = refusal(lines);
        assert!(sentence.starts_with(words), "{sentence}");
    }
    for (console, line, words) in [
        (VNC, "kind = \"ami\"", "line 4: kind goes with https:// only"),
        (VNC, "password = \"hush\"\npassword_env = \"X\"", "line 4: both password_env and password; keep one of them"),
        (VNC, "origin = \"x\"", "line 4: origin, subprotocol and headers go with ws:// and wss:// only"),
        (WSS, "headers = \"hush\"", "line 4: headers is not a table"),
        (WSS, "headers = { \"a b\" = \"hush\" }", "line 4: that is no name of a header"),
        (WSS, "headers = { host = \"hush\" }", "line 4: the header host is sent by itself"),
        (WSS, "headers = { Sec-WebSocket-Key = \"hush\" }", "line 4: the header Sec-WebSocket-Key is sent by itself"),
        (WSS, "headers = { X = 7 }", "line 4: X is not a text in quotes"),
        (WSS, "tls = \"secure\"", "line 4: tls takes the word insecure only"),
        (
            WSS,
            "tls_pin = \"sha256:12\"",
            "line 4: tls_pin: not a pin: it is sha256: and 64 hexadecimal digits; `ikvm-mcp pin HOST` prints it",
        ),
        (WSS, "tls_pin = \"sha256:zz\"", "line 4: tls_pin: not a pin"),
        ("console = \"ws://vm.example\"\n", "tls = \"insecure\"", "line 4: tls without TLS; use https:// or wss://"),
        (VNC, "ip = \"vm.example\"", "line 4: ip is no IP address"),
        (VNC, "name = \"a\"\nname = \"b\"", "line 5: duplicate key"),
        (VNC, "password = \"hush", "line 4: invalid basic string"),
    ] {
        let sentence = refusal(&format!("{console}{line}"));
        assert!(sentence.starts_with(words), "{sentence}");
    }
}

#[test]
fn a_file_of_another_form_says_how_it_begins() {
    assert!(hosts("# nothing yet\n").is_empty());
    for text in ["server = 7", "[server]\nid = \"a\"", "\nserver = [7]"] {
        assert!(sentence(text).contains("server is not a list of tables; begin each server with a line [[server]]"));
    }
    assert!(sentence("\n[[servers]]").starts_with("line 2: unknown key \"servers\"; use server"));
}

#[test]
fn ids_are_plain_and_each_server_s_own() {
    let entry = |id: &str| format!("[[server]]\nid = \"{id}\"\nconsole = \"vnc://vm.example\"\n");
    let longest = "i".repeat(MAX_ID);
    assert_eq!(hosts(&entry(&longest))[0].server.id, longest);
    for id in [longest + "i", "ovh/a".to_owned(), "a b".to_owned(), "a\\n".to_owned()] {
        assert!(sentence(&entry(&id)).starts_with("line 2: "), "{id}");
    }
    let clash = entry("a") + &entry("b") + &entry("a");
    assert_eq!(sentence(&clash), "line 7: the id a is that of line 1 already; give each server an id of its own");
}

#[test]
fn the_longest_text_is_taken_and_a_longer_one_refused() {
    let with = |length: usize| format!("console = \"vnc://vm.example\"\nname = \"{}\"", "n".repeat(length));
    assert_eq!(one(&with(MAX_TEXT)).server.name.len(), MAX_TEXT);
    assert!(refusal(&with(MAX_TEXT + 1)).starts_with("line 4: name has 8193 bytes, the limit is 8192"));
}

#[test]
fn damage_anywhere_is_a_sentence_or_other_servers_and_never_a_panic() {
    let good = format!(
        "[[server]]\nid = \"a\"\nconsole = \"wss://vm.example/\"\ntls_pin = \"sha256:{PIN}\"\n\
         headers = {{ Cookie = \"c\" }}\n[[server]]\nid = \"b\"\nconsole = \"https://b.example\"\nkind = \"ami\"\n\
         user = \"u\"\npassword_env = \"BMC_PASSWORD\"\n"
    );
    assert_eq!(hosts(&good).len(), 2);
    for at in 0..good.len() {
        for junk in ["", "\"", "[", "\0", "\u{1f}", "=", "\n", "\u{e4}"] {
            let damaged = format!("{}{junk}{}", &good[..at], &good[at + 1..]);
            if let Err(error) = read(&[], &[(FILE, &damaged)], None) {
                assert!(error.to_string().starts_with(FILE), "{error}");
            }
        }
        let _ = read(&[], &[(FILE, &good[..at])], None);
    }
    for deep in ["[".repeat(100_000), "a.".repeat(100_000), "a = ".to_owned() + &"{a=".repeat(100_000)] {
        assert!(read(&[], &[(FILE, &deep)], None).is_err());
    }
}
