use super::*;

#[test]
fn a_value_is_given_back_whole_without_a_lease() {
    let mount = version_1();
    let value = json!({ "n": 1.5, "path": "x", "ttl": "1h", "after": {} });
    assert_eq!(mount.write("team/db", value.clone()).status(), 204);
    let read = mount.read("team/db");
    assert_eq!(read.data(), &value);
    assert!(read.response().unwrap().lease.is_none());
}

#[test]
fn a_write_replaces_everything_and_needs_something() {
    let mount = version_1();
    assert_eq!(mount.write("a", json!({ "x": 1, "y": 2 })).status(), 204);
    assert_eq!(mount.write("a", json!({ "x": 3 })).status(), 204);
    assert_eq!(mount.read("a").data(), &json!({ "x": 3 }));
    assert_eq!(
        mount.write("a", json!({})).error().to_string(),
        "missing data fields"
    );
    assert_eq!(mount.write("a", json!({ "path": "p" })).status(), 204);
    assert_eq!(mount.read("a").data(), &json!({ "path": "p" }));
}

#[test]
fn lists_are_in_order_and_come_in_pages() {
    let mount = version_1();
    for path in ["b", "a/x", "a", "c/d/e"] {
        assert_eq!(mount.write(path, json!({ "v": 1 })).status(), 204);
    }
    assert_eq!(mount.list("").keys(), ["a", "a/", "b", "c/"]);
    assert_eq!(mount.list("c/d").keys(), ["e"]);
    assert_eq!(mount.list("nowhere").status(), 404);
    let page = mount.list_with("", json!({ "after": "a", "limit": "2" }));
    assert_eq!(page.keys(), ["a/", "b"]);
}

#[test]
fn what_is_deleted_is_gone_and_deleting_nothing_is_fine() {
    let mount = version_1();
    assert_eq!(mount.write("a", json!({ "v": 1 })).status(), 204);
    assert_eq!(mount.delete("a").status(), 204);
    assert_eq!(mount.read("a").status(), 404);
    assert_eq!(mount.delete("a").status(), 204);
    assert_eq!(mount.read("a/").status(), 404);
    assert_eq!(mount.patch("a", json!({ "v": 1 })).status(), 405);
}

#[test]
fn no_name_reaches_storage_in_the_clear() {
    let mount = version_1();
    assert_eq!(mount.write("finance/payroll", json!({ "v": 1 })).status(), 204);
    for key in mount.stored().keys() {
        assert!(!key.contains("finance") && !key.contains("payroll"), "{key}");
    }
}

#[test]
fn writes_and_deletes_are_announced() {
    let mount = version_1();
    assert_eq!(mount.write("a", json!({ "v": 1 })).status(), 204);
    assert_eq!(mount.delete("a").status(), 204);
    let write = json!({ "modified": "true", "operation": "write", "path": "a", "data_path": "a" });
    let delete = json!({ "modified": "true", "operation": "delete", "path": "a" });
    assert_eq!(
        mount.events(),
        [("kv-v1/write".into(), write), ("kv-v1/delete".into(), delete)]
    );
}

#[test]
fn a_value_with_a_number_that_vault_would_change_is_a_finished_body() {
    let mount = version_1();
    let value: Value = serde_json::from_str(r#"{"n":12345678901234567890.5}"#).unwrap();
    assert_eq!(mount.write("a", value.clone()).status(), 204);
    let read = mount.read("a");
    assert_eq!(read.status(), 200);
    assert_eq!(body(read.data())["data"], value);
    let mut wrapped = airlock_sdk::testing::request(airlock_sdk::Operation::Read, "a", None);
    wrapped.wrap = Some(airlock_sdk::WrapRequest {
        ttl: std::time::Duration::from_secs(60),
        format: String::new(),
        seal_wrap: false,
    });
    assert_eq!(mount.send(wrapped).data(), &value);
}
