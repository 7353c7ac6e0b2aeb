//! Guests that are pushed into mounts of a real server, and take over from each other while requests run.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clusters;
mod under_load;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;

use airlock_tests::{
    Client, Dice, Load, Mount, Output, Plugin, Server, Signer, Storage, airlock_for, eventually, files, run,
    signature_of,
};
use serde_json::{Value, json};
use under_load::{Turn, write_and_read};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("swaps", Storage::Disk));

/// The words of the two builds when they have created a key, and when they have updated one.
const WORDS: [[&str; 2]; 2] = [["key created", "key updated"], ["key CREATED", "key UPDATED"]];

/// A signer and two builds of the KV guest that it signed. Each has its [`WORDS`].
struct Builds {
    signer: Signer,
    one: PathBuf,
    two: PathBuf,
}

impl Builds {
    fn new(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let signer = Signer::new(folder, "signer");
        let build = |file: &str, version: &str, [created, updated]: [&str; 2]| {
            let path = folder.join(file);
            let present = env!("CARGO_PKG_VERSION");
            let texts = [(present, version), (WORDS[0][0], created), (WORDS[0][1], updated)];
            files::alter_guest("kv", &path, &texts);
            signer.sign(&path);
            path
        };
        let one = build("one.wasm", "0.1.0", WORDS[0]);
        let two = build("two.wasm", "0.2.0", WORDS[1]);
        Self { signer, one, two }
    }

    fn digests(&self) -> [String; 2] {
        [&self.one, &self.two].map(|build| files::sha256(build))
    }

    /// Registers a process without a guest of its own, which runs what this signer signed.
    fn register(&self, server: &Server, name: &str) {
        let key = format!("--trust={}", self.signer.key());
        let cache = format!("--cache-dir={}", files::guest_cache().display());
        Plugin::with_args(name, [key, cache]).register(server);
    }
}

/// Runs `airlock` as an operator of this server would.
fn operate(client: &Client, arguments: &[&str]) -> Output {
    run(&mut airlock_for(client, arguments))
}

#[track_caller]
fn push(client: &Client, guest: &Path, mount: &str) {
    operate(client, &["push", guest.to_str().unwrap(), "--mount", mount]).expect_success("push");
}

#[track_caller]
fn refused(client: &Client, arguments: &[&str], words: &str) {
    operate(client, arguments).assert_refused(&[words]);
}

fn status(mount: &Mount) -> Value {
    mount
        .read(".airlock/status")
        .expect_success("status")
        .data()
        .clone()
}

fn runs(mount: &Mount) -> Value {
    status(mount)["running"]["version"].clone()
}

#[test]
fn a_mount_without_a_guest_runs_what_is_pushed_and_goes_back() {
    // A server with this host only, because it is killed.
    let server = Server::start("pushed", Storage::Disk);
    let client = server.client();
    let builds = Builds::new(&server.temporary_directory().join("builds"));
    builds.register(&server, "pushed");
    let mount = server.mount("pushed", "pushed");
    let waiting = mount.read("a");
    assert_eq!(waiting.status, 503, "{waiting:?}");
    assert!(waiting.errors().contains("airlock push"), "{waiting:?}");

    push(client, &builds.one, "pushed");
    let created = mount.write("a", json!({"value": "1"})).expect_success("write");
    assert_eq!(created.data()["message"], "key created");
    push(client, &builds.two, "pushed");
    assert_eq!(runs(&mount), "0.2.0");
    let created = mount.write("b", json!({"value": "2"})).expect_success("write");
    assert_eq!(created.data()["message"], "key CREATED");
    assert_eq!(mount.read("a").data()["value"], "1");
    let listed = operate(client, &["guests", "--mount", "pushed"]).expect_success("guests");
    assert!(
        listed.stdout.contains("0.1.0") && listed.stdout.contains("0.2.0"),
        "{listed:?}"
    );

    // The version that ran counts, so an old build comes back only by the paths for that.
    let one = builds.one.to_str().unwrap();
    refused(client, &["push", one, "--mount", "pushed"], "is below 0.2.0");
    assert_eq!(runs(&mount), "0.2.0");
    operate(client, &["rollback", "--mount", "pushed"]).expect_success("rollback");
    assert_eq!(runs(&mount), "0.1.0");
    push(client, &builds.two, "pushed");
    let sha256 = files::sha256(&builds.one);
    let downgrade = ["downgrade", "--mount", "pushed", &sha256];
    operate(client, &downgrade).expect_success("downgrade");
    assert_eq!(runs(&mount), "0.1.0");
    assert_eq!(mount.read("b").data()["value"], "2");

    server.reload("pushed");
    assert_eq!(runs(&mount), "0.1.0");
    server.kill_host();
    eventually("a host serves again", || {
        (mount.read("a").status == 200).then_some(())
    });
    assert_eq!(runs(&mount), "0.1.0");
}

