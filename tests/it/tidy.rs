//! The house rules as tests: who may use whom, what stays pure, how long a file gets, what lies at the top level.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first: a module and what it may use of the crate. `base` may be used by all.
const LAYERS: [(&str, &[&str]); 14] = [
    ("base", &[]),
    ("ast2500", &[]),
    ("ivtp", &[]),
    ("rfb", &[]),
    ("image", &[]),
    ("text", &[]),
    ("net", &[]),
    ("provider", &["net"]),
    ("console", &["ast2500", "ivtp", "rfb", "net"]),
    ("ops", &["image", "text", "net", "provider", "console"]),
    ("config", &["net", "provider", "ops"]),
    ("mcp", &["ops"]),
    ("serve", &["mcp", "config", "ops"]),
    ("cli", &["image", "text", "net", "provider", "console", "ops", "config", "mcp", "serve"]),
];

/// Functions of bytes: no I/O, no clock, no thread, no log.
const PURE: [&str; 5] = ["ast2500", "ivtp", "rfb", "image", "text"];

const LONGEST_FILE: usize = 600;

const TOP_LEVEL: [&str; 7] = ["Cargo.lock", "Cargo.toml", "LICENSE", "Makefile", "README.md", "src", "tests"];

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The module right below `src`: `base` for `src/base/url.rs`, `cli` for `src/cli.rs`.
    fn module(&self) -> String {
        let below = self.path.strip_prefix(root().join("src")).unwrap();
        let first = below.components().next().unwrap();
        Path::new(first.as_os_str()).file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// The lines that are neither comments nor in the tests at the file's end.
    fn code(&self) -> impl Iterator<Item = &str> {
        let end = self.text.find("#[cfg(test)]\nmod tests {").unwrap_or(self.text.len());
        self.text[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("tests.rs") || self.path.components().any(|part| part.as_os_str() == "tests")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    assert!(!found.is_empty(), "no sources in {folder}");
    found
}

/// The files of `src` whose code, tests aside, has one of `words`, but for the modules or files `allowed`.
fn offenders(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources("src") {
        let name = source.path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if source.is_test() || allowed.contains(&source.module().as_str()) || allowed.contains(&name.as_str()) {
            continue;
        }
        for line in source.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                found.push(format!("{name}: {word}"));
            }
        }
    }
    found
}

#[test]
fn a_module_uses_only_what_its_layer_may() {
    let mut broken = BTreeSet::new();
    for source in sources("src") {
        let module = source.module();
        if module == "lib" || module == "main" {
            continue;
        }
        let (_, allowed) =
            LAYERS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} has no layer"));
        let code: String = source.code().collect::<Vec<_>>().join("\n");
        for (used, _) in LAYERS {
            let names_it = [format!("crate::{used}::"), format!("crate::{used};"), format!("crate::{used},")]
                .iter()
                .any(|path| code.contains(path.as_str()))
                || code.contains(&format!("use crate::{used}"));
            if names_it && used != module && used != "base" && !allowed.contains(&used) {
                broken.insert(format!("{module} uses {used} ({})", source.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn grouped_imports_from_the_crate_do_not_hide_a_layer() {
    // `use crate::{a::x, b::y};` would escape the check above.
    assert_eq!(offenders(&["use crate::{"], &[]), [""; 0]);
}

#[test]
fn only_net_and_serve_name_a_socket() {
    assert_eq!(
        offenders(&["std::net::Tcp", "TcpStream", "TcpListener", "UdpSocket", "UnixStream"], &["net", "serve"]),
        [""; 0]
    );
}

#[test]
fn only_the_clock_reads_the_clocks() {
    assert_eq!(offenders(&["Instant::now", "SystemTime::now", ".elapsed().unwrap"], &["src/base/clock.rs"]), [""; 0]);
}

#[test]
fn only_config_reads_the_environment() {
    assert_eq!(offenders(&["env::var", "env::vars"], &["config"]), [""; 0]);
}

#[test]
fn only_mcp_knows_json_rpc() {
    assert_eq!(offenders(&["\"jsonrpc\""], &["mcp"]), [""; 0]);
}

#[test]
fn the_pure_modules_have_no_io_clock_thread_or_log() {
    let mut others: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).filter(|name| !PURE.contains(name)).collect();
    others.extend(["lib", "main"]);
    let impure = ["std::fs", "std::net", "std::time", "std::thread", "std::process", "base::clock", "base::log"];
    assert_eq!(offenders(&impure, &others), [""; 0]);
    // The png crate writes into memory by way of `io::Write`.
    others.push("src/image/png.rs");
    assert_eq!(offenders(&["std::io"], &others), [""; 0]);
}

#[test]
fn nothing_prints_in_a_way_that_panics_on_a_closed_pipe() {
    assert_eq!(offenders(&["println!", "print!(", "dbg!"], &[]), [""; 0]);
}

#[test]
fn nothing_is_left_for_later() {
    assert_nowhere(&["todo!", "unimplemented!", "#[ignore", "#[should_panic", "FIXME", "TODO"]);
}

#[test]
fn no_condition_needs_a_newer_rust() {
    // Came with 1.88. What of the standard library is newer than `rust-version` is a lint of Clippy's.
    assert_nowhere(&["&& let "]);
}

/// Fails where one of these marks is in any file but this one.
fn assert_nowhere(marks: &[&str]) {
    for source in sources("src").iter().chain(&sources("tests")) {
        if !source.path.ends_with("tidy.rs") {
            for mark in marks {
                assert!(!source.text.contains(mark), "{}: {mark}", source.path.display());
            }
        }
    }
}

#[test]
fn a_file_says_in_its_first_line_what_lives_in_it_and_is_read_in_one_sitting() {
    for source in sources("src").iter().chain(&sources("tests")) {
        let path = source.path.display();
        assert!(source.text.starts_with("//! "), "{path} does not begin with //!");
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "{path} has {lines} lines, the limit is {LONGEST_FILE}");
    }
}

#[test]
fn the_top_level_holds_what_it_should() {
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let is_known =
            TOP_LEVEL.contains(&name.as_str()) || name == "testdata" || name == "target" || name.starts_with('.');
        assert!(is_known, "{name} does not belong at the top level");
    }
}

#[test]
fn every_file_of_testdata_is_in_its_table() {
    let readme = fs::read_to_string(root().join("testdata/README.md")).unwrap();
    for entry in fs::read_dir(root().join("testdata")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(name == "README.md" || readme.contains(&name), "testdata/README.md does not name {name}");
    }
}
