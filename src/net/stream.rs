//! A connection to a console as a stream of bytes, whatever carries it.

use std::time::Instant;

use crate::base::Error;

/// An open byte stream with one reader and any number of writers.
pub trait Channel: Send + Sync {
    /// Waits until bytes arrive, and appends them to `buffer`. One thread reads; it holds no lock while it waits.
    fn read(&self, buffer: &mut Vec<u8>, until: Instant) -> Result<Read, Error>;

    /// Sends all of `bytes`. Any thread may.
    fn send(&self, bytes: &[u8]) -> Result<(), Error>;

    /// Says goodbye in the carrier's way and shuts the connection down, which wakes the reader.
    fn close(&self);
}

/// What a read ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// Bytes were appended.
    Data,
    /// The time was up first.
    TimedOut,
    /// The peer, or `close`, ended the stream; nothing will follow.
    Closed,
}
