use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn each_write_adds_a_version_and_each_can_be_read() {
    let mount = version_2();
    assert_eq!(put(&mount, "team/db", json!({ "p": 1 })), 1);
    assert_eq!(put(&mount, "team/db", json!({ "p": 2 })), 2);
    assert_eq!(mount.read("data/team/db").data()["data"], json!({ "p": 2 }));
    let first = mount.read_with("data/team/db", json!({ "version": "1" }));
    let metadata = json!({ "version": 1, "created_time": "2026-01-01T00:00:00Z", "deletion_time": "",
        "destroyed": false, "custom_metadata": null });
    assert_eq!(first.data(), &json!({ "data": { "p": 1 }, "metadata": metadata }));
    assert_eq!(
        mount.read_with("data/team/db", json!({ "version": 3 })).status(),
        404
    );
    assert_eq!(mount.read("data/nothing").status(), 404);
}

#[test]
fn a_deleted_version_is_a_404_that_says_what_it_was() {
    let mount = version_2();
    put(&mount, "a", json!({ "p": 1 }));
    assert_eq!(mount.delete("data/a").status(), 204);
    mount.advance(SECOND);
    let gone = mount.read("data/a");
    assert_eq!(gone.status(), 404);
    let body = body(gone.data());
    assert_eq!(body["data"]["data"], Value::Null);
    assert_eq!(body["data"]["metadata"]["deletion_time"], "2026-01-01T00:00:00Z");
    assert_eq!(
        mount.write("undelete/a", json!({ "versions": "1" })).status(),
        204
    );
    assert_eq!(mount.read("data/a").data()["data"], json!({ "p": 1 }));
}

#[test]
fn a_destroyed_version_leaves_no_data() {
    let mount = version_2();
    put(&mount, "a", json!({ "p": "hunter2" }));
    assert_eq!(
        mount
            .write("destroy/a", json!({ "versions": [1, 7, -1] }))
            .status(),
        204
    );
    let gone = mount.read("data/a");
    assert_eq!(gone.status(), 404);
    assert_eq!(body(gone.data())["data"]["metadata"]["destroyed"], true);
    assert!(
        mount
            .stored()
            .values()
            .all(|value| !String::from_utf8_lossy(value).contains("hunter2"))
    );
    assert_eq!(
        mount.write("undelete/a", json!({ "versions": [1] })).status(),
        204
    );
    assert_eq!(mount.read("data/a").status(), 404);
}

#[test]
fn check_and_set_lets_only_the_current_version_be_replaced() {
    let mount = version_2();
    let write = |cas: Value| mount.write("data/a", json!({ "data": {}, "options": { "cas": cas } }));
    let refusal = |cas: Value| write(cas).error().to_string();
    assert_eq!(
        refusal(json!(1)),
        "check-and-set parameter did not match the current version"
    );
    assert_eq!(
        refusal(json!(-1)),
        "check-and-set parameter did not match the current version"
    );
    assert_eq!(refusal(json!("x")), "error parsing check-and-set parameter");
    assert_eq!(refusal(json!(1.5)), "error parsing check-and-set parameter");
    assert_eq!(write(json!(0)).data()["version"], 1);
    assert_eq!(
        refusal(json!(0)),
        "check-and-set parameter did not match the current version"
    );
    assert_eq!(write(json!("1")).data()["version"], 2);
    assert_eq!(mount.delete("data/a").status(), 204);
    assert_eq!(write(json!(2)).data()["version"], 3);
}

#[test]
fn check_and_set_is_required_where_the_mount_or_the_key_says_so() {
    let mount = version_2();
    let required = "check-and-set parameter required for this call";
    let write = |path: &str| mount.write(path, json!({ "data": {} }));
    assert_eq!(
        mount
            .write("metadata/a", json!({ "cas_required": true }))
            .status(),
        204
    );
    assert_eq!(write("data/a").error().to_string(), required);
    assert_eq!(write("data/b").status(), 200);
    assert_eq!(
        mount.write("config", json!({ "cas_required": "true" })).status(),
        204
    );
    assert_eq!(write("data/b").error().to_string(), required);
    assert_eq!(
        mount
            .patch("data/b", json!({ "data": { "x": 1 } }))
            .error()
            .to_string(),
        required
    );
    let options = json!({ "data": { "x": 1 }, "options": { "cas": 1 } });
    assert_eq!(mount.patch("data/b", options).data()["version"], 2);
    let ignored = mount.write("metadata/a", json!({ "cas_required": false }));
    assert_eq!(
        ignored.warnings(),
        ["\"cas_required\" set to false, but is mandated by backend config. This value will be ignored."]
    );
}

