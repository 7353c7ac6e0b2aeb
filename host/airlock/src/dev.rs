//! `airlock dev`: guests behind Vault's HTTP API, without a Vault.
//!
//! A guest runs here as it does in production: in the same sandbox, under the same limits, on the same transactions.
//! When its file changes, the new build is loaded and takes the place of the old one. If it cannot be loaded, the old
//! one continues to serve.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use airlock_dev_server::{DevServer, EngineFactory, EngineInfo, MountSetup, Settings, Store};
use airlock_mount::{GrantedGuest, GuestMount, Parts};
use airlock_sandbox::Services;
use airlock_storage::Prefixes;
use anyhow::{Context as _, Result, bail};
use parking_lot::RwLock;
use tokio::signal::unix::{SignalKind, signal};
use vault_plugin::{Backend, Error, Report, async_trait};

use crate::args::LimitArgs;
use crate::dev::bridge::{Dev, DevJournal, report_usage};
use crate::dev::terminal::Terminal;
use crate::file::{FileState, read_guest};
use crate::guest;

mod args;
mod bridge;
mod terminal;

pub use args::DevArgs;

/// Interval at which the guests' files are checked.
const LOOK: Duration = Duration::from_millis(300);

/// Serves until Ctrl-C or SIGTERM.
pub async fn run(args: DevArgs) -> Result<()> {
    tracing::subscriber::set_global_default(airlock_dev_server::subscriber())
        .context("cannot follow the requests")?;
    let guests = Arc::new(Guests::load(&args).await?);
    let store = match &args.storage {
        Some(directory) => Store::open(directory)?,
        None => Store::memory()?,
    };
    let token = match args.token {
        Some(token) => token,
        None => random_token()?,
    };
    let server = DevServer::start(Settings {
        listen: args.listen,
        token: token.clone(),
        store,
        clock: args.clock,
        observer: Box::new(Terminal),
        factory: Box::new(Factory(guests.clone())),
    })
    .await?;
    for mount in &args.mount {
        server
            .enable(&mount.path, &mount.engine()?, BTreeMap::new())
            .await?;
    }
    // Before the banner, after which somebody may end the server at once: a signal is not lost then.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    terminal::banner(&server, &token, args.storage.as_deref());
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = watch(&server, &guests) => {}
    }
    server.stop().await;
    Ok(())
}

fn random_token() -> Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("cannot get random bytes for a token: {error}"))?;
    Ok(format!("dev-{}", hex::encode(bytes)))
}

/// Replaces guests whose files were rebuilt.
async fn watch(server: &DevServer, guests: &Guests) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        for name in guests.names() {
            match guests.reload(&name).await {
                Ok(None) => {}
                Ok(Some(version)) => {
                    for mount in server.replace(&name).await {
                        match mount.result {
                            Ok(()) => terminal::note(&format!("{} now runs {name} {version}", mount.mount)),
                            Err(error) => {
                                let error = Report::new(&error);
                                terminal::trouble(&format!("{} keeps its old guest: {error}", mount.mount))
                            }
                        }
                    }
                }
                Err(error) => terminal::trouble(&format!("{name} keeps its old build: {error:#}")),
            }
        }
    }
}

/// The guests of the command line, by the names of their files.
struct Guests {
    limits: LimitArgs,
    cache: Option<PathBuf>,
    loaded: RwLock<BTreeMap<String, Loaded>>,
}

#[derive(Clone)]
struct Loaded {
    path: PathBuf,
    /// The state of the file when it was last read, even if it could not be loaded.
    seen: Option<FileState>,
    guest: Arc<GrantedGuest>,
}

impl Guests {
    async fn load(args: &DevArgs) -> Result<Self> {
        let guests = Self {
            limits: args.limits.clone(),
            cache: guest::user_cache(),
            loaded: RwLock::default(),
        };
        for mount in &args.mount {
            let name = mount.engine()?;
            let known = guests.loaded.read().get(&name).map(|known| known.path.clone());
            match known {
                Some(path) if path == mount.guest => {}
                Some(path) => bail!(
                    "two guests are both named {name}: {} and {}; rename one of the files",
                    path.display(),
                    mount.guest.display()
                ),
                None => {
                    let seen = FileState::of(&mount.guest);
                    let guest = Arc::new(guests.granted(&mount.guest).await?);
                    let loaded = Loaded {
                        path: mount.guest.clone(),
                        seen,
                        guest,
                    };
                    guests.loaded.write().insert(name, loaded);
                }
            }
        }
        Ok(guests)
    }

    async fn granted(&self, path: &std::path::Path) -> Result<GrantedGuest> {
        let component = read_guest(path)?;
        let (limits, memory) = (guest::limits(&self.limits), guest::process_memory(&self.limits));
        let guest = guest::load(path, &component, self.cache.clone(), limits, memory).await?;
        // Everything that the guest may have cached is cached, so that its author sees the costs of production.
        // Everything that it serves without a token is served.
        Ok(GrantedGuest {
            voucher: None,
            guest,
            cacheable: Prefixes::all(),
            unauthenticated: Prefixes::all(),
        })
    }

    fn names(&self) -> Vec<String> {
        self.loaded.read().keys().cloned().collect()
    }

    fn get(&self, name: &str) -> Option<Arc<GrantedGuest>> {
        self.loaded.read().get(name).map(|loaded| loaded.guest.clone())
    }

    /// Loads the guest if its file has changed since the last check, and returns the guest's new version.
    async fn reload(&self, name: &str) -> Result<Option<String>> {
        let Some(known) = self.loaded.read().get(name).cloned() else {
            return Ok(None);
        };
        let now = FileState::of(&known.path);
        // A file that is missing is being replaced.
        if now.is_none() || now == known.seen {
            return Ok(None);
        }
        let guest = self.granted(&known.path).await;
        if FileState::of(&known.path) != now {
            // The file is still being written: the next check reads it again.
            return Ok(None);
        }
        let mut loaded = self.loaded.write();
        let Some(known) = loaded.get_mut(name) else {
            return Ok(None);
        };
        known.seen = now;
        known.guest = Arc::new(guest?);
        Ok(Some(known.guest.guest.description().version.clone()))
    }
}

struct Factory(Arc<Guests>);

#[async_trait]
impl EngineFactory for Factory {
    fn engines(&self) -> Vec<EngineInfo> {
        let info = |(name, loaded): (&String, &Loaded)| EngineInfo {
            name: name.clone(),
            version: format!("v{}", loaded.guest.guest.description().version),
            sha256: loaded.guest.guest.digest().to_owned(),
        };
        self.0.loaded.read().iter().map(info).collect()
    }

    async fn mount(&self, engine: &str, mount: MountSetup) -> Result<Arc<dyn Backend>, Error> {
        let Some(granted) = self.0.get(engine) else {
            return Err(Error::User(format!(
                "no guest named {engine} was given; start airlock dev with --mount PATH={engine}.wasm"
            )));
        };
        let parts = Parts {
            config: mount.config.into_iter().collect(),
            storage: mount.storage,
            storage_settings: airlock_storage::Settings::default(),
            services: Services {
                clock: Arc::new(Dev(mount.system.clone())),
                system: Arc::new(Dev(mount.system)),
                events: Arc::new(DevJournal(mount.events)),
                log: Arc::new(Terminal),
                ..Services::default()
            },
            is_standby: false,
            on_usage: report_usage,
            metrics: Arc::default(),
            breaker: airlock_mount::BreakerSettings::OFF,
        };
        Ok(Arc::new(GuestMount::set_up(&granted, parts).await?))
    }
}
