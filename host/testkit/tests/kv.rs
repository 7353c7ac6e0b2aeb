//! Tests the KV guest with this crate, as an author of a guest would. Build the guest first: `guest/build.sh`.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::Arc;

use airlock_testkit::{
    Call, Error, Fault, FolderStorage, Guest, Mount, Operation, Report, Request, StorageEntry, json,
};

fn guest() -> Guest {
    Guest::load(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../target/guests/kv.wasm"
    ))
    .unwrap()
}

fn kv() -> Mount {
    guest().mount().start().unwrap()
}

#[test]
fn a_value_is_created_read_updated_listed_and_deleted() {
    let kv = kv();
    let hello = json!({ "value": "hello" });
    assert_eq!(
        kv.write("a/b", hello.clone()).data(),
        &json!({ "message": "key created" })
    );
    assert_eq!(
        kv.write("a/b", hello.clone()).data(),
        &json!({ "message": "key updated" })
    );
    assert_eq!(kv.read("a/b").data(), &hello);
    assert_eq!(kv.list("a").keys(), ["b"]);
    assert_eq!(kv.delete("a/b").expect_success().status(), 200);
    assert!(kv.entries().is_empty());
    let missing = kv.read("a/b");
    assert_eq!((missing.status(), missing.error()), (400, Some("key not found")));
}

#[test]
fn an_update_of_a_key_that_the_host_knows_costs_its_write_alone() {
    let kv = kv();
    let cost = || {
        let usage = kv.write("a", json!({ "value": "1" })).usage().storage;
        (usage.gets, usage.puts, usage.calls())
    };
    assert_eq!([cost(), cost()], [(1, 1, 2), (0, 1, 1)]);
    kv.delete("a").expect_success();
    assert_eq!(
        [cost(), cost()],
        [(1, 1, 2), (0, 1, 1)],
        "the deletion has not asked"
    );
}

#[test]
fn a_put_that_fails_is_told_and_stores_nothing() {
    let kv = kv();
    kv.faults().nth(Call::Put, 2, Fault::Fail);
    kv.write("a", json!({ "value": "1" })).expect_success();
    let refused = kv.write("b", json!({ "value": "2" }));
    assert_eq!(refused.status(), 500);
    assert!(refused.error().unwrap().contains("storage is broken on purpose"));
    assert_eq!(
        (kv.stored("kv/a"), kv.stored("kv/b")),
        (Some(b"1".to_vec()), None)
    );
    kv.write("b", json!({ "value": "2" })).expect_success();
}

#[test]
fn a_create_of_what_exists_is_a_conflict() {
    let kv = kv();
    kv.store(StorageEntry::new("kv/a", "1")).unwrap();
    let create = Request::new(Operation::Create, "a").data(&json!({ "value": "2" }));
    assert_eq!(kv.send(create).status(), 412);
    assert_eq!(kv.stored("kv/a").unwrap(), b"1");
}

#[test]
fn a_request_for_the_hosts_own_paths_does_not_reach_the_guest() {
    let kv = kv();
    let storage_calls = kv.read(".airlock/x").usage().storage.calls();
    assert_eq!((kv.read(".airlock/x").status(), storage_calls), (404, 0));
    assert_eq!(kv.write(".airlock", json!({ "value": "1" })).status(), 404);
    kv.write(".airlocks", json!({ "value": "1" })).expect_success();
}

#[test]
fn what_a_directory_keeps_is_there_for_the_next_mount() {
    let directory = tempfile::tempdir().unwrap();
    for (attempt, message) in ["key created", "key updated"].into_iter().enumerate() {
        let storage = Arc::new(FolderStorage::open(directory.path()).unwrap());
        let mut kv = guest().mount().folder(storage).start().unwrap();
        kv.restart().unwrap();
        assert_eq!(
            kv.write("a", json!({ "value": attempt })).data()["message"],
            message
        );
    }
}

#[test]
fn the_guests_log_is_kept() {
    assert_eq!(kv().recorder().lines()[0].message, "kv engine is ready");
}

#[tokio::test]
async fn a_test_that_runs_on_tokio_may_use_it_too() {
    assert_eq!(kv().read("a").status(), 400);
}

#[test]
fn a_file_that_is_no_guest_is_refused_by_name() {
    let missing = Guest::load("nowhere.wasm").err().unwrap();
    let missing = Report::new(&missing).to_string();
    assert!(
        missing.starts_with("guest nowhere.wasm: cannot be read: "),
        "{missing}"
    );
    let not_wasm = Guest::load(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    assert!(matches!(not_wasm.err().unwrap(), Error::Load { .. }));
}
