//! Tests the refusals of `airlock dev` at its start: one line that says what is wrong, and nothing is changed.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};

use airlock_tests::{Output, airlock, files};

#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) -> Output {
    let mount = format!("--mount=demo={}", files::guest("kv").display());
    let output = airlock([&["dev", &mount], arguments].concat());
    assert_eq!(
        (output.status, output.stderr.trim_end().lines().count()),
        (1, 1),
        "{output:?}"
    );
    assert!(!output.stdout.contains("VAULT_ADDR"), "it serves: {output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "no {word:?}: {output:?}");
    }
    output
}

#[test]
fn addresses_beyond_loopback() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8200", "[2001:db8::1]:8200"] {
        refused(&["--listen", address], &["loopback only", "127.0.0.1"]);
    }
}

#[test]
fn a_port_in_use() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refused(
        &["--listen", &address],
        &[&address, "cannot listen", "choose another"],
    )
    .stderr;
    assert_eq!(
        said.matches("in use").count(),
        1,
        "the cause is told once: {said}"
    );
}

#[test]
fn a_token_that_lets_everybody_in_or_fits_no_header() {
    for token in ["--token=", "--token=a\nb"] {
        refused(&["--listen=127.0.0.1:0", token], &["the token"]);
    }
}

#[test]
fn guests_that_are_none_or_missing_or_of_the_same_name() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.wasm");
    fs::write(&text, "not a component").unwrap();
    let other = directory.path().join("kv.wasm");
    fs::copy(files::guest("users"), &other).unwrap();
    for (path, words) in [
        (&text, ["text.wasm", "not a WebAssembly component"]),
        (
            &directory.path().join("none.wasm"),
            ["none.wasm", "cannot be read"],
        ),
        (&other, ["two guests are both named kv", "rename"]),
    ] {
        let mount = format!("--mount=other={}", path.display());
        refused(&["--listen=127.0.0.1:0", &mount], &words);
    }
}

#[test]
fn mounts_that_a_vault_would_refuse() {
    let guest = files::guest("kv").display().to_string();
    for (path, words) in [
        ("sys/x", ["cannot enable sys/x", "cannot mount"]),
        (
            "demo/below",
            ["cannot enable demo/below", "already in use at demo/"],
        ),
    ] {
        let mount = format!("--mount={path}={guest}");
        refused(&["--listen=127.0.0.1:0", &mount], &words);
    }
}

#[test]
fn wrong_flags_name_what_is_wrong_and_what_would_be_right() {
    for (argument, right) in [
        ("--clock=stopped", "frozen+90d"),
        ("--mount=demo", "demo=target/guests/kv.wasm"),
        ("--listen=localhost", "--listen"),
        ("--memory-mib=0", "1..=4096"),
    ] {
        let output = airlock(["dev", "--mount=a=b.wasm", argument]);
        assert_eq!((output.status, output.stdout.as_str()), (2, ""), "{output:?}");
        let first = output.stderr.lines().next().unwrap();
        assert!(first.contains(argument.split('=').next().unwrap()), "{output:?}");
        assert!(output.stderr.contains(right), "no {right:?}: {output:?}");
    }
    let both = airlock(["dev", "--mount=a=b.wasm", "--memory", "--storage=x"]);
    assert!(
        both.status == 2 && both.stderr.contains("cannot be used with"),
        "{both:?}"
    );
}
