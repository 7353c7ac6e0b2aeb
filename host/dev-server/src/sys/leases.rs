//! `sys/leases/…` and its older forms.

use serde_json::{Value, json};
use vault_core::parse_duration;
use vault_plugin::Operation;

use super::{system, text};
use crate::answer::{Outcome, Refusal, Reply};
use crate::call::Call;
use crate::core::Core;

pub(super) async fn serve(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    let path = path.strip_prefix("leases/").unwrap_or(path);
    let (action, below) = path.split_once('/').unwrap_or((path, ""));
    let fields = call.fields();
    let id = if below.is_empty() {
        text(&fields, "lease_id")
    } else {
        below
    };
    let write = call.operation == Operation::Update;
    let named = || {
        if id.is_empty() {
            Err(Refusal::user("lease_id must be specified"))
        } else {
            Ok(id)
        }
    };
    match (action, write) {
        ("lookup", true) => {
            let lease = core
                .leases
                .get(named()?)
                .ok_or_else(|| Refusal::user("invalid lease"))?;
            Ok(system(lease.shown(core.clock.now())))
        }
        ("lookup", false) if call.operation == Operation::List => {
            let folder = if below.is_empty() {
                String::new()
            } else {
                format!("{}/", below.trim_end_matches('/'))
            };
            Ok(system(json!({ "keys": core.leases.list(&folder) })))
        }
        ("renew", true) => {
            let increment = fields
                .get("increment")
                .map(parse_duration)
                .transpose()
                .map_err(Refusal::user)?;
            let reply = core.renew(named()?, increment.unwrap_or_default()).await?;
            Ok(Reply {
                mount_type: "system".to_owned(),
                ..reply
            }
            .into())
        }
        ("revoke", true) => revoked(core.revoke(named()?).await, &fields),
        ("revoke-prefix", true) => revoked(core.revoke_below(&prefix(below), false).await, &fields),
        ("revoke-force", true) => revoked(core.revoke_below(&prefix(below), true).await, &fields),
        ("tidy", true) => {
            core.wraps.tidy()?;
            let warning = "Tidy operation successfully started. Any information from the operation will be printed to \
                           Vault's server logs.";
            let body = Reply {
                warnings: vec![warning.to_owned()],
                ..Reply::default()
            };
            Ok(Outcome::Raw(crate::answer::Answer::json(
                202,
                body.envelope(&call.id),
            )))
        }
        ("leases", false) => Err(Refusal::status(404)),
        ("lookup" | "renew" | "revoke" | "revoke-prefix" | "revoke-force" | "tidy", _) => {
            Err(Refusal::unsupported_operation())
        }
        _ => Err(Refusal::unsupported_path()),
    }
}

fn prefix(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}

/// Vault reports a failed revocation only if the caller asked to wait with `sync`; otherwise it goes on trying.
fn revoked(result: Result<(), Refusal>, fields: &serde_json::Map<String, Value>) -> Result<Outcome, Refusal> {
    match result {
        Err(refusal) if fields.get("sync") == Some(&Value::Bool(true)) => Err(refusal),
        _ => Ok(Outcome::Nothing),
    }
}
