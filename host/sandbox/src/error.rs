//! The errors of this crate, by purpose: [`LoadError`] for loading a guest, [`CallError`] for calling it. Code that does
//! both can use [`Error`], to which `?` converts either.

mod call;
mod load;

pub use call::CallError;
pub use load::LoadError;

/// Either error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A guest could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A call of a guest was not carried out.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// The result of a call of a guest.
pub type Result<T, E = CallError> = std::result::Result<T, E>;
