//! IVTP, the protocol under AMI MegaRAC's HTML5 console: a state machine over bytes.
//!
//! Source: AMI MegaRAC, IVTP commands, handshake and video framing, as several independent viewers agree on them.
//!
//! ```text
//!  viewer                                   BMC
//!    |                                       |
//!    | <------- 23 CONNECTION_ALLOWED ------ |   (or 22 no room, 8 stopped, 59 failed, an RFB or HTTP text)
//!    | [58 or 0 CONNECTION_COMPLETE]         |   where the firmware knows reconnection
//!    | 18 VALIDATE_VIDEO_SESSION  ---------> |   token, our address, names
//!    | 6 RESUME_REDIRECTION  --------------> |
//!    | <------- 19 VALIDATED_VIDEO_SESSION - |   1 valid, anything else a refusal
//!    | 34 POWER_STATUS, 11 GET_FULL_SCREEN-> |
//!    | <------- 34 POWER_STATUS ------------ |
//!    | <------- 25 VIDEO_PACKETS ... ------- |   one full frame, then what changes; or 9 BLANK_SCREEN
//!    | 57 KEEP_ALIVE <---------------------> |   every few seconds, both ways
//!    | 60 FPS_DIFF ------------------------> |   every 100 ms while video flows
//!    | <------- 32 KVM_SHARING ------------- |   somebody else wants the console: 32 and 50 let them in
//!    | <------- 39 ACTIVE_CLIENTS ---------- |   who is viewing; answered with 11, status 1
//!    | 8 STOP_SESSION_IMMEDIATE <----------> |
//! ```
//!
//! Some consoles send bare JPEG pictures instead; the first bytes decide. Deliberately absent: keyboard and mouse,
//! virtual media, power control, reconnection to a live session.

pub mod jpeg;
pub mod packet;
pub mod refusal;
pub mod session;
pub mod video;

pub use packet::Command;
pub use refusal::{Refusal, StopReason, Validation};
pub use session::{Config, Era, Event, Hello, Session, Viewer};

/// The longest stream of one frame, tiles or JPEG. The largest that a viewer of the vendor takes is 9,216,000 bytes.
pub const MAX_FRAME: usize = 64 << 20;
