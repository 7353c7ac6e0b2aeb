//! The source of this process's guest: the file that the arguments name, loaded once for each state of the file.
//!
//! Vault keeps a process whose mounts it could not set up, so loading is tried again: it is enough to correct the
//! cause. But at unseal Vault sets up mounts one after the other and waits for each, so a load that failed is not tried
//! again at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::timeout;

use crate::cli::ServeArgs;
use crate::engine::Engine;
use crate::trust::FileState;

/// Longest time that loading may take: half of what Vault gives a plugin for its handshake. Also the time for which a
/// failure is believed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The guest's file. `args` may be the reason why the arguments could not be read.
pub struct Source {
    args: Result<ServeArgs, String>,
    state: Mutex<State>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    failure: Option<Failure>,
}

struct Loaded {
    engine: Arc<Engine>,
    /// The file's state when it was read.
    file: Option<FileState>,
}

/// The reason why the guest could not be loaded, the state of its file then, and the time of the failure.
struct Failure {
    reason: String,
    file: Option<FileState>,
    at: Instant,
}

impl Source {
    pub fn new(args: Result<ServeArgs, String>) -> Self {
        Self {
            args,
            state: Mutex::default(),
            loading: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the guest that was loaded last.
    pub fn loaded(&self) -> Option<Arc<Engine>> {
        let state = self.state.lock();
        state.loaded.as_ref().map(|loaded| loaded.engine.clone())
    }

    /// Returns the guest, and loads it if none is loaded yet. `unfit` is a guest of this source that a mount cannot
    /// use: if the file has changed since, another guest is returned, and otherwise the same one.
    ///
    /// # Errors
    /// The reason why no guest is available, in a sentence for the operator.
    pub async fn engine(&self, unfit: Option<&Arc<Engine>>) -> Result<Arc<Engine>, String> {
        if let Some(known) = self.known(unfit) {
            return known;
        }
        let _alone = self.loading.lock().await;
        if let Some(known) = self.known(unfit) {
            return known;
        }
        let file = self.file();
        let loaded = timeout(PATIENCE, self.load()).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(format!("the guest took longer than {seconds} s to load"))
        });
        let mut state = self.state.lock();
        match loaded {
            Ok(engine) => {
                let engine = Arc::new(engine);
                state.failure = None;
                state.loaded = Some(Loaded {
                    engine: engine.clone(),
                    file,
                });
                Ok(engine)
            }
            Err(reason) => {
                tracing::error!(reason, "the guest cannot be loaded");
                state.failure = Some(Failure {
                    reason: reason.clone(),
                    file,
                    at: Instant::now(),
                });
                Err(reason)
            }
        }
    }

    /// Returns the answer that needs no loading, or `None` if it is time to load.
    fn known(&self, unfit: Option<&Arc<Engine>>) -> Option<Result<Arc<Engine>, String>> {
        let state = self.state.lock();
        if let Some(Loaded { engine, file }) = &state.loaded {
            let is_unfit = unfit.is_some_and(|unfit| Arc::ptr_eq(unfit, engine));
            if !is_unfit || *file == self.file() {
                return Some(Ok(engine.clone()));
            }
        }
        let failure = state.failure.as_ref()?;
        let stands = failure.file == self.file() && failure.at.elapsed() < PATIENCE;
        stands.then(|| Err(failure.reason.clone()))
    }

    fn file(&self) -> Option<FileState> {
        let args = self.args.as_ref().ok()?;
        FileState::of(&args.guest)
    }

    async fn load(&self) -> Result<Engine, String> {
        let args = self.args.as_ref().map_err(Clone::clone)?;
        let engine = Engine::load(args).await.map_err(|error| format!("{error:#}"))?;
        let description = engine.guest.description();
        let sha256 = engine.guest.digest();
        tracing::info!(
            guest = description.name,
            version = description.version,
            sha256,
            "guest is loaded"
        );
        if !engine.pinned {
            tracing::warn!(
                sha256,
                "UNPINNED: whoever can write the guest's file can run code on this mount's secrets; register the plugin \
                 with --guest-sha256 for anything but development"
            );
        }
        Ok(engine)
    }
}
