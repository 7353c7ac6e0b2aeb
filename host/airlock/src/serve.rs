//! `airlock serve`: the command that Vault runs.
//!
//! The path of a request: `go_plugin` has the connection. `vault_plugin` converts a message to a
//! [`vault_plugin::Request`] and finds its mount. [`VaultMount`] makes sure that there is a guest that may run.
//! [`airlock_mount::GuestMount`] hands the request to the sandbox, which runs the guest. What the guest stores goes
//! through `airlock_storage` and [`airlock_mount::bridge`] back over the connection to Vault.
//!
//! Whatever is wrong, the handshake with Vault is completed. Only then can the cause reach the operator, in the answer
//! to `vault secrets enable` and in Vault's log.

use std::sync::Arc;

use airlock_mount::{Source as _, VaultMount};
use airlock_otlp::Traces;
use anyhow::{Context as _, Result, bail};
use tracing_subscriber::layer::SubscriberExt as _;
use vault_plugin::{Backend, Error, Factory, Setup, async_trait};

use crate::args::{ServeArgs, TraceArgs};
use crate::hardening;
use crate::metrics_port::MetricsPort;
use crate::source::ProcessGuests;

/// The crates whose events are logged: only our own. The libraries beneath may log the data that passes through them.
const LOGGED: [&str; 7] = [
    "airlock",
    "airlock_mount",
    "airlock_otlp",
    "airlock_sandbox",
    "airlock_storage",
    "go_plugin",
    "vault_plugin",
];

/// The advice to somebody who runs `serve` by hand.
pub const ADVICE: &str = "`airlock serve` is what Vault runs once it is registered as a plugin, and does nothing by itself; \
     `airlock check` with the same arguments says whether it would work, and prints the commands that register it";

/// Returns true if Vault started this process. `serve` is of use only then.
pub fn is_started_by_vault() -> bool {
    std::env::var_os("VAULT_BACKEND_PLUGIN").is_some()
}

/// Serves until Vault ends it. `args` may be the reason why they could not be read.
pub fn run(args: Result<ServeArgs, String>) -> Result<()> {
    if !is_started_by_vault() {
        bail!(ADVICE);
    }
    hardening::seal_process();
    let traces = log_to_vault(args.as_ref().ok().map(|args| &args.traces))?;
    // Uses one thread: two of them cost more than they give, and the sandbox has its own for guests that run long.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let served = runtime.block_on(async {
        let exporter = traces.map(Traces::start);
        let served = vault_plugin::serve(Plugin::start(args)).await;
        if let Some(exporter) = exporter {
            exporter.end().await;
        }
        served
    });
    // A guest may still be running, but its request is over.
    runtime.shutdown_background();
    served.map_err(Into::into)
}

/// Writes the host's own events where Vault reads them, and collects traces if they are wanted.
///
/// Unlike `tracing_subscriber`'s own way of doing this, it does not take what libraries write with the `log` crate.
/// [`LOGGED`] would drop these lines, but only one by one: if a guest exhausts its stack, wasmtime writes a line for
/// each frame.
pub fn log_to_vault(traces: Option<&TraceArgs>) -> Result<Option<Traces>> {
    let log = tracing_subscriber::registry().with(go_plugin::hclog::layer(LOGGED));
    // Without traces there is no layer for them, so that the places that make their spans cost nothing.
    let (traces, set) = match traces.and_then(|args| Some((args.otlp.clone()?, args.otlp_sample))) {
        Some((endpoint, part)) => {
            let (layer, traces) = airlock_otlp::traces(endpoint, part);
            (
                Some(traces),
                tracing::subscriber::set_global_default(log.with(layer)),
            )
        }
        None => (None, tracing::subscriber::set_global_default(log)),
    };
    set.context("cannot set up the log")?;
    Ok(traces)
}

/// The process as Vault sees it: a guest to serve, or the reason why it has none yet.
struct Plugin {
    guests: Arc<ProcessGuests>,
    metrics: Arc<MetricsPort>,
}

impl Plugin {
    /// Begins to load the guest. The handshake with Vault does not wait for it. The calls that need the guest wait.
    fn start(args: Result<ServeArgs, String>) -> Self {
        let listen = args
            .as_ref()
            .ok()
            .and_then(|args| args.metrics.metrics_listen.clone());
        let source = Arc::new(ProcessGuests::new(args));
        let loading = source.clone();
        // The reason for a failure is in the log, and in the answers of the mounts.
        if source.has_guest() {
            tokio::spawn(async move { loading.guest(None).await });
        }
        Self {
            guests: source,
            metrics: MetricsPort::new(listen),
        }
    }
}

#[async_trait]
impl Factory for Plugin {
    async fn version(&self) -> String {
        match self.guests.guest(None).await {
            Ok(loaded) => format!("v{}", loaded.guest.description().version),
            Err(_) => String::new(),
        }
    }

    async fn setup(&self, setup: Setup) -> Result<Arc<dyn Backend>, Error> {
        let uuid = setup.backend_uuid.clone();
        let mount = VaultMount::set_up(self.guests.clone(), setup).await?;
        self.metrics.add(uuid, &mount);
        Ok(mount)
    }
}