#[test]
fn what_no_trusted_key_signed_is_refused_and_the_guest_that_runs_stays() {
    let folder = SERVER.temporary_directory().join("strangers");
    let builds = Builds::new(&folder);
    builds.register(&SERVER, "strangers");
    let mount = SERVER.mount("strangers", "strangers");
    push(SERVER.client(), &builds.one, "strangers");
    let stranger = Signer::new(&folder, "stranger");
    stranger.sign(&builds.two);
    let two = builds.two.to_str().unwrap();
    let push = ["push", two, "--mount", "strangers"];
    refused(SERVER.client(), &push, &stranger.id());
    builds.signer.sign_as(&builds.two, "name=kv version=9.0.0");
    refused(SERVER.client(), &push, "9.0.0");
    assert_eq!(runs(&mount), "0.1.0");
    // A new signature is enough.
    builds.signer.sign(&builds.two);
    operate(SERVER.client(), &push).expect_success("push");
    assert_eq!(runs(&mount), "0.2.0");
}

#[test]
fn a_mount_s_numbers_are_read_through_the_server() {
    let builds = Builds::new(&SERVER.temporary_directory().join("numbers"));
    builds.register(&SERVER, "numbers");
    let mount = SERVER.mount("numbers", "numbers");
    push(SERVER.client(), &builds.one, "numbers");
    mount
        .write("secret-key", json!({"value": "secret-value"}))
        .expect_success("write");
    mount.read("secret-key").expect_success("read");
    push(SERVER.client(), &builds.two, "numbers");
    let one = builds.one.to_str().unwrap();
    refused(
        SERVER.client(),
        &["push", one, "--mount", "numbers"],
        "is below 0.2.0",
    );

    let sent = mount
        .client()
        .try_send("GET", &mount.path(".airlock/metrics"), &[], "");
    let numbers = sent.unwrap();
    assert_eq!(numbers.status, 200, "{numbers:?}");
    let media_type = numbers.headers.iter().find(|(name, _)| name == "content-type");
    assert!(media_type.unwrap().1.starts_with("application/openmetrics-text"));
    for line in [
        "airlock_calls_total{operation=\"create\",outcome=\"ok\"} 1",
        "airlock_calls_total{operation=\"read\",outcome=\"ok\"} 1",
        "airlock_swaps_total{result=\"done\"} 2",
        "airlock_swaps_total{result=\"refused\"} 1",
        "airlock_serving 1",
    ] {
        assert!(
            numbers.text.lines().any(|found| found == line),
            "no {line}: {}",
            numbers.text
        );
    }
    let runs = format!("version=\"0.2.0\",sha256=\"{}\"", files::sha256(&builds.two));
    assert!(numbers.text.contains(&runs), "{}", numbers.text);
    assert!(!numbers.text.contains("secret"), "{}", numbers.text);
    // What was refused, and why, is also in the status, for whoever comes later.
    let refused = status(&mount)["refused"].clone();
    assert!(
        refused["reason"].as_str().unwrap().contains("is below 0.2.0"),
        "{refused}"
    );
}

#[test]
fn no_control_is_kept_from_everybody() {
    let builds = Builds::new(&SERVER.temporary_directory().join("closed"));
    let key = format!("--trust={}", builds.signer.key());
    let guest = format!("--guest={}", builds.one.display());
    Plugin::with_args("closed", [key, guest, "--no-control".to_owned()]).register(&SERVER);
    let mount = SERVER.mount("closed", "closed");
    assert_eq!(mount.read(".airlock/status").status, 404);
    assert_eq!(mount.write(".airlock/swap", json!({})).status, 404);
    mount.write("a", json!({"value": "1"})).expect_success("write");
}

#[test]
fn a_token_without_sudo_reaches_no_control_path() {
    let builds = Builds::new(&SERVER.temporary_directory().join("guarded"));
    builds.register(&SERVER, "guarded");
    let mount = SERVER.mount("guarded", "guarded");
    push(SERVER.client(), &builds.one, "guarded");
    let policy = json!({"policy": "path \"guarded/*\" { capabilities = [\"create\", \"read\", \"update\", \"list\"] }"});
    SERVER
        .client()
        .write("sys/policies/acl/guarded", policy)
        .expect_success("policy");
    let token = SERVER
        .client()
        .write("auth/token/create", json!({"policies": ["guarded"]}))
        .expect_success("token");
    let token = token.body["auth"]["client_token"].as_str().unwrap().to_owned();
    let theirs = mount.with_token(&token);
    theirs.write("a", json!({"value": "1"})).expect_success("write");
    for path in [".airlock", ".airlock/status"] {
        assert_eq!(theirs.read(path).status, 403, "{path}");
    }
    for path in [
        ".airlock/swap",
        ".airlock/rollback",
        ".airlock/pieces/x",
        ".airlock/guests/x",
    ] {
        assert_eq!(theirs.write(path, json!({})).status, 403, "{path}");
    }
    assert_eq!(runs(&mount), "0.1.0");
}

