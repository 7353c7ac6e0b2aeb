//! Version 2: secrets are written, read, patched and deleted.

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
fn a_destroyed_version_cannot_be_brought_back_nor_deleted() {
    let mount = version_2();
    put(&mount, "a", json!({}));
    assert_eq!(mount.delete("data/a").status(), 204);
    assert_eq!(mount.write("destroy/a", json!({ "versions": 1 })).status(), 204);
    let versions = || mount.read("metadata/a").data()["versions"].clone();
    let before = versions();
    mount.advance(SECOND);
    assert_eq!(mount.write("undelete/a", json!({ "versions": 1 })).status(), 204);
    assert_eq!(mount.write("delete/a", json!({ "versions": 1 })).status(), 204);
    assert_eq!(versions(), before);
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
