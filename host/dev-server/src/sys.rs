//! Vault's own paths: those of `sys/…` and `auth/token/…` that users of secrets engines need.

mod builtin;
mod capabilities;
mod clock;
mod leases;
mod mounts;
mod openapi;
mod plugins;
mod status;
mod tokens;
mod wrapping;

use serde_json::{Value, json};
use vault_plugin::Operation;

use crate::answer::{Outcome, Refusal, Reply};
use crate::call::Call;
use crate::core::Core;

pub(crate) use clock::shown as clock;
pub(crate) use status::unauthenticated;

/// Returns true if Vault itself serves a path.
pub(crate) fn is_sys(path: &str) -> bool {
    path.starts_with("sys/") || path == "sys" || path.starts_with("auth/")
}

/// Returns true if the answer also has the data's fields at the top level of the envelope.
pub(crate) fn injects(path: &str) -> bool {
    let Some(path) = path.strip_prefix("sys/") else {
        return false;
    };
    ["mounts/", "auth/", "policy/", "audit/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
        || matches!(
            path,
            "mounts"
                | "auth"
                | "policy"
                | "audit"
                | "ha-status"
                | "key-status"
                | "remount"
                | "wrapping/wrap"
                | "capabilities"
                | "capabilities-self"
                | "capabilities-accessor"
        )
}

/// Serves one of Vault's own paths.
///
/// # Errors
/// Returns Vault's refusals.
pub(crate) async fn serve(core: &Core, call: &Call) -> Result<Outcome, Refusal> {
    let path = call.path.trim_end_matches('/');
    if let Some(outcome) = wrapping::serve(core, call, path)? {
        return Ok(outcome);
    }
    if path == "sys/internal/ui/mounts" && call.token.is_empty() && call.operation == Operation::Read {
        return Ok(mounts::visible(core));
    }
    core.authorize(&call.token)?;
    if call.operation == Operation::Help {
        return Ok(Reply::data(json!({ "help": HELP, "see_also": null })).into());
    }
    if call.method_is_write() && call.path.ends_with('/') {
        return Err(Refusal::user("cannot write to a path ending in '/'"));
    }
    let Some((head, rest)) = path.split_once('/') else {
        return Err(Refusal::unsupported_path());
    };
    if head == "auth" {
        return match rest.split_once('/') {
            Some(("token", rest)) => tokens::serve(core, call, rest),
            _ => Err(Refusal::new(
                404,
                format!("no handler for route \"{}\". route entry not found.", call.path),
            )),
        };
    }
    let (first, below) = rest.split_once('/').unwrap_or((rest, ""));
    let outcome = match first {
        "mounts" | "remount" => mounts::serve(core, call, rest).await?,
        "clock" if below.is_empty() => clock::serve(core, call).await?,
        "internal" => match below {
            "specs/openapi" => openapi::serve(core, call).await?,
            _ => mounts::internal_ui(core, call, below)?,
        },
        "leases" | "renew" | "revoke" | "revoke-prefix" | "revoke-force" => {
            leases::serve(core, call, rest).await?
        }
        "plugins" => plugins::serve(core, call, below).await?,
        "capabilities" | "capabilities-self" | "capabilities-accessor" => {
            capabilities::serve(core, call, first)?
        }
        "auth" if below.is_empty() => system(json!({ "token/": tokens::auth_mount(core, false) })),
        "policy" | "policies" | "ha-status" | "key-status" => status::fixed(core, call, rest)?,
        _ => return Err(Refusal::unsupported_path()),
    };
    Ok(outcome)
}

const HELP: &str = "Paths below sys/ and auth/token/ work as Vault's documentation of its API says, as far as secrets \
                    engines need them. This is a development server.";

/// Makes an answer of the mount `sys/`.
fn system(data: Value) -> Outcome {
    Reply {
        mount_type: "system".to_owned(),
        ..Reply::data(data)
    }
    .into()
}

/// Returns a field as text, or an empty text if it is missing or is not a text.
fn text<'a>(fields: &'a serde_json::Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}
