//! Upgrades a guest, and takes the upgrade back, with only the commands that `airlock check` prints.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use airlock_tests::{Mount, Server, Storage, airlock, files, run};
use serde_json::json;

/// Builds the KV guest as another version, with another message when it creates a key.
fn build(directory: &Path, version: &str, created: &str) -> PathBuf {
    let file = directory.join(format!("kv-{version}.wasm"));
    let texts = [(env!("CARGO_PKG_VERSION"), version), ("key created", created)];
    files::alter_guest("kv", &file, &texts);
    file
}

/// Returns the commands that `airlock check` prints for a guest: its indented lines, with their continuation lines.
fn printed(guest: &Path) -> Vec<String> {
    let output = airlock([
        "check".to_owned(),
        format!("--guest={}", guest.display()),
        format!("--guest-sha256={}", files::sha256(guest)),
    ])
    .expect_success("check");
    let mut commands = Vec::<String>::new();
    let mut continues = false;
    for line in output.stdout.lines() {
        match commands.last_mut() {
            Some(last) if continues => {
                last.push('\n');
                last.push_str(line);
            }
            _ if line.starts_with("  ") => commands.push(line.to_owned()),
            _ => {}
        }
        continues = line.ends_with('\\');
    }
    commands
}

/// Runs the one printed command that has these words.
#[track_caller]
fn follow(server: &Server, commands: &[String], words: &str) {
    let matching: Vec<_> = commands
        .iter()
        .filter(|command| command.contains(words))
        .collect();
    assert_eq!(matching.len(), 1, "{words}: {commands:?}");
    let script = format!("set -e\nvault() {{ \"$VAULT\" \"$@\"; }}\n{}", matching[0]);
    run(Command::new("sh")
        .args(["-c", &script])
        .env("VAULT", files::vault())
        .env("VAULT_ADDR", server.client().address())
        .env("VAULT_TOKEN", server.client().token()))
    .expect_success(matching[0]);
}

/// Creates a key, whose answer shows which guest serves the mount, and checks that the earlier data is still there.
#[track_caller]
fn assert_served_by(kv: &Mount, key: &str, created: &str) {
    let answer = kv.write(key, json!({"value": key})).expect_success("write");
    assert_eq!(answer.data()["message"], created, "{answer:?}");
    assert_eq!(kv.read("first").expect_success("read").data()["value"], "first");
}

#[test]
fn printed_commands_upgrade_a_mount_and_take_it_back() {
    let server = Server::start("upgrades", Storage::Memory);
    let directory = server.temporary_directory();
    let old = printed(&build(&directory, "0.1.7", "key created"));
    let new = printed(&build(&directory, "0.2.0", "key arrived"));

    follow(&server, &old, "plugin register");
    follow(&server, &old, "secrets enable");
    let kv = server.mounted("kv");
    assert_served_by(&kv, "first", "key created");

    follow(&server, &new, "plugin register");
    assert_served_by(&kv, "registered", "key created");
    follow(&server, &new, "secrets tune");
    assert_served_by(&kv, "tuned", "key created");
    follow(&server, &new, "plugins/reload");
    assert_served_by(&kv, "reloaded", "key arrived");
    assert_runs(&server, "v0.2.0");

    follow(&server, &old, "secrets tune");
    assert_served_by(&kv, "tuned-back", "key arrived");
    follow(&server, &old, "plugins/reload");
    assert_served_by(&kv, "back", "key created");
    assert_runs(&server, "v0.1.7");
}

/// Checks which version Vault says that the mount runs.
#[track_caller]
fn assert_runs(server: &Server, version: &str) {
    let mounts = server.client().read("sys/mounts").expect_success("mounts");
    let mount = &mounts.data()["kv/"];
    assert_eq!(mount["running_plugin_version"], version, "{mount}");
    assert_eq!(mount["plugin_version"], version, "{mount}");
}

#[test]
fn a_version_that_is_not_the_guests_is_refused() {
    let server = Server::start("other-version", Storage::Memory);
    let guest = build(&server.temporary_directory(), "0.1.7", "key created");
    let refused = airlock_tests::Plugin::serving("airlock-kv", &guest)
        .version("v0.2.0")
        .try_register(&server);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("v0.1.7"), "{refused:?}");
}
