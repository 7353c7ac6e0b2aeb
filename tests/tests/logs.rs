//! What the host and its guests log is in Vault's log, at its level and with its fields.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use airlock_tests::{Plugin, Server, Storage, files, vault};

#[test]
fn guests_line_carries_its_level_and_the_guests_name() {
    let server = Server::start("guest-line", Storage::Memory);
    Plugin::kv().register(&server);
    server.mount("kv", "airlock-kv");
    let line = server.log().wait_for("the guest's initialize", |line| {
        line.message().contains("kv engine is ready")
    });
    assert_eq!(line.level(), "info", "{line:?}");
    assert!(line.is_hosts(), "{line:?}");
    assert_eq!(line.field("guest"), "kv", "{line:?}");
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
    // Vault logs what it cannot parse at debug level, with the whole text as the message.
    let raw = server
        .log()
        .lines()
        .into_iter()
        .find(|line| line.message().contains("@message"));
    assert!(raw.is_none(), "{raw:?}");
}
