//! The capabilities of a token. The root token may do everything.

use serde_json::{Map, Value, json};
use vault_plugin::Operation;

use super::{system, text};
use crate::answer::{Outcome, Refusal};
use crate::call::Call;
use crate::core::{Core, strings};

pub(super) fn serve(core: &Core, call: &Call, name: &str) -> Result<Outcome, Refusal> {
    if call.operation != Operation::Update {
        return Err(Refusal::unsupported_operation());
    }
    let fields = call.fields();
    match name {
        "capabilities" if !core.is_root(text(&fields, "token")) => {
            return Err(Refusal::collected(400, &["invalid token"]));
        }
        "capabilities-accessor" if text(&fields, "accessor") != core.root.accessor => {
            return Err(Refusal::collected(400, &["invalid accessor"]));
        }
        _ => {}
    }
    let mut paths = fields.get("paths").map(strings).unwrap_or_default();
    if paths.is_empty() {
        paths = fields.get("path").map(strings).unwrap_or_default();
    }
    if paths.is_empty() {
        return Err(Refusal::user("paths must be supplied"));
    }
    let root = || json!(["root"]);
    let mut shown: Map<String, Value> = paths.iter().map(|path| (path.clone(), root())).collect();
    if paths.len() == 1 {
        shown.insert("capabilities".to_owned(), root());
    }
    Ok(system(shown.into()))
}
