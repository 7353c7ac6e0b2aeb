//! Tests the clients that people use: the `vault` command, and hvac, a Python library. Also tests the deployment examples,
//! with which those of others begin.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::{Output, Plugin, Server, Storage, files, run, vault};

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("clients", Storage::Memory);
    Plugin::kv().register(&server);
    server
});

fn cli(arguments: &[&str]) -> Output {
    vault(SERVER.client(), arguments)
}

#[test]
fn vault_command_registers_enables_and_uses_the_engine() {
    let guest = files::guest("kv");
    let register = [
        format!("-sha256={}", files::sha256(&files::airlock())),
        "-command=airlock".to_owned(),
        "-args=serve".to_owned(),
        format!("-args=--guest={}", guest.display()),
        format!("-args=--guest-sha256={}", files::sha256(&guest)),
        "secret".to_owned(),
        "airlock-by-hand".to_owned(),
    ];
    vault(
        SERVER.client(),
        ["plugin", "register"]
            .map(str::to_owned)
            .into_iter()
            .chain(register),
    )
    .expect_success("register");
    cli(&["secrets", "enable", "-path=by-hand", "airlock-by-hand"]).expect_success("enable");

    let written = cli(&["write", "by-hand/team/db", "value=s3cret"]).expect_success("write");
    assert!(written.stdout.contains("key created"), "{written:?}");
    let read = cli(&["read", "-field=value", "by-hand/team/db"]).expect_success("read");
    assert_eq!(read.stdout, "s3cret");
    let listed = cli(&["list", "-format=json", "by-hand/team"]).expect_success("list");
    assert_eq!(
        serde_json::from_str::<Vec<String>>(&listed.stdout).unwrap(),
        ["db"]
    );
    let deleted = cli(&["delete", "by-hand/team/db"]).expect_success("delete");
    assert!(deleted.stdout.contains("key deleted"), "{deleted:?}");

    let missing = cli(&["read", "by-hand/team/db"]);
    assert_eq!(missing.status, 2);
    assert!(
        missing.stderr.contains("Code: 400") && missing.stderr.contains("key not found"),
        "{missing:?}"
    );
    cli(&["secrets", "disable", "by-hand"]).expect_success("disable");
}

#[test]
fn vault_command_shows_what_the_engine_says_of_itself() {
    SERVER.mount("help", "airlock-kv");
    let help = cli(&["path-help", "help/anything"]).expect_success("path-help");
    assert!(help.stdout.contains("value"), "{help:?}");
}

#[test]
fn hvac_reads_writes_lists_and_deletes() {
    SERVER.mount("hvac", "airlock-kv");
    let output = run(Command::new(files::python())
        .arg(files::root().join("tests/clients/hvac_generic.py"))
        .arg("hvac")
        .env("VAULT_ADDR", SERVER.client().address())
        .env("VAULT_TOKEN", SERVER.client().token()));
    output.expect_success("hvac");
}

#[test]
fn deployment_examples_are_what_their_tools_read() {
    let output = run(Command::new(files::python())
        .arg(files::root().join("tests/clients/deploy_examples.py"))
        .arg(files::root().join("docs/deploy"))
        .arg(env!("CARGO_PKG_VERSION")));
    output.expect_success("the examples of docs/deploy");
}
