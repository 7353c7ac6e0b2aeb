//! Tests the files of `airlock dev`, and its behaviour on a damaged store or a full disk.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use airlock_tests::{Answer, DevServer, Mount, TOKEN, airlock, files, process, run};
use redb::{Database, TableDefinition};
use rustix::process::Signal;
use serde_json::{Value, json};

fn arguments(storage: &Path) -> [String; 2] {
    [
        format!("--mount=demo={}", files::guest("kv").display()),
        format!("--storage={}", storage.display()),
    ]
}

fn start(storage: &Path) -> DevServer {
    DevServer::start(arguments(storage))
}

/// Writes into a store that no server has open, as a server of another version could.
pub(crate) fn put_raw(storage: &Path, key: &str, value: &[u8]) {
    let database = Database::create(storage.join("vault.redb")).unwrap();
    let transaction = database.begin_write().unwrap();
    let table = TableDefinition::<&str, &[u8]>::new("vault");
    transaction.open_table(table).unwrap().insert(key, value).unwrap();
    transaction.commit().unwrap();
}

/// Returns the error of `airlock dev` for a directory that it refuses. Checks that the directory is unchanged.
#[track_caller]
fn refused(storage: &Path) -> String {
    let content = || -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(storage).into_iter().flatten();
        let paths = files.map(|entry| entry.unwrap().path());
        paths
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    };
    let before = content();
    let output = airlock(
        ["dev".into(), "--listen=127.0.0.1:0".into()]
            .into_iter()
            .chain(arguments(storage)),
    );
    assert_eq!(
        (
            output.status,
            output.stdout.as_str(),
            output.stderr.trim_end().lines().count()
        ),
        (1, "", 1),
        "{output:?}"
    );
    assert!(content() == before, "{} was changed", storage.display());
    output.stderr
}

#[test]
fn what_was_acknowledged_is_there_after_kill_9_in_the_middle_of_writes() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(&directory.path().join("store"));
    let acknowledged = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for writer in 0..4 {
            let (demo, acknowledged) = (server.mount("demo"), &acknowledged);
            scope.spawn(move || {
                for number in 0.. {
                    let path = format!("{writer}/{number}");
                    let value = json!({"value": path});
                    match demo.client().try_request("PUT", &demo.path(&path), Some(&value)) {
                        Ok(answer) => {
                            assert_eq!(answer.status, 200, "{answer:?}");
                            acknowledged.lock().unwrap().push(path);
                        }
                        Err(_) => break,
                    }
                }
            });
        }
        while acknowledged.lock().unwrap().len() < 100 {
            thread::yield_now();
        }
        server.kill();
    });

    let server = start(&directory.path().join("store"));
    let demo = server.mount("demo");
    for path in acknowledged.lock().unwrap().iter() {
        assert_eq!(demo.read(path).data()["value"], path.as_str());
    }
}

#[test]
fn mounts_are_there_after_a_restart_with_the_same_arguments_or_with_more() {
    let directory = tempfile::tempdir().unwrap();
    let storage = directory.path().join("store");
    let server = start(&storage);
    let demo = server.mount("demo");
    demo.write("a", json!({"value": 1})).expect_success("write");
    assert_eq!(server.end(Signal::INT), Some(0));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&storage), mode(&storage.join("vault.redb"))),
        (0o700, 0o600)
    );

    let users = format!("--mount=users={}", files::guest("users").display());
    let server = DevServer::start(arguments(&storage).into_iter().chain([users]));
    assert_eq!(server.mount("demo").read("a").data()["value"], "1");
    server.end(Signal::INT);

    // The server reports a mount whose guest is no longer given, and keeps the mount.
    let server = start(&storage);
    server.terminal().wait_for("the mount", |line| {
        line.text.contains("users/ is not served") && line.text.contains("--mount")
    });
    let answer = server.mount("users").read("users/ann");
    assert!(
        answer.status == 500 && answer.errors().contains("--mount"),
        "{answer:?}"
    );
}

#[test]
fn a_store_of_a_newer_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    start(directory.path()).end(Signal::INT);
    put_raw(directory.path(), "core/format", b"\x002");
    let said = refused(directory.path());
    for word in ["vault.redb", "format 2", "newer than 1", "nothing was changed"] {
        assert!(said.contains(word), "no {word:?}: {said}");
    }
}

