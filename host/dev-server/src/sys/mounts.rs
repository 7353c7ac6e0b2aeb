//! `sys/mounts`, `sys/remount`, and the paths where the user interface and the `vault kv` command ask about mounts.

use serde_json::{Map, Value, json};
use vault_plugin::Operation;

use super::builtin::builtin;
use super::{system, text, tokens};
use crate::answer::{Outcome, Refusal, Reply};
use crate::call::Call;
use crate::core::{Core, sanitized};

pub(super) async fn serve(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    if path == "remount" {
        let fields = call.fields();
        let (from, to) = (text(&fields, "from"), text(&fields, "to"));
        if call.operation != Operation::Update {
            return Err(Refusal::unsupported_operation());
        }
        core.remount(from, to).await?;
        let queued = "Mount move has been queued. Progress will be reported in Vault's server log, tagged with the \
                      returned migration_id";
        return Ok(Reply {
            warnings: vec![queued.to_owned()],
            mount_type: "system".to_owned(),
            ..Reply::data(json!({ "migration_id": crate::random::uuid() }))
        }
        .into());
    }
    if let Some(id) = path.strip_prefix("remount/status/") {
        // A move is already complete when its id is returned.
        let info = json!({ "status": "success" });
        return Ok(system(json!({ "migration_id": id, "migration_info": info })));
    }
    let Some(path) = path.strip_prefix("mounts/") else {
        return match call.operation {
            _ if path != "mounts" => Err(Refusal::unsupported_path()),
            Operation::Read => Ok(system(table(core, false).into())),
            _ => Err(Refusal::unsupported_operation()),
        };
    };
    if let Some(path) = path.strip_suffix("/tune") {
        return tune(core, call, path).await;
    }
    match call.operation {
        Operation::Read => {
            let path = sanitized(path);
            let shown = match core.mount_at(&path) {
                Some(mount) => mount.shown(false),
                None => table(core, false)
                    .remove(&path)
                    .ok_or_else(|| Refusal::user(format!("No secret engine mount at {path}")))?,
            };
            Ok(system(shown))
        }
        Operation::Update => core.enable(path, &call.fields()).await.map(|()| Outcome::Nothing),
        Operation::Delete => core.disable(path).await.map(|()| Outcome::Nothing),
        _ => Err(Refusal::unsupported_operation()),
    }
}

async fn tune(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    match call.operation {
        Operation::Read => {
            let path = sanitized(path);
            let Some((mount, _)) = core.mount_of(&path) else {
                return Err(Refusal::user(format!("cannot fetch sysview for path \"{path}\"")));
            };
            let entry = mount.entry();
            let mut shown = Map::new();
            shown.insert("description".to_owned(), entry.description.into());
            shown.insert(
                "default_lease_ttl".to_owned(),
                mount.default_ttl().as_secs().into(),
            );
            shown.insert("max_lease_ttl".to_owned(), mount.max_ttl().as_secs().into());
            entry.config.shown(&mut shown);
            if let Ok(engine) = mount.engine()
                && !engine.version.is_empty()
            {
                shown.insert("plugin_version".to_owned(), engine.version.as_str().into());
            }
            if !entry.options.is_empty() {
                shown.insert("options".to_owned(), json!(entry.options));
            }
            Ok(system(shown.into()))
        }
        Operation::Update => match core.tune(path, &call.fields()).await? {
            None => Ok(Outcome::Nothing),
            Some(warning) => {
                let reply = Reply {
                    warnings: vec![warning],
                    mount_type: "system".to_owned(),
                    ..Reply::default()
                };
                Ok(reply.into())
            }
        },
        _ => Err(Refusal::unsupported_operation()),
    }
}

/// Returns all mounts as Vault shows them, including its own.
fn table(core: &Core, effective: bool) -> Map<String, Value> {
    let own = [
        ("cubbyhole/", "cubbyhole", "per-token private secret storage"),
        ("identity/", "identity", "identity store"),
        (
            "sys/",
            "system",
            "system endpoints used for control, policy and debugging",
        ),
    ];
    let own = own
        .into_iter()
        .map(|(path, kind, description)| (path.to_owned(), builtin(kind, description, core, effective)));
    own.chain(
        core.mounts()
            .iter()
            .map(|mount| (mount.path(), mount.shown(effective))),
    )
    .collect()
}

/// Answers `sys/internal/ui/mounts` for a caller without a token: the mounts with `listing_visibility` set to `unauth`.
pub(super) fn visible(core: &Core) -> Outcome {
    let entries = core.mounts().into_iter().map(|mount| mount.entry());
    let visible = entries.filter(|entry| entry.config.listing_visibility == "unauth");
    let shown: Map<String, Value> = visible
        .map(|entry| {
            let shown =
                json!({ "type": entry.engine, "description": entry.description, "options": entry.options });
            (entry.path, shown)
        })
        .collect();
    Reply::data(json!({ "auth": {}, "secret": shown })).into()
}

/// Serves `sys/internal/ui/…`: which mount serves a path, and its options.
pub(super) fn internal_ui(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    if call.operation != Operation::Read && call.operation != Operation::List {
        return Err(Refusal::unsupported_operation());
    }
    let path = path.strip_prefix("ui/").ok_or_else(Refusal::unsupported_path)?;
    let shown = match path {
        "mounts" => {
            json!({ "auth": { "token/": tokens::auth_mount(core, true) }, "secret": table(core, true) })
        }
        "namespaces" => json!({ "keys": [""] }),
        "resultant-acl" => return Ok(system(json!({ "root": true, "chroot_namespace": "" }))),
        "authenticated-messages" | "unauthenticated-messages" => json!({}),
        _ => {
            let path = path
                .strip_prefix("mounts/")
                .ok_or_else(Refusal::unsupported_path)?;
            let own = table(core, true)
                .remove(&sanitized(path))
                .map(|shown| (sanitized(path), shown));
            let found = core
                .mount_of(path)
                .map(|(mount, _)| (mount.path(), mount.shown(true)))
                .or(own);
            let Some((at, mut shown)) = found else {
                let path = sanitized(path);
                let why = "preflight capability check returned 403, please ensure client's policies grant access to path";
                return Err(Refusal::new(403, format!("{why} \"{path}\"")));
            };
            shown["path"] = at.into();
            shown
        }
    };
    Ok(Reply::data(shown).into())
}
