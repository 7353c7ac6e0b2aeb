//! Tests the features that the versioned KV guest has and Vault's own engine lacks, on a real Vault. Each needs a mount
//! option, so that existing policies protect as much as before.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Mount, Plugin, Server, Storage, VERSIONED_KV};
use serde_json::{Value, json};

/// Makes a version 2 mount with these options of the guest set to `true`.
fn extended(server: &Server, path: &str, options: &[&str]) -> Mount {
    let options = Value::from_iter(options.iter().map(|&name| (name, "true")));
    server
        .client()
        .write(
            &format!("sys/mounts/{path}"),
            json!({"type": VERSIONED_KV, "options": options}),
        )
        .expect_success("mount");
    let mount = server.mounted(path);
    mount.tune_to_version_2();
    mount.wait_until_versioned();
    mount
}

fn server(name: &str) -> Server {
    let server = Server::start(name, Storage::Memory);
    Plugin::versioned_kv().register(&server);
    server
}

#[test]
fn lists_come_in_pages() {
    let server = server("pages");
    for version in [1, 2] {
        let kv = server.mount_versioned_kv(&format!("kv{version}"), version);
        let (data, folder) = if version == 1 {
            ("team", "team")
        } else {
            ("data/team", "metadata/team")
        };
        for name in ["a", "b", "c", "d/e"] {
            kv.write(&format!("{data}/{name}"), json!({"data": {}}))
                .expect_success("write");
        }
        let keys = |query: &str| kv.list(&format!("{folder}?{query}")).data()["keys"].clone();
        assert_eq!(keys("limit=2"), json!(["a", "b"]));
        assert_eq!(keys("after=b&limit=2"), json!(["c", "d/"]));
        assert_eq!(keys("after=c"), json!(["d/"]));
        assert_eq!(kv.list(&format!("{folder}?after=d/")).status, 404);
    }
}

#[test]
fn recursive_and_detailed_lists_have_paths_of_their_own_for_policies() {
    let server = server("lists");
    let kv = extended(&server, "kv", &["recursive_list", "detailed_list"]);
    for name in ["a", "team/db", "team/deep/er"] {
        kv.write(&format!("data/{name}"), json!({"data": {"x": 1}}))
            .expect_success("write");
    }
    let all = kv.list("recursive-metadata/").expect_success("list");
    assert_eq!(all.data()["keys"], json!(["a", "team/db", "team/deep/er"]));
    let some = kv.list("recursive-metadata/team?limit=1").expect_success("list");
    assert_eq!(some.data()["keys"], json!(["db"]));
    let detailed = kv.list("detailed-metadata/team").expect_success("list");
    assert_eq!(detailed.data()["keys"], json!(["db", "deep/"]));
    assert_eq!(detailed.data()["key_info"]["db"]["current_version"], 1);

    let root = server.client();
    let policy = json!({"policy": r#"path "kv/metadata/*" { capabilities = ["list", "read"] }"#});
    root.write("sys/policies/acl/lister", policy)
        .expect_success("policy");
    let token = root
        .write("auth/token/create", json!({"policies": ["lister"]}))
        .expect_success("token");
    let lister = kv.with_token(token.body["auth"]["client_token"].as_str().unwrap());
    lister.list("metadata/team").expect_success("list");
    assert_eq!(lister.list("recursive-metadata/").status, 403);
    assert_eq!(lister.list("detailed-metadata/team").status, 403);
}

#[test]
fn copied_and_moved_keys_keep_their_history() {
    let server = server("transfer");
    let kv = extended(&server, "kv", &["transfer"]);
    for version in 1..=3 {
        kv.write("data/from", json!({"data": {"version": version}}))
            .expect_success("write");
    }
    kv.write("metadata/from", json!({"custom_metadata": {"owner": "ann"}}))
        .expect_success("write");
    kv.write("destroy/from", json!({"versions": [1]}))
        .expect_success("destroy");
    kv.write("delete/from", json!({"versions": [2]}))
        .expect_success("delete");
    let history = |key: &str| {
        let metadata = kv.read(&format!("metadata/{key}"));
        (
            metadata.data()["versions"].clone(),
            metadata.data()["custom_metadata"].clone(),
        )
    };
    let before = history("from");

    kv.write("copy/from", json!({"destination": "team/copy"}))
        .expect_success("copy");
    assert_eq!(history("team/copy"), before);
    assert_eq!(history("from"), before);
    let taken = kv.write("move/from", json!({"destination": "team/copy"}));
    assert_eq!(taken.status, 400, "{taken:?}");
    kv.write("move/from", json!({"destination": "team/moved"}))
        .expect_success("move");
    assert_eq!(history("team/moved"), before);
    assert_eq!(kv.read("metadata/from").status, 404);
    for key in ["team/copy", "team/moved"] {
        kv.write(&format!("undelete/{key}"), json!({"versions": [2]}))
            .expect_success("undelete");
        for version in [2, 3] {
            let read = kv.read(&format!("data/{key}?version={version}"));
            assert_eq!(read.data()["data"], json!({"version": version}), "{read:?}");
        }
    }
}

#[test]
fn purge_removes_what_has_expired_and_nothing_that_may_be_undeleted() {
    let server = server("purge");
    let kv = extended(&server, "kv", &["purge"]);
    kv.write("metadata/short", json!({"delete_version_after": "1s"}))
        .expect_success("write");
    for key in ["short", "long", "deleted"] {
        kv.write(&format!("data/{key}"), json!({"data": {"x": 1}}))
            .expect_success("write");
    }
    kv.delete("data/deleted").expect_success("delete");
    assert!(
        (0..50_000).any(|_| kv.read("data/short").status == 404),
        "it never ends"
    );
    server.tick(&kv);
    let destroyed =
        |key: &str| kv.read(&format!("metadata/{key}")).data()["versions"]["1"]["destroyed"].clone();
    assert_eq!(["short", "long", "deleted"].map(destroyed), [true, false, false]);
    kv.write("undelete/deleted", json!({"versions": [1]}))
        .expect_success("undelete");
    for key in ["long", "deleted"] {
        assert_eq!(kv.read(&format!("data/{key}")).data()["data"], json!({"x": 1}));
    }
}

#[test]
fn option_takes_effect_when_the_mount_is_tuned_and_reloaded() {
    let server = server("tuned");
    let kv = server.mount_versioned_kv("kv", 2);
    kv.write("data/a", json!({"data": {"x": 1}}))
        .expect_success("write");
    let copy = || kv.write("copy/a", json!({"destination": "b"}));
    assert_eq!(copy().status, 404);
    let root = server.client();
    root.write("sys/mounts/kv/tune", json!({"options": {"transfer": "true"}}))
        .expect_success("tune");
    root.write("sys/plugins/reload/backend", json!({"mounts": ["kv/"]}))
        .expect_success("reload");
    copy().expect_success("copy");
    assert_eq!(kv.read("data/b").data()["data"], json!({"x": 1}));
}