#[test]
fn directories_that_are_none_of_ours_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("notes.txt"), "mine").unwrap();
    assert!(refused(directory.path()).contains("holds something else"));

    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("vault.redb"), "no store, but somebody's").unwrap();
    let said = refused(directory.path());
    assert!(
        said.contains("vault.redb") && said.contains("cannot be opened"),
        "{said}"
    );

    let file = directory.path().join("vault.redb");
    assert!(refused(&file).contains("cannot use the storage directory"));
}

#[test]
fn a_store_is_one_servers_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(directory.path());
    let output = airlock(
        ["dev".into(), "--listen=127.0.0.1:0".into()]
            .into_iter()
            .chain(arguments(directory.path())),
    );
    assert_eq!(
        (output.status, output.stderr.lines().count()),
        (1, 1),
        "{output:?}"
    );
    assert!(output.stderr.contains("in use by another server"), "{output:?}");
    server
        .client()
        .read("sys/mounts/demo")
        .expect_success("the first server");
}

/// A server with its own disk of four MiB, which the test can fill.
struct SmallDisk {
    server: DevServer,
    /// The path of the disk from outside of the server's own view of the file system.
    disk: PathBuf,
}

impl SmallDisk {
    /// Starts the server. Returns `None` if this machine does not let the user mount a disk.
    fn start(directory: &Path) -> Option<Self> {
        let script = r#"mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@""#;
        let mut command = Command::new("unshare");
        command
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .arg(directory);
        let mut probe = Command::new("unshare");
        probe
            .args(["--map-root-user", "--mount", "sh", "-c", script])
            .arg(directory)
            .arg("true");
        if run(&mut probe).status != 0 {
            return None;
        }
        command
            .arg(files::airlock())
            .args(["dev", "--listen=127.0.0.1:0"]);
        command
            .arg(format!("--token={TOKEN}"))
            .args(arguments(&directory.join("store")));
        let server = DevServer::spawn(command);
        let disk = PathBuf::from(format!("/proc/{}/root{}", server.pid(), directory.display()));
        Some(SmallDisk { server, disk })
    }

    fn fill(&self) {
        let mut ballast = File::create(self.disk.join("ballast")).unwrap();
        while ballast.write_all(&[1; 4096]).is_ok() {}
    }
}

fn large(number: u64) -> Value {
    json!({"value": format!("{number}-{}", "x".repeat(50_000))})
}

/// Writes values until one is refused. Returns the number of stored values and the refusal.
fn write_until_refused(demo: &Mount) -> (u64, Answer) {
    for number in 0..1000 {
        let answer = demo.write(&format!("large/{number}"), large(number));
        if answer.status != 200 {
            return (number, answer);
        }
    }
    panic!("the disk is never full");
}

#[test]
fn a_full_disk_fails_the_request_that_needs_it_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let Some(small) = SmallDisk::start(directory.path()) else {
        let said =
            "a_full_disk…: not run, as no disk can be mounted here (unshare --map-root-user --mount)\n";
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    };
    let demo = small.server.mount("demo");
    demo.write("before", json!({"value": "kept"}))
        .expect_success("write");
    small.fill();
    let (stored, answer) = write_until_refused(&demo);
    assert!(
        answer.status == 500 && answer.errors().contains("the disk is full: nothing was stored"),
        "{answer:?}"
    );
    // More writes are refused, and the server goes on.
    for number in stored..stored + 3 {
        assert_eq!(demo.write(&format!("large/{number}"), large(number)).status, 500);
    }
    assert_eq!(demo.read("before").data()["value"], "kept");
    for number in 0..stored {
        assert_eq!(
            demo.read(&format!("large/{number}")).data()["value"],
            large(number)["value"]
        );
    }
    assert_eq!(demo.read(&format!("large/{stored}")).status, 400);

    fs::remove_file(small.disk.join("ballast")).unwrap();
    demo.write("after", json!({"value": "stored"}))
        .expect_success("a write once there is room");

    // The store itself is intact: another server reads a copy of it.
    let copy = tempfile::tempdir().unwrap();
    process::stop(small.server.pid());
    fs::copy(
        small.disk.join("store/vault.redb"),
        copy.path().join("vault.redb"),
    )
    .unwrap();
    small.server.kill();
    let server = start(copy.path());
    let demo = server.mount("demo");
    assert_eq!(demo.read("before").data()["value"], "kept");
    assert_eq!(demo.read("after").data()["value"], "stored");
    for number in 0..stored {
        assert_eq!(
            demo.read(&format!("large/{number}")).data()["value"],
            large(number)["value"]
        );
    }
}
