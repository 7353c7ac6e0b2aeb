//! How OpenBao's KV engine, a fork of Vault's, differs from the guest, which is like Vault's. The versioned KV guest's
//! documentation has each difference.

use serde_json::{Value, json};

use super::Step;

/// Members that OpenBao's engine alone has.
const MORE: [&str; 2] = ["current_metadata_version", "metadata_cas_required"];

/// Members that it does not have: whoever wrote or deleted a version, and the mount's type.
const LESS: [&str; 4] = ["created_by", "deleted_by", "last_updated_by", "mount_type"];

/// `updated_time` moves in OpenBao with each write of metadata, in Vault with a new version only.
const OTHERWISE: [&str; 1] = ["updated_time"];

/// The names of the members that only one of the two has, or that mean something else.
pub fn differing_members() -> impl Iterator<Item = &'static str> {
    MORE.into_iter().chain(LESS).chain(OTHERWISE)
}

/// Whether OpenBao's engine answers a request otherwise, so that none is sent:
///
/// - it has no `exclude_deleted`, and it has `detailed-metadata/` without an option;
/// - a path of `data/` may end in a slash, and a list of `data/` is 405;
/// - a `PATCH` of `metadata/` that sets nothing is 204 though there is no key, and it keeps a `delete_version_after` that is
///   to be null or 0.
pub fn answers_otherwise(step: &Step) -> bool {
    let path = step.path.split('?').next().unwrap_or_default();
    let is_list = step.method == "LIST" || step.path.contains("list=true");
    let patches_metadata = step.method == "PATCH" && path.starts_with("metadata/");
    step.path.contains("exclude_deleted")
        || path.starts_with("detailed-metadata")
        || path.starts_with("data") && (is_list || path.ends_with('/'))
        || patches_metadata && (path == "metadata/none" || step.body.contains("delete_version_after"))
}

/// Takes out of a body what differs, and nothing else:
///
/// - [members](differing_members) of an answer or of its data;
/// - the warning that parameters were ignored: OpenBao's engine knows no `exclude_deleted`, and of version 1 no parameter;
/// - why a field cannot be converted: the words are those of a library, of which the two have different versions;
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
