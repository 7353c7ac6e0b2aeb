//! Tests of the example engines under a real Vault, which `AIRLOCK_VAULT` names or the project's Makefile builds.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

mod counter;
mod probe;
mod probe_errors;

use std::path::PathBuf;

use airlock_tests::{Answer, Mount, Server, Storage};
use serde_json::{Value, json};

/// Starts a server with an example of this crate in its catalog, under the example's name.
fn server_with(example: &str, storage: Storage) -> Server {
    let server = Server::start_with(example, storage, &built(example));
    register(&server, example).expect_success("register");
    server
}

fn register(server: &Server, example: &str) -> Answer {
    let entry = json!({ "command": example, "sha256": server.plugin_sha256() });
    server
        .client()
        .write(&format!("sys/plugins/catalog/secret/{example}"), entry)
}

/// Mounts the example with options.
fn mount_with(server: &Server, path: &str, example: &str, options: Value) -> Answer {
    server.client().write(
        &format!("sys/mounts/{path}"),
        json!({ "type": example, "options": options }),
    )
}

/// Returns the path of an example's binary. Cargo builds examples with the tests, into the folder beside theirs.
fn built(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples")
        .join(example);
    assert!(
        binary.exists(),
        "{} is missing; first run: cargo build -p vault-plugin --examples",
        binary.display()
    );
    binary
}

/// Makes a token that may do this to the mount's paths and nothing else.
fn token_for(mount: &Mount, name: &str, path: &str, capabilities: &[&str]) -> Mount {
    let client = mount.client();
    let rule = format!(
        "path \"{}\" {{ capabilities = {} }}",
        mount.path(path),
        json!(capabilities)
    );
    client
        .write(&format!("sys/policies/acl/{name}"), json!({ "policy": rule }))
        .expect_success("policy");
    let token = client.write(
        "auth/token/create",
        json!({ "policies": [name], "no_default_policy": true }),
    );
    mount.with_token(
        token.expect_success("token").body["auth"]["client_token"]
            .as_str()
            .unwrap(),
    )
}
