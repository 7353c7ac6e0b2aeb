//! The status of the server, which is always initialized, unsealed and active, and other answers that never change
//! here.

use serde_json::{Value, json};
use vault_core::json::to_text;
use vault_plugin::Operation;

use super::system;
use crate::answer::{Answer, Outcome, Refusal};
use crate::call::Call;
use crate::core::Core;
use crate::go::{moment, unix_seconds};
use crate::system::VAULT_VERSION;

/// Returns the version that callers see: Vault's, marked as this server's.
fn version() -> String {
    format!("{VAULT_VERSION}+airlock.dev")
}

/// Answers the paths that need no token and have no envelope. Returns `None` for any other path.
pub(crate) fn unauthenticated(core: &Core, path: &str, operation: &Operation) -> Option<Answer> {
    if !matches!(operation, Operation::Read | Operation::Header) {
        return None;
    }
    let cluster = |value: &mut Value| {
        value["cluster_name"] = core.cluster.name.as_str().into();
        value["cluster_id"] = core.cluster.id.as_str().into();
        value["version"] = version().into();
    };
    let body = match path {
        "sys/health" => {
            let mut health = json!({
                "initialized": true,
                "sealed": false,
                "standby": false,
                "performance_standby": false,
                "replication_performance_mode": "disabled",
                "replication_dr_mode": "disabled",
                "server_time_utc": unix_seconds(core.clock.now()),
                "enterprise": false,
                "echo_duration_ms": 0,
                "clock_skew_ms": 0,
                "replication_primary_canary_age_ms": 0,
                "development_server": "airlock dev: for development only, never for secrets that matter",
            });
            cluster(&mut health);
            health
        }
        "sys/seal-status" => {
            let mut status = json!({
                "type": "shamir",
                "initialized": true,
                "sealed": false,
                "t": 1,
                "n": 1,
                "progress": 0,
                "nonce": "",
                "build_date": moment(std::time::UNIX_EPOCH),
                "migration": false,
                "recovery_seal": false,
                "storage_type": "airlock-dev",
            });
            cluster(&mut status);
            status
        }
        "sys/init" => json!({ "initialized": true }),
        "sys/leader" => json!({
            "ha_enabled": false,
            "is_self": false,
            "active_time": "0001-01-01T00:00:00Z",
            "leader_address": "",
            "leader_cluster_address": "",
            "performance_standby": false,
            "performance_standby_last_remote_wal": 0,
        }),
        "sys/internal/ui/feature-flags" => json!({ "feature_flags": null }),
        _ => return None,
    };
    Some(Answer::json(200, to_text(&body)))
}

/// Serves the paths whose answers are the same on every development server.
pub(crate) fn fixed(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    if !matches!(call.operation, Operation::Read | Operation::List) {
        return Err(Refusal::unsupported_operation());
    }
    let policies = ["default", "root"];
    let root = json!({ "name": "root", "policy": "" });
    match path {
        "policy" => Ok(system(json!({ "keys": policies, "policies": policies }))),
        "policies/acl" if call.operation == Operation::List => Ok(system(json!({ "keys": policies }))),
        "policy/root" | "policies/acl/root" => Ok(system(root)),
        "ha-status" => Ok(system(json!({ "nodes": [] }))),
        "key-status" => {
            let installed = moment(core.root.issued);
            Ok(system(
                json!({ "term": 1, "install_time": installed, "encryptions": 0 }),
            ))
        }
        _ => Err(Refusal::unsupported_path()),
    }
}
