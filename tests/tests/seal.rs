//! Sealing, unsealing and restarting the server, on storage that outlives its process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;

use airlock_tests::{Plugin, Server, Storage, files, process};
use serde_json::json;

#[test]
fn sealing_ends_the_host_and_unsealing_serves_the_data_again() {
    process::adopt_orphans();
    let server = Server::start("seal", Storage::Disk);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let host = server.host();

    server.seal();
    assert_eq!(kv.read("a").status, 503);
    assert!(process::has_ended(host));

    let mark = server.log().mark();
    server.unseal();
    server.log().wait_after(mark, "the guest's initialize", |line| {
        line.message().contains("kv engine is ready")
    });
    assert_eq!(kv.read("a").data()["value"], "one");
    assert_ne!(server.host(), host);
}

#[test]
fn guest_missing_at_unseal_costs_its_own_mount_only() {
    let server = Server::start("seal-missing", Storage::Disk);
    let guest = server.temporary_directory().join("guest.wasm");
    fs::copy(files::guest("kv"), &guest).unwrap();
    Plugin::serving("fragile", &guest).register(&server);
    Plugin::kv().register(&server);
    let (fragile, sound) = (
        server.mount("fragile", "fragile"),
        server.mount("sound", "airlock-kv"),
    );
    fragile
        .write("a", json!({"value": "one"}))
        .expect_success("write");
    sound.write("a", json!({"value": "two"})).expect_success("write");

    server.seal();
    fs::remove_file(&guest).unwrap();
    server.unseal();
    assert_eq!(sound.read("a").data()["value"], "two");
    assert!(fragile.read("a").status >= 400);

    fs::copy(files::guest("kv"), &guest).unwrap();
    server.seal();
    server.unseal();
    assert_eq!(fragile.read("a").data()["value"], "one");
}

#[test]
fn data_outlives_a_kill_of_the_server() {
    let mut server = Server::start("restart", Storage::Disk);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    server.kill();
    server.start_again();
    assert_eq!(kv.read("a").data()["value"], "one");
}
