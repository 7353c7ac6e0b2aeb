//! The counter engine: storage, existence checks, leases, and what happens to a mount.

use std::sync::LazyLock;

use airlock_tests::{Mount, Server, Storage, process, vault};
use serde_json::json;

use super::{mount_with, register, server_with, token_for};

static SERVER: LazyLock<Server> = LazyLock::new(|| server_with("counter", Storage::Memory));

fn count(mount: &Mount, name: &str) -> i64 {
    let answer = mount
        .write(&format!("counters/{name}"), json!({}))
        .expect_success("count");
    answer.data()["value"].as_i64().unwrap()
}

#[test]
fn values_are_written_read_listed_and_deleted() {
    let mount = SERVER.mount("operations", "counter");
    assert_eq!(count(&mount, "visits"), 1);
    assert_eq!(
        mount.write("counters/visits", json!({ "by": 41 })).data(),
        &json!({ "value": 42 })
    );
    assert_eq!(mount.read("counters/visits").data(), &json!({ "value": 42 }));
    count(&mount, "a/deeper%20%E2%98%83%20one");
    assert_eq!(
        mount.list("counters").data(),
        &json!({ "keys": ["a/", "visits"] })
    );
    assert_eq!(mount.delete("counters/visits").status, 204);
    assert_eq!(mount.read("counters/visits").status, 404);
}

#[test]
fn the_vault_command_counts_too() {
    let mount = SERVER.mount("command", "counter");
    let output = vault(
        mount.client(),
        ["write", "-field=value", "command/counters/visits", "by=3"],
    );
    assert_eq!(output.expect_success("vault write").stdout.trim(), "3");
    let help = vault(mount.client(), ["path-help", "command"])
        .expect_success("vault path-help")
        .stdout;
    assert!(help.contains("counts up by `by`"), "{help}");
}

#[test]
fn no_count_is_lost_among_many_callers() {
    let mount = SERVER.mount("many", "counter");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..8).for_each(|_| _ = count(&mount, "visits")));
        }
    });
    assert_eq!(count(&mount, "visits"), 16 * 8 + 1);
}

#[test]
fn the_existence_check_decides_between_create_and_update() {
    let mount = SERVER.mount("existence", "counter");
    let creator = token_for(&mount, "creator", "counters/*", &["create"]);
    assert_eq!(creator.write("counters/new", json!({})).status, 200);
    assert_eq!(creator.write("counters/new", json!({})).status, 403);
    let updater = token_for(&mount, "updater", "counters/*", &["update"]);
    assert_eq!(updater.write("counters/new", json!({})).status, 200);
    assert_eq!(updater.write("counters/newer", json!({})).status, 403);
}

#[test]
fn mistakes_get_their_status_and_text() {
    let mount = SERVER.mount("mistakes", "counter");
    for by in [json!(1.5), json!("much"), json!([])] {
        let answer = mount.write("counters/a", json!({ "by": by }));
        assert_eq!(
            (answer.status, answer.errors().as_str()),
            (400, "by must be a whole number")
        );
    }
    assert_eq!(mount.write("seat", json!({})).status, 405);
    assert_eq!(mount.read("nowhere/at/all").status, 404);
}

#[test]
fn a_lease_is_renewed_and_revoked() {
    let mount = SERVER.mount("leases", "counter");
    let leases = |call: &str, body| {
        mount
            .client()
            .write(&format!("sys/leases/{call}"), body)
            .expect_success(call)
    };
    let lent = mount.read("seat?ttl=600").expect_success("seat").body;
    assert_eq!(
        (&lent["lease_duration"], &lent["renewable"], &lent["data"]),
        (&json!(600), &json!(true), &json!({ "seat": 1 }))
    );
    let lease = &lent["lease_id"];
    assert_eq!(mount.read("seat").data()["seat"], 2);

    assert_eq!(
        leases("renew", json!({ "lease_id": lease, "increment": 1200 })).body["lease_duration"],
        1200
    );
    let looked_up = leases("lookup", json!({ "lease_id": lease }));
    assert!(looked_up.data()["ttl"].as_i64().unwrap() > 600, "{looked_up:?}");
    leases("revoke", json!({ "lease_id": lease, "sync": true }));
    assert_eq!(mount.read("seat").data()["seat"], 1);
}

