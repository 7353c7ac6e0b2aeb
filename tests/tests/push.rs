//! Tests the commands that put guests into a mount's storage, against a real Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::{Client, Output, Server, Storage, files, free_port, run};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("push", Storage::Memory));

/// Returns an `airlock` command that talks to this client's server with its token.
fn command(client: &Client, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(files::airlock());
    for name in ["ADDR", "TOKEN", "NAMESPACE", "CACERT", "CAPATH", "SKIP_VERIFY"] {
        command.env_remove(format!("BAO_{name}"));
        command.env_remove(format!("VAULT_{name}"));
    }
    command
        .args(arguments)
        .env("HOME", home)
        .env("VAULT_ADDR", client.address());
    if !client.token().is_empty() {
        command.env("VAULT_TOKEN", client.token());
    }
    command
}

fn airlock(client: &Client, arguments: &[&str]) -> Output {
    run(&mut command(client, Path::new("/nonexistent"), arguments))
}

fn guest() -> String {
    files::guest("kv").to_str().unwrap().to_owned()
}

/// Checks that a command failed with one line that has all of `words`, and showed no token.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output:?}");
    assert_eq!(output.stderr.trim_end().lines().count(), 1, "{output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?}: {output:?}");
    }
    assert!(!output.stderr.contains(SERVER.client().token()), "{output:?}");
}

fn mount(path: &str, engine: &str, options: &Value) {
    let body = json!({"type": engine, "options": options});
    SERVER
        .client()
        .write(&format!("sys/mounts/{path}"), body)
        .expect_success("mount");
}

#[test]
fn pushes_nothing_to_vaults_own_kv() {
    for (path, version) in [("kv1", "1"), ("kv2", "2")] {
        mount(path, "kv", &json!({"version": version}));
        for arguments in [
            &["push", &guest(), "--mount", path][..],
            &["status", "--mount", path],
            &["rollback", "--mount", path],
            &["downgrade", &"ab".repeat(32), "--mount", path],
            &["guests", "--mount", path],
            &["gc", "--mount", path],
        ] {
            let output = airlock(SERVER.client(), arguments);
            assert_refused(&output, &[&format!("no Airlock at {path}/"), "nothing was sent"]);
        }
        let keys = SERVER.stored_keys(path);
        assert!(!keys.iter().any(|key| key.contains("airlock")), "{keys:?}");
    }
}

#[test]
fn other_engines_and_missing_mounts_are_refused() {
    mount("transit", "transit", &json!({}));
    for path in ["transit", "cubbyhole", "sys", "identity", "no-such-mount"] {
        let output = airlock(SERVER.client(), &["push", &guest(), "--mount", path]);
        assert_refused(&output, &[path, "nothing was sent"]);
    }
}

#[test]
fn a_missing_or_unknown_token_is_refused() {
    let nobody = SERVER.client().with_token("");
    let push = ["push", &guest(), "--mount", "demo"];
    assert_refused(&airlock(&nobody, &push), &["no token", "vault login", "VAULT_TOKEN"]);

    let stranger = SERVER.client().with_token("hvs.s3cret");
    let output = airlock(&stranger, &push);
    assert_refused(&output, &["demo/", "log in again"]);
    assert!(!output.stderr.contains("s3cret"), "{output:?}");

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), SERVER.client().token()).unwrap();
    let output = run(&mut command(&nobody, home.path(), &push));
    assert_refused(&output, &["nothing is mounted at demo/"]);
}

#[test]
fn a_token_without_the_policy_is_told_the_line_to_add() {
    mount("kv-denied", "kv", &json!({}));
    let token = SERVER
        .client()
        .write("auth/token/create", json!({"policies": ["default"]}))
        .expect_success("token");
    let token = token.body["auth"]["client_token"].as_str().unwrap();
    let output = airlock(
        &SERVER.client().with_token(token),
        &["status", "--mount", "kv-denied"],
    );
    let line = r#"path "kv-denied/.airlock/status" { capabilities = ["read", "sudo"] }"#;
    assert_refused(&output, &["permission denied", line]);
    assert!(!output.stderr.contains(token), "{output:?}");
}

#[test]
fn a_wrong_address_is_named() {
    let arguments = ["status", "--mount", "demo"];
    let with = |address: &str| {
        let mut command = command(SERVER.client(), Path::new("/nonexistent"), &arguments);
        run(command.env("VAULT_ADDR", address))
    };
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_refused(&with(&nobody), &[&nobody, "connection refused", "VAULT_ADDR"]);
    let tls = SERVER.client().address().replace("http:", "https:");
    assert_refused(&with(&tls), &[&tls, "http://"]);
    assert_refused(&with("127.0.0.1:8200"), &["VAULT_ADDR", "https://"]);
    let host = "http://no-such-host.invalid";
    assert_refused(&with(host), &[host, "no such host"]);
}

#[test]
fn a_sealed_server_is_named() {
    let server = Server::start("push-sealed", Storage::Memory);
    server.seal();
    let output = airlock(server.client(), &["status", "--mount", "demo"]);
    assert_refused(&output, &["demo/", "sealed", "unseal"]);
}

#[test]
fn wrong_usage_ends_with_status_2() {
    for arguments in [
        &["push", "--mount", "demo"][..],
        &["push", &guest()],
        &["push", &guest(), "--mount", "demo/../sys"],
        &["status", "--mount", ""],
    ] {
        assert_eq!(airlock(SERVER.client(), arguments).status, 2, "{arguments:?}");
    }
}
