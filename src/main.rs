//! The program's entry: everything it does begins in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ikvm_mcp::cli::run(std::env::args_os().skip(1).collect())
}
