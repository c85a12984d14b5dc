//! The only outgoing sockets: TLS, HTTP and WebSocket, bounded by a watch.

pub mod stream;
