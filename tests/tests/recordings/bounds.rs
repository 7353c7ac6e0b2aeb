//! Tests who may record, when a recording ends, and which files are none.

use std::fs;

use airlock_tests::{Plugin, airlock_for, eventually, files};
use serde_json::json;

use crate::{SERVER, counted, mount, replay, state};

#[test]
fn nothing_is_recorded_without_the_flag_or_without_sudo() {
    Plugin::kv().named("kv-unrecorded").register(&SERVER);
    let closed = SERVER.mount("kv-unrecorded", "kv-unrecorded");
    let open = mount("kv-open", "kv");
    for answer in [
        closed.write(".airlock/record", json!({})),
        closed.read(".airlock/record"),
        closed.write(".airlock/record/stop", json!({})),
        closed.delete(".airlock/record"),
    ] {
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.errors().contains("-args=--allow-record"), "{answer:?}");
    }
    // Off by default, also with the flag.
    open.write("a", json!({"value": "1"})).expect_success("write");
    assert_eq!(state(&open), "status 404");

    let client = SERVER.client();
    let policy = r#"path "kv-open/*" { capabilities = ["create", "read", "update", "delete", "list"] }"#;
    client
        .write("sys/policies/acl/no-sudo", json!({ "policy": policy }))
        .expect_success("policy");
    let token = client.write("auth/token/create", json!({"policies": ["no-sudo"]}));
    let token = token.expect_success("token").body["auth"]["client_token"].clone();
    let without = open.with_token(token.as_str().unwrap());
    for answer in [
        without.write(".airlock/record", json!({})),
        without.read(".airlock/record"),
        without.write(".airlock/record/stop", json!({})),
        without.read(".airlock/record/pieces/0"),
        without.delete(".airlock/record"),
    ] {
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    assert_eq!(state(&open), "status 404");
    let file = SERVER.temporary_directory().join("refused.rec");
    let arguments = ["record", "--mount=kv-unrecorded", "--out", file.to_str().unwrap()];
    let refused = airlock_tests::run(&mut airlock_for(client, arguments));
    refused.assert_refused(&["--allow-record"]);
    assert!(!file.exists());
}

#[test]
fn a_recording_ends_by_its_time_its_size_or_its_requests() {
    let kv = mount("kv-bounded", "kv");
    for (bounds, why) in [
        (json!({"seconds": 1}), "time"),
        (json!({"bytes": 1000}), "bytes"),
        (json!({"requests": 2}), "requests"),
    ] {
        kv.write(".airlock/record", bounds).expect_success("begin");
        let refused = kv.write(".airlock/record", json!({}));
        assert!(
            refused.status == 400 || state(&kv) == why,
            "a second one began: {refused:?}"
        );
        eventually(why, || {
            kv.read("nothing");
            (state(&kv) == why).then_some(())
        });
        let report = kv.read(".airlock/record").expect_success("status");
        let piece = kv.read(".airlock/record/pieces/0").expect_success("a piece");
        let lines = piece.data()["lines"].as_str().unwrap().lines().count() as u64;
        assert_eq!(lines, counted(&report, "recorded") + 2, "{report:?}");
        if why == "requests" {
            assert_eq!(counted(&report, "recorded"), 2, "{report:?}");
        }
    }
    for bounds in [
        json!({"seconds": 0}),
        json!({"seconds": 3601}),
        json!({"bytes": 100_000_000}),
        json!({"requests": 0}),
        json!({"requests": -1}),
    ] {
        assert_eq!(
            kv.write(".airlock/record", bounds.clone()).status,
            400,
            "{bounds}"
        );
    }
    // A process that ends forgets.
    kv.write(".airlock/record", json!({})).expect_success("begin");
    SERVER
        .client()
        .write("sys/plugins/reload/backend", json!({"mounts": "kv-bounded/"}))
        .expect_success("reload");
    assert_eq!(state(&kv), "status 404");
}

#[test]
fn a_file_that_is_no_recording_is_refused_in_one_line() {
    let folder = SERVER.temporary_directory();
    let file = folder.join("hostile.rec");
    for text in [
        &b""[..],
        b"\xff\xfe",
        b"hello",
        b"{\"airlock_recording\":2}\n",
        b"{\"airlock_recording\":1,\"name\":\"kv\",\"version\":\"0.1.0\",\"sha256\":\"ab\",\"options\":[]}\n{\"x\":1}\n",
    ] {
        fs::write(&file, text).unwrap();
        replay(&file, &files::guest("kv")).assert_refused(&["hostile.rec"]);
    }
    replay(&folder.join("missing.rec"), &files::guest("kv"))
        .assert_refused(&["missing.rec", "cannot be read"]);
}
