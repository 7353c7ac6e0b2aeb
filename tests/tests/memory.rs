//! Tests the memory that the requests of a host use together, under a real server.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // figures, for whoever runs it

use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::{Plugin, Server, Storage, files, process};

/// The number of concurrent callers.
const CALLERS: usize = 24;
/// The size of the guest's answer, in MiB. The guest has the text twice in its memory when it answers.
const ANSWER: usize = 20;
/// The limits of the memory of one request and of all requests together, in MiB.
const REQUEST: u64 = 256;
const PROCESS: u64 = 512;
/// The most MiB that may be kept after all of them.
const KEPT: u64 = 32;
/// MiB for code, threads and connections, with a margin.
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
    mount.read("ok").expect_success("read");
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
                    // If each request has only a part of the memory that it needs, all of them may be refused.
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
    let full = mib(process::resident_bytes(host));
    println!(
        "{given} of {} were given; {quiet} MiB before, {full} MiB after",
        2 * CALLERS
    );
    assert!(given > 0, "nobody was given an answer");
    let peak = mib(process::peak_bytes(host));
    // The two threads that run guests make copies that are not counted.
    assert!(peak < PROCESS + 2 * REQUEST + ITSELF, "{peak} MiB");

    // Without another request, what the allocator keeps goes back to the system. It may do so at once.
    assert!(
        peak > quiet + 4 * KEPT,
        "too little was used, so this shows nothing"
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    while mib(process::resident_bytes(host)) > quiet + KEPT {
        assert!(Instant::now() < deadline, "the memory does not return");
        thread::yield_now();
    }
    println!("{} MiB when quiet again", mib(process::resident_bytes(host)));

    // The counted memory is returned; otherwise later requests would find too little.
    for _ in 0..CALLERS {
        assert!(whole(&mount.read("huge-answer")));
    }
    assert_eq!(server.host(), host);
}
