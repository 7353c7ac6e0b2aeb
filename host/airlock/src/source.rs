//! Where the guest of this process comes from: the file that the arguments name, loaded once for each state that it is in.
//!
//! Vault keeps a process whose mounts it could not set up, so loading is tried again: mending the cause is enough. But at
//! unseal Vault sets mounts up one after the other and waits for each, so what has failed is not tried again at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::time::timeout;

use crate::cli::ServeArgs;
use crate::engine::Engine;
use crate::trust::FileState;

/// How long loading may take: half of what Vault gives a plugin for its handshake. Also how long a failure is believed.
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

/// Why the guest could not be loaded, and of what file and when that is true.
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

    /// The guest that was loaded last.
    pub fn loaded(&self) -> Option<Arc<Engine>> {
        let state = self.state.lock();
        state.loaded.as_ref().map(|loaded| loaded.engine.clone())
    }

    /// The guest, loaded if none is yet. With `unfit`, a guest of this source that a mount cannot use, another one if the
    /// file has changed since, else the same.
    ///
    /// # Errors
    /// Why there is none, in a sentence for the operator.
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

    /// What there is to answer without loading; none if it is time to load.
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
