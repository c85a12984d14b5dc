//! What every other module may use: plain values, the error, the clock, the watch over a wait. No I/O.

pub mod access;
pub mod base64;
pub mod bytes;
pub mod clock;
pub mod error;
pub mod frame;
pub mod jpeg;
pub mod log;
pub mod png;
pub mod random;
pub mod secret;
pub mod server;
pub mod url;
pub mod watch;

pub use access::{Access, Bmc, Carrier, Certificate, Recording, Rfb, Route};
pub use error::{DecodeError, Error, Kind};
pub use frame::{Frame, Rgb};
pub use secret::Secret;
pub use server::{Power, Server};
pub use url::Url;
pub use watch::Watch;
