//! Version 2: the mount as a whole.

use super::*;

#[test]
fn unknown_fields_are_named_in_a_warning() {
    let mount = version_2();
    let reply = mount.write("data/a", json!({ "data": {}, "cas": 0 }));
    assert_eq!(
        reply.warnings(),
        ["Endpoint ignored these unrecognized parameters: [cas]"]
    );
}

#[test]
fn the_settings_of_the_mount_are_read_as_they_were_written() {
    let mount = version_2();
    let empty = json!({ "max_versions": 0, "cas_required": false, "delete_version_after": "0s" });
    assert_eq!(mount.read("config").data(), &empty);
    assert_eq!(mount.write("config", json!({})).status(), 204);
    assert!(mount.stored().is_empty());
    let given = json!({ "max_versions": "4", "cas_required": "T", "delete_version_after": "3h" });
    assert_eq!(mount.write("config", given).status(), 204);
    let written = json!({ "max_versions": 4, "cas_required": true, "delete_version_after": "3h0m0s" });
    assert_eq!(mount.read("config").data(), &written);
    assert_eq!(mount.write("config", json!({ "max_versions": -1 })).status(), 204);
    assert_eq!(mount.read("config").data()["max_versions"], json!(u32::MAX));
    assert_eq!(
        mount
            .write("config", json!({ "max_versions": "x" }))
            .error()
            .to_string(),
        "Field validation failed: error converting input for field \"max_versions\": cannot parse '' as int: \
         strconv.ParseInt: parsing \"x\": invalid syntax"
    );
}

#[test]
fn paths_of_version_1_are_a_404_that_helps() {
    let mount = version_2();
    let warning = |reply: airlock_sdk::testing::Reply| {
        assert_eq!(reply.status(), 404);
        body(reply.data())["warnings"][0].as_str().unwrap().to_string()
    };
    let hint = |command: &str| {
        format!(
            "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. \
             If using the Vault CLI, use 'vault kv {command}' for this operation."
        )
    };
    assert_eq!(warning(mount.read("a")), hint("get"));
    assert_eq!(warning(mount.write("a", json!({ "x": 1 }))), hint("put"));
    assert_eq!(warning(mount.patch("a", json!({ "x": 1 }))), hint("patch"));
    assert_eq!(warning(mount.delete("a")), hint("delete"));
    assert_eq!(warning(mount.list("a")), hint("list"));
    assert_eq!(warning(mount.list("data/a")), hint("list"));
    assert_eq!(warning(mount.read("data/a/")), hint("get"));
    assert_eq!(
        warning(mount.read("data")),
        "Non-listing operations on the root of a K/V v2 mount are not supported."
    );
    assert_eq!(mount.delete("config").status(), 405);
    assert_eq!(mount.list("subkeys").status(), 405);
}

#[test]
fn what_is_written_is_announced() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    assert_eq!(
        mount.write("delete/a", json!({ "versions": "1,3" })).status(),
        204
    );
    assert_eq!(
        mount.write("metadata/a", json!({ "max_versions": 1 })).status(),
        204
    );
    let events = mount.events();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["kv-v2/data-write", "kv-v2/delete", "kv-v2/metadata-write"]
    );
    assert_eq!(
        events[0].1,
        json!({ "modified": "true", "operation": "data-write", "path": "data/a", "data_path": "data/a",
            "current_version": "1", "oldest_version": "0" })
    );
    assert_eq!(
        events[1].1,
        json!({ "modified": "true", "operation": "delete", "path": "delete/a",
            "current_version": "1", "oldest_version": "0", "deleted_versions": "[1,3]" })
    );
}

#[test]
fn the_existence_check_writes_nothing_and_tells_create_from_update() {
    let mount = version_2();
    let check = |path: &str| {
        let data = Some(json!({ "data": {} }));
        mount
            .exists(airlock_sdk::testing::request(
                airlock_sdk::Operation::Update,
                path,
                data,
            ))
            .unwrap()
    };
    assert_eq!(
        [check("data/a"), check("metadata/a"), check("config")],
        [Some(false), Some(false), None]
    );
    assert!(mount.stored().is_empty());
    put(&mount, "a", json!({}));
    assert_eq!(
        [check("data/a"), check("metadata/a"), check("destroy/a")],
        [Some(true), Some(true), None]
    );
}

#[test]
fn no_name_of_a_key_reaches_storage_in_the_clear() {
    let mount = version_2();
    put(&mount, "finance/payroll", json!({}));
    for key in mount.stored().keys() {
        assert!(!key.contains("finance") && !key.contains("payroll"), "{key}");
    }
}

#[test]
fn a_request_that_meets_a_conflict_adds_one_version() {
    let mount = version_2();
    mount.conflict(true);
    assert_eq!(put(&mount, "a", json!({})), 1);
    assert_eq!(put(&mount, "a", json!({})), 2);
}
