//! Compiled code that comes with a component, and where the code of a loaded guest came from.

use std::fmt;

/// Compiled code for which its owner vouches. It comes from [`Guest::compiled`](crate::Guest::compiled), in another process
/// or at another time.
pub struct CompiledCode {
    bytes: Vec<u8>,
    /// The SHA-256 of the component, in lower-case hexadecimal.
    pub(crate) digest: String,
}

impl CompiledCode {
    /// Takes bytes as the compiled code of the component with this SHA-256, which is in lower-case hexadecimal.
    ///
    /// # Safety
    /// The bytes run as native code of this process. So they must be what [`Guest::compiled`](crate::Guest::compiled)
    /// returned for that component, unchanged, and whoever could have changed them must be someone who could have
    /// changed this program as well. wasmtime refuses code of another version, for another machine or with other settings,
    /// but it does not notice code that was made to harm.
    #[allow(unsafe_code)]
    pub unsafe fn trusted(bytes: Vec<u8>, digest: String) -> Self {
        Self { bytes, digest }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for CompiledCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CompiledCode({} bytes)", self.bytes.len())
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
