//! Version 2: metadata of keys, and lists.

use super::*;

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
