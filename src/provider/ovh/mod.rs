//! OVHcloud's dedicated servers, Kimsufi and So you Start included.
//!
//! Source: OVH's API schemas and official clients.

mod credentials;
mod endpoint;
pub mod sign;

pub use credentials::{Credentials, Settings};
pub use endpoint::{DEFAULT, Endpoint};
