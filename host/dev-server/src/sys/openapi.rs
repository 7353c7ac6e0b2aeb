//! `sys/internal/specs/openapi`: the documents of all mounts' engines, merged into one.

use serde_json::{Map, Value, json};
use vault_core::json::to_text;
use vault_plugin::{Operation, Report, Request};

use crate::answer::{Answer, Outcome, Refusal};
use crate::call::Call;
use crate::core::Core;
use crate::system::VAULT_VERSION;

pub(super) async fn serve(core: &Core, call: &Call) -> Result<Outcome, Refusal> {
    if !matches!(call.operation, Operation::Read | Operation::Update) {
        return Err(Refusal::unsupported_operation());
    }
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for mount in core.mounts() {
        let Some(document) = document_of(core, &mount).await else {
            continue;
        };
        let path = mount.path();
        for (below, mut item) in objects(&document["paths"]) {
            without_empty_parameters(&mut item);
            paths.insert(format!("/{path}{}", below.trim_start_matches('/')), item);
        }
        schemas.extend(objects(&document["components"]["schemas"]));
    }
    let document = json!({
        "openapi": "3.0.2",
        "info": {
            "title": "HashiCorp Vault API",
            "description": "HTTP API that gives you full access to Vault. All API routes are prefixed with `/v1/`.",
            "version": VAULT_VERSION,
        },
        "paths": paths,
        "components": { "schemas": schemas },
    });
    Ok(Outcome::Raw(Answer::json(200, to_text(&document))))
}

fn objects(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Removes empty lists of parameters from paths and operations, as Vault does.
fn without_empty_parameters(item: &mut Value) {
    let Some(fields) = item.as_object_mut() else {
        return;
    };
    if fields
        .get("parameters")
        .is_some_and(|parameters| parameters == &json!([]))
    {
        fields.remove("parameters");
    }
    fields.values_mut().for_each(without_empty_parameters);
}

/// Returns an engine's own document, or `None` if it has none. If one engine fails, only its part is missing.
async fn document_of(core: &Core, mount: &crate::mount::Mount) -> Option<Value> {
    let _in_use = mount.in_use.read().await;
    let engine = mount.engine().ok()?;
    let path = mount.path();
    let mut request = Request::new(Operation::Help, "");
    request.mount_point.clone_from(&path);
    request.mount_type = mount.entry().engine;
    let prefix = json!({ "requestResponsePrefix": request.mount_type });
    request.data = vault_plugin::Json::encode(&prefix).ok();
    let answer = match engine.backend.handle_request(request).await {
        Ok(answer) => answer?,
        Err(error) => {
            let error = Report::new(&error);
            core.journal
                .trouble(&format!("{path} gives no OpenAPI document: {error}"));
            return None;
        }
    };
    let mut data: Map<String, Value> = answer.data?.decode().ok()?;
    data.remove("openapi")
}
