//! Tests `airlock dev` as a person starts and uses it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod beside_vault;
mod clock;
mod effects;
mod page;
mod rebuilt;
mod refusals;
mod scripts;
mod serving;
mod storage;
