//! Tests that a mistake in a registration is reported where an operator looks: in the answer to `vault secrets enable`
//! and in Vault's log. It never ends as "Unrecognized remote plugin message".

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use airlock_tests::{Plugin, Server, Storage, files, vault};
use serde_json::json;

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("registration", Storage::Memory));

/// Registers `plugin`, fails to enable it, and checks that the answer and the log have all of `causes`.
#[track_caller]
fn assert_refused(name: &str, plugin: Plugin, causes: &[&str]) {
    assert_refused_with(name, plugin, "", causes);
}

/// Does the same for a mount with an option.
#[track_caller]
fn assert_refused_with(name: &str, plugin: Plugin, option: &str, causes: &[&str]) {
    let mark = SERVER.log().mark();
    plugin.named(name).register(&SERVER);
    let (path, option) = (format!("-path={name}"), format!("-options={option}"));
    let mut enable = vec!["secrets", "enable", &path];
    if option != "-options=" {
        enable.push(&option);
    }
    enable.push(name);
    let output = vault(SERVER.client(), enable);

    assert_ne!(output.status, 0, "it was enabled");
    assert!(
        !output.stderr.contains("Unrecognized remote plugin message"),
        "{}",
        output.stderr
    );
    for cause in causes {
        assert!(
            output.stderr.contains(cause),
            "the answer has no {cause:?}: {}",
            output.stderr
        );
    }
    let says_why = |text: &str| causes.iter().all(|cause| text.contains(cause));
    SERVER
        .log()
        .wait_after(mark, &format!("{causes:?} at level error"), |line| {
            line.level() == "error" && line.is_hosts() && line.module().contains(name) && says_why(&line.text)
        });
}

