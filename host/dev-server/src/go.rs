//! Go's formats that only a server needs: the checks of its listener, and moments. `vault_core` has the others.

mod limits;
mod moment;
mod syntax;

pub(crate) use limits::{check_limits, without_space};
pub(crate) use moment::{moment, unix_seconds};
pub(crate) use syntax::check_syntax;
