//! Compares what Vault says about a mount: its entry for clients, its help, its OpenAPI document. Words may differ,
//! facts may not.

use std::collections::{BTreeMap, BTreeSet};

use airlock_tests::{Brand, Mount, Plugin, Server, Storage, VERSIONED_KV, skipped_on};
use serde_json::{Value, json};

use crate::pair;

#[test]
fn clients_detect_the_version_as_with_the_builtin_engine() {
    for version in [1, 2] {
        let [builtin, guest] = pair(&format!("detect-{version}")).map(|mount| {
            let path = format!("sys/internal/ui/mounts/{}", mount.path("team/db"));
            let mut entry = mount
                .client()
                .read(&path)
                .expect_success("the mount's entry")
                .data()
                .clone();
            for own in [
                "accessor",
                "uuid",
                "path",
                "type",
                "plugin_version",
                "running_plugin_version",
                "running_sha256",
            ] {
                entry.as_object_mut().unwrap().shift_remove(own);
            }
            // A mount made for version 1 has no version option, but the built-in engine was given one.
            let version = entry["options"]["version"].as_str().unwrap_or("1").to_owned();
            entry.as_object_mut().unwrap().shift_remove("options");
            // Only for its own engines does Vault say whether they are deprecated.
            entry.as_object_mut().unwrap().shift_remove("deprecation_status");
            (version, entry)
        });
        assert_eq!(builtin, guest);
        assert_eq!(guest.0, version.to_string());
    }
}

/// These are the reasons why the guest has another name, and is tuned to version 2.
#[test]
fn vault_runs_no_plugin_as_kv_and_enables_none_with_a_version() {
    let server = Server::start("as-kv", Storage::Memory);
    Plugin::versioned_kv().named("kv").register(&server);
    let refused = server.try_mount("as-kv", "kv");
    assert!(
        refused.errors().contains("cannot select non-builtin version"),
        "{refused:?}"
    );
    Plugin::versioned_kv().register(&server);
    let body = json!({"type": VERSIONED_KV, "options": {"version": "2"}});
    let refused = server.client().write("sys/mounts/with-a-version", body);
    assert!(
        refused.errors().contains("does not allow setting a version"),
        "{refused:?}"
    );
}

/// Returns `POST /data/{path}` and so on, with the fields of each and their types.
fn operations(mount: &Mount) -> BTreeMap<String, BTreeSet<String>> {
    let help = mount.read("?help=1").expect_success("help");
    let document = &help.body["openapi"];
    let mut operations = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let of_path = methods["parameters"].as_array().cloned().unwrap_or_default();
        for method in ["get", "post", "patch", "delete"] {
            let Some(operation) = methods.get(method) else {
                continue;
            };
            let of_operation = operation["parameters"].as_array().cloned().unwrap_or_default();
            let parameters = of_path.iter().chain(&of_operation);
            let mut fields: BTreeSet<String> = parameters
                .map(|parameter| format!("{} in {}", parameter["name"], parameter["in"]))
                .collect();
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let body = body["$ref"].as_str().map_or(body, |name| {
                &document["components"]["schemas"][name.rsplit('/').next().unwrap()]
            });
            let properties = body["properties"].as_object().into_iter().flatten();
            fields.extend(properties.map(|(name, schema)| format!("{name}: {}", schema["type"])));
            // These fields are about recovery from snapshots, which only Vault Enterprise loads and which plugins do
            // not see.
            fields.retain(|field| !field.to_lowercase().contains("snapshot") && !field.contains("Recover"));
            operations.insert(format!("{} {path}", method.to_uppercase()), fields);
        }
    }
    operations
}

#[test]
fn openapi_document_has_all_that_the_builtin_engine_has() {
    if skipped_on(
        Brand::OpenBao,
        "its document has fields of its own, and lists under the path of reads",
    ) {
        return;
    }
    for version in [1, 2] {
        let [builtin, guest] = pair(&format!("openapi-{version}")).map(|mount| operations(&mount));
        assert!(builtin.len() >= 4, "{builtin:?}");
        let mut missing = Vec::new();
        for (operation, fields) in &builtin {
            match guest.get(operation) {
                Some(there) => missing.extend(
                    fields
                        .difference(there)
                        .map(|field| format!("{operation}: {field}")),
                ),
                None => missing.push(operation.clone()),
            }
        }
        assert!(
            missing.is_empty(),
            "version {version} lacks {missing:#?}; it has {guest:#?}"
        );
    }
}

#[test]
fn help_of_a_path_names_its_fields() {
    let [builtin, guest] = pair("openapi-2");
    for (path, fields) in [
        ("data/a", vec!["data", "options", "version"]),
        (
            "metadata/a",
            vec![
                "cas_required",
                "custom_metadata",
                "delete_version_after",
                "max_versions",
            ],
        ),
        ("delete/a", vec!["versions"]),
        ("undelete/a", vec!["versions"]),
        ("destroy/a", vec!["versions"]),
        ("subkeys/a", vec!["depth", "version"]),
        (
            "config",
            vec!["cas_required", "delete_version_after", "max_versions"],
        ),
    ] {
        for mount in [&builtin, &guest] {
            let help = mount.read(&format!("{path}?help=1")).expect_success("help");
            let Value::String(help) = &help.body["help"] else {
                panic!("{path} has no help: {help:?}");
            };
            for field in &fields {
                assert!(
                    help.contains(&format!("\n    {field} (")),
                    "{path}: {field} is not in: {help}"
                );
            }
        }
    }
}
