//! Tests the host where a machine gives it less than usual: few processes or files, a full or read-only disk, no `/proc`, a
//! system call that a policy denies. It works, or one clear line reaches the operator.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::{
    Answer, Line, Output, Plugin, Server, Storage, eventually, files, process, run, skipped_unless,
};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("edges", Storage::Memory));

/// Returns true, and reports it, if this user cannot change what a process sees of the file system.
fn cannot_mount() -> bool {
    let unshared = run(Command::new("unshare").args(["-m", "true"]));
    skipped_unless(
        unshared.status == 0,
        "it needs mounts of its own, and `unshare -m` is refused",
    )
}

/// Returns a launcher that does `setup` in mounts of its own.
fn with_mounts(setup: &str) -> String {
    format!(r#"unshare -m sh -ec '{setup}; exec "$@"' mounts "$@""#)
}

/// Returns a launcher that denies system calls.
fn denying(error: &str, calls: &str) -> String {
    let deny = files::root().join("tests/deny.py");
    format!(r#"python3 "{}" {error} {calls} "$@""#, deny.display())
}

/// Registers the KV guest behind a launcher, and mounts it under its name.
fn enable(name: &str, launcher: &str) -> Answer {
    Plugin::kv()
        .named(name)
        .launched_by(launcher, &SERVER)
        .register(&SERVER);
    SERVER.try_mount(name, name)
}

/// Enables the KV guest, and checks that it serves.
#[track_caller]
fn assert_works(name: &str, launcher: &str) {
    enable(name, launcher).expect_success("mount");
    let mount = SERVER.mounted(name);
    mount.write("a", json!({"value": "1"})).expect_success("write");
    assert_eq!(mount.read("a").data()["value"], "1");
}

/// Checks that enabling is refused with one line that has all of `words`.
#[track_caller]
fn assert_refused(name: &str, launcher: &str, words: &[&str]) {
    let answer = enable(name, launcher);
    let errors = answer.errors();
    assert!(answer.status >= 400, "{answer:?}");
    assert_eq!(errors.trim_end().lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "no {word:?}: {errors}");
    }
}

/// Waits until the host that was registered with this name logs an error with this word in its reason.
fn logged_error(name: &str, word: &str) -> Line {
    SERVER.log().wait_for(&format!("{word}, of {name}"), |line| {
        line.level() == "error" && line.module().contains(name) && line.field("reason").contains(word)
    })
}

#[test]
fn without_threads_one_line_says_which_limit_to_raise() {
    let launcher = denying("EAGAIN", "clone,clone3,fork,vfork");
    assert_refused(
        "no-threads",
        &launcher,
        &["a thread cannot be started", "TasksMax="],
    );
}

/// Runs a request as a user without processes of its own, of which it may have so many.
fn call_with_processes(count: u32, directory: &Path) -> Output {
    // Beyond those that containers take.
    let user = (1 << 30) + std::process::id();
    run(Command::new("prlimit")
        .arg(format!("--nproc={count}"))
        .args(["setpriv", "--clear-groups"])
        .args([format!("--reuid={user}"), format!("--regid={user}")])
        .arg(directory.join("airlock"))
        .arg("call")
        .arg(directory.join("kv.wasm"))
        .args(["write", "a", "value=1"])
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", "/proc"))
}

#[test]
fn few_processes_suffice_or_one_line_says_so() {
    if skipped_unless(
        rustix::process::geteuid().is_root(),
        "only root can become another user",
    ) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    files::copy_program(&files::airlock(), &directory.path().join("airlock"));
    fs::copy(files::guest("kv"), directory.path().join("kv.wasm")).unwrap();
    let mut working = Vec::new();
    for count in 1..=10 {
        let output = call_with_processes(count, directory.path());
        if output.status == 0 {
            working.push(count);
        } else {
            output.assert_refused(&["limit on processes and threads", "ulimit -u"]);
        }
    }
    assert!(
        !working.contains(&1) && working.contains(&10),
        "this shows nothing: {working:?}"
    );
}

#[test]
fn few_files_suffice_or_a_line_says_which_limit_to_raise() {
    // Which step first lacks a file depends on what the host inherits: each count meets another one.
    let mut working = Vec::new();
    for count in 8..=24 {
        let name = format!("files-{count}");
        let enabled = enable(&name, &format!(r#"prlimit --nofile={count} "$@""#));
        let value = json!({"value": "1"});
        if enabled.status < 400 && SERVER.mounted(&name).write("a", value).status < 400 {
            working.push(count);
        } else {
            logged_error(&name, "ulimit -n");
        }
    }
    assert!(!working.contains(&8), "this shows nothing: {working:?}");
    assert_works("files-64", r#"prlimit --nofile=64 "$@""#);
}

#[test]
fn a_limit_on_the_address_space_leaves_a_smaller_pool_and_is_told() {
    let name = "address-space";
    assert_works(name, r#"sh -c 'ulimit -v 12582912; exec "$@"' limited "$@""#);
    SERVER.log().wait_for("a smaller pool", |line| {
        line.module().contains(name)
            && line.message().contains("in place of")
            && line.text.contains("ulimit -v")
    });
}

#[test]
fn a_denied_memfd_is_told() {
    let launcher = denying("EACCES", "memfd_create");
    assert_refused("no-memfd", &launcher, &["denies memfd_create", "SELinux"]);
}

#[test]
fn userfaultfd_is_not_needed() {
    assert_works("no-userfaultfd", &denying("EPERM", "userfaultfd"));
}

#[test]
fn proc_is_not_needed() {
    if !cannot_mount() {
        assert_works("no-proc", &with_mounts("mount -t tmpfs none /proc"));
    }
}

/// The temporary directory is then the one place to write to.
#[test]
fn a_read_only_root_is_enough() {
    if !cannot_mount() {
        assert_works(
            "read-only-root",
            &with_mounts(
                "mount --bind \"$TMPDIR\" \"$TMPDIR\"; mount -o remount,bind,ro /; \
                 if touch /nothing 2>/dev/null; then exit 1; fi",
            ),
        );
    }
}

/// Vault needs its own temporary directory too, but it may be another one.
#[test]
fn a_temporary_directory_that_takes_no_socket_is_logged() {
    if cannot_mount() {
        return;
    }
    for (name, setup, cause) in [
        (
            "read-only-temporary",
            "mount --bind \"$TMPDIR\" \"$TMPDIR\"; mount -o remount,bind,ro \"$TMPDIR\"",
            "Read-only file system",
        ),
        (
            "full-temporary",
            "mount -t tmpfs -o nr_inodes=1 none \"$TMPDIR\"",
            "No space left on device",
        ),
    ] {
        let answer = enable(name, &with_mounts(setup));
        assert!(answer.status >= 400, "{answer:?}");
        let line = logged_error(name, cause);
        for word in ["TMPDIR", SERVER.temporary_directory().to_str().unwrap()] {
            assert!(line.field("reason").contains(word), "no {word:?}: {}", line.text);
        }
    }
}

#[test]
fn a_full_cache_directory_costs_a_warning_only() {
    if cannot_mount() {
        return;
    }
    let name = "full-cache";
    let cache = SERVER.temporary_directory().join(name);
    fs::create_dir(&cache).unwrap();
    fs::set_permissions(&cache, Permissions::from_mode(0o700)).unwrap();
    let setup = format!(r#"mount -t tmpfs -o size=4k,mode=700 none "{}""#, cache.display());
    Plugin::kv()
        .named(name)
        .launched_by(&with_mounts(&setup), &SERVER)
        .arg(format!("--cache-dir={}", cache.display()))
        .register(&SERVER);
    let mount = SERVER.mount(name, name);
    mount.write("a", json!({"value": "1"})).expect_success("write");
    SERVER.log().wait_for("the cache is full", |line| {
        line.level() == "warn" && line.text.contains("No space left on device") && line.text.contains(name)
    });
}

/// A registration that cannot be enabled, and how to put it right without another registration.
struct Broken {
    name: &'static str,
    plugin: Plugin,
    /// Options of the mount.
    options: Value,
    /// A word of the reason.
    word: &'static str,
}

/// Vault has no call that ends the process of a mount that it did not set up: it keeps the process for the next mount of
/// the registration. A process that ended by itself would make Vault refuse the registration until it is restarted.
#[test]
fn failed_enables_leave_one_idle_process_for_the_next() {
    let server = Server::start("failed-enables", Storage::Memory);
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| -> PathBuf { directory.path().join(name) };
    fs::write(file("guest.wasm"), "not a guest").unwrap();
    let guest = format!("--guest={}", files::guest("kv").display());
    let config = format!("--config={}", file("missing.toml").display());
    let broken = [
        Broken {
            name: "bad-guest",
            plugin: Plugin::with_args(
                "bad-guest",
                [
                    format!("--guest={}", file("guest.wasm").display()),
                    "--unpinned".to_owned(),
                ],
            ),
            options: json!({}),
            word: "guest.wasm",
        },
        Broken {
            name: "bad-argument",
            plugin: Plugin::with_args("bad-argument", [guest.as_str(), "--no-such-flag"]),
            options: json!({}),
            word: "--no-such-flag",
        },
        Broken {
            name: "bad-option",
            plugin: Plugin::kv().named("bad-option"),
            options: json!({"cpu-ms": "not-a-number"}),
            word: "cpu-ms",
        },
        Broken {
            name: "bad-config",
            plugin: Plugin::with_args("bad-config", [guest.as_str(), "--unpinned", config.as_str()]),
            options: json!({}),
            word: "missing.toml",
        },
    ];
    for Broken {
        name,
        plugin,
        options,
        word,
    } in &broken
    {
        plugin.register(&server);
        for attempt in 0..3 {
            let path = format!("{name}-{attempt}");
            let answer = server.try_mount_with(&path, name, options);
            assert!(answer.status >= 400, "{answer:?}");
            assert!(answer.errors().contains(word), "no {word:?}: {}", answer.errors());
        }
    }
    let hosts = process::hosts(server.pid());
    // One for each registration.
    assert_eq!(hosts.len(), broken.len(), "{hosts:?}");
    for host in &hosts {
        // A compiler that runs while an option is refused comes to its end.
        let what = format!("no compiler is left of {:?}", process::arguments(*host));
        eventually(&what, || {
            let children = fs::read_to_string(format!("/proc/{host}/task/{host}/children")).unwrap();
            children.is_empty().then_some(())
        });
    }

    // The process that is left serves as soon as the cause is gone.
    files::copy_program(&files::guest("kv"), &file("guest.wasm"));
    let mount = server.mount("corrected", "bad-guest");
    mount.write("a", json!({"value": "1"})).expect_success("write");
    assert_eq!(process::hosts(server.pid()).len(), broken.len());

    let temporary = server.temporary_directory();
    server.seal();
    process::terminate(server.pid());
    eventually("the hosts have ended", || {
        hosts.iter().all(|host| process::has_ended(*host)).then_some(())
    });
    // Vault leaves sockets of its own, which are files; the host's socket has a directory.
    let entries = fs::read_dir(temporary).into_iter().flatten();
    let left: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "sockets are left: {left:?}");
}

#[test]
fn the_command_line_runs_without_a_place_to_write() {
    if cannot_mount() {
        return;
    }
    let setup = "mount -o remount,bind,ro /; mount -t tmpfs -o ro none /tmp; \
                 for place in / /tmp/; do if touch ${place}nothing 2>/dev/null; then exit 1; fi; done";
    let (host, guest) = (files::airlock(), files::guest("kv"));
    let output = run(Command::new("unshare")
        .args(["-m", "sh", "-ec", &format!("{setup}; exec \"$@\""), "mounts"])
        .arg(host)
        .arg("call")
        .arg(guest)
        .args(["write", "a", "value=1"]));
    output.expect_success("call");
}