fn temporary(name: &str, content: &[u8]) -> PathBuf {
    let path = SERVER.temporary_directory().join(name);
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn unknown_flag_is_named() {
    let plugin = Plugin::kv().arg("--no-such-flag=1");
    assert_refused("unknown-flag", plugin, &["--no-such-flag"]);
}

#[test]
fn value_out_of_range_is_named_with_its_flag() {
    assert_refused(
        "out-of-range",
        Plugin::kv().arg("--memory-mib=0"),
        &["--memory-mib", "0"],
    );
}

#[test]
fn missing_guest_flag_is_named() {
    assert_refused("no-guest", Plugin::with_args("", ["--unpinned"]), &["--guest"]);
}

#[test]
fn missing_pin_is_named_with_its_flag() {
    let guest = files::guest("kv");
    let plugin = Plugin::with_args("", [format!("--guest={}", guest.display())]);
    assert_refused("no-pin", plugin, &["--guest-sha256"]);
}

#[test]
fn malformed_pin_is_named() {
    let guest = files::guest("kv");
    let plugin = Plugin::with_args(
        "",
        [
            format!("--guest={}", guest.display()),
            "--guest-sha256=abc".to_owned(),
        ],
    );
    assert_refused("malformed-pin", plugin, &["--guest-sha256", "abc"]);
}

#[test]
fn unreadable_guest_is_named() {
    let plugin = Plugin::with_args("", ["--guest=/no/such/guest.wasm", "--unpinned"]);
    assert_refused("unreadable", plugin, &["/no/such/guest.wasm"]);
}

#[test]
fn guest_that_fits_no_pin_is_named_with_its_digest() {
    let guest = files::guest("kv");
    let pin = "0".repeat(64);
    let plugin = Plugin::with_args(
        "",
        [
            format!("--guest={}", guest.display()),
            format!("--guest-sha256={pin}"),
        ],
    );
    assert_refused(
        "wrong-digest",
        plugin,
        &[guest.to_str().unwrap(), &files::sha256(&guest)],
    );
}

#[test]
fn file_that_is_no_component_is_named() {
    let text = temporary("text.wasm", b"not a component");
    assert_refused(
        "not-wasm",
        Plugin::serving("", &text),
        &[text.to_str().unwrap(), "component"],
    );
    let module = temporary("module.wasm", b"\0asm\x01\0\0\0");
    assert_refused(
        "core-module",
        Plugin::serving("", &module),
        &[module.to_str().unwrap(), "component"],
    );
}

#[test]
fn component_that_exports_no_backend_is_named() {
    let component = temporary("empty.wasm", b"\0asm\x0d\0\x01\0");
    assert_refused(
        "no-backend",
        Plugin::serving("", &component),
        &[component.to_str().unwrap(), "backend"],
    );
}

/// Makes a component that only imports one empty interface.
fn importing(interface: &str) -> Vec<u8> {
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    component.extend([7, 3, 1, 0x42, 0]); // types: one, an instance without exports
    component.extend([
        10,
        u8::try_from(interface.len()).unwrap() + 5,
        1,
        0,
        u8::try_from(interface.len()).unwrap(),
    ]);
    component.extend(interface.as_bytes());
    component.extend([5, 0]); // of the first type
    component
}

#[test]
fn import_that_is_not_granted_is_named() {
    let import = "wasi:sockets/tcp@0.2.0";
    let guest = temporary("import.wasm", &importing(import));
    assert_refused(
        "import",
        Plugin::serving("", &guest),
        &[guest.to_str().unwrap(), import],
    );
}

#[test]
fn other_version_of_the_contract_is_named_with_the_one_that_is_served() {
    let guest = temporary("contract.wasm", &importing("airlock:engine/storage@9.1.2"));
    assert_refused(
        "contract",
        Plugin::serving("", &guest),
        &[guest.to_str().unwrap(), "9.1.2", "0.1"],
    );
}

fn adversary() -> Plugin {
    Plugin::serving("", &files::guest("adversary"))
}

#[test]
fn special_paths_that_the_router_refuses_are_named() {
    assert_refused_with(
        "router",
        adversary().arg("--unauthenticated=a/"),
        "without-token=a/b+c",
        &["a/b+c", "whole segment"],
    );
    let mounts = SERVER.client().read("sys/mounts").expect_success("mounts");
    assert!(mounts.data()["router/"].is_null(), "it was mounted all the same");
}

#[test]
fn special_paths_over_the_hosts_own_are_named() {
    for (name, option) in [
        ("control", "without-token=+/login"),
        ("control-root", "root=.airlock/x"),
    ] {
        let plugin = adversary().arg("--unauthenticated=+/");
        assert_refused_with(name, plugin, option, &[".airlock"]);
    }
}

#[test]
fn paths_without_a_token_need_a_grant() {
    let option = "without-token=open/*";
    assert_refused_with("ungranted", adversary(), option, &["--unauthenticated=open/"]);

    adversary()
        .arg("--unauthenticated=open/")
        .named("granted")
        .register(&SERVER);
    SERVER
        .try_mount_with("granted", "granted", &json!({"without-token": "open/*"}))
        .expect_success("mount");
    let anybody = SERVER.mounted("granted").with_token("");
    let answer = anybody.read("open/x");
    assert!(answer.errors().contains("no such misbehaviour"), "{answer:?}");
    assert_eq!(anybody.read("ok").status, 403);
}

#[test]
fn mending_the_cause_is_enough_to_enable() {
    let guest = SERVER.temporary_directory().join("late.wasm");
    let pin = files::sha256(&files::guest("kv"));
    let args = [
        format!("--guest={}", guest.display()),
        format!("--guest-sha256={pin}"),
    ];
    assert_refused("late", Plugin::with_args("", args), &[guest.to_str().unwrap()]);

    fs::copy(files::guest("kv"), &guest).unwrap();
    let kv = SERVER.mount("late", "late");
    kv.write("a", json!({"value": "one"})).expect_success("write");
}

#[test]
fn any_of_several_pins_lets_a_guest_run() {
    let plugin = Plugin::kv()
        .arg(format!("--guest-sha256={}", "0".repeat(64)))
        .named("two-pins");
    plugin.register(&SERVER);
    SERVER
        .mount("two-pins", "two-pins")
        .write("a", json!({"value": "one"}))
        .expect_success("write");
}

#[test]
fn unpinned_guest_runs_and_is_warned_of() {
    let mark = SERVER.log().mark();
    Plugin::with_args(
        "unpinned",
        [
            format!("--guest={}", files::guest("kv").display()),
            "--unpinned".to_owned(),
        ],
    )
    .register(&SERVER);
    SERVER
        .mount("unpinned", "unpinned")
        .write("a", json!({"value": "one"}))
        .expect_success("write");
    SERVER
        .log()
        .wait_after(mark, "a warning that the guest is unpinned", |line| {
            line.level() == "warn" && line.is_hosts() && line.message().contains("UNPINNED")
        });
}

#[test]
fn guest_changed_after_mounting_answers_503_until_put_back() {
    let guest = SERVER.temporary_directory().join("changing.wasm");
    fs::copy(files::guest("kv"), &guest).unwrap();
    Plugin::serving("changing", &guest).register(&SERVER);
    let kv = SERVER.mount("changing", "changing");
    kv.write("a", json!({"value": "one"})).expect_success("write");

    fs::write(&guest, b"something else").unwrap();
    vault(SERVER.client(), ["plugin", "reload", "-plugin=changing"]);
    let answer = kv.read("a");
    assert_eq!(answer.status, 503, "{answer:?}");

    fs::copy(files::guest("kv"), &guest).unwrap();
    vault(SERVER.client(), ["plugin", "reload", "-plugin=changing"]).expect_success("reload");
    assert_eq!(kv.read("a").data()["value"], "one");
}
