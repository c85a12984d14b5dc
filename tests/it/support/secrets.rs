//! What nobody may see: the secrets of the fakes, looked for in whatever the program prints, logs or answers.

/// What only a secret has in it.
const MARKS: [&str; 12] = [
    // Of `support::ovh`, and what its API hands out.
    "-of-ann",
    "number-",
    // The query of a URL.
    "?token=",
    // What a fake BMC makes up: a prefix and a number filled up with zeros.
    "sso-token00000",
    "Qs0000000",
    "Cs-0",
    "Kvm0000000",
    "Web0000000",
    // The password of a fake BMC, as it is and in a form.
    "p&ss w",
    "p%26ss",
    // What the tests' own files and settings hold: IKVM_TOKEN, passwords, headers.
    "nobody-may-see",
    "hush",
];

/// A secret, which must be one that [`assert_none`] finds.
pub fn marked(secret: String) -> String {
    assert!(MARKS.iter().any(|mark| secret.contains(mark)), "nobody would notice {secret}");
    secret
}

/// Fails where there is a secret in what the program said.
#[track_caller]
pub fn assert_none(said: impl AsRef<[u8]>) {
    let said = String::from_utf8_lossy(said.as_ref());
    for mark in MARKS {
        assert!(!said.contains(mark), "a secret with {mark:?} was told: {said}");
    }
}
