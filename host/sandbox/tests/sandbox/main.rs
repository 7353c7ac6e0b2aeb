//! Tests the sandbox with real guests. They must have been built: `guest/build.sh --with-tests`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod adversary;
mod answers;
mod bank;
mod bounds;
mod checks;
mod compiling;
mod contained;
mod events;
mod guests;
mod hidden;
mod isolation;
mod kept;
mod kv;
mod loading;
mod room;
mod snapshots;
mod support;
mod synthetic;
mod transactions;
mod versioned_kv;
