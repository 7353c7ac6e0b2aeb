//! Masks the parts of answers that may differ between two servers.

use serde_json::{Value, json};

/// Masks the values in a JSON body that differ from server to server and from time to time. The members themselves
/// stay.
pub fn masked(mut body: Value) -> Value {
    mask(&mut body);
    body
}

fn mask(value: &mut Value) {
    const DIFFERENT: [&str; 22] = [
        "request_id",
        "lease_id",
        "accessor",
        "uuid",
        "token",
        "creation_time",
        "issue_time",
        "expire_time",
        "last_renewal",
        "id",
        "running_sha256",
        "running_plugin_version",
        "cluster_id",
        "cluster_name",
        "version",
        "server_time_utc",
        "build_date",
        "storage_type",
        "reload_id",
        "development_server",
        "wrapping_accessor",
        "migration_id",
    ];
    match value {
        Value::Object(map) => {
            map.remove("development_server");
            for (name, value) in map.iter_mut() {
                match value {
                    Value::String(text) if DIFFERENT.contains(&name.as_str()) && !text.is_empty() => {
                        *value = json!("…");
                    }
                    Value::Number(_) if name == "ttl" || DIFFERENT.contains(&name.as_str()) => {
                        *value = json!("…")
                    }
                    value => mask(value),
                }
            }
            map.sort_keys();
        }
        Value::Array(values) => values.iter_mut().for_each(mask),
        _ => {}
    }
}
