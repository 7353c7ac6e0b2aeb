//! Compiled code that comes with a component, and where the code of a loaded guest came from.

use std::fmt;

/// Compiled code for which its owner vouches. It comes from [`Guest::compiled`](crate::Guest::compiled), in another process
/// or at another time.
pub struct CompiledCode(Vec<u8>);

impl CompiledCode {
    /// Takes bytes as compiled code.
    ///
    /// # Safety
    /// The bytes run as native code of this process. So they must be what [`Guest::compiled`](crate::Guest::compiled)
    /// returned for the same component, unchanged, and whoever could have changed them must be someone who could have
    /// changed this program as well. wasmtime refuses code of another version, for another machine or with other settings,
    /// but it does not notice code that was made to harm.
    #[allow(unsafe_code)]
    pub unsafe fn trusted(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompiledCode({} bytes)", self.0.len())
    }
}

/// The origin of a loaded guest's compiled code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeOrigin {
    /// It came with the component, as [`CompiledCode`].
    Contained,
    /// It was found in the directory for compiled guests.
    Cached,
    /// It was compiled when the guest was loaded.
    Compiled,
}

impl fmt::Display for CodeOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Contained => "contained",
            Self::Cached => "cached",
            Self::Compiled => "compiled",
        })
    }
}
