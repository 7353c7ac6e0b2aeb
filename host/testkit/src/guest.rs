//! Loading a guest, and the runtime that it runs on.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, mpsc};
use std::thread;

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

/// The threads of the runtime that guests run on.
const THREADS: usize = 2;

/// Says why the runtime cannot start, with the remedy for the limit on threads.
fn unable(error: &std::io::Error) -> String {
    let text = Report::new(error).to_string();
    if error.kind() != std::io::ErrorKind::WouldBlock {
        return text;
    }
    format!(
        "{text}; raise the limit on processes and threads (`ulimit -u`, or the container's limit on pids), or on the address \
         space (`ulimit -v`) if there is one"
    )
}

/// Starts so many threads and ends them again: tokio panics where the system refuses it one.
fn try_threads(count: usize) -> std::io::Result<()> {
    let started: std::io::Result<Vec<_>> = (0..count).map(|_| hold_thread()).collect();
    for (hold, thread) in started? {
        drop(hold);
        // The thread only waits.
        let _ = thread.join();
    }
    Ok(())
}

/// Starts a thread that ends when the sender is dropped.
fn hold_thread() -> std::io::Result<(mpsc::Sender<()>, thread::JoinHandle<()>)> {
    let (hold, held) = mpsc::channel();
    let thread = thread::Builder::new().spawn(move || {
        // It fails when the sender is gone.
        let _ = held.recv();
    })?;
    Ok((hold, thread))
}

/// Runs a future to its end on the runtime that guests run on. This also works from within another runtime.
///
/// # Errors
/// Returns [`Error::Runtime`] if this machine cannot start the threads for it.
pub fn block_on<F: Future<Output: Send> + Send>(future: F) -> Result<F::Output> {
    static RUNTIME: LazyLock<std::io::Result<Runtime>> = LazyLock::new(|| {
        try_threads(THREADS)?;
        Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()
    });

    let runtime = RUNTIME.as_ref().map_err(|error| Error::Runtime(unable(error)))?;
    if Handle::try_current().is_err() {
        return Ok(runtime.block_on(future));
    }
    let run = std::thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join());
    // The panic continues in the caller, as it would without the thread.
    Ok(run.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
