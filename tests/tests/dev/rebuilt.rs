//! Tests guests that are rebuilt while they are served.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use airlock_tests::{DevServer, files};
use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::storage;

/// A guest's file that the test may replace, and a server that serves it as `engine` at `demo`.
struct Served {
    directory: TempDir,
    server: DevServer,
}

impl Served {
    fn start(guest: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::copy(files::guest(guest), directory.path().join("engine.wasm")).unwrap();
        Served::again(directory)
    }

    fn again(directory: TempDir) -> Self {
        let mount = format!("--mount=demo={}", directory.path().join("engine.wasm").display());
        let storage = format!("--storage={}", directory.path().join("store").display());
        let server = DevServer::start([mount, storage]);
        Served { directory, server }
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("engine.wasm")
    }

    /// Replaces the file by another build as compilers do: writes it beside the file, then renames it.
    fn replace(&self, build: &[u8]) {
        let beside = self.directory.path().join("engine.wasm.new");
        fs::write(&beside, build).unwrap();
        fs::rename(beside, self.file()).unwrap();
    }

    fn replace_and_wait(&self, build: &[u8], said: &str) {
        let mark = self.server.terminal().mark();
        self.replace(build);
        self.server
            .terminal()
            .wait_after(mark, said, |line| line.text.contains(said));
    }

    fn digest(&self) -> String {
        let mounts = self
            .server
            .client()
            .read("sys/mounts/demo")
            .expect_success("mount");
        mounts.data()["running_sha256"].as_str().unwrap().to_owned()
    }
}

/// Makes another build of a guest: the same code with a custom section at the end, so that its digest is different.
fn build(guest: &Path, number: u8) -> Vec<u8> {
    let mut build = fs::read(guest).unwrap();
    build.extend([0, 3, 1, b'n', number]);
    build
}

const TAKEN: &str = "demo/ now runs engine";

#[test]
fn a_rebuilt_guest_is_taken_in_place_and_finds_what_was_stored() {
    let served = Served::start("kv");
    let demo = served.server.mount("demo");
    demo.write("a", json!({"value": "kept"})).expect_success("write");
    let first = served.digest();
    served.replace_and_wait(&build(&files::guest("kv"), 1), TAKEN);
    assert_ne!(served.digest(), first);
    assert_eq!(served.digest(), files::sha256(&served.file()));
    assert_eq!(demo.read("a").data()["value"], "kept");

    // This build differs in its code, not only in its digest.
    served.replace_and_wait(&fs::read(files::guest("users")).unwrap(), TAKEN);
    let refused = demo.write("users/ann", json!({}));
    assert!(refused.errors().contains("email"), "{refused:?}");
}

#[test]
fn a_build_that_is_broken_or_missing_leaves_the_old_one_serving_until_a_good_one_comes() {
    let served = Served::start("kv");
    let demo = served.server.mount("demo");
    demo.write("a", json!({"value": "kept"})).expect_success("write");
    let (good, digest) = (fs::read(served.file()).unwrap(), served.digest());
    for broken in [&good[..good.len() / 2], b"", b"fn main() {}"] {
        served.replace_and_wait(broken, "engine keeps its old build");
        assert_eq!(demo.read("a").data()["value"], "kept");
        assert_eq!(served.digest(), digest);
        let troubles = served.server.terminal().lines();
        let last = troubles
            .iter()
            .rfind(|line| line.text.starts_with("trouble: "))
            .unwrap();
        assert!(last.text.contains("engine.wasm"), "{}", last.text);
    }
    fs::remove_file(served.file()).unwrap();
    assert_eq!(demo.read("a").data()["value"], "kept");
    served.replace_and_wait(&build(&files::guest("kv"), 2), TAKEN);
    assert_eq!(demo.read("a").data()["value"], "kept");
}

#[test]
fn a_build_that_cannot_be_initialized_leaves_the_old_one_serving() {
    let served = Served::start("kv");
    let mounts = served
        .server
        .client()
        .read("sys/mounts/demo")
        .expect_success("mount");
    let uuid = mounts.data()["uuid"].as_str().unwrap().to_owned();
    let Served { directory, server } = served;
    server.end(Signal::INT);
    // The next build is another guest, which fails to start on this stored value.
    let key = format!("logical/{uuid}/adversary/initialize");
    storage::put_raw(&directory.path().join("store"), &key, b"\0panic");
    let served = Served::again(directory);
    let demo = served.server.mount("demo");
    demo.write("a", json!({"value": "kept"})).expect_success("write");
    served.replace_and_wait(
        &fs::read(files::guest("adversary")).unwrap(),
        "demo/ keeps its old guest",
    );
    assert_eq!(demo.read("a").data()["value"], "kept");
}

#[test]
fn no_request_fails_or_is_lost_while_guests_are_replaced() {
    let served = Served::start("adversary");
    let (done, counted) = (AtomicBool::new(false), std::sync::atomic::AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let demo = served.server.mount("demo");
                while !done.load(Ordering::Relaxed) {
                    let answer = demo.write("increment", json!({}));
                    assert_eq!(answer.status, 200, "{answer:?}");
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for number in 1..=5 {
            served.replace_and_wait(&build(&files::guest("adversary"), number), TAKEN);
        }
        done.store(true, Ordering::Relaxed);
    });
    let last = served.server.mount("demo").write("increment", json!({}));
    assert_eq!(last.data()["count"], counted.load(Ordering::Relaxed) + 1);
}
