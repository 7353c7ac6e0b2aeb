//! Guests that are pushed into a mount and take over from each other.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod breaker;
mod canary;
mod paths;
mod recording;
mod support;
mod swaps;
