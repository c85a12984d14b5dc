//! Lines for the operator on stderr; a closed stderr loses them and nothing else.

use std::io::Write;

/// Writes one line, with the program's name in front. Line breaks and other control characters are removed.
pub fn line(text: &str) {
    // Not eprintln!: it panics when stderr is closed.
    let _ = writeln!(std::io::stderr(), "ikvm-mcp: {}", super::bytes::clean_text(text));
}
