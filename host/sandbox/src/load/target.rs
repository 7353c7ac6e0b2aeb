//! Chooses the processors on which compiled code runs.
//!
//! A guest that is compiled at a start is compiled for the machine at hand. Code that is carried to other machines is
//! compiled for a [baseline](baseline): it uses no feature that some processor of the architecture does not have. When code
//! is loaded, wasmtime compares the features that it uses with those of the machine and refuses code that does not fit. It
//! does the same with its own version and with the settings that shape code.

use wasmtime::Config;

use crate::LoadError;

/// The processors for which a component is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The machine that compiles, with all its features.
    ThisMachine,
    /// Every processor of the [baseline](baseline).
    Baseline,
}

/// The baseline of this architecture, and its target in wasmtime's terms. With a target and no flags, the compiler uses
/// what every processor of the architecture has.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const BASELINE: Option<(&str, &str)> = Some(("x86-64", "x86_64-unknown-linux-gnu"));
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const BASELINE: Option<(&str, &str)> = Some(("ARMv8-A", "aarch64-unknown-linux-gnu"));
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const BASELINE: Option<(&str, &str)> = None;

/// Returns the name of the baseline of this architecture: `x86-64`, which is every x86-64 processor, or `ARMv8-A`, which is
/// every 64-bit ARM processor. Returns `None` on other systems, which have none.
pub fn baseline() -> Option<&'static str> {
    BASELINE.map(|(name, _)| name)
}

impl Target {
    /// Sets the target of a compiler.
    ///
    /// # Errors
    /// [`LoadError::Compile`] if this architecture has no baseline.
    pub(crate) fn apply(self, config: &mut Config) -> Result<(), LoadError> {
        if self == Self::ThisMachine {
            return Ok(());
        }
        let Some((_, target)) = BASELINE else {
            return Err(LoadError::Compile(
                "this architecture has no baseline; only x86-64 and ARM64 have one".into(),
            ));
        };
        config
            .target(target)
            .map_err(|error| LoadError::Runtime {
                what: "wasmtime cannot be set up",
                source: error.into(),
            })
            .map(drop)
    }
}
