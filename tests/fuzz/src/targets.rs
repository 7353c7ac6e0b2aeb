//! The decoders, grouped by the origin of their bytes.

pub mod author;
pub mod bundle;
pub mod component;
pub mod dev;
pub mod guest;
pub mod json;
pub mod launch;
pub mod paths;
pub mod server;
pub mod storage;
pub mod text;
pub mod traces;
pub mod trust;
pub mod vault;
