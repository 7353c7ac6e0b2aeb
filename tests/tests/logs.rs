//! Tests that the log lines of the host and its guests are in Vault's log, with their level and fields.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::Path;

use airlock_tests::{Plugin, Server, Storage, airlock, airlock_for, files, run, vault};
use serde_json::Value;

#[test]
fn guests_line_carries_its_level_and_the_guests_name() {
    let server = Server::start("guest-line", Storage::Memory);
    Plugin::kv().register(&server);
    server.mount("kv", "airlock-kv");
    let line = server.log().wait_for("the guest's initialize", |line| {
        line.message().contains("kv engine is ready")
    });
    assert_eq!(line.level(), "info", "{line:?}");
    assert_ne!(line.field("backend_uuid"), "", "{line:?}");
    assert!(line.is_hosts(), "{line:?}");
    assert_eq!(line.field("guest"), "kv", "{line:?}");
}

#[test]
fn a_line_about_a_request_joins_the_audit_log_and_says_what_was_used() {
    let server = Server::start("joined-line", Storage::Memory);
    let audit = server.temporary_directory().join("audit.log");
    server.audit_to(&audit);
    let guest = files::guest("adversary");
    Plugin::serving("adversary", &guest).register(&server);
    let first = server.mount("first", "adversary");
    server.mount("second", "adversary");
    let sibling = server.mounted("second");
    sibling.read("ok").expect_success("read");
    assert_eq!(first.read("trap").status, 500);
    let line = server.log().wait_for("a trap", |line| {
        line.message() == "a call of the guest was not done"
    });
    assert_eq!(line.field("mount"), "first/", "{line:?}");
    assert_ne!(line.field("backend_uuid"), "", "{line:?}");
    assert_eq!(line.field("guest"), "adversary", "{line:?}");
    assert_eq!(line.field("guest_version"), env!("CARGO_PKG_VERSION"), "{line:?}");
    assert_eq!(
        line.field("guest_sha256"),
        &files::sha256(&guest)[..12],
        "{line:?}"
    );
    for used in ["cpu_ms", "wall_ms", "memory_kib", "storage_calls", "attempts"] {
        assert!(line.number(used).is_some(), "{used}: {line:?}");
    }
    let audited = fs::read_to_string(&audit).unwrap();
    let audited = audited
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let request = audited
        .map(|line| line["request"].clone())
        .find(|request| request["path"] == "first/trap")
        .unwrap();
    assert_eq!(line.field("request_id"), request["id"], "{line:?}");
}

#[test]
fn lines_about_a_change_of_guest_name_the_one_that_runs() {
    let server = Server::start("change-lines", Storage::Memory);
    let guest = format!("--guest={}", files::guest("kv").display());
    Plugin::with_args("airlock-kv", [guest, "--unpinned".to_owned()]).register(&server);
    server.mount("kv", "airlock-kv");
    let next = server.temporary_directory().join("next.wasm");
    files::alter_guest("kv", &next, &[("0.1.0", "0.2.0")]);
    let [before, after] =
        [files::guest("kv"), next.clone()].map(|guest| files::sha256(&guest)[..12].to_owned());
    let push = |guest: &Path| {
        run(&mut airlock_for(
            server.client(),
            ["push", guest.to_str().unwrap(), "--mount=kv"],
        ))
    };
    push(&next).expect_success("push");
    let about = |message: &str, version: &str, sha256: &str| {
        let line = server.log().wait_for(message, |line| {
            line.message().starts_with(message) && line.field("guest_version") == version
        });
        assert_eq!(line.field("guest"), "kv", "{line:?}");
        assert_eq!(line.field("guest_sha256"), sha256, "{line:?}");
        for field in ["mount", "backend_uuid", "request_id"] {
            assert_ne!(line.field(field), "", "{field}: {line:?}");
        }
    };
    about("guest is loaded", "0.1.0", &before);
    about("kv engine is ready", "0.2.0", &after);
    about("another guest has taken over the mount", "0.2.0", &after);
    // Another engine, which is refused.
    assert_eq!(push(&files::guest("versioned-kv")).status, 1);
    about("another guest was not let run on this mount", "0.2.0", &after);
}

#[test]
fn hosts_lines_come_at_every_level_and_never_raw() {
    let server = Server::start("host-lines", Storage::Memory);
    let guest = files::guest("kv");
    Plugin::with_args(
        "airlock-kv",
        [format!("--guest={}", guest.display()), "--unpinned".to_owned()],
    )
    .register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.read("a");
    Plugin::with_args("broken", ["--guest=/no/such/guest.wasm", "--unpinned"]).register(&server);
    vault(server.client(), ["secrets", "enable", "-path=broken", "broken"]);
    server.unmount("kv");

    for level in ["trace", "debug", "info", "warn", "error"] {
        server
            .log()
            .wait_for(&format!("a line of the host at level {level}"), |line| {
                line.level() == level && line.is_hosts()
            });
    }
    // Vault logs a line that it cannot parse at debug level, with the whole text as the message.
    let raw = server
        .log()
        .lines()
        .into_iter()
        .find(|line| line.message().contains("@message"));
    assert!(raw.is_none(), "{raw:?}");
}

/// As long as the text of the guest that it replaces.
const HOSTILE: &str = "kv\n[WARN] \u{1b}[2Jv\u{202e}";
const SHOWN: &str = r"kv\n[WARN] \u{1b}[2Jv\u{202e}";

#[test]
fn guests_text_cannot_forge_a_line_or_drive_a_terminal() {
    let server = Server::start("forged-line", Storage::Memory);
    let guest = server.temporary_directory().join("hostile.wasm");
    files::alter_guest("kv", &guest, &[("kv engine is ready", HOSTILE)]);

    let call = airlock(["call", guest.to_str().unwrap(), "write", "a", "value=1"]).expect_success("call");
    assert!(call.stderr.contains(&format!("log info: {SHOWN}")), "{call:?}");
    assert!(!call.stderr.contains(['\u{1b}', '\u{202e}']), "{call:?}");

    Plugin::serving("hostile", &guest).register(&server);
    server.mount("hostile", "hostile");
    let line = server
        .log()
        .wait_for("the guest's initialize", |line| line.message().contains("[WARN]"));
    assert_eq!((line.level(), line.message()), ("info", SHOWN), "{line:?}");
    assert_eq!(line.field("guest"), "kv", "{line:?}");
}
