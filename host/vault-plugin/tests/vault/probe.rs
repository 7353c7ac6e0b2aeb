//! Tests with the probe engine what the server tells a plugin, and what reaches the plugin.

use std::sync::LazyLock;

use airlock_tests::{Server, Storage};
use serde_json::{Value, json};

use super::{server_with, token_for};

pub(super) static SERVER: LazyLock<Server> = LazyLock::new(|| server_with("probe", Storage::Memory));

#[test]
fn the_system_view_tells_the_mounts_facts() {
    let mount = SERVER.mount("system", "probe");
    let tune = json!({ "default_lease_ttl": "90s", "max_lease_ttl": "1h" });
    mount
        .client()
        .write("sys/mounts/system/tune", tune)
        .expect_success("tune");
    let health = mount.client().read("sys/health").body;
    let seen = mount.read("system").expect_success("system");
    let expected = json!({
        "default_lease_ttl": 90,
        "max_lease_ttl": 3600,
        "tainted": false,
        "caching_disabled": false,
        "replication_state": seen.data()["replication_state"],
        "mlock_enabled": false,
        "local_mount": false,
        "version": health["version"],
        "build_date_known": seen.data()["build_date_known"],
        "cluster_id": health["cluster_id"],
    });
    assert_eq!(seen.data(), &expected);
    // On community servers performance replication (4096) and disaster recovery (8192) are disabled.
    let state = seen.data()["replication_state"].as_i64().unwrap();
    assert_eq!(state & (32 | 64 | 256 | 512), 0, "{state}");
}

#[test]
fn entities_and_groups_are_looked_up() {
    let mount = SERVER.mount("identities", "probe");
    let client = mount.client();
    let entity = client.write(
        "identity/entity",
        json!({ "name": "ada", "metadata": { "team": "engines" } }),
    );
    let id = entity.data()["id"].as_str().unwrap();
    client
        .write("sys/auth/people", json!({ "type": "userpass" }))
        .expect_success("auth");
    let accessor = client.read("sys/auth").data()["people/"]["accessor"].clone();
    let alias = json!({ "name": "lovelace", "canonical_id": id, "mount_accessor": accessor });
    client
        .write("identity/entity-alias", alias)
        .expect_success("alias");
    client
        .write(
            "identity/group",
            json!({ "name": "writers", "member_entity_ids": [id] }),
        )
        .expect_success("group");

    let expected = json!({
        "name": "ada", "metadata": { "team": "engines" }, "aliases": ["lovelace"], "groups": ["writers"],
    });
    assert_eq!(mount.read(&format!("entity?id={id}")).data(), &expected);
    let nobody = mount.read("entity?id=nobody").expect_success("entity");
    assert_eq!(nobody.data()["name"], Value::Null);
}

#[test]
fn passwords_follow_their_policy() {
    let mount = SERVER.mount("password", "probe");
    let policy = json!({ "policy": "length = 12\nrule \"charset\" { charset = \"xyz\" }" });
    mount
        .client()
        .write("sys/policies/password/short", policy)
        .expect_success("policy");
    let answer = mount.read("password?policy=short").expect_success("password");
    let password = answer.data()["password"].as_str().unwrap();
    assert!(
        password.len() == 12 && password.chars().all(|letter| "xyz".contains(letter)),
        "{password}"
    );
    let missing = mount.read("password");
    assert_eq!(
        (missing.status, missing.errors().as_str()),
        (400, "missing field `policy` at line 1 column 2")
    );
    assert_eq!(mount.read("password?policy=none").status, 500);
}

/// Vault 1.21 looks for the caller's namespace, which the broker does not transmit. A test against a double covers the
/// call itself.
#[test]
fn vault_cannot_wrap_data_for_external_plugins() {
    let mount = SERVER.mount("wrapping", "probe");
    let answer = mount.write("wrap", json!({ "seen": "once" }));
    assert!(
        answer.status == 500 && answer.errors().contains("response wrapping failed: no namespace"),
        "{answer:?}"
    );
}

