//! Tests that a mount serves a guest that a trusted key signed, and no other.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use airlock_tests::{Plugin, Server, Signer, Storage, files, signature_of, vault};
use serde_json::json;

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("signed", Storage::Memory));

/// Makes a folder for one test, with a copy of the KV guest that is not signed.
fn folder(name: &str) -> (PathBuf, PathBuf) {
    let folder = SERVER.temporary_directory().join(name);
    fs::create_dir(&folder).unwrap();
    let guest = folder.join("kv.wasm");
    fs::copy(files::guest("kv"), &guest).unwrap();
    (folder, guest)
}

/// Fails to enable a plugin that is registered, and checks that the answer and the log have all of `causes`.
#[track_caller]
fn assert_refused(name: &str, causes: &[&str]) {
    let mark = SERVER.log().mark();
    let output = vault(SERVER.client(), ["secrets", "enable", name]);
    assert_ne!(output.status, 0, "it was enabled");
    let has_all = |text: &str| causes.iter().all(|cause| text.contains(cause));
    let line = output.stderr.lines().find(|line| has_all(line));
    assert!(line.is_some(), "no line has all of {causes:?}: {}", output.stderr);
    SERVER
        .log()
        .wait_after(mark, &format!("{causes:?} at level error"), |line| {
            line.level() == "error" && line.is_hosts() && line.module().contains(name) && has_all(&line.text)
        });
}

#[track_caller]
fn assert_serves(name: &str) {
    SERVER
        .mount(name, name)
        .write("a", json!({"value": "one"}))
        .expect_success("write");
}

#[test]
fn a_signed_guest_is_served_by_the_line_or_the_file_of_its_key() {
    let (folder, guest) = folder("by-key");
    let signer = Signer::new(&folder, "signer");
    signer.sign(&guest);
    for (name, key) in [("by-line", signer.key()), ("by-file", signer.public())] {
        let mark = SERVER.log().mark();
        Plugin::trusting(name, &guest, &key).register(&SERVER);
        assert_serves(name);
        SERVER.log().wait_after(mark, "the signer", |line| {
            line.is_hosts() && line.message() == "guest is loaded" && line.text.contains(&signer.id())
        });
    }
}

#[test]
fn a_guest_without_a_signature_that_fits_is_refused_until_it_has_one() {
    let (folder, guest) = folder("refused");
    let signer = Signer::new(&folder, "signer");
    let stranger = Signer::new(&folder, "stranger");
    Plugin::trusting("refused", &guest, &signer.key()).register(&SERVER);
    let path = guest.to_str().unwrap();
    assert_refused("refused", &[path, "not signed", &signer.id()]);

    stranger.sign(&guest);
    assert_refused("refused", &[path, "not trusted", &stranger.id(), &signer.id()]);
    signer.sign(&guest);
    let about = "Keeps one value at each path";
    files::alter_guest("kv", &guest, &[(about, &about.replace("one", "two"))]);
    assert_refused("refused", &[path, "does not verify", &signer.id()]);

    signer.sign_as(&guest, "name=kv version=9.9.9");
    assert_refused("refused", &[path, "kv 9.9.9", env!("CARGO_PKG_VERSION")]);
    fs::write(signature_of(&guest), "garbage").unwrap();
    assert_refused("refused", &[path, "not in minisign's format"]);

    signer.sign(&guest);
    assert_serves("refused");
}

#[test]
fn a_new_signature_alone_heals_a_mount_whose_key_was_rotated() {
    let (folder, guest) = folder("rotated");
    let (old, new) = (Signer::new(&folder, "old"), Signer::new(&folder, "new"));
    Plugin::trusting("rotated", &guest, &new.key()).register(&SERVER);
    old.sign(&guest);
    assert_refused("rotated", &[&old.id(), &new.id()]);
    new.sign(&guest);
    assert_serves("rotated");

    // The same on a mount that has served: it stays, and answers 503.
    old.sign(&guest);
    vault(SERVER.client(), ["plugin", "reload", "-plugin=rotated"]);
    let kv = SERVER.mounted("rotated");
    let answer = kv.read("a");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.errors().contains(&old.id()), "{answer:?}");
    new.sign(&guest);
    assert_eq!(kv.read("a").expect_success("read").data()["value"], "one");
}

#[test]
fn a_new_signed_build_is_served_without_another_registration() {
    let (folder, guest) = folder("upgraded");
    let signer = Signer::new(&folder, "signer");
    signer.sign(&guest);
    Plugin::trusting("upgraded", &guest, &signer.key())
        .version(concat!("v", env!("CARGO_PKG_VERSION")))
        .register(&SERVER);
    assert_serves("upgraded");

    let texts = [
        (env!("CARGO_PKG_VERSION"), "9.9.9"),
        ("key created", "key arrived"),
    ];
    files::alter_guest("kv", &guest, &texts);
    signer.sign(&guest);
    let reload = ["plugin", "reload", "-plugin=upgraded"];
    vault(SERVER.client(), reload).expect_success("reload");
    let kv = SERVER.mounted("upgraded");
    let answer = kv.write("b", json!({"value": "two"})).expect_success("write");
    assert_eq!(answer.data()["message"], "key arrived");
    assert_eq!(kv.read("a").expect_success("read").data()["value"], "one");
}

#[test]
fn a_pin_is_enough_whatever_the_signature_is() {
    let (folder, guest) = folder("pinned");
    let stranger = Signer::new(&folder, "stranger");
    stranger.sign(&guest);
    let signer = Signer::new(&folder, "signer");
    Plugin::trusting("pinned", &guest, &signer.key())
        .arg(format!("--guest-sha256={}", files::sha256(&guest)))
        .register(&SERVER);
    assert_serves("pinned");
}

#[test]
fn a_key_that_is_missing_or_damaged_is_named() {
    let (folder, guest) = folder("no-key");
    let key = folder.join("signer.pub");
    let path = key.to_str().unwrap();
    Plugin::trusting("no-key", &guest, path).register(&SERVER);
    assert_refused(
        "no-key",
        &[&format!("--trust={path}"), "neither a public key nor a file"],
    );
    let (damaged, text) = (folder.join("damaged.pub"), "untrusted comment: x\nRWabc\n");
    fs::write(&damaged, text).unwrap();
    let path = damaged.to_str().unwrap();
    Plugin::trusting("bad-key", &guest, path).register(&SERVER);
    assert_refused(
        "bad-key",
        &[&format!("--trust={path}"), "not a minisign public key"],
    );
}
