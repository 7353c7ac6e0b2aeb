use super::*;

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
    mount.advance(std::time::Duration::from_secs(1));
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
