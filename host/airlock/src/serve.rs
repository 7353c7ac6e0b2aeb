//! `airlock serve`: what Vault runs.
//!
//! The path of a request: `go_plugin` has the connection, `vault_plugin` makes a message a [`vault_plugin::Request`] and
//! finds its mount, [`GuestMount`] hands it to the sandbox, which runs the guest; what the guest stores goes through
//! `airlock_storage` and [`crate::bridge`] back over the connection to Vault.
//!
//! Whatever is wrong, the handshake with Vault is completed: only then can the cause reach the operator, in the answer
//! to `vault secrets enable` and in Vault's log.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use tokio::sync::OnceCell;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use vault_plugin::{Backend, Error, Factory, Setup, async_trait};

use crate::cli::ServeArgs;
use crate::engine::Engine;
use crate::hardening;
use crate::mount::GuestMount;

/// Whose events are logged. Only our own: what the libraries beneath log may hold what passes through them.
const LOGGED: [&str; 5] = [
    "airlock",
    "airlock_sandbox",
    "airlock_storage",
    "go_plugin",
    "vault_plugin",
];

/// Whether Vault started this process, which is the only way in which `serve` is of use.
pub fn is_started_by_vault() -> bool {
    std::env::var_os("VAULT_BACKEND_PLUGIN").is_some()
}

/// Serves until Vault ends it. `args` may be the reason why they could not be read.
pub fn run(args: Result<ServeArgs, String>) -> Result<()> {
    if !is_started_by_vault() {
        bail!(
            "`airlock serve` is what Vault runs once it is registered as a plugin, and does nothing by itself; `airlock \
             check` with the same arguments says whether it would work, and prints the commands that register it"
        );
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
/// Vault keeps a process whose mounts it could not set up, so each set-up tries again: mending the cause is enough.
struct Plugin {
    args: Result<ServeArgs, String>,
    engine: OnceCell<Engine>,
}

impl Plugin {
    async fn start(args: Result<ServeArgs, String>) -> Self {
        let plugin = Self {
            args,
            engine: OnceCell::new(),
        };
        // Why it failed is in the log, and in the answer to the set-up.
        let _ = plugin.engine().await;
        plugin
    }

    async fn engine(&self) -> Result<&Engine, Error> {
        self.engine
            .get_or_try_init(|| self.load())
            .await
            .map_err(|reason| {
                tracing::error!(reason, "no mount can be served");
                Error::Internal(format!("airlock cannot serve this mount: {reason}"))
            })
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
        Ok(Arc::new(GuestMount::set_up(engine, setup).await?))
    }
}
