//! `auth/token/…`. The only token is the root token, which cannot be changed.

use serde_json::{Value, json};
use vault_plugin::Operation;

use super::builtin::builtin;
use super::text;
use crate::answer::{Outcome, Refusal, Reply};
use crate::call::Call;
use crate::core::Core;
use crate::go::unix_seconds;

pub(super) fn serve(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    let fields = call.fields();
    match (path, &call.operation) {
        ("lookup-self", Operation::Read | Operation::Update) => Ok(shown(core)),
        ("lookup", Operation::Read) => Ok(shown(core)),
        ("lookup", Operation::Update) => match text(&fields, "token") {
            "" => Ok(shown(core)),
            token if core.is_root(token) => Ok(shown(core)),
            _ => Err(Refusal::new(403, "bad token")),
        },
        ("lookup-accessor", Operation::Update) if text(&fields, "accessor") == core.root.accessor => {
            Ok(shown(core))
        }
        ("lookup-accessor", Operation::Update) => Err(Refusal::new(403, "invalid accessor")),
        ("accessors", Operation::List) => Ok(Reply {
            mount_type: "token".to_owned(),
            ..Reply::data(json!({ "keys": [core.root.accessor] }))
        }
        .into()),
        ("renew-self" | "renew", Operation::Update) => Err(Refusal::user("invalid lease ID")),
        ("revoke-self" | "revoke" | "create" | "create-orphan", Operation::Update) => Err(Refusal::user(
            "a development server has one token, which stays: the root token",
        )),
        (
            "lookup-self" | "lookup" | "lookup-accessor" | "accessors" | "renew-self" | "renew"
            | "revoke-self" | "revoke" | "create" | "create-orphan",
            _,
        ) => Err(Refusal::unsupported_operation()),
        _ => Err(Refusal::unsupported_path()),
    }
}

fn shown(core: &Core) -> Outcome {
    let root = &core.root;
    let data = json!({
        "accessor": root.accessor,
        "creation_time": unix_seconds(root.issued),
        "creation_ttl": 0,
        "display_name": "root",
        "entity_id": "",
        "expire_time": null,
        "explicit_max_ttl": 0,
        "id": root.token,
        "meta": null,
        "num_uses": 0,
        "orphan": true,
        "path": "auth/token/root",
        "policies": ["root"],
        "ttl": 0,
        "type": "service",
    });
    Reply {
        mount_type: "token".to_owned(),
        ..Reply::data(data)
    }
    .into()
}

/// Describes the token auth mount, which every Vault has.
pub(super) fn auth_mount(core: &Core, effective: bool) -> Value {
    let mut mount = builtin("token", "token based credentials", core, effective);
    mount["accessor"] = format!("auth_{}", mount["accessor"].as_str().unwrap_or_default()).into();
    mount["config"]["token_type"] = "default-service".into();
    mount
}
