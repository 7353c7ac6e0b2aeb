//! Sealing, unsealing and restarting the server, on storage that outlives its process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Plugin, Server, Storage, process};
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
fn data_outlives_a_kill_of_the_server() {
    let mut server = Server::start("restart", Storage::Disk);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    server.kill();
    server.start_again();
    assert_eq!(kv.read("a").data()["value"], "one");
}
