//! `airlock serve`: what Vault runs.
//!
//! The path of a request: `go_plugin` has the connection, `vault_plugin` makes a message a [`vault_plugin::Request`] and
//! finds its mount, [`GuestMount`] hands it to the sandbox, which runs the guest; what the guest stores goes through
//! `airlock_storage` and [`crate::bridge`] back over the connection to Vault.
//!
//! Whatever is wrong, the handshake with Vault is completed: only then can the cause reach the operator, in the answer
//! to `vault secrets enable` and in Vault's log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vault_plugin::{Backend, Error, Factory, Setup, async_trait};

use crate::cli::ServeArgs;
use crate::engine::Engine;
use crate::hardening;
use crate::mount::GuestMount;
use crate::trust::FileState;

/// Whose events are logged. Only our own: what the libraries beneath log may hold what passes through them.
const LOGGED: [&str; 5] = [
    "airlock",
    "airlock_sandbox",
    "airlock_storage",
    "go_plugin",
    "vault_plugin",
];

/// How long loading may take: half of what Vault gives a plugin for its handshake. Also how long a failure is believed.
const PATIENCE: Duration = Duration::from_secs(30);

/// What to do about a wrong way of calling.
pub const ADVICE: &str = "`airlock serve` is what Vault runs once it is registered as a plugin, and does nothing by itself; \
     `airlock check` with the same arguments says whether it would work, and prints the commands that register it";

/// Whether Vault started this process, which is the only way in which `serve` is of use.
pub fn is_started_by_vault() -> bool {
    std::env::var_os("VAULT_BACKEND_PLUGIN").is_some()
}

/// Serves until Vault ends it. `args` may be the reason why they could not be read.
pub fn run(args: Result<ServeArgs, String>) -> Result<()> {
    if !is_started_by_vault() {
        bail!(ADVICE);
    }
    hardening::seal_process();
    tracing_subscriber::registry()
        .with(go_plugin::hclog::layer(LOGGED))
        .init();
    // One thread: two of them cost more than they give, and the sandbox has its own for guests that run long.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let served = runtime.block_on(async {
        let plugin = Plugin::start(args).await;
        vault_plugin::serve(plugin).await
    });
    // A guest may still be running; its request is over.
    runtime.shutdown_background();
    served.map_err(Into::into)
}

/// The process as Vault sees it: a guest to serve, or the reason why there is none yet.
///
/// Vault keeps a process whose mounts it could not set up, so a set-up tries again: mending the cause is enough. But
/// at unseal it sets mounts up one after the other and waits for each, so what has failed is not tried again at once.
struct Plugin {
    args: Result<ServeArgs, String>,
    engine: OnceCell<Engine>,
    failure: Mutex<Option<Failure>>,
}

/// Why the guest could not be loaded, and of what file and when that is true.
struct Failure {
    reason: String,
    file: Option<FileState>,
    at: Instant,
}

impl Plugin {
    async fn start(args: Result<ServeArgs, String>) -> Self {
        let plugin = Self {
            args,
            engine: OnceCell::new(),
            failure: Mutex::new(None),
        };
        // Why it failed is in the log, and in the answer to the set-up.
        let _ = plugin.engine().await;
        plugin
    }

    async fn engine(&self) -> Result<&Engine, Error> {
        let told = |reason: String| Error::Internal(format!("airlock cannot serve this mount: {reason}"));
        if let Some(reason) = self.still_failing() {
            return Err(told(reason));
        }
        let file = self.file();
        let load = async {
            let loaded = tokio::time::timeout(PATIENCE, self.load()).await;
            loaded.unwrap_or_else(|_| {
                Err(format!(
                    "the guest took longer than {} s to load",
                    PATIENCE.as_secs()
                ))
            })
        };
        self.engine.get_or_try_init(|| load).await.map_err(|reason| {
            tracing::error!(reason, "no mount can be served");
            *self.failure.lock() = Some(Failure {
                reason: reason.clone(),
                file,
                at: Instant::now(),
            });
            told(reason)
        })
    }

    fn file(&self) -> Option<FileState> {
        self.args
            .as_ref()
            .ok()
            .and_then(|args| FileState::of(&args.guest))
    }

    /// The last failure, unless trying again could end otherwise.
    fn still_failing(&self) -> Option<String> {
        let failure = self.failure.lock();
        let failure = failure.as_ref()?;
        let same = failure.file == self.file() && failure.at.elapsed() < PATIENCE;
        (same && !self.engine.initialized()).then(|| failure.reason.clone())
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

#[async_trait]
impl Factory for Plugin {
    fn version(&self) -> String {
        self.engine
            .get()
            .map(|engine| format!("v{}", engine.guest.description().version))
            .unwrap_or_default()
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, Error> {
        let engine = self.engine().await?;
        Ok(Arc::new(GuestMount::in_vault(engine, setup).await?))
    }
}
