//! Loading a guest, and the runtime that it runs on.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use airlock_sandbox::{Compiler, Limits, LoadError, Sandbox, SandboxSettings};
use parking_lot::Mutex;
use printable::Report;
use sha2::{Digest as _, Sha256};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{Error, Result};

/// A loaded guest. It is cheap to clone.
#[derive(Clone)]
pub struct Guest {
    pub(crate) inner: airlock_sandbox::Guest,
}

impl Guest {
    /// Loads a guest's file under the limits that `airlock serve` has by default.
    ///
    /// The guest is compiled in this process, once: loading the same bytes again costs nothing, and other test
    /// processes of this user find the compiled code in the temporary directory.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or is not a guest that can run here.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::load_under(path, Limits::default())
    }

    /// Does the same as [`Guest::load`], under limits of your own.
    ///
    /// # Errors
    /// As for [`Guest::load`]. Also returns an error if the guest needs more than the limits allow.
    pub fn load_under(path: impl AsRef<Path>, limits: Limits) -> Result<Self> {
        static LOADED: Mutex<Vec<([u8; 32], Limits, Guest)>> = Mutex::new(Vec::new());

        let path = path.as_ref();
        let component = std::fs::read(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let digest = Sha256::digest(&component).into();
        // Locked while the guest compiles, so that concurrent tests compile it once.
        let mut loaded = LOADED.lock();
        if let Some((.., guest)) = loaded
            .iter()
            .find(|(of, under, _)| *of == digest && *under == limits)
        {
            return Ok(guest.clone());
        }
        let sandbox = SANDBOX.as_ref().map_err(|error| Error::Runtime(error.clone()))?;
        let guest = block_on(sandbox.load(&component, limits.clone()))?;
        let guest = Guest::from(guest.map_err(|source| Error::Load {
            path: path.to_owned(),
            source,
        })?);
        loaded.push((digest, limits, guest.clone()));
        Ok(guest)
    }

    /// Returns the guest's description of itself.
    pub fn description(&self) -> &airlock_sandbox::Description {
        self.inner.description()
    }
}

/// Wraps a guest that was loaded in a sandbox of your own, on the runtime of [`block_on`].
impl From<airlock_sandbox::Guest> for Guest {
    fn from(inner: airlock_sandbox::Guest) -> Self {
        Self { inner }
    }
}

static SANDBOX: LazyLock<Result<Sandbox, String>> = LazyLock::new(|| {
    let sandbox = |cache| {
        Sandbox::new(SandboxSettings {
            compiler: Compiler::InProcess,
            cache,
            memory_bytes: None,
        })
    };
    let made = block_on(async {
        match sandbox(Some(cache())) {
            // The directory is only a cache: without it, more has to be compiled.
            Err(LoadError::Cache { .. }) => sandbox(None),
            made => made,
        }
    });
    made.map_err(|error| error.to_string())?
        .map_err(|error| Report::new(&error).to_string())
});

fn cache() -> PathBuf {
    std::env::temp_dir().join(format!("airlock-testkit-{}", rustix::process::geteuid().as_raw()))
}

/// Runs a future to its end on the runtime that guests run on. This also works from within another runtime.
///
/// # Errors
/// Returns [`Error::Runtime`] if this machine cannot start the threads for it.
pub fn block_on<F: Future<Output: Send> + Send>(future: F) -> Result<F::Output> {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build());

    let runtime = RUNTIME
        .as_ref()
        .map_err(|error| Error::Runtime(error.to_string()))?;
    if Handle::try_current().is_err() {
        return Ok(runtime.block_on(future));
    }
    let run = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join());
    // The panic continues in the caller, as it would without the thread.
    Ok(run.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
