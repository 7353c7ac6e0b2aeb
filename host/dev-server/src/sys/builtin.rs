//! Describes the mounts that belong to Vault itself.

use serde_json::{Value, json};
use vault_core::SYSTEM_TTL;

use crate::core::Core;

/// Describes one of Vault's own mounts. They are shown, but are not served here.
pub(super) fn builtin(kind: &str, description: &str, core: &Core, effective: bool) -> Value {
    let ttl = if effective { SYSTEM_TTL.as_secs() } else { 0 };
    let id = core.cluster.id.as_str();
    let mut config = json!({ "default_lease_ttl": ttl, "max_lease_ttl": ttl, "force_no_cache": false });
    match kind {
        "system" => config["passthrough_request_headers"] = json!(["Accept"]),
        "identity" => config["passthrough_request_headers"] = json!(["Authorization"]),
        _ => {}
    }
    json!({
        "type": kind,
        "description": description,
        "accessor": format!("{kind}_{}", id.get(..8).unwrap_or(id)),
        "local": kind == "cubbyhole",
        "seal_wrap": kind == "system",
        "external_entropy_access": false,
        "options": null,
        "uuid": id,
        "plugin_version": "",
        "running_plugin_version": format!("v{}+builtin.vault", crate::system::VAULT_VERSION),
        "running_sha256": "",
        "config": config,
    })
}
