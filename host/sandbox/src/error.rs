//! The errors of this crate, by purpose: [`LoadError`] for loading a guest, which includes asking it for its description,
//! and [`CallError`] for calling it.

mod call;
mod load;

pub use call::CallError;
pub use load::LoadError;

/// The result of a call of a guest.
pub type Result<T, E = CallError> = std::result::Result<T, E>;
