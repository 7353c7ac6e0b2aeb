//! Tests `airlock check --against`: a new guest on a copy of what a mount of a real Vault stores.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use airlock_tests::{Client, Mount, Output, Plugin, Server, Storage, airlock_for, files, run};
use serde_json::{Value, json};

/// A server that audits from its start on: OpenBao answers 500 to what comes while it sets up an audit device.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("against", Storage::Memory);
    server.audit_to(&audit_log(&server));
    server
});

fn audit_log(server: &Server) -> PathBuf {
    server.temporary_directory().join("audit.log")
}

/// A text in every value.
const VALUE: &str = "canary-of-a-value-41ab";

/// A text in keys that no command line names.
const KEY: &str = "canary-of-a-key-7f30";

fn mount(name: &str, flags: &[&str]) -> Mount {
    let plugin = Plugin::kv().named(name);
    let plugin = flags.iter().fold(plugin, |plugin, flag| plugin.arg(*flag));
    plugin.register(&SERVER);
    SERVER.mount(name, name)
}

/// Runs the check of a guest against a mount.
fn check(client: &Client, guest: &Path, mount: &str, more: &[&str]) -> Output {
    let (guest, sha256) = (guest.display(), files::sha256(guest));
    let [guest, sha256] = [format!("--guest={guest}"), format!("--guest-sha256={sha256}")];
    let arguments = [&["check", &guest, &sha256, "--against", mount], more].concat();
    let output = run(&mut airlock_for(client, &arguments));
    for text in [&output.stdout, &output.stderr] {
        assert!(
            !text.contains(VALUE) && !text.contains(KEY) && !text.contains(client.token()),
            "{output:?}"
        );
    }
    output
}

#[test]
fn a_guest_runs_on_all_that_the_mount_stores() {
    let kv = mount("whole", &["--allow-export"]);
    // More than one page, and folders within each other.
    for number in 0..600 {
        let path = format!("a/{}/{number}", number % 7);
        kv.write(&path, json!({"value": VALUE})).expect_success("write");
    }
    let path = format!("{KEY}/{KEY}");
    kv.write(&path, json!({"value": VALUE})).expect_success("write");
    let file = SERVER.temporary_directory().join("requests.txt");
    fs::write(
        &file,
        "# all there\nread a/3/3\nread a/4/599\nlist a/5\nlist\u{20}a\n",
    )
    .unwrap();
    let requests = format!("--requests={}", file.display());
    let before = kv.read(".airlock/metrics").status;
    let checked = check(
        SERVER.client(),
        &files::guest("kv"),
        "whole",
        &["--read=a/0/0", &requests],
    );
    let checked = checked.expect_success("check");
    assert!(
        checked
            .stdout
            .contains("on a copy of whole/: 601 entries, initialized, 5 requests answered"),
        "{checked:?}"
    );
    // The commands to register it do not have the flags of the check.
    assert!(
        !checked.stdout.contains("--against") && !checked.stdout.contains("--read"),
        "{checked:?}"
    );
    assert_eq!(before, 200);
}

#[test]
fn what_fails_is_a_line_each_without_words_of_the_guest() {
    let kv = mount("failing", &["--allow-export"]);
    kv.write("a", json!({"value": VALUE})).expect_success("write");
    kv.write(KEY, json!({"value": VALUE})).expect_success("write");
    let failed = check(
        SERVER.client(),
        &files::guest("kv"),
        "failing",
        &["--read=a", "--read", "missing", "--list=a", "--read=missing/too"],
    );
    assert_eq!(failed.status, 1, "{failed:?}");
    assert!(
        failed
            .stderr
            .contains("2 of 4 requests failed on a copy of failing/"),
        "{failed:?}"
    );
    assert!(
        failed
            .stderr
            .contains("--read number 2: it would be answered with status 400\n"),
        "{failed:?}"
    );
    assert!(
        failed
            .stderr
            .contains("--read number 3: it would be answered with status 400\n"),
        "{failed:?}"
    );
    assert!(!failed.stderr.contains("missing"), "{failed:?}");
}

#[test]
fn an_initialize_that_fails_on_what_is_stored_is_told() {
    let guest = files::guest("adversary");
    Plugin::serving("stored-words", &guest)
        .arg("--allow-export")
        .register(&SERVER);
    let adversary = SERVER.mount("stored-words", "stored-words");
    adversary.read("ok").expect_success("read");
    check(SERVER.client(), &guest, "stored-words", &[]).expect_success("check");
    // The guest says this at its next `initialize`, and the check does not repeat it.
    let key = format!("{}/adversary/initialize", SERVER.storage_of("stored-words"));
    SERVER
        .client()
        .write(&key, json!({"value": VALUE}))
        .expect_success("what the guest is to say");
    let failed = check(SERVER.client(), &guest, "stored-words", &[]);
    failed.assert_refused(&["on a copy of stored-words/", "`initialize` failed"]);
}

#[test]
fn nothing_is_handed_out_without_the_flag_or_the_policy() {
    let (closed, open) = (mount("closed", &[]), mount("open", &["--allow-export"]));
    for kv in [&closed, &open] {
        kv.write("a", json!({"value": VALUE})).expect_success("write");
    }
    let refused = check(SERVER.client(), &files::guest("kv"), "closed", &[]);
    refused.assert_refused(&["--allow-export"]);

    let token = |policy: &str| {
        let client = SERVER.client();
        let policy = json!({"policy": policy});
        client
            .write("sys/policies/acl/reader", policy)
            .expect_success("policy");
        let token = client.write("auth/token/create", json!({"policies": ["reader"]}));
        let token = token.expect_success("token").body["auth"]["client_token"].clone();
        client.with_token(token.as_str().unwrap())
    };
    let status = r#"path "open/.airlock/status" { capabilities = ["read", "sudo"] }"#;
    // All of the mount, and the status: neither is enough.
    let all = r#"path "open/*" { capabilities = ["create", "read", "update", "list"] }"#;
    let client = token(&format!("{status}\n{all}"));
    let refused = check(&client, &files::guest("kv"), "open", &[]);
    refused.assert_refused(&["open/.airlock/export", r#""create", "update", "sudo""#]);

    let export = r#"path "open/.airlock/export" { capabilities = ["update", "sudo"] }"#;
    let client = token(&format!("{status}\n{export}"));
    check(&client, &files::guest("kv"), "open", &["--read=a"]).expect_success("check");
}

#[test]
fn an_export_is_hashed_in_the_audit_log_and_has_nothing_of_the_host() {
    let kv = mount("audited", &["--allow-export"]);
    kv.write("a", json!({"value": VALUE})).expect_success("write");
    let page = kv.write(".airlock/export", json!({})).expect_success("export");
    let entries = page.data()["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(page.data()["next"], Value::Null);
    assert!(
        SERVER
            .stored_keys("audited")
            .iter()
            .any(|key| key.starts_with(".airlock/"))
    );
    for after in [".airlock/", ".airlock/told", "a/../.airlock/told"] {
        assert_eq!(
            kv.write(".airlock/export", json!({"after": after})).status,
            400,
            "{after}"
        );
    }
    let value = entries[0]["stored_value"].as_str().unwrap();
    let audited = fs::read_to_string(audit_log(&SERVER)).unwrap();
    assert!(audited.contains("audited/.airlock/export"));
    assert!(!audited.contains(value) && !audited.contains(VALUE));
}
