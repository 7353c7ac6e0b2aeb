//! Tests sealing, unsealing and restarting the server, on storage that outlives its process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Plugin, Server, Storage, eventually, files, process};
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

#[test]
fn an_initialize_without_end_keeps_no_other_mount_from_serving() {
    let server = Server::start("endless-initialize", Storage::Memory);
    Plugin::serving("adversary", &files::guest("adversary"))
        .arg("--start-ms=300")
        .register(&server);
    Plugin::kv().register(&server);
    let (endless, sound) = (
        server.mount("endless", "adversary"),
        server.mount("sound", "airlock-kv"),
    );
    sound.write("a", json!({"value": "one"})).expect_success("write");
    let command = format!("{}/adversary/initialize", server.storage_of("endless"));
    let raw = server.client();
    raw.write(&command, json!({"value": "loop"}))
        .expect_success("tell it to loop");
    server.seal();
    server.unseal();

    assert_eq!(sound.read("a").data()["value"], "one");
    let answer = endless.read("ok");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.errors().contains("--start-ms"), "{answer:?}");

    // After a pause, a later request initializes it again.
    raw.delete(&command).expect_success("tell it to end");
    let answer = eventually("the mount serves once its command to loop is gone", || {
        let answer = endless.read("ok");
        (answer.status != 503).then_some(answer)
    });
    answer.expect_success("read");
}
