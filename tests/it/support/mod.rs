//! What the integration tests share: fakes, encoders, test data.

pub mod web;
