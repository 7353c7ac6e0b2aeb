//! Tests that `migrate.py` copies a mount of the built-in KV engine, with its history, to one of the versioned KV
//! guest.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use airlock_tests::twins::drawn;
use airlock_tests::{Mount, Output, Plugin, Server, Storage, VERSIONED_KV, encoded, files, run, vault};
use serde_json::{Value, json};

/// All mounts are made at the start: tuning one makes Vault reload the process that serves them all, which fails
/// requests to the others.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("migrate", Storage::Memory);
    Plugin::versioned_kv().register(&server);
    for (name, version) in [
        ("history", 2),
        ("killed", 2),
        ("deleted", 2),
        ("deleted-again", 2),
        ("other", 2),
        ("place", 2),
        ("whole", 1),
        ("wrong", 1),
    ] {
        server.mount_builtin_kv(&format!("{name}-source"), version);
        server.mount_versioned_kv(&format!("{name}-target"), version);
    }
    server
});

fn source_and_target(name: &str) -> (Mount, Mount) {
    (
        SERVER.mounted(&format!("{name}-source")),
        SERVER.mounted(&format!("{name}-target")),
    )
}

fn command(source: &Mount, target: &Mount, options: &[&str]) -> Command {
    let mut command = Command::new(files::python());
    command
        .arg(files::root().join("guest/versioned-kv/migrate.py"))
        .args([source.name(), target.name()])
        .args(options)
        .env("VAULT_ADDR", SERVER.client().address())
        .env("VAULT_TOKEN", SERVER.client().token());
    command
}

fn migrate(source: &Mount, target: &Mount, options: &[&str]) -> Output {
    run(&mut command(source, target, options))
}

/// Returns everything that a migration must keep: settings, keys, versions, their data and their state.
fn history(mount: &Mount) -> BTreeMap<String, Value> {
    let mut history = BTreeMap::new();
    let mut settings = mount.read("config").expect_success("config").data().clone();
    settings
        .as_object_mut()
        .unwrap()
        .shift_remove("metadata_cas_required"); // only OpenBao's engine has it
    history.insert(String::new(), settings);
    for key in mount.all_keys() {
        let mut metadata = mount
            .read(&format!("metadata/{key}"))
            .expect_success(&key)
            .data()
            .clone();
        for (number, version) in metadata["versions"].as_object_mut().unwrap() {
            let answer = mount.read(&format!("data/{key}?version={number}"));
            *version = json!({
                "status": answer.status,
                "data": answer.data()["data"],
                "destroyed": version["destroyed"],
                "ends": version["deletion_time"] != "",
            });
        }
        let of_the_writing = ["created_time", "updated_time", "last_updated_by"];
        let of_openbao = ["current_metadata_version", "metadata_cas_required"];
        for name in of_the_writing.into_iter().chain(of_openbao) {
            metadata.as_object_mut().unwrap().shift_remove(name);
        }
        history.insert(key, metadata);
    }
    history
}

/// Fills a mount by drawn requests, and with the states that a key of any age can have.
fn fill(mount: &Mount) {
    for step in drawn::version_2(300, 5) {
        let path = mount.path(&step.path);
        mount
            .client()
            .try_send(&step.method, &path, &[], &step.body)
            .unwrap();
    }
    mount.write(
        "config",
        json!({"max_versions": 4, "cas_required": false, "delete_version_after": "0s"}),
    );
    for version in 1..=7 {
        let data = json!({"data": {"version": version, "exact": 0.1, "large": 9_007_199_254_740_991_u64}});
        mount.write("data/old", data.clone()).expect_success("write");
        mount
            .write(&format!("data/{}", encoded("o d/d%?#ü")), data)
            .expect_success("write");
    }
    mount.write("delete/old", json!({"versions": [5, 6]}));
    mount.write("destroy/old", json!({"versions": [4, 6]}));
    mount
        .write("metadata/empty", json!({"custom_metadata": {"no": "versions"}}))
        .expect_success("write");
    mount
        .write("metadata/ends", json!({"delete_version_after": "2h"}))
        .expect_success("write");
    mount
        .write("data/ends", json!({"data": {"x": 1}}))
        .expect_success("write");
    mount.write(
        "metadata/ends",
        json!({"delete_version_after": "0s", "cas_required": true}),
    );
    mount.write(
        "config",
        json!({"max_versions": 5, "delete_version_after": "30h"}),
    );
}

