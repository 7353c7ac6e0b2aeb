//! How large values and messages may be.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use airlock_tests::{Mount, Plugin, Server, Storage, files};
use serde_json::{Value, json};

/// The longest string in JSON that Vault accepts.
const MIB: usize = 1 << 20;

static SERVER: LazyLock<Server> = LazyLock::new(|| serve("sizes", Storage::Memory));

/// Text whose every part differs, so that a part that is lost, doubled or moved is seen.
fn text(length: usize) -> String {
    let mut text: String = (0..=length / 8).map(|number| format!("{number:08x}")).collect();
    text.truncate(length);
    text
}

#[test]
fn values_of_any_size_up_to_a_mebibyte_come_back_whole() {
    let kv = SERVER.mount("values", "airlock-kv");
    for length in [
        0,
        1,
        4095,
        16 << 10,
        (16 << 10) + 1,
        64 << 10,
        MIB / 2,
        MIB - 1,
        MIB,
    ] {
        let value = text(length);
        kv.write("large", json!({"value": value})).expect_success("write");
        assert!(
            kv.read("large").data()["value"] == value.as_str(),
            "a value of {length} bytes came back otherwise"
        );
    }
}

#[test]
fn text_that_grows_when_escaped_comes_back_whole() {
    let kv = SERVER.mount("escaped", "airlock-kv");
    let value = "\u{1}\"\\".repeat(MIB / 16); // three times as long in JSON
    kv.write("large", json!({"value": value})).expect_success("write");
    assert!(kv.read("large").data()["value"] == value.as_str());
}

#[test]
fn message_of_six_mebibytes_passes() {
    let kv = SERVER.mount("message", "airlock-kv");
    let padding = text(MIB);
    let mut fields: Value = ["b", "c", "d", "e", "f"]
        .iter()
        .map(|&name| (name, json!(padding)))
        .collect();
    fields["value"] = json!(padding);
    kv.write("large", fields).expect_success("write");
    assert!(kv.read("large").data()["value"] == padding.as_str());
}

/// A value of so many times 512 KiB. Vault accepts no longer string than 1 MiB, so it comes in parts.
fn parts(count: usize) -> Value {
    (0..count).map(|_| json!(text(MIB / 2))).collect()
}

#[test]
fn value_of_five_mebibytes_is_stored_where_storage_takes_it() {
    let kv = SERVER.mount("five", "airlock-kv");
    let value = parts(10);
    kv.write("large", json!({"value": value})).expect_success("write");
    let stored = kv.read("large");
    let text = stored.data()["value"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(text).unwrap() == value);
    assert_eq!(make_note(&SERVER.mount("five-notes", "bank"), 5 * MIB), 204);
}

/// Integrated storage takes entries of 1 MiB, and counts what Vault makes of key and value together.
static RAFT: LazyLock<Server> = LazyLock::new(|| serve("sizes-raft", Storage::Disk));

fn serve(name: &str, storage: Storage) -> Server {
    let server = Server::start(name, storage);
    Plugin::kv().register(&server);
    Plugin::serving("bank", &files::guest("bank")).register(&server);
    server
}

/// The lengths around what integrated storage takes, in a redo record too.
fn lengths() -> impl Iterator<Item = usize> {
    (MIB - 252..=MIB).step_by(9)
}

const TOO_LARGE: &str = "put failed due to value being too large";

/// Makes a note and, in the same commit behind a redo record, notes which was made last. Returns the status.
fn make_note(bank: &Mount, bytes: usize) -> u16 {
    let name = format!("n{bytes}");
    let before = bank.read("notes/n1");
    let answer = bank.write(&format!("notes/{name}"), json!({"bytes": bytes}));
    if answer.status == 204 {
        let note = bank.read(&format!("notes/{name}"));
        assert_eq!(note.data(), &json!({"bytes": bytes, "last": name}));
    } else {
        assert_eq!(bank.read(&format!("notes/{name}")).status, 404);
        assert_eq!(
            bank.read("notes/n1").body["data"],
            before.body["data"],
            "all or nothing"
        );
        assert!(answer.errors().contains("for storage"), "{answer:?}");
    }
    answer.status
}

#[test]
fn value_at_the_limit_of_raft_is_stored_whole_or_rejected_with_the_servers_words() {
    let kv = RAFT.mount("values", "airlock-kv");
    let (mut stored, mut rejected) = (0, 0);
    let mut last = Value::Null;
    for length in lengths() {
        let value = text(length);
        let answer = kv.write("large", json!({"value": value}));
        match answer.status {
            200 => {
                stored += 1;
                last = json!(value);
            }
            400 => {
                rejected += 1;
                assert!(answer.errors().contains(TOO_LARGE), "{answer:?}");
            }
            _ => panic!("{length}: {answer:?}"),
        }
        assert!(kv.read("large").data()["value"] == last, "{length}");
    }
    assert!(stored > 0 && rejected > 0, "{stored} {rejected}");
    let answer = kv.write("large", json!({"value": parts(10)}));
    assert!(
        answer.status == 400 && answer.errors().contains(TOO_LARGE),
        "{answer:?}"
    );
}

#[test]
fn commit_behind_a_redo_record_that_raft_does_not_take_is_413_and_leaves_nothing() {
    // A server of its own: a reload is for the one process that it runs.
    let server = serve("sizes-notes", Storage::Disk);
    let bank = server.mount("notes", "bank");
    assert_eq!(make_note(&bank, 1), 204);
    let (mut stored, mut rejected) = (0, 0);
    for length in lengths() {
        match make_note(&bank, length) {
            204 => {
                stored += 1;
                assert_eq!(make_note(&bank, 1), 204);
            }
            413 => rejected += 1,
            status => panic!("{length}: {status}"),
        }
    }
    assert!(stored > 0 && rejected > 0, "{stored} {rejected}");
    assert_eq!(make_note(&bank, 5 * MIB), 413);
    let records = |key: &String| key.starts_with(".airlock/redo/");
    assert!(!server.stored_keys("notes").iter().any(records));
    server.reload("notes");
    assert_eq!(bank.read("notes/n1").data()["bytes"], 1);
    assert_eq!(make_note(&bank, 2), 204);
}
