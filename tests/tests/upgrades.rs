//! Upgrades a guest, and takes the upgrade back, with only the commands that `airlock check` prints. So does the upgrade of a
//! host that two registrations share.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use airlock_tests::{Answer, End, Load, Mount, Server, Storage, files, process, run};
use serde_json::json;

/// Builds the KV guest as another version, with another message when it creates a key.
fn build(directory: &Path, version: &str, created: &str) -> PathBuf {
    let file = directory.join(format!("kv-{version}.wasm"));
    let texts = [(env!("CARGO_PKG_VERSION"), version), ("key created", created)];
    files::alter_guest("kv", &file, &texts);
    file
}

/// Returns the commands that `airlock check` prints for a guest: its indented lines, with their continuation lines.
fn printed(guest: &Path) -> Vec<String> {
    printed_by(&files::airlock(), guest, &[])
}

/// Does the same with another host's `check`, and with more arguments.
fn printed_by(host: &Path, guest: &Path, more: &[String]) -> Vec<String> {
    let output = run(Command::new(host)
        .arg("check")
        .arg(format!("--guest={}", guest.display()))
        .arg(format!("--guest-sha256={}", files::sha256(guest)))
        .args(more))
    .expect_success("check");
    let mut commands = Vec::<String>::new();
    let mut continues = false;
    for line in output.stdout.lines() {
        match commands.last_mut() {
            Some(last) if continues => {
                last.push('\n');
                last.push_str(line);
            }
            _ if line.starts_with("  ") => commands.push(line.to_owned()),
            _ => {}
        }
        continues = line.ends_with('\\');
    }
    commands
}

/// Runs the one printed command that has these words.
#[track_caller]
fn follow(server: &Server, commands: &[String], words: &str) {
    let matching: Vec<_> = commands
        .iter()
        .filter(|command| command.contains(words))
        .collect();
    assert_eq!(matching.len(), 1, "{words}: {commands:?}");
    let script = format!("set -e\nvault() {{ \"$VAULT\" \"$@\"; }}\n{}", matching[0]);
    run(Command::new("sh")
        .args(["-c", &script])
        .env("VAULT", files::vault())
        .env("VAULT_ADDR", server.client().address())
        .env("VAULT_TOKEN", server.client().token()))
    .expect_success(matching[0]);
}

/// Creates a key, whose answer shows which guest serves the mount, and checks that the earlier data is still there.
#[track_caller]
fn assert_served_by(kv: &Mount, key: &str, created: &str) {
    let answer = kv.write(key, json!({"value": key})).expect_success("write");
    assert_eq!(answer.data()["message"], created, "{answer:?}");
    assert_eq!(kv.read("first").expect_success("read").data()["value"], "first");
}

#[test]
fn printed_commands_upgrade_a_mount_and_take_it_back() {
    let server = Server::start("upgrades", Storage::Memory);
    let directory = server.temporary_directory();
    let old = printed(&build(&directory, "0.1.7", "key created"));
    let new = printed(&build(&directory, "0.2.0", "key arrived"));

    follow(&server, &old, "plugin register");
    follow(&server, &old, "secrets enable");
    let kv = server.mounted("kv");
    assert_served_by(&kv, "first", "key created");

    follow(&server, &new, "plugin register");
    assert_served_by(&kv, "registered", "key created");
    follow(&server, &new, "secrets tune");
    assert_served_by(&kv, "tuned", "key created");
    follow(&server, &new, "plugins/reload");
    assert_served_by(&kv, "reloaded", "key arrived");
    assert_runs(&server, "v0.2.0");

    follow(&server, &old, "secrets tune");
    assert_served_by(&kv, "tuned-back", "key arrived");
    follow(&server, &old, "plugins/reload");
    assert_served_by(&kv, "back", "key created");
    assert_runs(&server, "v0.1.7");
}

/// Checks which version Vault says that the mount runs.
#[track_caller]
fn assert_runs(server: &Server, version: &str) {
    let mounts = server.client().read("sys/mounts").expect_success("mounts");
    let mount = &mounts.data()["kv/"];
    assert_eq!(mount["running_plugin_version"], version, "{mount}");
    assert_eq!(mount["plugin_version"], version, "{mount}");
}

#[test]
fn a_version_that_is_not_the_guests_is_refused() {
    let server = Server::start("other-version", Storage::Memory);
    let guest = build(&server.temporary_directory(), "0.1.7", "key created");
    let refused = airlock_tests::Plugin::serving("airlock-kv", &guest)
        .version("v0.2.0")
        .try_register(&server);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("v0.1.7"), "{refused:?}");
}

/// Makes another build of the host under this name.
fn other_host(directory: &Path, name: &str) -> PathBuf {
    let file = directory.join(name);
    files::another_host(&file);
    file
}

/// Two registrations, `airlock-kv` and `airlock-users`, whose mounts have a value each.
struct Pair {
    server: Server,
    kv: Mount,
    users: Mount,
}

impl Pair {
    /// Registers both with this host and enables their mounts.
    fn start(name: &str, host: &Path) -> Self {
        let server = Server::start(name, Storage::Disk);
        server.install(host);
        for guest in ["kv", "users"] {
            let commands = printed_by(host, &files::guest(guest), &[]);
            follow(&server, &commands, "plugin register");
            follow(&server, &commands, "secrets enable");
        }
        let (kv, users) = (server.mounted("kv"), server.mounted("users"));
        kv.write("a", json!({"value": "a"})).expect_success("write");
        users
            .write("users/ann", json!({"email": "ann@example.com"}))
            .expect_success("write");
        Self { server, kv, users }
    }

    fn read(&self) -> [Answer; 2] {
        [self.kv.read("a"), self.users.read("users/ann")]
    }

