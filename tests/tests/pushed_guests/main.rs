//! Tests `airlock push` and its companions against a host behind a real Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod documented;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use airlock_tests::{Client, Mount, Output, Plugin, Server, Storage, airlock_for, files, run};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("pushed", Storage::Memory));

/// Mounts a guest whose host takes others from storage.
fn mount(name: &str, guest: &str) -> Mount {
    let file = files::guest(guest);
    Plugin::with_args(
        name,
        [format!("--guest={}", file.display()), "--unpinned".to_owned()],
    )
    .register(&SERVER);
    SERVER.mount(name, name)
}

fn airlock(client: &Client, arguments: &[&str]) -> Output {
    run(&mut airlock_for(client, arguments))
}

/// Runs a command about a mount, which succeeds, and returns what it prints.
#[track_caller]
fn at(mount: &Mount, arguments: &[&str]) -> String {
    let arguments = [arguments, &["--mount", mount.name()]].concat();
    let output = airlock(SERVER.client(), &arguments).expect_success("command");
    assert_eq!(output.stderr, "", "{output:?}");
    output.stdout
}

/// Checks that a command failed with one line that has all of `words`.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    output.assert_refused(words);
}

fn status(mount: &Mount) -> Value {
    serde_json::from_str(&at(mount, &["status", "--json"])).unwrap()
}

/// A build of a guest in a directory of its own.
struct Build {
    _directory: tempfile::TempDir,
    path: PathBuf,
    sha256: String,
    bytes: Vec<u8>,
}

impl Build {
    /// Makes a build of `kv` of another version, with bytes at its end that no other build has.
    fn of_kv(version: &str, padding: usize, seed: u8) -> Self {
        Build::of("kv", &[("0.1.0", version)], padding, seed)
    }

    fn of(guest: &str, texts: &[(&str, &str)], padding: usize, seed: u8) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guest.wasm");
        files::alter_guest(guest, &path, texts);
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend(custom_section(padding, seed));
        fs::write(&path, &bytes).unwrap();
        Build {
            sha256: digest(&bytes),
            _directory: directory,
            path,
            bytes,
        }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    fn pieces(&self) -> Vec<&[u8]> {
        self.bytes.chunks(256 * 1024).collect()
    }
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Makes a section of a component that nothing reads.
fn custom_section(length: usize, seed: u8) -> Vec<u8> {
    let mut content = vec![1, b'x'];
    let mut block = digest(&[seed]);
    while content.len() < length + 2 {
        block = digest(block.as_bytes());
        content.extend(hex::decode(&block).unwrap());
    }
    let mut section = vec![0];
    let mut rest = content.len();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap();
        rest >>= 7;
        section.push(if rest == 0 { low } else { low | 0x80 });
        if rest == 0 {
            break;
        }
    }
    section.extend(content);
    section
}

