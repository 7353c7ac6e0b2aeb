//! A guest that misbehaves costs its own request: what the caller is told, and that everybody else goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::{Plugin, Server, Storage, files};
use serde_json::json;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("limits", Storage::Memory);
    Plugin::kv().register(&server);
    adversary()
        .args([
            "--cpu-ms=200",
            "--memory-mib=16",
            "--storage-ops=100",
            "--transfer-mib=8",
            "--log-lines=50",
        ])
        .register(&server);
    server
});

fn adversary() -> Plugin {
    Plugin::serving("adversary", &files::guest("adversary"))
}

/// Sends `command` to the adversary and checks the status and that the error holds every one of `words`; then that the
/// same mount goes on serving.
#[track_caller]
fn assert_refused(mount: &str, command: &str, status: u16, words: &[&str]) {
    let mount = SERVER.mount(mount, "adversary");
    let host_count = airlock_tests::process::hosts(SERVER.pid()).len();
    let answer = mount.read(command);
    assert_eq!(answer.status, status, "{answer:?}");
    for word in words {
        assert!(
            answer.errors().contains(word),
            "{command}: no {word:?}: {answer:?}"
        );
    }
    assert_eq!(mount.read("ok").status, 200);
    assert!(
        airlock_tests::process::hosts(SERVER.pid()).len() >= host_count,
        "the host died"
    );
}

#[test]
fn endless_loop_ends_with_its_cpu_time() {
    assert_refused("loop", "loop", 500, &["adversary", "--cpu-ms"]);
}

#[test]
fn memory_bomb_ends_with_its_memory() {
    assert_refused("memory", "memory", 500, &["adversary", "--memory-mib"]);
    assert_refused("one-allocation", "one-allocation", 500, &["adversary"]);
}

#[test]
fn traps_name_the_guest() {
    assert_refused("trap", "trap", 500, &["adversary", "unreachable"]);
    assert_refused("panic", "panic", 500, &["adversary"]);
    assert_refused("overflow", "overflow", 500, &["adversary", "descend"]);
}

#[test]
fn endless_storage_calls_end_with_their_number() {
    assert_refused(
        "storage-stubborn",
        "storage-ignoring-errors",
        500,
        &["adversary", "limit"], // each call is refused, which it ignores until its memory or its time is up
    );
    assert_refused("lists", "lists", 400, &["--storage-ops"]);
    assert_refused("storage", "storage", 400, &["--storage-ops"]);
}

#[test]
fn too_many_bytes_end_with_their_limit() {
    assert_refused("huge-answer", "huge-answer", 500, &["adversary"]);
    assert_refused(
        "aliased-list",
        "aliased-list",
        500,
        &["adversary", "--transfer-mib"],
    );
    assert_refused("puts", "puts", 400, &["--transfer-mib"]);
}

#[test]
fn endless_log_lines_end_with_their_number() {
    let mark = SERVER.log().mark();
    let mount = SERVER.mount("log", "adversary");
    mount.read("log");
    assert_eq!(mount.read("ok").status, 200);
    let lines = SERVER.log().lines();
    let written = lines[mark..]
        .iter()
        .filter(|line| line.message().starts_with("line "))
        .count();
    assert!((1..=50).contains(&written), "{written} lines");
}

#[test]
fn storage_outside_what_the_guest_declared_is_denied() {
    assert_refused("outside", "outside", 400, &["denied"]);
    assert_refused("list-root", "list-root", 400, &["denied"]);
}

#[test]
fn answer_that_is_no_json_object_is_the_guests_fault() {
    assert_refused("not-json", "not-json", 500, &["adversary"]);
    assert_refused("not-an-object", "not-an-object", 500, &["adversary"]);
    assert_refused("status-200", "status-200", 500, &["adversary"]);
}

#[test]
fn failed_requests_leave_nothing_in_storage() {
    let mount = SERVER.mount("nothing", "adversary");
    for command in ["write-then-trap", "write-then-loop", "write-then-fail"] {
        assert!(mount.read(command).status >= 400);
        assert_eq!(SERVER.stored("nothing", "adversary/written"), None, "{command}");
    }
}

#[test]
fn what_was_committed_before_a_trap_stays_and_what_came_after_does_not() {
    for command in ["commit-then-trap", "commit-then-loop"] {
        let mount = SERVER.mount(command, "adversary");
        assert_eq!(mount.read(command).status, 500);
        assert_eq!(
            SERVER.stored(command, "adversary/written").as_deref(),
            Some("1"),
            "{command}"
        );
    }
}

#[test]
fn no_request_sees_anothers_memory() {
    let mount = SERVER.mount("memory-of-others", "adversary");
    for _ in 0..20 {
        mount.read("mark").expect_success("mark");
        assert_eq!(mount.read("scan").data(), &json!({"marked": 0}));
        assert_eq!(mount.read("served").data(), &json!({"served": 1}));
    }
}

#[test]
fn sixty_four_loops_on_one_mount_leave_another_mount_answering() {
    const LOOPS: usize = 64;
    let server = Server::start("loops", Storage::Memory);
    adversary().arg("--cpu-ms=250").register(&server);
    let (looping, calm) = (
        server.mount("looping", "adversary"),
        server.mount("calm", "adversary"),
    );
    server.host(); // both are served by one process, or the test would show nothing

    let ended = AtomicUsize::new(0);
    let mut slowest = Duration::ZERO;
    let mut answered = 0;
    thread::scope(|scope| {
        for _ in 0..LOOPS {
            let (looping, ended) = (&looping, &ended);
            scope.spawn(move || {
                let answer = looping.read("loop");
                ended.fetch_add(1, Ordering::Relaxed);
                assert!(matches!(answer.status, 429 | 500), "{answer:?}");
            });
        }
        while ended.load(Ordering::Relaxed) < LOOPS {
            let asked = Instant::now();
            calm.read("ok").expect_success("read beside the loops");
            slowest = slowest.max(asked.elapsed());
            answered += 1;
        }
    });
    // The loops take 16 seconds of CPU, during which a starved mount would answer once.
    assert!(answered > 20, "{answered} answers, the slowest after {slowest:?}");
    assert!(
        slowest < Duration::from_secs(3),
        "the slowest of {answered} answers took {slowest:?}"
    );
}

#[test]
fn more_requests_than_may_run_and_wait_are_refused_with_429() {
    let server = Server::start("queue", Storage::Memory);
    adversary()
        .args(["--instances=2", "--queue=3", "--cpu-ms=2000"])
        .register(&server);
    let mount = server.mount("busy", "adversary");

    let answers: Vec<_> = thread::scope(|scope| {
        let callers: Vec<_> = (0..12).map(|_| scope.spawn(|| mount.read("loop"))).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 12 - 2 - 3, "{answers:?}");
    for answer in refused {
        assert!(answer.errors().contains("--queue"), "{answer:?}");
    }
    assert_eq!(mount.read("ok").status, 200);
}
