//! Tests that mounts can be added and removed, and are isolated from each other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;

use airlock_tests::{Plugin, Server, Storage, files, process, vault};
use serde_json::json;

fn server(name: &str) -> Server {
    let server = Server::start(name, Storage::Memory);
    Plugin::kv().register(&server);
    server
}

#[test]
fn two_mounts_share_a_process_and_never_see_each_others_data() {
    let server = server("mounts");
    let (one, two) = (
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    );
    server.host(); // panics if there is more than one

    one.write("a", json!({"value": "of one"})).expect_success("write");
    assert_eq!(two.read("a").errors(), "key not found");
    assert_eq!(two.list("").status, 404);
    two.write("a", json!({"value": "of two"})).expect_success("write");
    two.write("b", json!({"value": "of two"})).expect_success("write");
    assert_eq!(one.read("a").data()["value"], "of one");
    assert_eq!(one.list("").data(), &json!({"keys": ["a"]}));
    two.delete("a").expect_success("delete");
    assert_eq!(one.read("a").data()["value"], "of one");
}

#[test]
fn disabling_a_mount_wipes_its_data_and_leaves_its_sibling() {
    let server = server("disable");
    let (gone, stays) = (
        server.mount("gone", "airlock-kv"),
        server.mount("stays", "airlock-kv"),
    );
    gone.write("a", json!({"value": "one"})).expect_success("write");
    stays.write("a", json!({"value": "two"})).expect_success("write");

    server.unmount("gone");
    assert_eq!(gone.read("a").status, 404);
    assert_eq!(stays.read("a").data()["value"], "two");

    let again = server.mount("gone", "airlock-kv");
    assert_eq!(again.read("a").errors(), "key not found");
}

#[test]
fn the_process_ends_with_its_last_mount_and_leaves_no_socket() {
    process::adopt_orphans();
    let server = server("last-mount");
    server.mount("one", "airlock-kv");
    server.mount("two", "airlock-kv");
    let host = server.host();
    let sockets = process::listening_sockets(host);
    assert!(
        !sockets.is_empty() && sockets.iter().all(|socket| socket.exists()),
        "{sockets:?}"
    );

    server.unmount("one");
    assert_eq!(server.host(), host);
    server.unmount("two");
    assert!(process::has_ended(host));
    assert!(!sockets.iter().any(|socket| socket.exists()), "{sockets:?}");
}

#[test]
fn reload_starts_a_new_process_and_keeps_the_data() {
    let server = server("reload");
    let (one, two) = (
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    );
    one.write("a", json!({"value": "one"})).expect_success("write");
    two.write("a", json!({"value": "two"})).expect_success("write");
    let host = server.host();

    vault(server.client(), ["plugin", "reload", "-plugin=airlock-kv"]).expect_success("reload");
    assert_ne!(server.host(), host);
    assert_eq!(one.read("a").data()["value"], "one");
    assert_eq!(two.read("a").data()["value"], "two");
}

#[test]
fn reload_of_one_mount_leaves_its_sibling_serving() {
    let server = server("reload-one");
    let (one, two) = (
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    );
    two.write("a", json!({"value": "two"})).expect_success("write");

    server
        .client()
        .write("sys/plugins/reload/backend", json!({"mounts": ["one/"]}))
        .expect_success("reload");
    assert_eq!(two.read("a").data()["value"], "two");
    assert_eq!(
        one.write("a", json!({"value": "one"})).data()["message"],
        "key created"
    );
}

#[test]
fn a_moved_mount_keeps_its_data() {
    let server = server("move");
    let kv = server.mount("here", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    vault(server.client(), ["secrets", "move", "here/", "there/"]).expect_success("move");
    assert_eq!(server.client().read("there/a").data()["value"], "one");
}

/// Makes a build of the KV guest with the version 0.2.0: the same code with another description.
fn newer_kv(server: &Server) -> PathBuf {
    let mut guest = fs::read(files::guest("kv")).unwrap();
    let version: &[u8] = env!("CARGO_PKG_VERSION").as_bytes();
    let found: Vec<usize> = guest
        .windows(version.len())
        .enumerate()
        .filter(|(_, w)| *w == version)
        .map(|(at, _)| at)
        .collect();
    for at in found {
        if guest[at - 1] != b'@' {
            guest[at..at + version.len()].copy_from_slice(b"0.2.0"); // but not the contract's version, as in `storage@0.1.0`
        }
    }
    let path = server.temporary_directory().join("kv-0.2.0.wasm");
    fs::write(&path, guest).unwrap();
    path
}

#[test]
fn a_mount_moves_to_a_new_plugin_version_and_back_with_its_data() {
    let server = Server::start("version", Storage::Memory);
    Plugin::kv().version("v0.1.0").register(&server);
    let mount = server.mount("kv", "airlock-kv");
    mount.write("a", json!({"value": "one"})).expect_success("write");
    Plugin::serving("airlock-kv", &newer_kv(&server))
        .version("v0.2.0")
        .register(&server);

    for version in ["v0.2.0", "v0.1.0"] {
        let tune = ["secrets", "tune", &format!("-plugin-version={version}"), "kv"];
        vault(server.client(), tune).expect_success("tune");
        vault(server.client(), ["plugin", "reload", "-plugin=airlock-kv"]).expect_success("reload");

        let mounts = server.client().read("sys/mounts").expect_success("mounts");
        assert_eq!(mounts.data()["kv/"]["running_plugin_version"], version);
        assert_eq!(mount.read("a").data()["value"], "one");
    }
}

#[test]
fn a_version_that_the_guest_is_not_cannot_be_registered() {
    let server = Server::start("wrong-version", Storage::Memory);
    let answer = Plugin::kv().version("v9.0.0").try_register(&server);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(
        answer.errors().contains("v0.1.0") && answer.errors().contains("v9.0.0"),
        "{answer:?}"
    );
}
