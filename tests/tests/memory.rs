//! What the requests of a host hold together, under a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // figures, for whoever runs it

use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::{Plugin, Server, Storage, files, process};

/// Callers at once.
const CALLERS: usize = 24;
/// What the guest answers, in MiB. It has the text twice in its memory by then.
const ANSWER: usize = 20;
/// What a request may hold, and all of them together, in MiB.
const REQUEST: u64 = 256;
const PROCESS: u64 = 512;
/// By how many MiB more is kept after all of them than after one: half of what one may hold.
const KEPT: u64 = REQUEST / 2;
/// Code, threads and connections, in MiB, with room to spare.
const ITSELF: u64 = 96;

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

#[test]
fn large_answers_are_given_or_refused_and_memory_returns() {
    let server = Server::start("large-answers", Storage::Memory);
    Plugin::serving("adversary", &files::guest("adversary"))
        .arg(format!("--memory-mib={REQUEST}"))
        .arg(format!("--transfer-mib={REQUEST}"))
        .arg(format!("--process-memory-mib={PROCESS}"))
        .args(["--cpu-ms=60000", "--wall-ms=120000"])
        .register(&server);
    let mount = server.mount("large", "adversary");
    let whole = |answer: &airlock_tests::Answer| {
        answer.status == 200 && answer.data()["value"].as_str().unwrap().len() == ANSWER << 20
    };
    assert!(whole(&mount.read("huge-answer")));
    let host = server.host();
    let quiet = mib(process::resident_bytes(host));
    let mut given = 0;
    for _ in 0..2 {
        given += thread::scope(|scope| {
            let callers: Vec<_> = (0..CALLERS)
                .map(|_| scope.spawn(|| mount.read("huge-answer")))
                .collect();
            let answers = callers.into_iter().map(|caller| caller.join().unwrap());
            answers
                .map(|answer| {
                    // Where each has a part of what it needs, all of them may be refused.
                    let is_whole = whole(&answer);
                    if !is_whole {
                        assert_eq!(answer.status, 429, "{}", answer.errors());
                        assert!(answer.errors().contains("--process-memory-mib"), "{answer:?}");
                    }
                    usize::from(is_whole)
                })
                .sum::<usize>()
        });
    }
    println!("{given} of {} were given; {quiet} MiB when quiet", 2 * CALLERS);
    assert!(given > 0, "nobody was given an answer");
    let peak = mib(process::peak_bytes(host));
    // The two threads that run guests copy beside what is counted.
    assert!(peak < PROCESS + 2 * REQUEST + ITSELF, "{peak} MiB");

    // What was counted is given back, or later requests would find too little.
    for _ in 0..CALLERS {
        assert!(whole(&mount.read("huge-answer")));
    }
    assert_eq!(server.host(), host);
    // The allocator and the pool of instances keep some of it, beside what one request has left there already.
    println!("{} MiB afterwards", mib(process::resident_bytes(host)));
    let deadline = Instant::now() + Duration::from_secs(60);
    while mib(process::resident_bytes(host)) > quiet + KEPT {
        assert!(Instant::now() < deadline, "the memory does not return");
        thread::yield_now();
    }
}