#[test]
fn version_2_is_copied_with_its_history() {
    let (source, target) = source_and_target("history");
    fill(&source);
    let before = history(&source);
    assert!(before.len() > 8, "{before:?}");

    let directory = tempfile::tempdir().unwrap();
    let journal = format!("--journal={}", directory.path().join("journal").display());
    migrate(&source, &target, &["--deleted=read", &journal]).expect_success("migrate");
    assert_eq!(history(&target), before);
    assert_eq!(history(&source), before);
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        0,
        "the journal is removed"
    );

    // A version that was deleted can be undeleted in the copy.
    for mount in [&source, &target] {
        mount
            .write("undelete/old", json!({"versions": [5]}))
            .expect_success("undelete");
        assert_eq!(mount.read("data/old?version=5").data()["data"]["version"], 5);
    }
}

#[test]
fn migration_that_is_killed_goes_on_where_it_stopped() {
    let (source, target) = source_and_target("killed");
    for number in 0..40 {
        for version in 0..3 {
            source.write(
                &format!("data/key-{number:02}"),
                json!({"data": {"version": version}}),
            );
        }
    }
    let mut child = command(&source, &target, &[])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while target.list("metadata").data()["keys"]
        .as_array()
        .is_none_or(|keys| keys.len() < 15)
    {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let there = target.all_keys().len();
    assert!((15..40).contains(&there), "{there}");

    let second = migrate(&source, &target, &[]).expect_success("migrate");
    assert!(
        second.stdout.contains("40 keys") && !second.stdout.contains("40 copied"),
        "{second:?}"
    );
    assert_eq!(history(&target), history(&source));
    let third = migrate(&source, &target, &[]).expect_success("migrate");
    assert!(
        third
            .stdout
            .contains("40 keys: 0 copied, 40 the same already, 0 failed"),
        "{third:?}"
    );

    source
        .write("data/key-07", json!({"data": {"version": "new"}}))
        .expect_success("write");
    let fourth = migrate(&source, &target, &[]).expect_success("migrate");
    assert!(fourth.stdout.contains("1 copied"), "{fourth:?}");
    assert_eq!(history(&target), history(&source));
}

#[test]
fn deleted_versions_are_copied_as_it_was_chosen() {
    let (source, target) = source_and_target("deleted");
    source
        .write("data/a", json!({"data": {"x": 1}}))
        .expect_success("write");
    source
        .write("data/b", json!({"data": {"x": 1}}))
        .expect_success("write");
    source.delete("data/a").expect_success("delete");
    let unsaid = migrate(&source, &target, &[]);
    assert_eq!(unsaid.status, 1, "{unsaid:?}");
    assert!(
        unsaid.stderr.contains("a: version 1 is deleted; choose"),
        "{unsaid:?}"
    );
    assert_eq!(target.read("data/b").data()["data"], json!({"x": 1}));

    migrate(&source, &target, &["--deleted=drop"]).expect_success("migrate");
    let copied = target.read("data/a");
    assert_eq!(
        (copied.status, &copied.data()["metadata"]["destroyed"]),
        (404, &json!(true))
    );
    assert_ne!(copied.data()["metadata"]["deletion_time"], "");

    // The journal is that of a migration that was killed while the version was undeleted.
    let directory = tempfile::tempdir().unwrap();
    let journal = directory.path().join("journal");
    source
        .write("undelete/a", json!({"versions": [1]}))
        .expect_success("undelete");
    fs::write(&journal, json!([source.name(), "a", 1]).to_string()).unwrap();
    let option = format!("--journal={}", journal.display());
    migrate(
        &source,
        &SERVER.mounted("deleted-again-target"),
        &["--deleted=read", &option],
    )
    .expect_success("migrate");
    assert_eq!(source.read("data/a").status, 404);
}

#[test]
fn key_that_is_another_in_the_target_is_named_and_left() {
    let (source, target) = source_and_target("other");
    for mount in [&source, &target] {
        mount
            .write("data/a", json!({"data": {"of": mount.name()}}))
            .expect_success("write");
        mount
            .write("data/b", json!({"data": {"x": 1}}))
            .expect_success("write");
    }
    target
        .write("data/b", json!({"data": {"x": 2}}))
        .expect_success("write");
    target
        .write("data/extra", json!({"data": {}}))
        .expect_success("write");
    let output = migrate(&source, &target, &[]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.contains("a: version 1 is another in other-target"),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("b: other-target has more versions than other-source"),
        "{output:?}"
    );
    assert!(
        output
            .stderr
            .contains("other-target has 1 keys that other-source has not"),
        "{output:?}"
    );
    assert_eq!(target.read("data/a").data()["data"]["of"], "other-target");
}

#[test]
fn version_1_is_copied_digit_by_digit() {
    let (source, target) = source_and_target("whole");
    let value = r#"{"exact":12345678901234567890.12345678901234567890,"text":"ü\u0000","nested":{"a":[null,true]},"ttl":"1h"}"#;
    let keys = ["a", "a/b", "team/db", "odd%20%C3%BC%3F"];
    for key in keys {
        source
            .client()
            .try_send("POST", &source.path(key), &[], value)
            .unwrap();
    }
    let first = migrate(&source, &target, &[]).expect_success("migrate");
    assert!(first.stdout.contains("4 keys: 4 copied"), "{first:?}");
    for key in keys {
        assert_eq!(target.read(key).data(), source.read(key).data());
    }
    let second = migrate(&source, &target, &[]).expect_success("migrate");
    assert!(second.stdout.contains("4 the same already"), "{second:?}");
}

#[test]
fn copy_takes_the_place_of_the_builtin_mount() {
    let (source, target) = source_and_target("place");
    source
        .write("data/team/db", json!({"data": {"x": 1}}))
        .expect_success("write");
    let root = SERVER.client();
    let policy = json!({"policy": r#"path "place-source/data/team/*" { capabilities = ["read"] }"#});
    root.write("sys/policies/acl/place", policy)
        .expect_success("policy");
    let token = root
        .write("auth/token/create", json!({"policies": ["place"]}))
        .expect_success("token");
    let team = source.with_token(token.body["auth"]["client_token"].as_str().unwrap());
    migrate(&source, &target, &[]).expect_success("migrate");
    for (from, to) in [
        ("place-source/", "place-old/"),
        ("place-target/", "place-source/"),
    ] {
        vault(root, ["secrets", "move", from, to]).expect_success("move");
    }
    let read = team.read("data/team/db").expect_success("read");
    assert_eq!(read.data()["data"], json!({"x": 1}));
    let mounts = root.read("sys/mounts").expect_success("mounts");
    assert_eq!(mounts.data()["place-source/"]["type"], VERSIONED_KV);
    assert_eq!(team.write("data/team/db", json!({"data": {}})).status, 403);
}

#[test]
fn wrong_use_is_one_line() {
    let (source, target) = (SERVER.mounted("wrong-source"), SERVER.mounted("other-target"));
    let versions = migrate(&source, &target, &[]);
    assert_eq!(
        (versions.status, versions.stderr.as_str()),
        (
            1,
            "migrate: wrong-source is of version 1 and other-target of version 2\n"
        )
    );
    let refused = run(command(&source, &target, &[]).env("VAULT_TOKEN", "none"));
    assert_eq!(
        (refused.status, refused.stderr.lines().count()),
        (1, 1),
        "{refused:?}"
    );
    let nowhere = run(command(&source, &target, &[]).env("VAULT_ADDR", "http://127.0.0.1:1"));
    assert_eq!(
        (nowhere.status, nowhere.stderr.lines().count()),
        (1, 1),
        "{nowhere:?}"
    );
}