#[test]
fn a_write_without_data_is_refused_and_null_is_data() {
    let mount = version_2();
    assert_eq!(
        mount.write("data/a", json!({})).error().to_string(),
        "no data provided"
    );
    assert_eq!(
        mount
            .write("data/a", json!({ "data": "text" }))
            .error()
            .to_string(),
        "error converting input for field \"data\": '' expected a map, got 'string'"
    );
    assert_eq!(mount.write("data/a", json!({ "data": null })).status(), 200);
    assert_eq!(mount.read("data/a").data()["data"], Value::Null);
}

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
fn numbers_keep_every_digit_on_the_way_in_and_out() {
    let mount = version_2();
    let data: Value = serde_json::from_str(r#"{"n":12345678901234567890.10}"#).unwrap();
    put(&mount, "a", data.clone());
    assert_eq!(mount.read("data/a").data()["data"], data);
}

#[test]
fn data_may_be_nested_as_deeply_as_vault_allows() {
    let deep = r#"{"a":"#.repeat(300) + "1" + &"}".repeat(300);
    let text = format!(r#"{{"data":{deep}}}"#);
    let mount = version_2();
    let mut write = airlock_sdk::testing::request(airlock_sdk::Operation::Create, "data/a", None);
    write.data = Some(text);
    assert_eq!(mount.send(write).status(), 200);
    let read = mount.read("data/a");
    assert!(read.response().unwrap().data.as_ref().unwrap().contains(&deep));
    assert_eq!(mount.read("subkeys/a").status(), 400);
    assert_eq!(mount.patch("data/a", json!({ "data": { "b": 1 } })).status(), 400);
}

#[test]
fn a_patch_changes_members_and_adds_a_version() {
    let mount = version_2();
    put(&mount, "a", json!({ "x": 1, "y": { "z": 1, "w": 2 }, "gone": 1 }));
    let patched = mount.patch(
        "data/a",
        json!({ "data": { "y": { "z": 3 }, "gone": null, "new": [1] } }),
    );
    assert_eq!(patched.data()["version"], 2);
    assert_eq!(
        mount.read("data/a").data()["data"],
        json!({ "x": 1, "y": { "z": 3, "w": 2 }, "new": [1] })
    );
    let metadata = mount.read("metadata/a");
    assert_eq!(
        metadata.data()["versions"]["2"]["created_by"]["operation"],
        "patch"
    );
}

#[test]
fn a_patch_leaves_no_null_in_an_object_of_a_new_list() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    let new = json!([null, { "b": null, "c": [{ "d": null }] }]);
    assert_eq!(
        mount.patch("data/a", json!({ "data": { "new": new } })).status(),
        200
    );
    assert_eq!(
        mount.read("data/a").data()["data"]["new"],
        json!([null, { "c": [{}] }])
    );
}

#[test]
fn a_patch_of_nothing_is_a_bare_404_and_of_what_is_deleted_one_that_says_so() {
    let mount = version_2();
    let nothing = mount.patch("data/a", json!({ "data": {} }));
    assert_eq!(
        (nothing.status(), nothing.data().get("http_raw_body")),
        (404, None)
    );
    assert_eq!(
        mount.patch("data/a", json!({})).error().to_string(),
        "no data provided"
    );
    put(&mount, "a", json!({}));
    assert_eq!(mount.write("destroy/a", json!({ "versions": 1 })).status(), 204);
    let gone = mount.patch("data/a", json!({ "data": {} }));
    assert_eq!(gone.status(), 404);
    assert_eq!(body(gone.data())["data"]["destroyed"], true);
}

#[test]
fn deleting_what_is_gone_changes_nothing() {
    let mount = version_2();
    assert_eq!(mount.delete("data/a").status(), 204);
    put(&mount, "a", json!({}));
    assert_eq!(mount.delete("data/a").status(), 204);
    mount.advance(SECOND);
    let before = mount.stored();
    assert_eq!(mount.delete("data/a").status(), 204);
    assert_eq!(mount.stored(), before);
}

#[test]
fn versions_are_deleted_and_brought_back_by_number() {
    let mount = version_2();
    for n in 1..=3 {
        put(&mount, "a", json!({ "n": n }));
    }
    for path in ["delete/a", "undelete/a"] {
        assert_eq!(
            mount.write(path, json!({})).error().to_string(),
            "No version number provided"
        );
    }
    assert_eq!(
        mount.write("destroy/a", json!({})).error().to_string(),
        "no version number provided"
    );
    assert_eq!(
        mount.write("delete/a", json!({ "versions": "1,2,9" })).status(),
        204
    );
    mount.advance(SECOND);
    let status = |version: u64| mount.read_with("data/a", json!({ "version": version })).status();
    assert_eq!([status(1), status(2), status(3)], [404, 404, 200]);
    assert_eq!(
        mount.write("undelete/a", json!({ "versions": [2] })).status(),
        204
    );
    assert_eq!([status(1), status(2), status(3)], [404, 200, 200]);
    let metadata = mount.read("metadata/a");
    assert_eq!(metadata.data()["last_updated_by"]["operation"], "undelete");
    assert_eq!(
        metadata.data()["versions"]["1"]["deleted_by"]["operation"],
        "update"
    );
    assert_eq!(metadata.data()["versions"]["2"]["deleted_by"], Value::Null);
}

#[test]
fn a_version_expires_and_undeleting_it_starts_its_time_anew() {
    let mount = version_2();
    assert_eq!(
        mount
            .write("config", json!({ "delete_version_after": "10s" }))
            .status(),
        204
    );
    put(&mount, "a", json!({ "p": 1 }));
    assert_eq!(
        mount.read("data/a").data()["metadata"]["deletion_time"],
        "2026-01-01T00:00:10Z"
    );
    mount.advance(SECOND * 11);
    assert_eq!(mount.read("data/a").status(), 404);
    assert_eq!(mount.write("undelete/a", json!({ "versions": 1 })).status(), 204);
    assert_eq!(
        mount.read("data/a").data()["metadata"]["deletion_time"],
        "2026-01-01T00:00:21Z"
    );
    assert_eq!(
        mount
            .write("config", json!({ "delete_version_after": "-5m" }))
            .status(),
        204
    );
    assert_eq!(mount.read("config").data()["delete_version_after"], "-1s");
    assert_eq!(mount.write("undelete/a", json!({ "versions": 1 })).status(), 204);
    assert_eq!(mount.read("data/a").data()["metadata"]["deletion_time"], "");
}

#[test]
fn a_warm_update_over_the_limit_removes_the_oldest_version() {
    let mount = version_2();
    assert_eq!(
        mount.write("metadata/a", json!({ "max_versions": 2 })).status(),
        204
    );
    for n in 1..=4 {
        put(&mount, "a", json!({ "n": n }));
    }
    let metadata = mount.read("metadata/a");
    assert_eq!(
        (
            &metadata.data()["oldest_version"],
            &metadata.data()["current_version"]
        ),
        (&json!(3), &json!(4))
    );
    assert_eq!(
        mount
            .stored()
            .keys()
            .filter(|key| key.starts_with("versions/"))
            .count(),
        2
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
fn metadata_says_who_did_what() {
    let mount = version_2();
    let mut request = airlock_sdk::testing::request(
        airlock_sdk::Operation::Create,
        "data/a",
        Some(json!({ "data": {} })),
    );
    request.display_name = "ann".into();
    request.entity_id = "7".into();
    assert_eq!(mount.send(request).status(), 200);
    let by = json!({ "actor": "ann", "operation": "create", "entity_id": "7" });
    let metadata = mount.read("metadata/a");
    assert_eq!(
        metadata.data(),
        &json!({
            "versions": { "1": {
                "created_time": "2026-01-01T00:00:00Z", "deletion_time": "", "destroyed": false,
                "created_by": by, "deleted_by": null
            } },
            "current_version": 1, "oldest_version": 0,
            "created_time": "2026-01-01T00:00:00Z", "updated_time": "2026-01-01T00:00:00Z",
            "max_versions": 0, "cas_required": false, "delete_version_after": "0s",
            "custom_metadata": null, "last_updated_by": by
        })
    );
}

#[test]
fn custom_metadata_is_replaced_by_a_write_and_merged_by_a_patch() {
    let mount = version_2();
    let custom = || mount.read("metadata/a").data()["custom_metadata"].clone();
    assert_eq!(
        mount
            .patch("metadata/a", json!({ "custom_metadata": {} }))
            .status(),
        404
    );
    assert_eq!(
        mount
            .write("metadata/a", json!({ "custom_metadata": { "a": "1", "b": "2" } }))
            .status(),
        204
    );
    assert_eq!(
        mount
            .patch(
                "metadata/a",
                json!({ "custom_metadata": { "b": null, "c": "3" } })
            )
            .status(),
        204
    );
    assert_eq!(custom(), json!({ "a": "1", "c": "3" }));
    assert_eq!(
        mount
            .write("metadata/a", json!({ "custom_metadata": { "d": "4" } }))
            .status(),
        204
    );
    assert_eq!(custom(), json!({ "d": "4" }));
    put(&mount, "a", json!({}));
    assert_eq!(
        mount.read("data/a").data()["metadata"]["custom_metadata"],
        json!({ "d": "4" })
    );
    assert_eq!(
        mount
            .patch("metadata/a", json!({ "custom_metadata": null }))
            .status(),
        204
    );
    assert_eq!(custom(), Value::Null);
}

#[test]
fn metadata_without_a_setting_writes_nothing_and_a_patch_keeps_what_it_does_not_name() {
    let mount = version_2();
    assert_eq!(mount.write("metadata/a", json!({})).status(), 204);
    assert_eq!(mount.read("metadata/a").status(), 404);
    let given = json!({ "max_versions": 3, "delete_version_after": "1m", "cas_required": true });
    assert_eq!(mount.write("metadata/a", given).status(), 204);
    assert_eq!(
        mount.patch("metadata/a", json!({ "max_versions": 5 })).status(),
        204
    );
    let metadata = mount.read("metadata/a");
    let settings =
        ["max_versions", "delete_version_after", "cas_required"].map(|name| &metadata.data()[name]);
    assert_eq!(settings, [&json!(5), &json!("1m0s"), &json!(true)]);
    assert_eq!(
        mount
            .patch("metadata/a", json!({ "delete_version_after": "0s" }))
            .status(),
        204
    );
    assert_eq!(mount.read("metadata/a").data()["delete_version_after"], "0s");
}

#[test]
fn lists_leave_out_what_is_deleted_if_asked_to() {
    let mount = version_2();
    for path in ["a", "b", "team/c"] {
        put(&mount, path, json!({}));
    }
    assert_eq!(mount.delete("data/a").status(), 204);
    assert_eq!(mount.list("metadata").keys(), ["a", "b", "team/"]);
    assert_eq!(
        mount
            .list_with("metadata", json!({ "exclude_deleted": true }))
            .keys(),
        ["b", "team/"]
    );
    assert_eq!(
        mount
            .list_with("metadata", json!({ "after": "a", "limit": 1 }))
            .keys(),
        ["b"]
    );
    assert_eq!(mount.list("metadata/team").keys(), ["c"]);
    assert_eq!(mount.list("metadata/none").status(), 404);
}

#[test]
fn a_slash_at_the_end_says_nothing_to_metadata() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    assert_eq!(mount.read("metadata/a/").data(), mount.read("metadata/a").data());
    assert_eq!(mount.delete("metadata/a/").status(), 204);
    assert_eq!(mount.read("metadata/a").status(), 404);
}

#[test]
fn deleting_metadata_leaves_nothing_of_the_key_and_all_of_the_keys_below() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    put(&mount, "a", json!({}));
    put(&mount, "a/b", json!({ "kept": true }));
    assert_eq!(mount.delete("metadata/a").status(), 204);
    assert_eq!(mount.read("data/a").status(), 404);
    assert_eq!(mount.read("data/a/b").data()["data"], json!({ "kept": true }));
    assert_eq!(
        mount
            .stored()
            .keys()
            .filter(|key| key.starts_with("versions/"))
            .count(),
        1
    );
    assert_eq!(put(&mount, "a", json!({})), 1);
}

#[test]
fn subkeys_show_no_values() {
    let mount = version_2();
    put(&mount, "a", json!({ "x": 1, "y": { "z": "secret" } }));
    let shown = mount.read("subkeys/a");
    assert_eq!(shown.data()["subkeys"], json!({ "x": null, "y": { "z": null } }));
    assert_eq!(shown.data()["metadata"]["version"], 1);
    let shallow = mount.read_with("subkeys/a", json!({ "depth": 1 }));
    assert_eq!(shallow.data()["subkeys"], json!({ "x": null, "y": null }));
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
