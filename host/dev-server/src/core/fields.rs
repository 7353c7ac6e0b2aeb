//! Reads the fields of `sys/mounts/<path>` and its `tune`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::answer::Refusal;
use crate::mount::{LISTS, MountConfig};

/// Returns a mount path as the mount table has it: without a leading slash and with one trailing slash.
pub(crate) fn sanitized(path: &str) -> String {
    format!("{}/", path.trim_matches('/'))
}

/// Reads a list of names, given as an array or as a text with commas.
pub(crate) fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Value::String(text) => text
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// Returns a text, or an empty one if the field is missing.
pub(super) fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Returns a flag, given as such or as a text.
pub(super) fn flag(fields: &Map<String, Value>, name: &str) -> bool {
    match fields.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        _ => false,
    }
}

/// Returns the mount options, all as texts.
pub(super) fn options(fields: &Map<String, Value>) -> Option<BTreeMap<String, String>> {
    let options = fields.get("options")?.as_object()?;
    let as_text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(
        options
            .iter()
            .map(|(name, value)| (name.clone(), as_text(value)))
            .collect(),
    )
}

/// Takes over `listing_visibility`, if it is given.
///
/// # Errors
/// Returns the refusal of a value that Vault does not know.
pub(super) fn set_visibility(config: &mut MountConfig, fields: &Map<String, Value>) -> Result<(), Refusal> {
    if let Some(visibility) = fields.get("listing_visibility").and_then(Value::as_str) {
        if !matches!(visibility, "" | "hidden" | "unauth") {
            return Err(Refusal::user(format!("invalid listing_visibility {visibility}")));
        }
        visibility.clone_into(&mut config.listing_visibility);
    }
    Ok(())
}

/// Takes over the lists of names that are given. An empty list removes the setting.
pub(super) fn set_lists(config: &mut MountConfig, fields: &Map<String, Value>) {
    for name in LISTS {
        if let Some(value) = fields.get(name) {
            let names = strings(value);
            if names.is_empty() {
                config.lists.remove(name)
            } else {
                config.lists.insert(name.to_owned(), names)
            };
        }
    }
}