    /// Checks that both mounts answer with their data, and which file each of them runs.
    #[track_caller]
    fn assert_served_by(&self, kv: &str, users: &str) {
        let [a, ann] = self.read();
        assert_eq!(a.expect_success("read").data()["value"], "a");
        assert_eq!(ann.expect_success("read").data()["email"], "ann@example.com");
        for (file, guest) in [(kv, "kv.wasm"), (users, "users.wasm")] {
            let serves = |pid: &u32| process::arguments(*pid).iter().any(|arg| arg.ends_with(guest));
            let running = process::plugins(self.server.pid(), file);
            assert!(running.iter().any(serves), "{guest} does not run in {file}");
        }
    }

    /// Sends reads and writes to both mounts while something happens. All of them have to succeed.
    fn serving(&self, something: impl FnOnce()) {
        let load = Load::default();
        // Nothing but success will do, not even a 503.
        let end = |answer: Answer| match answer.status {
            200 | 204 => End::Acknowledged,
            _ => End::Wrong(format!("{answer:?}")),
        };
        thread::scope(|scope| {
            let _stop = load.stop_when_dropped();
            scope.spawn(|| load.call(|| end(self.kv.read("a"))));
            scope.spawn(|| load.call(|| end(self.kv.write("b", json!({"value": "b"})))));
            scope.spawn(|| load.call(|| end(self.users.read("users/ann"))));
            scope.spawn(|| {
                load.call(|| end(self.users.write("users/bob", json!({"email": "bob@example.com"}))))
            });
            load.wait_for(20);
            something();
            load.wait_for(20);
        });
        load.acknowledged();
    }

    fn restart(&mut self) {
        self.server.kill();
        self.server.start_again();
    }
}

#[test]
fn two_registrations_of_one_program_move_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new] = ["airlock-1.2.0", "airlock-1.3.0"].map(|name| other_host(directory.path(), name));
    let mut pair = Pair::start("side-by-side", &old);
    pair.server.install(&new);
    let upgrade = [format!("--upgrade-from={}", old.display())];
    let [kv, users] = ["kv", "users"].map(|guest| printed_by(&new, &files::guest(guest), &upgrade));

    pair.serving(|| follow(&pair.server, &kv, "plugin register"));
    pair.assert_served_by("airlock-1.2.0", "airlock-1.2.0");
    pair.serving(|| follow(&pair.server, &kv, "plugins/reload"));
    pair.assert_served_by("airlock-1.3.0", "airlock-1.2.0");
    // The one that is not moved yet starts its old program again: at a reload, and when Vault restarts.
    pair.serving(|| follow(&pair.server, &users, "plugins/reload"));
    pair.assert_served_by("airlock-1.3.0", "airlock-1.2.0");
    pair.restart();
    pair.assert_served_by("airlock-1.3.0", "airlock-1.2.0");

    pair.serving(|| follow(&pair.server, &users, "plugin register"));
    pair.serving(|| follow(&pair.server, &users, "plugins/reload"));
    pair.assert_served_by("airlock-1.3.0", "airlock-1.3.0");
    pair.restart();
    pair.assert_served_by("airlock-1.3.0", "airlock-1.3.0");
}

/// This is why `airlock check --upgrade-from` refuses it.
#[test]
fn a_program_replaced_in_place_loses_the_mounts_that_did_not_move() {
    let directory = tempfile::tempdir().unwrap();
    let [old, new] = ["old", "new"].map(|name| {
        let directory = directory.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        directory
    });
    let host = other_host(&old, "airlock-host");
    let mut pair = Pair::start("in-place", &host);
    let rebuilt = new.join("airlock-host");
    std::fs::rename(other_host(&new, "rebuilt"), &rebuilt).unwrap();

    let refused = run(Command::new(&rebuilt)
        .args(["check", "--unpinned"])
        .arg(format!("--guest={}", files::guest("kv").display()))
        .arg(format!("--upgrade-from={}", host.display())));
    refused.assert_refused(&["same file name", "side by side", "404"]);

    pair.server.install_over(&rebuilt);
    follow(
        &pair.server,
        &printed_by(&rebuilt, &files::guest("kv"), &[]),
        "plugin register",
    );
    pair.restart();
    let [a, ann] = pair.read();
    assert_eq!(a.expect_success("read").data()["value"], "a");
    assert_eq!(ann.status, 404, "{ann:?}");
}

/// Runs `check` for a guest that replaces an old one.
fn check(new: &Path, old: &Path) -> airlock_tests::Output {
    airlock_tests::airlock([
        "check".to_owned(),
        "--unpinned".to_owned(),
        format!("--guest={}", new.display()),
        format!("--upgrade-from={}", old.display()),
    ])
}

#[test]
fn check_compares_a_guest_with_the_one_that_it_replaces() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [old, new] = ["0.1.7", "0.2.0"].map(|version| build(directory, version, "key arrived"));
    let told = check(&new, &old).expect_success("check").stdout;
    let line = told
        .lines()
        .find(|line| line.starts_with("upgrade from "))
        .unwrap();
    for words in ["kv 0.1.7 stores the same version", "no --reload"] {
        assert!(line.contains(words), "{line}");
    }
    assert!(!told.contains("-args=--upgrade-from"), "{told}");

    check(&new, &new).assert_refused(&["the file of --guest", "side by side"]);
    let users = files::guest("users");
    check(&new, &users).assert_refused(&["run users", "new guest is kv"]);
    let missing = directory.join("missing");
    check(&new, &missing).assert_refused(&["--upgrade-from", "missing", "cannot be read"]);
    let text = files::root().join("Cargo.toml");
    check(&new, &text).assert_refused(&["--upgrade-from", "neither a program nor a guest"]);
}
