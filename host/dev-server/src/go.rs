//! Go's formats that callers of Vault see: JSON, durations, moments.

mod duration;
mod json;
mod limits;
mod moment;
mod syntax;

pub(crate) use duration::{human_duration, parse_duration};
pub(crate) use json::{as_floats, to_text};
pub(crate) use limits::{check_limits, without_space};
pub(crate) use moment::{moment, unix_seconds};
pub(crate) use syntax::check_syntax;
