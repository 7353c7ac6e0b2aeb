//! Tests the answer that Vault makes of each error.

use airlock_tests::Mount;
use serde_json::json;

use super::probe::SERVER;

#[track_caller]
fn expect(mount: &Mount, name: &str, status: u16, text: &str) {
    let answer = mount.read(&format!("error/{name}"));
    assert_eq!(answer.status, status, "{name}: {answer:?}");
    assert!(answer.errors().contains(text), "{name}: {answer:?}");
}

#[test]
fn each_error_has_its_status_and_text() {
    let mount = SERVER.mount("errors", "probe");
    expect(&mount, "user", 400, "no such role");
    expect(&mount, "invalid-request", 400, "invalid request");
    expect(&mount, "invalid-credentials", 400, "invalid credentials");
    expect(&mount, "permission-denied", 403, "permission denied");
    expect(&mount, "unsupported-path", 404, "unsupported path");
    expect(
        &mount,
        "path-removed",
        404,
        "functionality on this path has been removed",
    );
    expect(&mount, "unsupported-operation", 405, "unsupported operation");
    expect(&mount, "missing-state", 412, "required index state not present");
    expect(&mount, "rate-limited", 429, "rate limit quota exceeded");
    expect(&mount, "too-many-leases", 429, "lease count quota exceeded");
    expect(&mount, "upstream-rate-limited", 502, "upstream rate limited");
    expect(&mount, "unrecoverable", 500, "unrecoverable error");
    expect(&mount, "approval-pending", 500, "request needs further approval");
    expect(&mount, "coded", 409, "taken");
    expect(
        &mount,
        "impossible-status",
        500,
        "the engine answered an error with HTTP status 200: fine",
    );
    expect(&mount, "internal", 500, "lost the key");
    expect(&mount, "read-only", 500, "cannot write to readonly storage");
    expect(&mount, "relative-path", 400, "relative paths not supported");
    expect(
        &mount,
        "too-large",
        413,
        "too large for the server's storage: a value of 2 MiB",
    );
}

#[test]
fn an_answer_that_vault_cannot_read_is_a_clear_500() {
    let mount = SERVER.mount("unreadable", "probe");
    let answer = mount.read("no-object");
    assert_eq!(answer.status, 500);
    let expected = "the engine answered what Vault cannot read: data: not a JSON object";
    assert!(answer.errors().contains(expected), "{answer:?}");
}

#[test]
fn a_panic_is_a_500_and_a_log_line_without_its_message() {
    SERVER.mount("sibling-of-panics", "probe");
    let mount = SERVER.mount("panics", "probe");
    let answer = mount.read("panic");
    assert_eq!(answer.status, 500);
    assert!(
        answer
            .errors()
            .contains("the engine panicked; the plugin's log says where"),
        "{answer:?}"
    );
    let line = SERVER
        .log()
        .wait_for("the panic's place", |line| line.message() == "panic");
    assert_eq!(line.level(), "error");
    assert!(line.field("place").contains("probe.rs"), "{line:?}");
    assert_eq!(line.field("mount"), "panics/", "{line:?}");
    assert_ne!(line.field("request_id"), "", "{line:?}");
    assert!(
        !SERVER
            .log()
            .lines()
            .iter()
            .any(|line| line.text.contains("on purpose"))
    );
    assert_eq!(mount.read("open").data(), &json!({ "reached": true }));
}
