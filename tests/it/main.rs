//! The integration tests, one binary: each module tests one part against fakes that are real listeners.

mod ami;
mod bmc;
mod cli;
mod decode;
mod encode;
mod endtoend;
mod fonts;
mod hostile;
mod hosts;
mod http;
mod learn;
mod mcp;
mod net;
mod ops;
mod ovh;
mod ovh_access;
mod providers;
mod rfb;
mod soak;
mod stdio;
mod support;
mod text;
mod tidy;
mod vnc;
mod warm;
