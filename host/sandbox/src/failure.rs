//! The reason why a call of an import does not succeed: the generated bindings need it, and the imports fill it.

/// The reason why a call of an import does not succeed.
pub(crate) enum Failure<E> {
    /// The guest gets this error.
    Refused(E),
    /// The guest's own call ends.
    Trap(wasmtime::Error),
}

impl<E> Failure<E> {
    /// Returns the error for the guest, or ends its call.
    pub fn told(self) -> wasmtime::Result<E> {
        match self {
            Self::Refused(error) => Ok(error),
            Self::Trap(error) => Err(error),
        }
    }
}

impl<E> From<wasmtime::Error> for Failure<E> {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}
