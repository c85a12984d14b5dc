//! RFB, the protocol of VNC: a state machine over bytes, and a decoder for each encoding.
//!
//! Source: RFC 6143 (3.3, 3.7, 3.8); rfbproto for what came later; and what eight servers do, noted where it differs.
//!
//! ```text
//!  viewer                                   server
//!    | <------------- RFB 003.008 ---------- |   the server speaks first
//!    | RFB 003.008, or 003.003, 003.007 ---> |
//!    | <------------- security types ------- |   3.3: one type, chosen for us
//!    | our choice -------------------------> |   3.7 and later
//!    |                                       |   1 None: nothing
//!    | <-----------> challenge, answer       |   2 VNC authentication
//!    | <-----------> tunnels, then a type    |   16 Tight
//!    | <-----------> subtype, [TLS], a type  |   19 VeNCrypt: the driver does the TLS, then goes on feeding
//!    | <------------- SecurityResult ------- |   but not after None before 3.8
//!    | ClientInit, shared -----------------> |
//!    | <------------- ServerInit ----------- |   size, pixel format, name
//!    | [SetPixelFormat], SetEncodings -----> |
//!    | FramebufferUpdateRequest -----------> |   all of it, later what changed
//!    | <------------- FramebufferUpdate ---- |   rectangles; one update is not one picture
//! ```
//! Deliberately absent: keyboard and pointer, clipboard (skipped, never stored), anonymous TLS, Apple's, RealVNC's
//! and Microsoft's security types, SASL, ATEN's dialect; each of these ends in its own sentence.

pub mod completion;
pub mod des;
pub mod encoding;
pub mod failure;
mod handshake;
pub mod message;
pub mod pixel;
pub mod screen;
pub mod security;
pub mod session;
mod stream;

pub use completion::{Completion, Verdict};
pub use encoding::Encoding;
pub use failure::Failure;
pub use message::Request;
pub use pixel::PixelFormat;
pub use screen::{Coverage, Screen};
pub use security::{Options, SecurityType, Tls};
pub use session::{Event, Session};
pub use stream::{Resize, Update};
