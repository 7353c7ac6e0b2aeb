//! Renews and revokes leases through their engines.

use std::sync::Arc;
use std::time::Duration;

use vault_core::LeaseTerms;
use vault_plugin::{Json, Operation, Report, Request};

use super::Core;
use crate::answer::{LeaseShown, Refusal, Reply};
use crate::go::unix_seconds;
use crate::leases::Lease;
use crate::mount::Mount;

impl Core {
    /// Extends a lease, as far as its engine allows.
    ///
    /// # Errors
    /// Returns the refusals of Vault and of the engine.
    pub(crate) async fn renew(&self, id: &str, increment: Duration) -> Result<Reply, Refusal> {
        let lease = self
            .leases
            .get(id)
            .ok_or_else(|| Refusal::user("lease not found"))?;
        let now = self.clock.now();
        lease.check_renewable(now).map_err(Refusal::user)?;
        let Some((mount, rest)) = self.mount_of(&lease.path) else {
            return Err(Refusal::user("unable to retrieve system view from router"));
        };
        let request = lease_request(Operation::Renew, &mount, rest, &lease, increment);
        let _in_use = mount.in_use.read().await;
        let engine = mount.engine().map_err(Refusal::user)?;
        let answer = engine.backend.handle_request(request).await;
        let failed = |why: &dyn std::fmt::Display| Refusal::user(format!("failed to renew entry: {why}"));
        let answer = answer.map_err(|error| failed(&Report::new(&error)))?;
        let Some(secret) = answer.as_ref().and_then(|answer| answer.secret.clone()) else {
            return Ok(Reply::default());
        };
        // Vault counts in whole seconds.
        let age = Duration::from_secs(unix_seconds(now).saturating_sub(unix_seconds(lease.issued)));
        let terms = LeaseTerms {
            increment,
            ttl: secret.lease.ttl(),
            max_ttl: secret.lease.max_ttl(),
            age,
            ..mount.lease_terms()
        };
        let Some((ttl, warning)) = terms.granted() else {
            return Err(Refusal::user("past the max TTL, cannot renew"));
        };
        let data = answer.as_ref().and_then(|answer| answer.data.clone());
        let mut warnings: Vec<String> = answer.map(|answer| answer.warnings).unwrap_or_default();
        warnings.extend(warning);
        let lease = Lease {
            expires: now + ttl,
            renewed: Some(now),
            ttl,
            max_ttl: secret.lease.max_ttl(),
            renewable: secret.lease.renewable,
            internal_data: secret.internal_data.map(Json::into_string),
            data: data.clone().map(Json::into_string),
            ..lease
        };
        self.leases.put(lease.clone())?;
        Ok(Reply {
            data: data.and_then(|data| data.decode().ok()),
            warnings,
            lease: Some(LeaseShown {
                id: lease.id,
                renewable: lease.renewable,
                ttl,
            }),
            ..Reply::default()
        })
    }

    /// Revokes a lease now. Does nothing if the lease does not exist.
    ///
    /// # Errors
    /// Returns the engine's error. The lease then stays, and revoking it is retried later.
    pub(crate) async fn revoke(&self, id: &str) -> Result<(), Refusal> {
        let Some(lease) = self.leases.get(id) else {
            return Ok(());
        };
        let revoked = match self.mount_of(&lease.path) {
            Some((mount, rest)) => revoke_by_engine(&mount, rest, &lease).await,
            // The mount is gone, so nobody is left who could revoke the lease.
            None => Ok(()),
        };
        match revoked {
            Ok(()) => Ok(self.leases.remove(id)?),
            Err(why) => {
                let lease = Lease {
                    failures: lease.failures + 1,
                    expires: lease.expires.min(self.clock.now()),
                    ..lease
                };
                self.leases.put(lease)?;
                let text = format!("failed to revoke \"{id}\": failed to revoke entry: {why}");
                Err(Refusal::collected(400, &[&text]))
            }
        }
    }

    /// Revokes all leases whose ids have this prefix. With `force`, it also removes those that their engine fails to
    /// revoke.
    pub(crate) async fn revoke_below(&self, prefix: &str, force: bool) -> Result<(), Refusal> {
        let mut first_refusal = None;
        for lease in self.leases.below(prefix) {
            if let Err(refusal) = self.revoke(&lease.id).await {
                if force {
                    self.leases.remove(&lease.id)?;
                } else {
                    first_refusal.get_or_insert(refusal);
                }
            }
        }
        first_refusal.map_or(Ok(()), Err)
    }
}

async fn revoke_by_engine(mount: &Arc<Mount>, path: &str, lease: &Lease) -> Result<(), String> {
    let request = lease_request(Operation::Revoke, mount, path, lease, Duration::ZERO);
    let _in_use = mount.in_use.read().await;
    let answer = mount.engine()?.backend.handle_request(request).await;
    answer
        .map_err(|error| Report::new(&error).to_string())
        .and_then(engine_error)
}

fn lease_request(
    operation: Operation,
    mount: &Arc<Mount>,
    path: &str,
    lease: &Lease,
    increment: Duration,
) -> Request {
    let mut request = Request::new(operation, path);
    request.mount_point = mount.path();
    request.mount_type = mount.entry().engine;
    request.secret = Some(lease.secret(increment));
    request.data = lease.data.clone().and_then(Json::from_text);
    request
}

/// Returns the error that an engine may put into the data of its answer. Other fields beside it do not matter here,
/// unlike in the answer to a caller, for which `vault_core` decides.
fn engine_error(answer: Option<vault_plugin::Response>) -> Result<(), String> {
    let data = answer.and_then(|answer| answer.data);
    let fields: serde_json::Map<String, serde_json::Value> =
        data.and_then(|data| data.decode().ok()).unwrap_or_default();
    match fields.get("error") {
        Some(error) => Err(error.as_str().unwrap_or("the engine refused").to_owned()),
        None => Ok(()),
    }
}
