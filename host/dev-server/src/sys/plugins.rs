//! The plugin catalog, which is read-only: its entries are set when the server starts.

use serde_json::{Value, json};
use vault_plugin::{Operation, Report};

use super::{system, text};
use crate::answer::{Outcome, Refusal};
use crate::call::Call;
use crate::core::{Core, sanitized, strings};

pub(super) async fn serve(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    let engines = core.factory.engines();
    let names: Vec<&str> = engines.iter().map(|engine| engine.name.as_str()).collect();
    match (path, &call.operation) {
        ("catalog", Operation::Read) => {
            let detailed: Vec<Value> = engines
                .iter()
                .map(|engine| {
                    json!({
                        "builtin": false,
                        "name": engine.name,
                        "sha256": engine.sha256,
                        "type": "secret",
                        "version": engine.version,
                    })
                })
                .collect();
            Ok(system(json!({ "secret": names, "detailed": detailed })))
        }
        ("catalog/secret", Operation::List) => Ok(system(json!({ "keys": names }))),
        ("reload/backend", Operation::Update) => reload(core, call).await,
        ("catalog" | "catalog/secret" | "reload/backend", _) => Err(Refusal::unsupported_operation()),
        _ => one(core, call, path).await,
    }
}

/// Serves `catalog/secret/<name>` and `reload/secret/<name>`.
async fn one(core: &Core, call: &Call, path: &str) -> Result<Outcome, Refusal> {
    if let Some(name) = path.strip_prefix("reload/secret/") {
        let mounts = core
            .mounts()
            .into_iter()
            .map(|mount| mount.entry())
            .filter(|entry| entry.engine == name);
        return reload_all(core, mounts.map(|entry| entry.path).collect()).await;
    }
    let name = path
        .strip_prefix("catalog/secret/")
        .ok_or_else(Refusal::unsupported_path)?;
    if call.operation != Operation::Read {
        return Err(Refusal::user(
            "this server's plugins are those that it was started with",
        ));
    }
    let engines = core.factory.engines();
    let engine = engines
        .iter()
        .find(|engine| engine.name == name)
        .ok_or_else(|| Refusal::status(404))?;
    Ok(system(json!({
        "args": null,
        "builtin": false,
        "command": "",
        "name": engine.name,
        "sha256": engine.sha256,
        "version": engine.version,
    })))
}

async fn reload(core: &Core, call: &Call) -> Result<Outcome, Refusal> {
    let fields = call.fields();
    let paths = match (
        text(&fields, "plugin"),
        fields.get("mounts").map(strings).unwrap_or_default(),
    ) {
        ("", paths) if paths.is_empty() => return Err(Refusal::user("plugin or mounts must be provided")),
        ("", paths) => paths.iter().map(|path| sanitized(path)).collect(),
        (plugin, _) => {
            let entries = core.mounts().into_iter().map(|mount| mount.entry());
            entries
                .filter(|entry| entry.engine == plugin)
                .map(|entry| entry.path)
                .collect()
        }
    };
    reload_all(core, paths).await
}

async fn reload_all(core: &Core, paths: Vec<String>) -> Result<Outcome, Refusal> {
    for path in paths {
        let Some(mount) = core.mount_at(&path) else {
            let text = format!("cannot fetch mount entry on \"{path}\"");
            return Err(Refusal::collected(500, &[&text]));
        };
        core.reload(&mount)
            .await
            .map_err(|error| Refusal::user(Report::new(&error).to_string()))?;
    }
    Ok(system(json!({ "reload_id": crate::random::uuid() })))
}
