//! Tests the KV guest's operations over HTTP: statuses and bodies, as Vault returns them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Plugin, Server, Servers, Storage};
use serde_json::json;

airlock_tests::on_each_storage!(
    first_write_creates_and_second_updates,
    value_lies_in_storage_as_it_is_below_kv,
    write_after_delete_creates_again,
    read_answers_the_value_and_makes_no_lease,
    missing_key_is_an_error_response,
    missing_value_is_an_error_response_and_stores_nothing,
    delete_removes_the_key_and_may_be_repeated,
    list_names_the_keys_and_folders_directly_below,
    list_of_nothing_is_404,
    other_operations_are_an_error_response,
    json_that_is_not_text_is_stored_as_its_text_with_every_digit,
    any_text_comes_back_as_it_went_in,
    any_path_that_vault_routes_works,
    a_token_that_may_only_create_cannot_overwrite,
    servers_api_document_can_be_read_while_the_guest_is_mounted,
    path_help_answers,
    wrapped_answer_unwraps_to_the_value,
);

static SERVERS: Servers = Servers::new(|storage| {
    let server = Server::start("operations", storage);
    Plugin::kv().register(&server);
    server
});

fn first_write_creates_and_second_updates(storage: Storage) {
    let kv = SERVERS.on(storage).mount("write", "airlock-kv");
    let created = kv.write("a", json!({"value": "one"}));
    assert_eq!(
        (created.status, created.data()),
        (200, &json!({"message": "key created"}))
    );
    let updated = kv.write("a", json!({"value": "two"}));
    assert_eq!(
        (updated.status, updated.data()),
        (200, &json!({"message": "key updated"}))
    );
    assert_eq!(kv.read("a").data(), &json!({"value": "two"}));
}

fn value_lies_in_storage_as_it_is_below_kv(storage: Storage) {
    let kv = SERVERS.on(storage).mount("stored", "airlock-kv");
    kv.write("team/a", json!({"value": "one"}))
        .expect_success("write");
    assert_eq!(
        SERVERS.on(storage).stored("stored", "kv/team/a").as_deref(),
        Some("one")
    );
    kv.delete("team/a").expect_success("delete");
    assert_eq!(SERVERS.on(storage).stored("stored", "kv/team/a"), None);
}

