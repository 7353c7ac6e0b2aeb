//! The reason why the host ends a call of a guest.

use crate::limits::Exceeded;

/// The reason why the host ends a call. It travels through wasmtime as an error of the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Limit(#[from] Exceeded),
    #[error("{0} is called where no import may be: describe and special-paths are static")]
    Import(&'static str),
    #[error("{0}")]
    Contract(String),
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),
}
