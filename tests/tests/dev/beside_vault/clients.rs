//! Tests the `vault` command and hvac.

use std::process::Command;

use airlock_tests::{Brand, files, masked, run, skipped_on, vault};
use serde_json::Value;

use super::Both;

#[test]
fn the_vault_command_prints_the_same() {
    if skipped_on(Brand::OpenBao, super::ONLY_ON_VAULT) {
        return;
    }
    let mut both = Both::start("beside-command");
    for line in include_str!("commands.txt").lines() {
        both.command(line);
    }
    // An answer that was wrapped on one server is unwrapped on that server.
    both.command("write demo/k value=wrapped");
    let wrapped = both.command("read -wrap-ttl=60s -format=json demo/k");
    for again in ["the first time", "the second time"] {
        let seen = [0, 1].map(|at| {
            let info: Value = serde_json::from_str(&wrapped[at].stdout).unwrap();
            let token = info["wrap_info"]["token"].as_str().unwrap();
            let output = vault(both.clients()[at], ["unwrap", token]);
            let stderr = output.stderr.replace(both.clients()[at].address(), "ADDRESS");
            format!("{} {:?} {stderr:?}", output.status, output.stdout)
        });
        both.compare(&format!("vault unwrap, {again}"), seen);
    }
    both.finish(80);
}

#[test]
fn the_openapi_document_has_the_same_of_the_engines() {
    if skipped_on(Brand::OpenBao, super::ONLY_ON_VAULT) {
        return;
    }
    let both = Both::start("beside-openapi");
    let [dev, vault] = both.clients().map(|client| {
        let document = client
            .read("sys/internal/specs/openapi")
            .expect_success("document")
            .body;
        let paths = document["paths"].as_object().unwrap().clone().into_iter();
        let engines: Vec<(String, Value)> = paths
            .filter(|(path, _)| path.starts_with("/demo/") || path.starts_with("/users/"))
            .collect();
        let text = |name: &str| document[name].to_string();
        (text("openapi"), document["info"]["version"].clone(), engines)
    });
    assert!(dev.2.len() >= 2, "{dev:?}");
    assert_eq!(dev, vault);
}

#[test]
fn hvac_gets_the_same() {
    if skipped_on(Brand::OpenBao, super::ONLY_ON_VAULT) {
        return;
    }
    let mut both = Both::start("beside-hvac");
    let script = files::root().join("tests/clients/hvac_compare.py");
    let told = both.clients().map(|client| {
        let output = run(Command::new(files::python())
            .arg(&script)
            .env("VAULT_ADDR", client.address())
            .env("VAULT_TOKEN", client.token()));
        let calls: Vec<(String, Value)> =
            serde_json::from_str(&output.expect_success("hvac").stdout).unwrap();
        calls
    });
    assert_eq!(told[0].len(), told[1].len());
    for (dev, vault) in told[0].iter().zip(&told[1]) {
        assert_eq!(dev.0, vault.0);
        let seen = [dev, vault].map(|(_, outcome)| masked(outcome.clone()).to_string());
        both.compare(&dev.0, seen);
    }
    both.finish(35);
}
