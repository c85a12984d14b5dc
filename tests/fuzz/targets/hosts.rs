//! hosts.toml: servers of one's own, with the files that it refers to.

#![no_main]

use std::io;
use std::path::Path;

use ikvm_mcp::config::{Config, File};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let environment = |name: &str| (name == "PASSWORD").then(|| "hunter2".to_owned());
    let files = |path: &Path| match path.to_str() {
        Some("/hosts.toml") => Ok(File { text: text.to_owned(), is_public: false }),
        Some(path) if path.ends_with(".txt") => Ok(File { text: "hunter2\n".to_owned(), is_public: path.len() > 8 }),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    let config = Config::read(&environment, &files, Some(Path::new("/hosts.toml"))).expect("nothing else is set");
    match config.hosts {
        Ok(hosts) => assert!(hosts.is_some(), "the file is there"),
        Err(error) => {
            let sentence = error.to_string();
            assert!(!sentence.contains("hunter2") && !sentence.contains(char::is_control), "{sentence:?}");
        }
    }
});
