//! ovh.conf: sections, keys and values.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/config/ovh_conf.rs"]
mod ovh_conf;

fuzz_target!(|text: &str| {
    let (conf, odd) = ovh_conf::OvhConf::parse(text);
    assert!(odd.is_none_or(|line| line >= 1 && line <= text.lines().count()));
    for key in ["endpoint", "application_key", ""] {
        assert!(conf.value(key, |_| true).is_none_or(|value| text.contains(value)));
    }
});
