//! The core of the server: mounts, leases and tokens, and the routing of calls to engines.

mod dispatch;
mod fields;
mod leasing;
mod mounting;
mod routing;
mod ticking;
mod tuning;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::answer::Refusal;
use crate::engine::EngineFactory;
use crate::journal::Journal;
use crate::leases::Leases;
use crate::mount::{Mount, MountEntry};
use crate::random;
use crate::store::{Store, View};
use crate::wrapping::Wraps;
use crate::{Clock, Error};

pub(crate) use fields::{sanitized, strings};
pub(crate) use routing::shown;

const MOUNTS: &str = "core/mounts/";
const CLUSTER: &str = "core/cluster";

/// The state that all calls share.
pub(crate) struct Core {
    pub(crate) store: Arc<Store>,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<Journal>,
    pub(crate) factory: Box<dyn EngineFactory>,
    pub(crate) root: RootToken,
    pub(crate) cluster: Cluster,
    pub(crate) leases: Leases,
    pub(crate) wraps: Arc<Wraps>,
    mounts: RwLock<BTreeMap<String, Arc<Mount>>>,
    /// Locked while the mount table changes.
    changes: tokio::sync::Mutex<()>,
    /// Locked while expired leases are revoked.
    expiring: tokio::sync::Mutex<()>,
    /// The time of the next tick; locked while a tick runs.
    next_tick: tokio::sync::Mutex<SystemTime>,
}

/// The server's only token.
pub(crate) struct RootToken {
    pub(crate) token: String,
    pub(crate) accessor: String,
    pub(crate) issued: SystemTime,
}

/// The server's identity, which is stored and stays the same for the lifetime of the store.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Cluster {
    pub(crate) id: String,
    pub(crate) name: String,
    /// A salt for the hash of a token that engines see.
    salt: String,
}

impl Core {
    /// Reads the stored state. The mounts do not have an engine yet.
    pub(crate) fn new(
        store: Store,
        clock: Clock,
        token: String,
        journal: Journal,
        factory: Box<dyn EngineFactory>,
    ) -> Result<Core, Error> {
        let store = Arc::new(store);
        let cluster = Core::cluster(&store)?;
        let entries: Vec<MountEntry> = store.documents(MOUNTS, "a mount")?;
        let mounts = entries.into_iter().map(|entry| {
            let view = View::of_mount(Arc::clone(&store), &entry.uuid);
            (entry.path.clone(), Arc::new(Mount::new(entry, view)))
        });
        Ok(Core {
            leases: Leases::load(Arc::clone(&store), clock.clone())?,
            wraps: Arc::new(Wraps::new(Arc::clone(&store), clock.clone())),
            mounts: RwLock::new(mounts.collect()),
            root: RootToken {
                token,
                accessor: random::base62(24),
                issued: clock.now(),
            },
            journal: Arc::new(journal),
            changes: tokio::sync::Mutex::new(()),
            expiring: tokio::sync::Mutex::new(()),
            next_tick: tokio::sync::Mutex::new(clock.now() + ticking::TICK),
            store,
            clock,
            factory,
            cluster,
        })
    }

    fn cluster(store: &Store) -> Result<Cluster, Error> {
        let stored = store.get(CLUSTER)?;
        if let Some(entry) = stored {
            let damaged = |source| Error::Damaged {
                what: "a cluster id",
                source,
            };
            return serde_json::from_slice(&entry.value).map_err(damaged);
        }
        let cluster = Cluster {
            id: random::uuid(),
            name: format!("vault-cluster-{}", random::hex8()),
            salt: random::base62(32),
        };
        store.put_document(CLUSTER, &cluster)?;
        Ok(cluster)
    }

    /// Returns the mounts, in the order of their paths.
    pub(crate) fn mounts(&self) -> Vec<Arc<Mount>> {
        self.mounts.read().values().cloned().collect()
    }

    /// Returns the mount at exactly this path, which ends in a slash.
    pub(crate) fn mount_at(&self, path: &str) -> Option<Arc<Mount>> {
        self.mounts.read().get(path).cloned()
    }

    /// Returns the mount that serves a path, and the rest of the path below the mount.
    pub(crate) fn mount_of<'a>(&self, path: &'a str) -> Option<(Arc<Mount>, &'a str)> {
        let mounts = self.mounts.read();
        mounts.iter().find_map(|(prefix, mount)| {
            // The mount's own path may be given without its final slash.
            let rest = if path == prefix.trim_end_matches('/') {
                Some("")
            } else {
                path.strip_prefix(prefix.as_str())
            };
            rest.map(|rest| (Arc::clone(mount), rest))
        })
    }

    /// Returns true if a token is the root token.
    pub(crate) fn is_root(&self, token: &str) -> bool {
        // The time does not reveal the first difference.
        self.root.token.as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// Accepts the root token and refuses every other.
    ///
    /// # Errors
    /// Returns 403 with Vault's texts.
    pub(crate) fn authorize(&self, token: &str) -> Result<(), Refusal> {
        if self.is_root(token) {
            return Ok(());
        }
        if token.is_empty() {
            return Err(Refusal::new(403, "permission denied"));
        }
        Err(Refusal::collected(403, &["permission denied", "invalid token"]))
    }
}
