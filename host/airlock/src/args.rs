//! Defines the arguments that several commands share.

mod limits;
mod option;
mod serve;

pub use limits::LimitArgs;
pub use option::OptionArgs;
pub use serve::ServeArgs;