#[test]
fn what_a_community_server_does_not_offer_is_refused_in_its_words() {
    let mount = SERVER.mount("enterprise", "probe");
    let answers = mount.read("enterprise").expect_success("enterprise");
    let said = |call: &str| answers.data()[call].as_str().unwrap().to_owned();
    for call in ["identity_token", "rotation_information", "register"] {
        assert!(said(call).contains(" failed: "), "{call}: {}", said(call));
    }
    let unknown = "the server does not offer rotation job registration with response";
    assert_eq!(said("register_with_response"), unknown);
    assert_eq!(said("deregister"), "granted");
}

#[test]
fn storage_is_read_only_during_setup_and_refuses_relative_keys() {
    let mount = SERVER.mount("storage", "probe");
    let expected = json!({
        "keys": ["initialized"],
        "page": ["initialized"],
        "transactional": false,
        "write_during_setup": "cannot write to storage during setup",
        "relative": "relative paths not supported",
    });
    assert_eq!(mount.read("storage").expect_success("storage").data(), &expected);
}

#[test]
fn a_request_arrives_with_what_vault_lets_through() {
    let mount = SERVER.mount("request", "probe");
    let tune = json!({ "passthrough_request_headers": ["X-Probe"] });
    mount
        .client()
        .write("sys/mounts/request/tune", tune)
        .expect_success("tune");
    let token = token_for(&mount, "request", "*", &["read", "update"]);
    let seen = token
        .write("request", json!({ "n": 12345678901234567890_u64 }))
        .expect_success("request");
    let seen = seen.data();
    assert_eq!(seen["operation"], "update");
    assert_eq!(seen["data"], r#"{"n":12345678901234567890}"#);
    assert_eq!(
        (&seen["mount_point"], &seen["mount_type"]),
        (&json!("request/"), &json!("probe"))
    );
    assert_eq!(
        (&seen["id"], &seen["display_name"]),
        (&json!(true), &json!("token"))
    );
    assert_eq!(seen["remote_addr"], "127.0.0.1");
    // The plugin gets a hash of the token, not the token.
    assert_ne!(
        seen["client_token"].as_u64().unwrap() as usize,
        token.client().token().len()
    );

    let seen = mount.read("request?a=b").expect_success("request");
    assert_eq!(
        (&seen.data()["operation"], &seen.data()["data"]),
        (&json!("read"), &json!(r#"{"a":"b"}"#))
    );
    let seen = mount.read("request").expect_success("request");
    assert_eq!(seen.data()["data"], Value::Null);
}

#[test]
fn special_paths_are_kept_by_vault() {
    let mount = SERVER.mount("special", "probe");
    let anybody = mount.with_token("");
    assert_eq!(anybody.read("open").data(), &json!({ "reached": true }));
    assert_eq!(anybody.read("guarded").status, 403);
    let reader = token_for(&mount, "reader", "*", &["read"]);
    assert_eq!(reader.read("guarded").status, 403);
    let sudo = token_for(&mount, "sudo", "*", &["read", "sudo"]);
    assert_eq!(sudo.read("guarded").status, 200);
}

#[test]
fn warnings_and_raw_answers_reach_the_caller() {
    let mount = SERVER.mount("answers", "probe");
    assert_eq!(mount.read("warning").body["warnings"], json!(["mind the gap"]));
    let raw = mount.read("raw");
    assert_eq!((raw.status, &raw.body), (418, &json!("short and stout")));
}

#[test]
fn large_data_travels_both_ways() {
    let mount = SERVER.mount("large", "probe");
    let part = "x".repeat(1 << 20);
    let data = json!({ "1": part, "2": part, "3": part, "4": part, "5": part, "6": part });
    let answer = mount.write("echo", data.clone()).expect_success("echo");
    assert!(answer.data() == &data, "the answer differs from what was sent");
}

/// Nobody can subscribe to a community server. A test against a double covers what arrives.
#[test]
fn events_and_observations_are_taken() {
    let mount = SERVER.mount("events", "probe");
    assert_eq!(
        mount
            .write("event", json!({ "path": "a/b", "modified": "true" }))
            .status,
        204
    );
    assert_eq!(mount.write("event", json!({})).status, 204);
}
