//! Tests `airlock` as a person types it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use airlock_tests::{Output, airlock, files, run};

fn guest() -> String {
    files::guest("kv").to_str().unwrap().to_owned()
}

fn pin() -> String {
    files::sha256(&files::guest("kv"))
}

/// Checks that the output is one line on standard error that has all of `words`, with nothing on standard output, and
/// that the exit status is this.
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
    let output = airlock(["inspect", file, "--option", "without-token=open/*"]).expect_success("inspect");
    assert!(output.stdout.contains("without token:   open/*"), "{output:?}");
    let output = airlock(["inspect", file, "--option=without-token=a/b+c"]).expect_success("inspect");
    let refused = output.stdout.lines().find(|line| line.starts_with("refused:"));
    assert!(refused.is_some_and(|line| line.contains("a/b+c")), "{output:?}");

    let option = "--option=without-token=open/*";
    let asked = ["--unauthenticated=open/"];
    assert_one_line(&airlock(["check", &guest, &pin, option]), 1, &asked);
    let output = airlock(["check", &guest, &pin, option, asked[0]]).expect_success("check");
    for told in [
        "without token: open/*",
        "-args=--unauthenticated=open/ ",
        "-options='without-token=open/*' airlock-adversary",
    ] {
        assert!(output.stdout.contains(told), "no {told:?}: {}", output.stdout);
    }
    assert!(!output.stdout.contains("-args=--option"), "{}", output.stdout);
}

/// Makes a cache directory as an operator does.
fn make(cache: &Path) {
    fs::create_dir_all(cache).unwrap();
    fs::set_permissions(cache, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn check_refuses_a_cache_directory_that_serve_would_not_use() {
    let (guest, pin) = (
        format!("--guest={}", guest()),
        format!("--guest-sha256={}", pin()),
    );
    let check = |directory: &str| airlock(["check", &guest, &pin, &format!("--cache-dir={directory}")]);
    assert_one_line(&check("cache"), 1, &["--cache-dir=cache", "absolute"]);

    let directory = tempfile::tempdir().unwrap();
    let open = directory.path().join("open");
    let cache = open.join("cache");
    make(&cache);
    check(cache.to_str().unwrap()).expect_success("check");
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    assert_one_line(&check(cache.to_str().unwrap()), 1, &["cache", "mode 777", "700"]);
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    assert_one_line(
        &check(cache.to_str().unwrap()),
        1,
        &["open", "mode 777", "written to by others"],
    );
}

/// A limit on the size of files stands for a full disk: the memory that a guest starts with fits, but its code does
/// not.
#[test]
fn check_refuses_a_cache_directory_that_is_full() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    make(&cache);
    let output = run(Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$@\"", "limited"])
        .arg(files::airlock())
        .args([
            "check",
            &format!("--guest={}", guest()),
            &format!("--guest-sha256={}", pin()),
        ])
        .arg(format!("--cache-dir={}", cache.display())));
    assert_one_line(
        &output,
        1,
        &[cache.to_str().unwrap(), "cannot be kept", "too large"],
    );
}

/// Runs a request with a limit on the address space, in KiB, as a service may be started with.
fn call_with_address_space(kib: u32) -> Output {
    run(Command::new("sh")
        .args(["-c", &format!("ulimit -v {kib}; exec \"$@\""), "limited"])
        .arg(files::airlock())
        .args(["call", &guest(), "write", "a", "value=1"]))
}

#[test]
fn a_limit_on_the_address_space_leaves_a_smaller_pool() {
    call_with_address_space(12 << 20).expect_success("call");
}

#[test]
fn too_little_address_space_is_told_with_what_is_needed() {
    let output = call_with_address_space(3 << 20);
    assert_one_line(&output, 1, &["3145728 KiB", "ulimit -v", "LimitAS="]);
}

#[test]
fn check_refuses_a_cache_below_which_the_guest_stores_nothing() {
    let output = airlock([
        "check",
        &format!("--guest={}", guest()),
        &format!("--guest-sha256={}", pin()),
        "--cache=metadata/",
    ]);
    assert_one_line(&output, 1, &["--cache=metadata/", "nothing", "kv/"]);
}

/// A description is always a single line, so the remaining danger is a character that reorders text.
#[test]
fn inspect_shows_no_character_that_reorders_text() {
    let directory = tempfile::tempdir().unwrap();
    let hostile = directory.path().join("hostile.wasm");
    let forged = format!("ok: verified{} ", "\u{202e}".repeat(5));
    files::alter_guest("kv", &hostile, &[("Keeps one value at each path", &forged)]);
    let output = airlock(["inspect", hostile.to_str().unwrap()]).expect_success("inspect");
    assert!(output.stdout.contains(r"ok: verified\u{202e}"), "{output:?}");
    assert!(!output.stdout.contains('\u{202e}'), "{output:?}");
}

#[test]
fn check_of_wrong_usage_ends_with_status_2() {
    let output = airlock(["check", "--no-such-flag"]);
    assert_eq!(output.status, 2, "{output:?}");
    assert!(output.stderr.contains("--no-such-flag"), "{output:?}");
}

#[test]
fn serve_refuses_a_server_without_a_certificate() {
    let output = run(Command::new(files::airlock())
        .args(["serve", "--unpinned", "--guest", &guest()])
        .env("VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20")
        .env("PLUGIN_PROTOCOL_VERSIONS", "5"));
    assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{output:?}");
    assert!(output.stderr.contains("PLUGIN_CLIENT_CERT"), "{output:?}");
}

/// A new host can then lie beside the old one until it is registered.
#[test]
fn check_names_the_program_that_it_is_and_its_digest() {
    let directory = tempfile::tempdir().unwrap();
    let newer = directory.path().join("airlock-0.2.0");
    files::copy_program(&files::airlock(), &newer);
    let output = run(Command::new(&newer).args([
        "check",
        &format!("--guest={}", guest()),
        &format!("--guest-sha256={}", pin()),
    ]))
    .expect_success("check");
    let registers = format!("-sha256={} -command=airlock-0.2.0 ", files::sha256(&newer));
    assert!(output.stdout.contains(&registers), "no {registers:?}: {output:?}");
}

#[test]
fn check_makes_a_cache_directory_unless_root_runs_it() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let output = airlock([
        "check",
        &format!("--guest={}", guest()),
        &format!("--guest-sha256={}", pin()),
        &format!("--cache-dir={}", cache.display()),
    ]);
    if rustix::process::geteuid().is_root() {
        assert_one_line(&output, 1, &["--cache-dir", "made by root"]);
        assert!(!cache.exists());
    } else {
        output.expect_success("check");
        assert_eq!(fs::metadata(&cache).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