#[test]
fn a_lease_without_ttl_gets_the_mounts_and_its_end_is_noticed() {
    let mount = SERVER.mount("expiry", "counter");
    assert_eq!(mount.read("seat").body["lease_duration"], 2_764_800);
    let lease = mount.read("seat?ttl=1").body["lease_id"]
        .as_str()
        .unwrap()
        .to_owned();
    SERVER.log().wait_for("the lease's end", |line| {
        line.message() == "revoked lease" && line.field("lease_id") == lease
    });
    assert_eq!(mount.read("seat").data()["seat"], 2);
}

#[test]
fn disabling_a_mount_gives_its_leases_back_first() {
    let mount = SERVER.mount("disabled", "counter");
    mount.read("seat").expect_success("seat");
    SERVER.unmount("disabled");
    let mount = SERVER.mount("disabled", "counter");
    assert_eq!(mount.read("seat").data()["seat"], 1);
}

#[test]
fn options_reach_setup_and_a_bad_one_fails_the_mount_with_its_text() {
    mount_with(&SERVER, "options", "counter", json!({ "seats": "1" })).expect_success("mount");
    let client = SERVER.client();
    assert_eq!(client.read("options/seat").status, 200);
    let full = client.read("options/seat");
    assert!(
        full.status == 409 && full.errors().contains("no seat is free"),
        "{full:?}"
    );
    let refused = mount_with(&SERVER, "refused", "counter", json!({ "seats": "many" }));
    assert_eq!(refused.status, 400);
    assert!(
        refused
            .errors()
            .contains("the option seats must be a whole number"),
        "{refused:?}"
    );
}

#[test]
fn the_catalog_knows_the_engines_version_and_help_does_not_break_the_openapi_document() {
    let mount = SERVER.mount("version", "counter");
    let mounts = mount.client().read("sys/mounts/version");
    assert_eq!(mounts.data()["running_plugin_version"], "v0.1.0");
    assert_eq!(mounts.data()["running_sha256"], SERVER.plugin_sha256());
    assert_eq!(mount.client().read("sys/internal/specs/openapi").status, 200);
}

#[test]
fn registering_again_with_mounts_in_use_disturbs_nothing() {
    let mount = SERVER.mount("again", "counter");
    count(&mount, "visits");
    for _ in 0..3 {
        register(&SERVER, "counter").expect_success("register");
    }
    assert_eq!(count(&mount, "visits"), 2);
}

#[test]
fn counts_survive_reload_seal_and_a_killed_process() {
    process::adopt_orphans();
    let server = server_with("counter", Storage::Memory);
    let (one, other) = (server.mount("one", "counter"), server.mount("other", "counter"));
    count(&one, "visits");
    count(&other, "visits");

    let reload = json!({ "plugin": "counter" });
    server
        .client()
        .write("sys/plugins/reload/backend", reload)
        .expect_success("reload");
    assert_eq!((count(&one, "visits"), count(&other, "visits")), (2, 2));

    server.seal();
    server.unseal();
    assert_eq!((count(&one, "visits"), count(&other, "visits")), (3, 3));

    let processes = process::plugins(server.pid(), "counter");
    assert_eq!(processes.len(), 1, "two mounts share one process");
    // Reload and seal have already ended processes.
    let before = server.log().mark();
    process::kill(processes[0]);
    server
        .log()
        .wait_after(before, "the killed process's end", |line| {
            line.message() == "plugin process exited"
        });
    assert_eq!((count(&one, "visits"), count(&other, "visits")), (4, 4));
}