#[test]
fn an_older_file_does_not_run_where_a_newer_signed_one_ran() {
    let server = Server::start("older-file", Storage::Memory);
    let folder = server.temporary_directory().join("files");
    let builds = Builds::new(&folder);
    let guest = folder.join("guest.wasm");
    let install = |build: &Path| {
        fs::copy(build, &guest).unwrap();
        fs::copy(signature_of(build), signature_of(&guest)).unwrap();
    };
    install(&builds.two);
    Plugin::trusting("files", &guest, &builds.signer.key()).register(&server);
    let mount = server.mount("files", "files");
    mount.write("a", json!({"value": "1"})).expect_success("write");
    install(&builds.one);
    server.reload("files");
    let refused = mount.read("a");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(
        refused
            .errors()
            .contains("version 0.2.0 ran on this mount before"),
        "{refused:?}"
    );
    install(&builds.two);
    server.reload("files");
    assert_eq!(mount.read("a").expect_success("read").data()["value"], "1");
}

#[test]
fn two_pushes_at_once_end_as_one_after_the_other() {
    let builds = Builds::new(&SERVER.temporary_directory().join("at-once"));
    builds.register(&SERVER, "at-once");
    let mount = SERVER.mount("at-once", "at-once");
    let outputs = thread::scope(|scope| {
        [&builds.one, &builds.two]
            .map(|build| {
                let push = ["push", build.to_str().unwrap(), "--mount", "at-once"];
                scope.spawn(move || operate(SERVER.client(), &push))
            })
            .map(|push| push.join().unwrap())
    });
    // The old build is refused if the new one was first.
    let [one, two] = outputs;
    assert!(
        one.status == 0 || one.stderr.contains("is below 0.2.0"),
        "{one:?}"
    );
    assert_eq!(two.status, 0, "{two:?}");
    assert_eq!(runs(&mount), "0.2.0");
}

#[test]
fn a_guest_of_sixteen_mebibytes_is_pushed() {
    let folder = SERVER.temporary_directory().join("large");
    let builds = Builds::new(&folder);
    builds.register(&SERVER, "large");
    let mount = SERVER.mount("large", "large");
    let mut component = fs::read(&builds.one).unwrap();
    let mut dice = Dice::new(1);
    let section: Vec<u8> = [7]
        .into_iter()
        .chain(*b"padding")
        .chain((0..16 << 20).map(|_| dice.below(256) as u8))
        .collect();
    component.push(0);
    let mut size = section.len();
    while size >= 128 {
        component.push((size % 128) as u8 | 128);
        size /= 128;
    }
    component.push(size as u8);
    component.extend(section);
    fs::write(&builds.one, component).unwrap();
    builds.signer.sign(&builds.one);
    push(SERVER.client(), &builds.one, "large");
    mount.write("a", json!({"value": "1"})).expect_success("write");
    assert_eq!(runs(&mount), "0.1.0");
}

#[test]
fn a_guest_that_words_an_answer_otherwise_does_not_pass_its_trial_unless_that_is_tolerated() {
    let builds = Builds::new(&SERVER.temporary_directory().join("tried"));
    builds.register(&SERVER, "tried");
    let mount = SERVER.mount("tried", "tried");
    push(SERVER.client(), &builds.one, "tried");
    let two = builds.two.to_str().unwrap();
    let load = Load::default();
    let push = |tolerate: &[&str]| {
        let push = ["push", two, "--mount", "tried", "--canary", "40"];
        operate(SERVER.client(), &[&push, tolerate].concat())
    };
    thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        for caller in 0..4 {
            let (load, mount) = (&load, &mount);
            scope.spawn(move || {
                let mut count = 0_u64;
                load.call(|| write_and_read(mount, &Turn::of_either(), caller, &mut count));
            });
        }
        let differs = push(&[]);
        assert_eq!(differs.status, 1, "{differs:?}");
        assert!(differs.stderr.contains("field message"), "{differs:?}");
        assert!(!differs.stderr.contains("key "), "{differs:?}");
        assert_eq!(runs(&mount), "0.1.0");
        let passes = push(&["--tolerate", "message"]).expect_success("push");
        assert!(passes.stdout.contains("the same"), "{passes:?}");
        assert_eq!(runs(&mount), "0.2.0");
        load.stop();
    });
    load.assert_none_failed();
    assert!(load.acknowledged() > 0);
}
