//! The only outgoing sockets: TLS, HTTP and WebSocket, bounded by a watch.
//!
//! Deliberately absent: HTTP/2, redirects, cookies (callers decide what to send), SOCKS proxies, WebSocket compression.

pub mod http;
pub mod plain;
pub mod reach;
pub mod stream;
pub mod tls;
pub mod ws;
pub mod x509;

mod failure;
mod link;
mod tcp;

pub use http::{Client, Method, Peer, Request, Response};
pub use plain::Plain;
pub use stream::Channel;
pub use tls::Trust;