fn write_after_delete_creates_again(storage: Storage) {
    let kv = SERVERS.on(storage).mount("recreate", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    kv.delete("a").expect_success("delete");
    assert_eq!(
        kv.write("a", json!({"value": "two"})).data()["message"],
        "key created"
    );
}

fn read_answers_the_value_and_makes_no_lease(storage: Storage) {
    let kv = SERVERS.on(storage).mount("read", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let answer = kv.read("a");
    assert_eq!((answer.status, answer.data()), (200, &json!({"value": "one"})));
    assert_eq!(
        (&answer.body["lease_id"], &answer.body["lease_duration"]),
        (&json!(""), &json!(0))
    );
}

fn missing_key_is_an_error_response(storage: Storage) {
    let kv = SERVERS.on(storage).mount("missing-key", "airlock-kv");
    let answer = kv.read("nothing");
    assert_eq!((answer.status, answer.errors().as_str()), (400, "key not found"));
}

fn missing_value_is_an_error_response_and_stores_nothing(storage: Storage) {
    let kv = SERVERS.on(storage).mount("missing-value", "airlock-kv");
    for data in [json!({}), json!({"other": "field"})] {
        let answer = kv.write("a", data);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(
            answer.errors().contains("value"),
            "the error names the field: {answer:?}"
        );
    }
    assert_eq!(kv.list("").status, 404);
}

fn delete_removes_the_key_and_may_be_repeated(storage: Storage) {
    let kv = SERVERS.on(storage).mount("delete", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    for _ in 0..2 {
        let answer = kv.delete("a");
        assert_eq!(
            (answer.status, answer.data()),
            (200, &json!({"message": "key deleted"}))
        );
    }
    assert_eq!(kv.read("a").errors(), "key not found");
}

fn list_names_the_keys_and_folders_directly_below(storage: Storage) {
    let kv = SERVERS.on(storage).mount("list", "airlock-kv");
    for path in ["b", "a", "folder/c", "folder/deeper/d"] {
        kv.write(path, json!({"value": path})).expect_success("write");
    }
    assert_eq!(kv.list("").data(), &json!({"keys": ["a", "b", "folder/"]}));
    assert_eq!(kv.list("folder").data(), &json!({"keys": ["c", "deeper/"]}));
    assert_eq!(kv.list("folder/deeper/").data(), &json!({"keys": ["d"]}));
}

fn list_of_nothing_is_404(storage: Storage) {
    let kv = SERVERS.on(storage).mount("list-nothing", "airlock-kv");
    let answer = kv.list("nothing");
    assert_eq!((answer.status, answer.errors().as_str()), (404, ""));
}

fn other_operations_are_an_error_response(storage: Storage) {
    let kv = SERVERS.on(storage).mount("patch", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let answer = kv.patch("a", json!({"value": "two"}));
    assert_eq!(
        (answer.status, answer.errors().as_str()),
        (400, "unsupported operation")
    );
    assert_eq!(kv.read("a").data(), &json!({"value": "one"}));
}

fn json_that_is_not_text_is_stored_as_its_text_with_every_digit(storage: Storage) {
    let kv = SERVERS.on(storage).mount("json", "airlock-kv");
    for (value, text) in [
        (json!(9_007_199_254_740_993_u64), "9007199254740993"), // 2^53 + 1, which a 64-bit float cannot represent
        (json!(true), "true"),
        (json!(null), "null"),
        (json!([1, "two"]), r#"[1,"two"]"#),
        (json!({"a": {"b": 1}}), r#"{"a":{"b":1}}"#),
    ] {
        kv.write("a", json!({"value": value})).expect_success("write");
        assert_eq!(kv.read("a").data(), &json!({"value": text}));
    }
}

fn any_text_comes_back_as_it_went_in(storage: Storage) {
    let kv = SERVERS.on(storage).mount("text", "airlock-kv");
    for value in [
        "",
        " ",
        "null",
        "\"quoted\"",
        "line\nbreak\r\n\ttab \u{0} nul",
        "ünï¢ødé 漢字 🔐",
        "\u{feff}\u{202e}",
    ] {
        kv.write("a", json!({"value": value})).expect_success("write");
        assert_eq!(kv.read("a").data(), &json!({"value": value}), "{value:?}");
    }
}

fn any_path_that_vault_routes_works(storage: Storage) {
    let kv = SERVERS.on(storage).mount("paths", "airlock-kv");
    let deep = vec!["d"; 100].join("/");
    let long = "l".repeat(500);
    for (path, name) in [
        ("UPPER.lower-1_2", "UPPER.lower-1_2"),
        ("%C3%BC/%E6%BC%A2%E5%AD%97/%F0%9F%94%90", "ü/"),
        ("with%20space", "with space"),
        ("per%2525cent", "per%25cent"),
        ("a@b:c+d=e,f;g~h!i$j&k'l(m)n*o", "a@b:c+d=e,f;g~h!i$j&k'l(m)n*o"),
        (&deep, "d/"),
        (&long, &long),
    ] {
        let what = format!("path {path}");
        assert_eq!(
            kv.write(path, json!({"value": path}))
                .expect_success(&what)
                .data()["message"],
            "key created"
        );
        assert_eq!(
            kv.read(path).expect_success(&what).data()["value"],
            path,
            "{what}"
        );
        let keys = kv.list("").expect_success(&what).data()["keys"].clone();
        assert!(
            keys.as_array().unwrap().contains(&json!(name)),
            "{what} is listed as {name}: {keys}"
        );
        kv.delete(path).expect_success(&what);
    }
    assert_eq!(kv.list("").status, 404);
}

fn a_token_that_may_only_create_cannot_overwrite(storage: Storage) {
    let kv = SERVERS.on(storage).mount("acl", "airlock-kv");
    let policy = r#"path "acl/*" { capabilities = ["create"] }"#;
    SERVERS
        .on(storage)
        .client()
        .write("sys/policies/acl/create-only", json!({"policy": policy}))
        .expect_success("policy");
    let token = SERVERS
        .on(storage)
        .client()
        .write("auth/token/create", json!({"policies": ["create-only"]}));
    let creator = kv.with_token(
        token.expect_success("token").body["auth"]["client_token"]
            .as_str()
            .unwrap(),
    );

    assert_eq!(
        creator.write("a", json!({"value": "one"})).data()["message"],
        "key created"
    );
    assert_eq!(creator.write("a", json!({"value": "two"})).status, 403);
    assert_eq!(kv.read("a").data()["value"], "one");
}

fn servers_api_document_can_be_read_while_the_guest_is_mounted(storage: Storage) {
    SERVERS.on(storage).mount("document", "airlock-kv");
    let answer = SERVERS
        .on(storage)
        .client()
        .read("sys/internal/specs/openapi")
        .expect_success("openapi");
    let title = answer.body["info"]["title"].as_str().unwrap_or_default();
    assert!(["HashiCorp Vault API", "OpenBao API"].contains(&title), "{title}");
}

fn path_help_answers(storage: Storage) {
    let kv = SERVERS.on(storage).mount("help", "airlock-kv");
    let answer = kv.read("a?help=1").expect_success("help");
    assert!(
        answer.body["help"].is_string() || answer.data()["help"].is_string(),
        "{answer:?}"
    );
}

fn wrapped_answer_unwraps_to_the_value(storage: Storage) {
    let kv = SERVERS.on(storage).mount("wrapped", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let wrapped = airlock_tests::vault(
        SERVERS.on(storage).client(),
        ["read", "-wrap-ttl=60", "-field=wrapping_token", "wrapped/a"],
    );
    let token = wrapped.expect_success("wrap").stdout;
    let answer = SERVERS
        .on(storage)
        .client()
        .with_token(token.trim())
        .write("sys/wrapping/unwrap", json!({}));
    assert_eq!(answer.data(), &json!({"value": "one"}));
}
