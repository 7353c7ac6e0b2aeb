//! The host's side of the contract's imports, one file each.

mod events;
mod log;
mod scratch;
mod storage;
mod system;
mod volatile;