#[test]
fn push_sends_what_is_missing_and_activates_it() {
    let kv = mount("push-all", "kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let second = Build::of_kv("0.2.0", 1 << 20, 1);
    let count = second.pieces().len();
    assert!(count > 4);

    let told = at(&kv, &["push", second.path()]);
    let stored = format!(
        "stored kv 0.2.0, sha256 {} (sent {count} of {count} pieces)\n",
        second.sha256
    );
    assert!(told.starts_with(&stored), "{told}");
    assert!(
        told.contains("kv 0.2.0 (sha256 ") && told.contains("runs at push-all/ now"),
        "{told}"
    );
    let now = status(&kv);
    assert_eq!(now["running"]["version"], "0.2.0", "{now}");
    assert_eq!(now["running"]["source"], "storage", "{now}");
    assert_eq!(now["active"], second.sha256, "{now}");
    assert_eq!(kv.read("a").data()["value"], "one");

    let told = at(&kv, &["push", second.path()]);
    assert!(told.contains("(nothing had to be sent)"), "{told}");
    assert!(told.contains("push-all/ runs it already"), "{told}");
    let shown = at(&kv, &["status"]);
    assert!(shown.contains("running:         kv 0.2.0\n"), "{shown}");
}

#[test]
fn the_way_back_is_a_rollback() {
    let kv = mount("push-back", "kv");
    let (second, third) = (Build::of_kv("0.2.0", 10, 2), Build::of_kv("0.3.0", 10, 3));
    let output = airlock(SERVER.client(), &["rollback", "--mount", "push-back"]);
    assert_refused(&output, &["push-back/", "no guest"]);
    at(&kv, &["push", second.path()]);
    let told = at(&kv, &["push", third.path()]);
    assert!(told.contains("airlock rollback --mount push-back"), "{told}");
    let told = at(&kv, &["rollback"]);
    assert!(told.contains("kv 0.2.0") && told.contains("now"), "{told}");
    assert_eq!(status(&kv)["active"], second.sha256);

    let told = at(&kv, &["downgrade", &third.sha256[..10]]);
    assert!(told.contains("kv 0.3.0"), "{told}");
    let output = airlock(
        SERVER.client(),
        &["downgrade", "00000000", "--mount", "push-back"],
    );
    assert_refused(&output, &["no guest in storage begins with 00000000"]);
    let output = airlock(
        SERVER.client(),
        &["downgrade", &"0".repeat(64), "--mount", "push-back"],
    );
    assert_refused(&output, &["push-back/"]);

    let listed = at(&kv, &["guests"]);
    assert!(
        listed.contains(&format!("* {}  kv 0.3.0, ", third.sha256)),
        "{listed}"
    );
    assert!(
        listed.contains(&format!("  {}  kv 0.2.0, ", second.sha256)),
        "{listed}"
    );
    let told = at(&kv, &["gc"]);
    assert_eq!(told, "removed 0 guests and 0 pieces, 0 bytes\n");
}

#[test]
fn a_push_that_was_cut_off_goes_on() {
    let kv = mount("push-cut", "kv");
    let build = Build::of_kv("0.2.0", 24 << 20, 4);
    let mut push = airlock_for(SERVER.client(), ["push", build.path(), "--mount", "push-cut"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pieces = || {
        let listed = SERVER
            .client()
            .list(&format!("{}/.airlock/pieces", SERVER.storage_of("push-cut")));
        listed.data()["keys"].as_array().map_or(0, Vec::len)
    };
    while pieces() < 3 {
        assert!(
            push.try_wait().unwrap().is_none(),
            "the push ended before it could be cut off"
        );
    }
    push.kill().unwrap();
    push.wait().unwrap();
    assert_eq!(status(&kv)["active"], Value::Null);

    let (there, all) = (pieces(), build.pieces().len());
    assert!(there < all, "{there} of {all}");
    let told = at(&kv, &["push", build.path()]);
    let sent = told.split("(sent ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(sent.parse::<usize>().unwrap() <= all - there, "{told}");
    assert_eq!(status(&kv)["active"], build.sha256);
}

#[test]
fn a_wrong_piece_is_refused_and_the_right_one_still_arrives() {
    let kv = mount("push-wrong", "kv");
    let build = Build::of_kv("0.2.0", 1 << 20, 5);
    let pieces: Vec<_> = build.pieces().into_iter().map(digest).collect();
    let manifest = json!({"size": build.bytes.len(), "pieces": pieces});
    let announced = kv.write(&format!(".airlock/guests/{}", build.sha256), manifest);
    let missing: BTreeSet<_> = announced.expect_success("announce").data()["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|piece| piece.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(missing, pieces.iter().cloned().collect());
    let other = "eJxLBAAAYgBi"; // "a"
    let answer = kv.write(&format!(".airlock/pieces/{}", pieces[0]), json!({"data": other}));
    assert_eq!(answer.status, 400, "{answer:?}");
    let told = at(&kv, &["push", build.path()]);
    assert!(
        told.contains(&format!("(sent {0} of {0} pieces)", pieces.len())),
        "{told}"
    );
}

#[test]
fn pushes_at_once_do_not_disturb_each_other() {
    let kv = mount("push-twice", "kv");
    let builds = [
        Build::of_kv("0.2.0", 1 << 20, 6),
        Build::of_kv("0.3.0", 1 << 20, 7),
    ];
    let pushes: Vec<_> = [0, 1, 0, 1]
        .map(|build: usize| {
            airlock_for(
                SERVER.client(),
                ["push", builds[build].path(), "--mount", "push-twice"],
            )
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
        })
        .into_iter()
        .collect();
    for push in pushes {
        let output = push.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let now = status(&kv);
    assert!(builds.iter().any(|build| now["active"] == build.sha256), "{now}");
    assert_eq!(now["running"]["sha256"], now["active"], "{now}");
    let listed = at(&kv, &["guests"]);
    assert!(
        builds.iter().all(|build| listed.contains(&build.sha256)),
        "{listed}"
    );
}

#[test]
fn nothing_is_sent_of_what_is_no_component() {
    let kv = mount("push-module", "kv");
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes, words) in [
        (
            "module.wasm",
            &b"\0asm\x01\0\0\0"[..],
            ["core module", "componentize"],
        ),
        (
            "text.wasm",
            b"text",
            ["not a WebAssembly component", "nothing was sent"],
        ),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, bytes).unwrap();
        let output = airlock(
            SERVER.client(),
            &["push", file.to_str().unwrap(), "--mount", "push-module"],
        );
        assert_refused(&output, &words);
    }
    let output = airlock(
        SERVER.client(),
        &["push", "/no/such/file.wasm", "--mount", "push-module"],
    );
    assert_refused(&output, &["/no/such/file.wasm"]);
    // The host checks what passes that.
    let file = directory.path().join("empty.wasm");
    fs::write(&file, b"\0asm\x0d\0\x01\0").unwrap();
    let output = airlock(
        SERVER.client(),
        &["push", file.to_str().unwrap(), "--mount", "push-module"],
    );
    assert_refused(&output, &["push-module/", "400"]);
    assert_eq!(status(&kv)["active"], Value::Null);
}

#[test]
fn a_guest_with_other_special_paths_runs_after_a_reload() {
    let adversary = mount("push-paths", "adversary");
    let build = Build::of("adversary", &[("root/*", "toor/*")], 10, 8);
    let push = ["push", build.path(), "--mount", "push-paths"];
    assert_refused(
        &airlock(SERVER.client(), &push),
        &["push-paths/", "--reload", "special paths (sudo) than"],
    );
    assert_eq!(status(&adversary)["active"], Value::Null);

    let told = at(&adversary, &["push", build.path(), "--reload"]);
    assert!(
        told.contains("reloaded push-paths/; adversary") && told.contains("runs there now"),
        "{told}"
    );
    let now = status(&adversary);
    assert_eq!(now["running"]["sha256"], build.sha256, "{now}");
}

/// `script` gives the command a terminal, and copies what it writes there.
#[test]
fn a_push_shows_a_bar_on_a_terminal_and_removes_it() {
    let kv = mount("terminal", "kv");
    let build = Build::of_kv("0.2.0", 2 << 20, 41);
    let push = airlock_for(SERVER.client(), Vec::<&str>::new());
    let line = format!(
        "{} push {} --mount {}",
        files::airlock().display(),
        build.path.display(),
        kv.name()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    for (name, value) in push.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let shown = run(&mut command).expect_success("push").stdout;
    let bar = shown.find("0 %, 0 of ").expect("a bar");
    let cleared = shown.rfind("\u{1b}[2K").expect("an end of the bar");
    let result = shown.find("stored kv 0.2.0").expect("a result");
    assert!(bar < cleared && cleared < result, "{shown:?}");
}
