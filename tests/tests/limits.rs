//! A guest that misbehaves fails only its own request: tests the answer to its caller, and that everybody else goes on.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::{Plugin, Server, Servers, Storage, files};
use serde_json::json;

airlock_tests::on_each_storage!(
    endless_loop_ends_with_its_cpu_time,
    memory_bomb_ends_with_its_memory,
    traps_name_the_guest,
    endless_storage_calls_end_with_their_number,
    too_many_bytes_end_with_their_limit,
    endless_log_lines_end_with_their_number,
    storage_outside_what_the_guest_declared_is_denied,
    answer_that_is_no_json_object_is_the_guests_fault,
    failed_requests_leave_nothing_in_storage,
    what_was_committed_before_a_trap_stays_and_what_came_after_does_not,
    no_request_sees_anothers_memory,
    a_write_runs_in_the_instance_of_its_own_check,
    sixty_four_loops_on_one_mount_leave_another_mount_answering,
    more_requests_than_may_run_and_wait_are_refused_with_429,
    options_lower_the_limits_of_one_mount_alone,
    an_option_above_the_registration_is_refused_at_enable,
    a_mount_goes_on_after_its_registration_allows_less,
);

static SERVERS: Servers = Servers::new(|storage| {
    let server = Server::start("limits", storage);
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

/// Sends `command` to the adversary and checks the status, and that the error has all of `words`. Then checks that the
/// same mount goes on serving.
#[track_caller]
fn assert_refused(storage: Storage, mount: &str, command: &str, status: u16, words: &[&str]) {
    let mount = SERVERS.on(storage).mount(mount, "adversary");
    let host_count = airlock_tests::process::hosts(SERVERS.on(storage).pid()).len();
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
        airlock_tests::process::hosts(SERVERS.on(storage).pid()).len() >= host_count,
        "the host died"
    );
}

fn endless_loop_ends_with_its_cpu_time(storage: Storage) {
    assert_refused(storage, "loop", "loop", 500, &["adversary", "--cpu-ms"]);
}

fn memory_bomb_ends_with_its_memory(storage: Storage) {
    assert_refused(storage, "memory", "memory", 500, &["adversary", "--memory-mib"]);
    assert_refused(storage, "one-allocation", "one-allocation", 500, &["adversary"]);
}

fn traps_name_the_guest(storage: Storage) {
    assert_refused(storage, "trap", "trap", 500, &["adversary", "unreachable"]);
    assert_refused(storage, "panic", "panic", 500, &["adversary"]);
    assert_refused(storage, "overflow", "overflow", 500, &["adversary", "descend"]);
}

fn endless_storage_calls_end_with_their_number(storage: Storage) {
    assert_refused(
        storage,
        "storage-stubborn",
        "storage-ignoring-errors",
        500,
        &["adversary", "limit"], // the guest ignores that each call is refused, until its memory or its time is used up
    );
    assert_refused(storage, "lists", "lists", 400, &["--storage-ops"]);
    assert_refused(storage, "storage", "storage", 400, &["--storage-ops"]);
}

fn too_many_bytes_end_with_their_limit(storage: Storage) {
    assert_refused(storage, "huge-answer", "huge-answer", 500, &["adversary"]);
    assert_refused(
        storage,
        "aliased-list",
        "aliased-list",
        500,
        &["adversary", "--transfer-mib"],
    );
    assert_refused(storage, "puts", "puts", 400, &["--transfer-mib"]);
}

fn endless_log_lines_end_with_their_number(storage: Storage) {
    let mark = SERVERS.on(storage).log().mark();
    let mount = SERVERS.on(storage).mount("log", "adversary");
    mount.read("log");
    assert_eq!(mount.read("ok").status, 200);
    let lines = SERVERS.on(storage).log().lines();
    let written = lines[mark..]
        .iter()
        .filter(|line| line.message().starts_with("line "))
        .count();
    assert!((1..=50).contains(&written), "{written} lines");
}

fn storage_outside_what_the_guest_declared_is_denied(storage: Storage) {
    assert_refused(storage, "outside", "outside", 400, &["denied"]);
    assert_refused(storage, "list-root", "list-root", 400, &["denied"]);
}

fn answer_that_is_no_json_object_is_the_guests_fault(storage: Storage) {
    assert_refused(storage, "not-json", "not-json", 500, &["adversary"]);
    assert_refused(storage, "not-an-object", "not-an-object", 500, &["adversary"]);
    assert_refused(storage, "status-200", "status-200", 500, &["adversary"]);
}

fn failed_requests_leave_nothing_in_storage(storage: Storage) {
    let mount = SERVERS.on(storage).mount("nothing", "adversary");
    for command in ["write-then-trap", "write-then-loop", "write-then-fail"] {
        assert!(mount.read(command).status >= 400);
        assert_eq!(
            SERVERS.on(storage).stored("nothing", "adversary/written"),
            None,
            "{command}"
        );
    }
}

fn what_was_committed_before_a_trap_stays_and_what_came_after_does_not(storage: Storage) {
    for command in ["commit-then-trap", "commit-then-loop"] {
        let mount = SERVERS.on(storage).mount(command, "adversary");
        assert_eq!(mount.read(command).status, 500);
        assert_eq!(
            SERVERS
                .on(storage)
                .stored(command, "adversary/written")
                .as_deref(),
            Some("1"),
            "{command}"
        );
    }
}

fn no_request_sees_anothers_memory(storage: Storage) {
    let mount = SERVERS.on(storage).mount("memory-of-others", "adversary");
    for _ in 0..20 {
        mount.read("mark").expect_success("mark");
        assert_eq!(mount.read("scan").data(), &json!({"marked": 0}));
        assert_eq!(mount.read("served").data(), &json!({"served": 1}));
    }
}

/// The server fills in fields between the check and the request, and the host must recognise the request all the same.
fn a_write_runs_in_the_instance_of_its_own_check(storage: Storage) {
    let mount = SERVERS.on(storage).mount("checked", "adversary");
    let found: Vec<u64> = (0..20)
        .map(|_| {
            let answer = mount.write("checked", json!({"value": "x"}));
            answer.data()["checked"].as_u64().unwrap()
        })
        .collect();
    assert!(found.iter().all(|checks| *checks <= 1), "{found:?}");
    // Not each time: a busy machine makes a check look long, and then its instance is not kept.
    assert!(found.contains(&1), "{found:?}");
}

fn sixty_four_loops_on_one_mount_leave_another_mount_answering(storage: Storage) {
    const LOOPS: usize = 64;
    let server = Server::start("loops", storage);
    adversary().arg("--cpu-ms=250").register(&server);
    let (looping, calm) = (
        server.mount("looping", "adversary"),
        server.mount("calm", "adversary"),
    );
    server.host(); // panics unless one process serves both, because the test would otherwise show nothing

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
    // The loops take 16 seconds of CPU. A starved mount would answer only once during that time.
    assert!(answered > 20, "{answered} answers, the slowest after {slowest:?}");
    assert!(
        slowest < Duration::from_secs(3),
        "the slowest of {answered} answers took {slowest:?}"
    );
}

fn more_requests_than_may_run_and_wait_are_refused_with_429(storage: Storage) {
    let server = Server::start("queue", storage);
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

fn options_lower_the_limits_of_one_mount_alone(storage: Storage) {
    let server = SERVERS.on(storage);
    let options = json!({ "storage-ops": "7", "cpu-ms": "50", "unauthenticated": "none" });
    let enabled = server.try_mount_with("lowered", "adversary", &options);
    assert_eq!(enabled.status, 204, "{enabled:?}");
    let sibling = server.mount("not-lowered", "adversary");
    let lowered = server.mounted("lowered");
    for (mount, calls, time) in [(&lowered, "7", "50 ms"), (&sibling, "100", "200 ms")] {
        let answer = mount.read("storage");
        assert!(
            answer.errors().contains(&format!("{calls} calls of storage")),
            "{answer:?}"
        );
        let answer = mount.read("loop");
        assert!(
            answer.errors().contains(&format!("{time} of CPU time")),
            "{answer:?}"
        );
    }
}

fn an_option_above_the_registration_is_refused_at_enable(storage: Storage) {
    let server = SERVERS.on(storage);
    for (option, value, told) in [
        ("cpu-ms", "201", "its registration allows 200 (--cpu-ms)"),
        ("cpu-ms", "0", "give a whole number above 0"),
        ("memory-mib", "a lot", "give a whole number above 0"),
        ("unauthenticated", ",", "give prefixes"),
    ] {
        let refused = server.try_mount_with("above", "adversary", &json!({ option: value }));
        assert!(refused.status >= 400, "{refused:?}");
        assert!(
            refused.errors().contains(option) && refused.errors().contains(told),
            "{refused:?}"
        );
    }
}

fn a_mount_goes_on_after_its_registration_allows_less(storage: Storage) {
    let server = Server::start("limits-less", storage);
    let registered = |most| adversary().arg(format!("--storage-ops={most}")).register(&server);
    registered(100);
    let enabled = server.try_mount_with("less", "adversary", &json!({ "storage-ops": "50" }));
    assert_eq!(enabled.status, 204, "{enabled:?}");
    registered(20);
    server.reload("less");
    let answer = server.mounted("less").read("storage");
    assert!(answer.errors().contains("20 calls of storage"), "{answer:?}");
    assert_eq!(server.mounted("less").read("ok").status, 200);
    let lines = server.log().lines();
    let told = |line: &airlock_tests::Line| {
        line.message()
            .contains("storage-ops=50: its registration allows 20")
    };
    assert!(lines.iter().any(told), "the log does not say so");
}
