//! `ikvm-mcp`: eyes on bare-metal server consoles for an AI agent.
//!
//! The layers and their invariants are in the README's section on architecture; `tests/it/tidy.rs` enforces them.

pub mod ast2500;
pub mod base;
pub mod cli;
pub mod config;
pub mod console;
pub mod image;
pub mod ivtp;
pub mod mcp;
pub mod net;
pub mod ops;
pub mod provider;
pub mod rfb;
pub mod serve;
pub mod text;
