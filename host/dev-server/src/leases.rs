//! Leases: their times, and the data that their engines get back when they are renewed or revoked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use airlock_logical::time::nanoseconds;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use vault_plugin::Json;

use crate::go::{moment, unix_seconds};
use crate::random::base62;
use crate::store::Store;
use crate::{Clock, Error};

const PREFIX: &str = "core/leases/";
/// The number of attempts to revoke a lease, the same as Vault's. After them the lease is left to the operator.
const ATTEMPTS: u32 = 6;

/// One lease.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Lease {
    /// The path and a random part.
    pub(crate) id: String,
    /// The full path of the request that it came from.
    pub(crate) path: String,
    pub(crate) issued: SystemTime,
    pub(crate) expires: SystemTime,
    pub(crate) renewed: Option<SystemTime>,
    pub(crate) ttl: Duration,
    pub(crate) max_ttl: Duration,
    pub(crate) renewable: bool,
    pub(crate) internal_data: Option<String>,
    /// The data that the caller got. Renewals and the revocation get it as their data.
    pub(crate) data: Option<String>,
    /// The number of revocations that failed.
    pub(crate) failures: u32,
}

impl Lease {
    /// Returns true if revoking the lease failed so often that the server no longer tries.
    pub(crate) fn is_irrevocable(&self) -> bool {
        self.failures >= ATTEMPTS
    }

    /// Returns Vault's text if the lease cannot be renewed.
    pub(crate) fn check_renewable(&self, now: SystemTime) -> Result<(), &'static str> {
        if self.is_irrevocable() {
            return Err("lease is expired and has failed previous revocation attempts");
        }
        if self.expires < now {
            return Err("lease expired");
        }
        if self.renewable {
            Ok(())
        } else {
            Err("lease is not renewable")
        }
    }

    /// Returns the fields that `sys/leases/lookup` shows.
    pub(crate) fn shown(&self, now: SystemTime) -> Value {
        let left = unix_seconds(self.expires).cast_signed() - unix_seconds(now).cast_signed();
        json!({
            "id": self.id,
            "issue_time": moment(self.issued),
            "expire_time": moment(self.expires),
            "last_renewal": self.renewed.map(moment),
            "ttl": left,
            "renewable": self.check_renewable(now).is_ok(),
        })
    }

    /// Returns the engine's secret, as requests to renew or revoke it get it.
    pub(crate) fn secret(&self, increment: Duration) -> vault_plugin::Secret {
        vault_plugin::Secret {
            lease: vault_plugin::Lease {
                ttl: nanoseconds(self.ttl),
                max_ttl: nanoseconds(self.max_ttl),
                renewable: self.renewable,
                increment: nanoseconds(increment),
                issue_time: Some(self.issued.into()),
            },
            internal_data: self.internal_data.clone().and_then(Json::from_text),
            lease_id: String::new(),
        }
    }

    fn key(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// Returns the time at which to revoke the lease, or `None` if it is irrevocable. The wait grows after each failed
    /// revocation.
    fn due(&self) -> Option<SystemTime> {
        let wait = Duration::from_secs(10) * (2_u32.pow(self.failures.min(ATTEMPTS)) - 1);
        (!self.is_irrevocable()).then(|| self.expires + wait)
    }
}

/// All leases, in memory and in the store.
pub(crate) struct Leases {
    store: Arc<Store>,
    clock: Clock,
    all: Mutex<BTreeMap<String, Lease>>,
    /// Notified when the earliest expiry may have changed.
    changed: Notify,
}

impl Leases {
    pub(crate) fn load(store: Arc<Store>, clock: Clock) -> Result<Leases, Error> {
        let leases: Vec<Lease> = store.documents(PREFIX, "a lease")?;
        let all = leases
            .into_iter()
            .map(|lease| (lease.id.clone(), lease))
            .collect();
        Ok(Leases {
            store,
            clock,
            all: Mutex::new(all),
            changed: Notify::new(),
        })
    }

    /// Stores a new lease for this path.
    pub(crate) fn register(
        &self,
        path: &str,
        ttl: Duration,
        secret: &vault_plugin::Secret,
        data: Option<&Json>,
    ) -> airlock_storage::Result<Lease> {
        let now = self.clock.now();
        let lease = Lease {
            id: format!("{}/{}", path.trim_end_matches('/'), base62(24)),
            path: path.to_owned(),
            issued: now,
            expires: now + ttl,
            renewed: None,
            ttl,
            max_ttl: secret.lease.max_ttl(),
            renewable: secret.lease.renewable,
            internal_data: secret.internal_data.clone().map(Json::into_string),
            data: data.cloned().map(Json::into_string),
            failures: 0,
        };
        self.put(lease.clone())?;
        Ok(lease)
    }

    pub(crate) fn put(&self, lease: Lease) -> airlock_storage::Result<()> {
        self.store.put_document(&lease.key(), &lease)?;
        self.all.lock().insert(lease.id.clone(), lease);
        self.changed.notify_one();
        Ok(())
    }

    pub(crate) fn get(&self, id: &str) -> Option<Lease> {
        self.all.lock().get(id).cloned()
    }

    pub(crate) fn remove(&self, id: &str) -> airlock_storage::Result<()> {
        let Some(lease) = self.get(id) else { return Ok(()) };
        self.store.delete(lease.key())?;
        self.all.lock().remove(id);
        Ok(())
    }

    /// Returns the leases whose ids have this prefix.
    pub(crate) fn below(&self, prefix: &str) -> Vec<Lease> {
        self.all
            .lock()
            .values()
            .filter(|lease| lease.id.starts_with(prefix))
            .cloned()
            .collect()
    }

    /// Returns the names directly below a folder of lease ids. Names of folders end in `/`.
    pub(crate) fn list(&self, folder: &str) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for id in self.all.lock().keys() {
            let Some(rest) = id.strip_prefix(folder) else {
                continue;
            };
            let name = rest.split_inclusive('/').next().unwrap_or_default();
            if names.last().is_none_or(|last| last != name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Returns the leases that are due for revocation.
    pub(crate) fn due(&self) -> Vec<Lease> {
        let now = self.clock.now();
        let all = self.all.lock();
        let is_due = |lease: &&Lease| lease.due().is_some_and(|due| due <= now);
        all.values().filter(is_due).cloned().collect()
    }

    /// Waits until a lease is due for revocation.
    pub(crate) async fn wait_for_due(&self) {
        loop {
            let changed = self.changed.notified();
            let soonest = self.all.lock().values().filter_map(Lease::due).min();
            match soonest {
                Some(soonest) if soonest <= self.clock.now() => return,
                Some(soonest) => tokio::select! {
                    () = changed => {}
                    () = self.clock.sleep_until(soonest) => {}
                },
                None => changed.await,
            }
        }
    }
}
