//! The secrets of the settings reach those whom they are for, and nobody hears of them from the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::bmc::{Bmc, Setup, USER};
use crate::support::program::Program;
use crate::support::secrets;
use crate::support::web::{Reply, Web, ca_file};

const BINARY: &str = env!("CARGO_BIN_EXE_ikvm-mcp");
const TOKEN: &str = "a-token-that-nobody-may-see";

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
fn tokens_passwords_headers_and_queries_of_the_settings_are_told_to_nobody() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("secrecy");
    fs::create_dir_all(&folder).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let web = Web::http(move |request, _| {
        let authorization = request.header("authorization").unwrap_or_default();
        hears.lock().unwrap().push(format!("{} {authorization}", request.target));
        Reply::Answer { status: 403, headers: Vec::new(), body: b"no".to_vec() }
    });
    let bmc = Bmc::start(Setup::default());
    let ca_file = ca_file();
    let hosts = format!(
        "[[server]]\nid = \"ticket\"\nconsole = \"{}/socket?vncticket=a-query-that-nobody-may-see\"\n\
         password = \"a-password-that-nobody-may-see\"\n\
         headers = {{ Authorization = \"a-header-that-nobody-may-see\" }}\n\
         [[server]]\nid = \"wrong\"\nconsole = \"{}\"\nkind = \"ami\"\nuser = \"{}\"\n\
         password_file = \"password\"\nca_file = \"{}\"\n",
        web.url().replacen("http", "ws", 1),
        bmc.url(),
        USER.0,
        ca_file.display()
    );
    write(&folder, "password", "another-password-that-nobody-may-see\n");
    let hosts = write(&folder, "hosts.toml", &hosts).display().to_string();
    let token_file = write(&folder, "token", TOKEN).display().to_string();

    for setting in [("IKVM_TOKEN", TOKEN.to_owned()), ("IKVM_TOKEN_FILE", token_file)] {
        let logs = [("IKVM_LOG", "debug"), ("IKVM_AUDIT", "stderr")].map(|(name, value)| (name, value.to_owned()));
        let environment = logs.into_iter().chain([setting]).collect();
        let program = Program::serve(BINARY, &["--hosts", &hosts], environment);
        let bearer = format!("Authorization: Bearer {TOKEN}");
        for (tool, server) in
            [("list_servers", None), ("get_screenshot", Some("ticket")), ("read_console", Some("wrong"))]
        {
            let arguments = server.map_or_else(|| json!({}), |server| json!({ "serverId": server }));
            let params = json!({ "name": tool, "arguments": arguments });
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }).to_string();
            assert_eq!(program.client().ask(&message, &format!("{bearer}-wrong")).status, 401);
            let answer = program.client().ask(&message, &bearer).json();
            assert_eq!(answer["result"]["isError"] == json!(true), server.is_some(), "{answer}");
        }
        let said = program.end();
        assert!(said.contains("call 2: ") && said.contains("\"tool\":\"read_console\""), "{said}");
        secrets::assert_none(said);
    }
    let check = Command::new(BINARY).env_clear().args(["check", "--hosts", &hosts]).output().unwrap();
    assert!(!check.stdout.is_empty());
    secrets::assert_none([check.stdout, check.stderr].concat());
    // They were used, and right.
    let wanted = "/socket?vncticket=a-query-that-nobody-may-see a-header-that-nobody-may-see".to_owned();
    assert!(heard.lock().unwrap().contains(&wanted));
    assert!(bmc.counts().requests.iter().any(|request| request == "POST /api/session"), "{:?}", bmc.counts().requests);
}
