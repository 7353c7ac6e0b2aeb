//! Compares the versioned KV guest with Vault's own KV engine on one server: their answers must be indistinguishable.
//!
//! Each test sends a script to both. Some scripts are written by hand, some are every combination of some names and
//! values, and one is drawn at random from a seed. It prints the seed, and `AIRLOCK_SEED=… cargo test …` sends that
//! script again.
//!
//! The same scripts are also sent to two mounts of the built-in engine, which shows that the compared parts are the
//! same each time, and to two mounts that differ a little, which shows that a difference is found.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod documents;
mod grids;
mod lists;

use std::fs;
use std::sync::LazyLock;

use airlock_tests::twins::{Step, Twins, drawn};
use airlock_tests::{Mount, Plugin, Server, Storage, files};
use serde_json::json;

/// All mounts of the guest are made at the start: tuning one makes Vault reload the process that serves them all, which
/// fails requests to the others.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("compare", Storage::Memory);
    Plugin::versioned_kv().register(&server);
    for (name, version) in GUESTS {
        server.mount_builtin_kv(&format!("{name}-left"), version);
        server.mount_versioned_kv(&format!("{name}-right"), version);
    }
    for mount in ["upgraded-left", "upgraded-right"].map(|name| server.mounted(name)) {
        for step in written_out("before_upgrade.steps") {
            mount
                .client()
                .try_send(&step.method, &mount.path(&step.path), &step.headers, &step.body)
                .unwrap();
        }
        mount.tune_to_version_2();
        mount.wait_until_versioned();
    }
    server
});

/// Pairs of the built-in engine and the guest, a pair for each test and version.
const GUESTS: [(&str, u8); 15] = [
    ("v1", 1),
    ("v2", 2),
    ("v2-paths", 2),
    ("v2-fields", 2),
    ("v2-drawn", 2),
    ("failing", 2),
    ("upgraded", 1),
    ("detect-1", 1),
    ("detect-2", 2),
    ("openapi-1", 1),
    ("openapi-2", 2),
    ("pages", 2),
    ("scan-1", 1),
    ("scan-2", 2),
    ("scan-acl", 2),
];

/// Returns the mounts of the built-in engine and of the guest.
fn pair(name: &str) -> [Mount; 2] {
    ["left", "right"].map(|side| SERVER.mounted(&format!("{name}-{side}")))
}

fn twins(name: &str) -> Twins {
    let [left, right] = pair(name);
    Twins::new(left, right)
}

/// Returns two mounts of the built-in engine.
fn same(name: &str, version: u8) -> Twins {
    let [left, right] =
        ["left", "right"].map(|side| SERVER.mount_builtin_kv(&format!("{name}-{side}"), version));
    Twins::new(left, right)
}

/// Reads a script in a file beside this one.
fn written_out(name: &str) -> Vec<Step> {
    let file = files::root().join("tests/tests/versioned_kv_compare").join(name);
    Step::script(&fs::read_to_string(file).unwrap())
}

