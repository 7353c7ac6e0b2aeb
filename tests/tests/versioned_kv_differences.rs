//! Tests the statements of docs/versioned-kv.md about the differences between the guest and Vault's own engine.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use airlock_tests::{Brand, Mount, Plugin, RawAnswer, Server, Storage, VERSIONED_KV, skipped_on};
use serde_json::json;

/// The reason why this is not tested on OpenBao: `versioned_kv_compare` has the differences to its engine.
const VAULTS_OWN: &str = "it is about Vault's own engine";

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("differences", Storage::Memory);
    Plugin::versioned_kv().register(&server);
    for version in [1, 2] {
        server.mount_builtin_kv(&format!("builtin-{version}"), version);
        server.mount_versioned_kv(&format!("guest-{version}"), version);
    }
    server
});

/// Returns the mounts of the built-in engine and of the guest.
fn pair(version: u8) -> [Mount; 2] {
    ["builtin", "guest"].map(|side| SERVER.mounted(&format!("{side}-{version}")))
}

fn send(mount: &Mount, method: &str, path: &str, header: Option<(&str, &str)>, body: &str) -> RawAnswer {
    let headers: Vec<_> = header
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let client = mount.client();
    client
        .try_send(method, &mount.path(path), &headers, body)
        .unwrap()
}

#[test]
fn answers_name_the_plugin_and_attribution_has_no_client_id() {
    if skipped_on(Brand::OpenBao, VAULTS_OWN) {
        return;
    }
    let [builtin, guest] = pair(2);
    for (mount, mount_type, has_client_id) in [(builtin, "kv", true), (guest, VERSIONED_KV, false)] {
        let data = json!({"data": {"x": 1}});
        let written = mount.write("data/attributed", data).expect_success("write");
        assert_eq!(written.body["mount_type"], mount_type);
        let metadata = mount.read("metadata/attributed").expect_success("read");
        let by = &metadata.data()["versions"]["1"]["created_by"];
        assert!(by.is_object(), "{metadata:?}");
        assert_eq!(by.get("client_id").is_some(), has_client_id, "{by}");
    }
}

#[test]
fn a_read_of_version_1_has_no_lease() {
    if skipped_on(Brand::OpenBao, VAULTS_OWN) {
        return;
    }
    let [builtin, guest] = pair(1);
    for (mount, has_lease) in [(builtin, true), (guest, false)] {
        mount.write("a", json!({"x": 1})).expect_success("write");
        let read = mount.read("a").expect_success("read");
        assert_eq!(read.body["lease_duration"] != 0, has_lease, "{read:?}");
    }
}

#[test]
fn a_wrapped_list_is_404() {
    if skipped_on(Brand::OpenBao, VAULTS_OWN) {
        return;
    }
    let [builtin, guest] = pair(2);
    for (mount, status) in [(builtin, 200), (guest, 404)] {
        let data = json!({"data": {}});
        mount.write("data/listed/a", data).expect_success("write");
        mount.list("metadata/listed").expect_success("list");
        let wrapped = send(
            &mount,
            "LIST",
            "metadata/listed",
            Some(("X-Vault-Wrap-TTL", "60s")),
            "",
        );
        assert_eq!(wrapped.status, status, "{wrapped:?}");
    }
}

#[test]
fn a_path_that_is_not_utf_8_is_500() {
    if skipped_on(Brand::OpenBao, VAULTS_OWN) {
        return;
    }
    let [builtin, guest] = pair(2);
    let body = r#"{"data":{}}"#;
    assert!(send(&builtin, "PUT", "data/%FF", None, body).status >= 400);
    for method in ["PUT", "GET", "DELETE"] {
        let refused = send(&guest, method, "data/%FF", None, body);
        assert_eq!(refused.status, 500, "{method}: {refused:?}");
    }
}

#[test]
fn a_path_with_two_slashes_is_a_key_of_its_own() {
    if skipped_on(Brand::OpenBao, VAULTS_OWN) {
        return;
    }
    let [_, guest] = pair(2);
    let body = r#"{"data":{"x":1}}"#;
    let path = "data/two%2F%2Fslashes";
    assert_eq!(send(&guest, "PUT", path, None, body).status, 200);
    assert_eq!(send(&guest, "GET", path, None, "").body()["data"]["data"]["x"], 1);
    assert_eq!(guest.read("data/two/slashes").status, 404);
}
