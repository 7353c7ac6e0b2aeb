//! How large values and messages may be.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use airlock_tests::{Plugin, Server, Storage};
use serde_json::{Value, json};

/// The longest string in JSON that Vault accepts.
const MIB: usize = 1 << 20;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("sizes", Storage::Memory);
    Plugin::kv().register(&server);
    server
});

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

#[test]
fn value_larger_than_storage_takes_is_refused_with_its_limit() {
    let kv = SERVER.mount("too-large", "airlock-kv");
    let parts: Vec<Value> = (0..2).map(|_| json!(text(MIB / 2))).collect();
    let answer = kv.write("large", json!({"value": parts}));
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(answer.errors().contains(&MIB.to_string()), "{answer:?}");
    assert_eq!(SERVER.stored("too-large", "kv/large"), None);
}