/// Adds the callers that the hand-written scripts name, and one that has an entity.
fn with_callers(twins: Twins, entity: &str) -> Twins {
    let client = SERVER.client();
    let auth = format!("auth/{entity}");
    client
        .write(&format!("sys/{auth}"), json!({"type": "userpass"}))
        .expect_success("enable userpass");
    let twins = twins
        .caller("reader", r#"path "MOUNT/*" { capabilities = ["read", "list"] }"#)
        .caller("creator", r#"path "MOUNT/*" { capabilities = ["create"] }"#)
        .caller("updater", r#"path "MOUNT/*" { capabilities = ["update"] }"#)
        .caller("patcher", r#"path "MOUNT/*" { capabilities = ["patch"] }"#)
        .caller("deleter", r#"path "MOUNT/*" { capabilities = ["delete"] }"#)
        .caller(
            "ann",
            r#"path "MOUNT/*" { capabilities = ["create", "read", "update", "patch", "delete", "list"] }"#,
        );
    let policy = twins.policy("ann");
    client
        .write(
            &format!("{auth}/users/bea"),
            json!({"password": "p", "policies": [policy]}),
        )
        .expect_success("make a user");
    let login = client
        .write(&format!("{auth}/login/bea"), json!({"password": "p"}))
        .expect_success("log in");
    twins.token("bea", login.body["auth"]["client_token"].as_str().unwrap())
}

#[test]
fn version_1_answers_as_the_builtin_engine_does() {
    let twins = with_callers(twins("v1"), "v1");
    twins.expect_none(&written_out("version_1.steps"));
    twins.expect_none(&grids::version_1());
}

#[test]
fn version_2_answers_as_the_builtin_engine_does() {
    with_callers(twins("v2"), "v2").expect_none(&written_out("version_2.steps"));
}

#[test]
fn upgraded_mount_answers_as_the_builtin_engine_does() {
    twins("upgraded").expect_none(&written_out("after_upgrade.steps"));
}

#[test]
fn version_2_answers_every_path_as_the_builtin_engine_does() {
    twins("v2-paths").expect_none(&grids::version_2_paths());
}

#[test]
fn version_2_answers_every_field_as_the_builtin_engine_does() {
    twins("v2-fields").expect_none(&grids::version_2_fields());
}

#[test]
fn version_2_stays_like_the_builtin_engine_through_any_requests() {
    twins("v2-drawn").expect_none(&drawn::version_2(600, drawn::seed()));
}

/// The other scripts leave these requests out, because the built-in engine fails at them by mistake.
#[test]
fn requests_at_which_the_builtin_engine_fails_are_answered() {
    let [builtin, guest] = pair("failing");
    let send = |mount: &Mount, method: &str, path: &str, body: serde_json::Value| {
        mount.client().request(method, &mount.path(path), Some(&body))
    };
    for mount in [&builtin, &guest] {
        mount
            .write("data/slash", json!({"data": {"x": 1}}))
            .expect_success("write");
        mount
            .write("metadata/m", json!({"max_versions": 1}))
            .expect_success("write");
    }
    for (method, path, body) in [
        ("PATCH", "metadata/m", json!({"custom_metadata": {"a": 1}})),
        ("PATCH", "metadata/m", json!({"custom_metadata": {"a": true}})),
        ("PATCH", "metadata/m", json!({"max_versions": -1})),
        ("GET", "subkeys/slash/", json!({})),
    ] {
        assert_eq!(
            send(&builtin, method, path, body.clone()).status,
            500,
            "{method} {path}"
        );
        let answer = send(&guest, method, path, body);
        assert!(answer.status < 500, "{method} {path}: {answer:?}");
    }
}

#[test]
fn builtin_engine_answers_as_itself() {
    let one = with_callers(same("same-v1", 1), "same-v1");
    one.expect_none(&written_out("version_1.steps"));
    one.expect_none(&grids::version_1());
    with_callers(same("same-v2", 2), "same-v2").expect_none(&written_out("version_2.steps"));
    let two = same("same-grids", 2);
    two.expect_none(&grids::version_2_paths());
    two.expect_none(&grids::version_2_fields());
    two.expect_none(&drawn::version_2(600, drawn::seed()));
}

#[test]
fn engine_that_keeps_fewer_versions_or_demands_cas_is_told_apart() {
    for (name, setting) in [
        ("other-limit", json!({"max_versions": 2})),
        ("other-cas", json!({"cas_required": true})),
        ("other-time", json!({"delete_version_after": "1h"})),
    ] {
        let left = SERVER.mount_builtin_kv(&format!("{name}-left"), 2);
        let right = SERVER.mount_builtin_kv(&format!("{name}-right"), 2);
        let write = |mount: &Mount| mount.write("config", setting.clone()).expect_success("configure");
        write(&right);
        let differences = Twins::new(left, right).run(&drawn::version_2(600, 1));
        assert!(!differences.is_empty(), "{name}");
    }
}

#[test]
fn scripts_are_long_and_the_same_for_the_same_seed() {
    let scripts = [
        written_out("version_1.steps"),
        written_out("version_2.steps"),
        grids::version_1(),
        grids::version_2_paths(),
        grids::version_2_fields(),
    ];
    let lengths = scripts.each_ref().map(Vec::len);
    assert!(lengths.iter().sum::<usize>() >= 1_000, "{lengths:?}");
    assert_eq!(drawn::version_2(300, 7), drawn::version_2(300, 7));
    assert_ne!(drawn::version_2(300, 7), drawn::version_2(300, 8));
}

#[test]
fn script_is_read_as_it_is_printed() {
    for step in written_out("version_2.steps")
        .iter()
        .filter(|step| step.body.len() < 300)
    {
        assert_eq!(&Step::script(&step.to_string())[0], step);
    }
}
