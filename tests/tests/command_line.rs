//! `airlock` as a person types it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;

use airlock_tests::{Output, Server, Storage, airlock, files, run};

fn guest() -> String {
    files::guest("kv").to_str().unwrap().to_owned()
}

fn pin() -> String {
    files::sha256(&files::guest("kv"))
}

/// One line on standard error that holds every one of `words`, nothing on standard output, and this status.
#[track_caller]
fn assert_one_line(output: &Output, status: i32, words: &[&str]) {
    assert_eq!(output.status, status, "{output:?}");
    assert_eq!(
        (output.stdout.as_str(), output.stderr.trim_end().lines().count()),
        ("", 1),
        "{output:?}"
    );
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?}: {output:?}");
    }
}

#[test]
fn without_arguments_it_shows_its_help() {
    let output = airlock::<&str>([]);
    assert_eq!(output.status, 2);
    for command in ["serve", "check", "inspect", "componentize"] {
        assert!(output.stderr.contains(command), "no {command}: {output:?}");
    }
}

#[test]
fn serve_started_by_hand_explains_itself() {
    let output = airlock([
        "serve",
        &format!("--guest={}", guest()),
        &format!("--guest-sha256={}", pin()),
    ]);
    assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output:?}");
    for word in ["Vault", "airlock check"] {
        assert!(output.stderr.contains(word), "no {word:?}: {output:?}");
    }
}

#[test]
fn inspect_says_what_a_guest_is_and_asks_for() {
    let output = airlock(["inspect", &guest()]).expect_success("inspect");
    for fact in [
        "kv",
        env!("CARGO_PKG_VERSION"),
        "Keeps one value at each path",
        &pin(),
        "kv/",
        "airlock:engine/storage@0.1.0",
    ] {
        assert!(output.stdout.contains(fact), "no {fact:?}: {output:?}");
    }
    assert!(!output.stdout.contains("wasi"), "{output:?}");
}

#[test]
fn inspect_refuses_what_is_no_guest_in_one_line() {
    assert_one_line(
        &airlock(["inspect", "/no/such/guest.wasm"]),
        1,
        &["/no/such/guest.wasm"],
    );
    let not_wasm = files::root().join("Cargo.toml");
    let not_wasm = not_wasm.to_str().unwrap();
    assert_one_line(&airlock(["inspect", not_wasm]), 1, &[not_wasm, "component"]);
}

#[test]
fn check_prints_commands_that_register_and_enable() {
    let check = airlock([
        "check",
        &format!("--guest={}", guest()),
        &format!("--guest-sha256={}", pin()),
    ]);
    let commands = check.expect_success("check").stdout;
    let commands = &commands[commands
        .find("vault plugin register")
        .expect("a command that registers")..];

    let server = Server::start("check", Storage::Memory);
    let script = format!("set -e\nvault() {{ \"$VAULT\" \"$@\"; }}\n{commands}");
    let output = run(Command::new("sh")
        .args(["-c", &script])
        .env("VAULT", files::vault())
        .env("VAULT_ADDR", server.client().address())
        .env("VAULT_TOKEN", server.client().token()));
    output.expect_success(commands);
    let mounts = server.client().read("sys/mounts").body["data"].clone();
    let ours = mounts
        .as_object()
        .unwrap()
        .values()
        .filter(|mount| mount["type"] == "airlock-kv")
        .count();
    assert_eq!(ours, 1, "{mounts}");
}

#[test]
fn check_says_what_serve_would_refuse() {
    let guest = format!("--guest={}", guest());
    let wrong = format!("--guest-sha256={}", "0".repeat(64));
    assert_one_line(&airlock(["check", &guest, &wrong]), 1, &[&pin()]);
    assert_one_line(
        &airlock(["check", "--guest=/no/such/guest.wasm", "--unpinned"]),
        1,
        &["/no/such/guest.wasm"],
    );
}

#[test]
fn inspect_and_check_show_what_a_mounts_options_open() {
    let file = files::guest("adversary");
    let (guest, pin) = (
        format!("--guest={}", file.display()),
        format!("--guest-sha256={}", files::sha256(&file)),
    );
    let file = file.to_str().unwrap();
    let output = airlock(["inspect", file]).expect_success("inspect");
    assert!(output.stdout.contains("without token:   nothing"), "{output:?}");
    let output = airlock(["inspect", file, "--option", "unauthenticated=open/*"]).expect_success("inspect");
    assert!(output.stdout.contains("without token:   open/*"), "{output:?}");
    let output = airlock(["inspect", file, "--option=unauthenticated=a/b+c"]).expect_success("inspect");
    let refused = output.stdout.lines().find(|line| line.starts_with("refused:"));
    assert!(refused.is_some_and(|line| line.contains("a/b+c")), "{output:?}");

    let option = "--option=unauthenticated=open/*";
    let asked = ["--unauthenticated=open/"];
    assert_one_line(&airlock(["check", &guest, &pin, option]), 1, &asked);
    let output = airlock(["check", &guest, &pin, option, asked[0]]).expect_success("check");
    for told in [
        "without token: open/*",
        "-args=--unauthenticated=open/ ",
        "-options='unauthenticated=open/*' airlock-adversary",
    ] {
        assert!(output.stdout.contains(told), "no {told:?}: {}", output.stdout);
    }
    assert!(!output.stdout.contains("-args=--option"), "{}", output.stdout);
}

#[test]
fn check_of_wrong_usage_ends_with_status_2() {
    let output = airlock(["check", "--no-such-flag"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("--no-such-flag"), "{output:?}");
}
