//! Defines the arguments that several commands share.

mod limits;
mod option;
mod serve;
mod trust;

pub use limits::LimitArgs;
pub use option::OptionArgs;
pub use serve::ServeArgs;
pub use trust::{KeyArgs, TrustArgs};
