//! Writes the first inputs of every target into the folder that is its argument, out of testdata and the library's own
//! builders.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ikvm_mcp::ivtp::Command;
use ikvm_mcp::ivtp::packet::build;

fn main() -> io::Result<()> {
    let corpus = PathBuf::from(std::env::args().nth(1).expect("the folder to write to"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let save = |target: &str, name: &str, bytes: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), bytes)
    };

    for (name, bytes) in files(&root.join("testdata/ast2500"), "hdr")? {
        let stream = fs::read(root.join("testdata/ast2500").join(&name).with_extension("bin"))?;
        let mut frame = [bytes, stream].concat();
        let length = (frame.len() - 86) as u32;
        frame[69..73].copy_from_slice(&length.to_le_bytes());
        save("tiles", &name, &frame)?;
        if frame.len() < 32_768 {
            save("ivtp", &name, &conversation(&frame))?;
        }
    }
    for (name, bytes) in files(&root.join("testdata/rfb"), "s2c")? {
        for kind in [0x40, 0x46] {
            save("rfb", &format!("{name}-{kind}"), &[&[kind], &bytes[..]].concat())?;
        }
    }
    for (name, bytes) in files(&root.join("testdata/jpeg"), "jpg")? {
        save("jpeg", &name, &bytes)?;
    }
    for (name, bytes) in files(&root.join("src/text/fonts"), "gz")? {
        save("psf", &name, &bytes)?;
    }
    for (number, message) in MESSAGES.iter().enumerate() {
        for kind in 0..4 {
            save("mcp", &format!("{number}-{kind}"), &[&[kind], message.as_bytes()].concat())?;
        }
    }
    for (number, answer) in OVH.iter().enumerate() {
        save("ovh_answers", &number.to_string(), answer.as_bytes())?;
    }
    save("ovh_conf", "usual", CONF.as_bytes())?;
    save("hosts", "usual", HOSTS.as_bytes())?;
    save("bmc_pages", "usual", PAGES.join("\0\0").as_bytes())?;
    save("bmc_pages", "redirect", b"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n\0\0page")?;
    let colors = [0, 0, 0, 170, 170, 170, 85, 255, 85, 255, 255, 255];
    for pixels in [&[0x1b, 0xe4, 0x00, 0x55][..], &[0x00], &[0x00, 0x14, 0x41, 0x55, 0x41, 0x41, 0x00]] {
        save("text", &pixels.len().to_string(), &[&[160, 64], &colors[..], pixels].concat())?;
    }
    Ok(())
}

/// What a BMC sends around a frame of video: in one packet, and in two.
fn conversation(frame: &[u8]) -> Vec<u8> {
    let fragment = |number: u16, part: &[u8]| build(Command::VIDEO_PACKETS, 0, &[&number.to_le_bytes(), part].concat());
    let half = frame.len() / 2;
    [
        build(Command::CONNECTION_ALLOWED, 2, &[]),
        build(Command::VALIDATED_VIDEO_SESSION, 0, &[1, 0]),
        build(Command::POWER_STATUS, 1, &[]),
        build(Command::ACTIVE_CLIENTS, 0, &[0; 134]),
        build(Command::KEEP_ALIVE, 0, &[]),
        fragment(0x8000, frame),
        fragment(0, &frame[..half]),
        fragment(0x8001, &frame[half..]),
        build(Command::BLANK_SCREEN, 0, &[]),
        build(Command::STOP_SESSION_IMMEDIATE, 6, &[]),
    ]
    .concat()
}

/// The files of a folder that end in `extension`: name without it, and content.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == extension) {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            found.push((name, fs::read(path)?));
        }
    }
    Ok(found)
}

const MESSAGES: [&str; 6] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#,
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#,
    r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"list_servers","arguments":{}}}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"get_screenshot","arguments":{"serverId":"ns1","raw":true},"_meta":{"progressToken":0}}}"#,
    r#"{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}]"#,
];

const OVH: [&str; 4] = [
    r#"{"name":"ns1.example","datacenter":"sbg3","ip":"192.0.2.1","state":"ok","powerState":"poweron","os":"debian12_64"}"#,
    r#"{"activated":true,"supportedFeatures":{"kvmipHtml5URL":true,"kvmipJnlp":false}}"#,
    r#"{"taskId":17,"status":"done","function":"INFRA_002","comment":"started"}"#,
    r#"{"expiration":"2026-11-28T12:00:00+00:00","value":"https://192.0.2.7/viewer?token=abc"}"#,
];

const CONF: &str = "[default]\nendpoint=ovh-eu\n\n[ovh-eu]\n; a comment\napplication_key = \"abc\"\n\
                    application_secret: def\nconsumer_key='ghi'\n";

const HOSTS: &str = r#"
[[server]]
id = "lab1"
name = "the first"
ip = "192.0.2.1"
console = "https://192.0.2.7"
kind = "ami"
user = "admin"
password_env = "PASSWORD"
tls = "insecure"

[[server]]
id = "lab2"
console = "wss://console.example/vnc?token=abc"
password_file = "a.txt"
origin = "https://console.example"
subprotocol = "binary"
headers = { Cookie = "a=b" }
tls_pin = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

[[server]]
id = "lab3"
console = "vnc://192.0.2.9:5900"
password = "12345678"
"#;

const PAGES: [&str; 5] = [
    "<html><script>sessionStorage.setItem('garc', 'abc'); document.cookie = \"QSESSIONID=def; path=/\";</script></html>",
    "<html>viewer</html>",
    r#"[{"feature":"CONNECT_COMPLETE"}]"#,
    r#"{"token":"abc","client_ip":"192.0.2.7","server_ip":"192.0.2.8","session":"17"}"#,
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
];
