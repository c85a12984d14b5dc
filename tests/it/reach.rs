//! How the real program gets to its peers and its clients to it: through a proxy, over IPv6 alone.

use std::fs;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ikvm_mcp::base::base64;
use ikvm_mcp::rfb::Encoding;
use serde_json::json;

use crate::support::bmc::{Bmc, Setup, USER};
use crate::support::client::Client;
use crate::support::ovh::FakeOvh;
use crate::support::program::{Program, call, look};
use crate::support::proxy::{Manner, Proxy};
use crate::support::rfb_encode::console;
use crate::support::vnc::{self, Vnc, pictures};
use crate::support::web::ca_file;

const BINARY: &str = env!("CARGO_BIN_EXE_ikvm-mcp");

/// Of the proxy, and what a sentence must not tell.
const CREDENTIALS: &str = "jump:proxy-password-of-ann";

/// The program with an API that is behind this proxy alone.
fn behind(proxy: &Proxy, ovh: &FakeOvh) -> Program {
    let mut environment = ovh.environment();
    environment.retain(|(name, _)| *name != "OVH_ENDPOINT");
    environment.push(("OVH_ENDPOINT", "https://elsewhere.example/1.0".to_owned()));
    environment.push(("SSL_CERT_FILE", ca_file().display().to_string()));
    environment.push(("HTTPS_PROXY", proxy.url(CREDENTIALS)));
    environment.push(("IKVM_LOG", "debug".to_owned()));
    Program::serve(BINARY, &[], environment)
}

#[test]
fn the_api_is_reached_through_the_proxy_and_the_console_without_it() {
    let (ovh, bmc) = (FakeOvh::start_elsewhere(), Bmc::start(Setup::ovh()));
    bmc.show(&console(720, 400, 1));
    ovh.state().set_access(&bmc.viewer_url(), 600);
    let proxy = Proxy::start(Manner::To(ovh.port()));
    let program = behind(&proxy, &ovh);
    let mut client = program.client();
    let (facts, is_seen) = look(&mut client, "ns1.example");
    assert!(is_seen, "{facts}");
    call(&mut client, "release_console", json!({ "serverId": "ns1.example" }));
    bmc.assert_all_closed();

    let heads = proxy.heads();
    let authorization = format!("proxy-authorization: basic {}", base64::encode(CREDENTIALS.as_bytes()).to_lowercase());
    for head in &heads {
        assert!(head.starts_with("CONNECT elsewhere.example:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_lowercase().contains(&authorization), "{head}");
    }
    assert!(!heads.is_empty());
}

#[test]
fn a_proxy_that_refuses_is_a_sentence_without_its_password() {
    let (ovh, proxy) = (FakeOvh::start_elsewhere(), Proxy::start(Manner::Refuses));
    let program = behind(&proxy, &ovh);
    let (told, is_seen) = look(&mut program.client(), "ns1.example");
    let hint = format!("check the proxy {} (HTTPS_PROXY)", proxy.address());
    assert!(!is_seen && told.contains("no way through the proxy") && told.contains(&hint), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

/// A hosts.toml of its own.
fn hosts(name: &str, text: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
fn ipv6_alone_is_enough_for_clients_and_for_consoles() {
    // A machine without IPv6 has nothing to test.
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return;
    }
    let bmc = Bmc::start_v6(Setup::default());
    bmc.show(&console(720, 400, 1));
    let setup = vnc::Setup { size: (640, 480), ..vnc::Setup::default() };
    let vnc = Vnc::tcp_at(Ipv6Addr::LOCALHOST.into(), setup, pictures(vec![console(640, 480, 2)], Encoding::ZRLE));
    assert!(bmc.url().starts_with("https://[::1]:") && vnc.url().starts_with("vnc://[::1]:"));
    let file = hosts(
        "ipv6",
        &format!(
            "[[server]]\nid = \"bmc\"\nconsole = \"{}\"\nkind = \"ami\"\nuser = \"{}\"\npassword = \"{}\"\n\
             ca_file = \"{}\"\n[[server]]\nid = \"vm\"\nconsole = \"{}\"\n",
            bmc.url(),
            USER.0,
            USER.1,
            ca_file().display(),
            vnc.url()
        ),
    );
    let listen = vec![("IKVM_LISTEN", "[::1]".to_owned())];
    let program = Program::serve(BINARY, &["--hosts", file.to_str().unwrap()], listen);
    assert!(TcpStream::connect(("127.0.0.1", program.port)).is_err());
    let mut client = Client::over(program.port, TcpStream::connect((Ipv6Addr::LOCALHOST, program.port)).unwrap());
    for server in ["bmc", "vm"] {
        let (facts, is_seen) = look(&mut client, server);
        assert!(is_seen, "{facts}");
        call(&mut client, "release_console", json!({ "serverId": server }));
    }
    bmc.assert_all_closed();
}
