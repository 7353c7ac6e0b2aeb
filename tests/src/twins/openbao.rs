//! The differences between OpenBao's KV engine, which is a fork of Vault's, and the guest, which follows Vault's. The
//! documentation of the versioned KV guest has each difference.

use serde_json::{Value, json};

use super::Step;

/// Members that only OpenBao's engine has.
const MORE: [&str; 2] = ["current_metadata_version", "metadata_cas_required"];

/// Members that OpenBao's engine lacks: who wrote or deleted a version, and the mount's type.
const LESS: [&str; 4] = ["created_by", "deleted_by", "last_updated_by", "mount_type"];

/// In OpenBao `updated_time` changes with each write of metadata, in Vault only with a new version.
const OTHERWISE: [&str; 1] = ["updated_time"];

/// Returns the names of the members that only one of the two has, or that have another meaning.
pub fn differing_members() -> impl Iterator<Item = &'static str> {
    MORE.into_iter().chain(LESS).chain(OTHERWISE)
}

/// Returns true if OpenBao's engine answers a request differently, so that the request is not sent:
///
/// - it has no `exclude_deleted`, and it has `detailed-metadata/` without an option;
/// - a path of `data/` may end in a slash, and a list of `data/` is 405;
/// - a `PATCH` of `metadata/` that sets nothing is 204 even if the key does not exist, and it keeps a
///   `delete_version_after` that the request sets to null or 0.
pub fn answers_otherwise(step: &Step) -> bool {
    let path = step.path.split('?').next().unwrap_or_default();
    let is_list = step.method == "LIST" || step.path.contains("list=true");
    let patches_metadata = step.method == "PATCH" && path.starts_with("metadata/");
    step.path.contains("exclude_deleted")
        || path.starts_with("detailed-metadata")
        || path.starts_with("data") && (is_list || path.ends_with('/'))
        || patches_metadata && (path == "metadata/none" || step.body.contains("delete_version_after"))
}

/// Removes from a body the parts that differ, and nothing else:
///
/// - the [members](differing_members) of an answer or of its data;
/// - the warning about ignored parameters: OpenBao's engine does not know `exclude_deleted`, nor any parameter of
///   version 1;
/// - the reason why a field cannot be converted: the words come from a library, of which the two have different
///   versions;
/// - the name of the command line in an advice.
pub(super) fn take_out(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in differing_members() {
                members.shift_remove(name);
            }
            if let Some(Value::Array(warnings)) = members.get_mut("warnings") {
                warnings.retain(|warning| {
                    !warning
                        .to_string()
                        .contains("ignored these unrecognized parameters")
                });
                if warnings.is_empty() {
                    members.insert("warnings".to_owned(), Value::Null);
                }
            }
            members.values_mut().for_each(take_out);
        }
        Value::Array(items) => items.iter_mut().for_each(take_out),
        Value::String(text) => {
            let mut text = text
                .replace("the OpenBao CLI", "the Vault CLI")
                .replace("'bao kv ", "'vault kv ");
            for why in ["error converting input for field ", "got unconvertible type "] {
                text.truncate(text.find(why).unwrap_or(text.len()));
            }
            *value = json!(text);
        }
        _ => (),
    }
}
