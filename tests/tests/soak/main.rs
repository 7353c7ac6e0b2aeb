//! Sends many requests of many kinds, a few of them hostile, while processes are killed and mounts reloaded.
//! Acknowledged data must stay, every answer must be right, and nothing may grow in the processes that live through the
//! whole run.
//!
//! `make soak` sends a million requests and prints the table; `AIRLOCK_SOAK_REQUESTS` sets the number. All requests
//! follow from the seed `AIRLOCK_SEED`. Which requests meet, and at which moment a process dies, is left to chance.
//!
//! Every answer is compared with a model of the possible data, see [`register`] and [`history`]. Two servers are called
//! at once: most requests go to one that keeps its data in memory, some to one with raft, which is also sealed and
//! killed.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // figures, for whoever runs it

mod added;
mod bank;
mod clock;
mod disturb;
mod folder;
mod history;
mod hostile;
mod kv;
mod models;
mod outcome;
mod pool;
mod register;
mod report;
mod samples;
mod site;
mod value;
mod versioned;
mod windows;
mod world;

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::thread;
use std::time::Instant;

use airlock_tests::{Storage, process, twins::drawn};

use clock::Clock;
use disturb::Disturber;
use pool::Pool;
use report::{Part, failures, report, says_too_little};
use samples::{SAMPLES, Watched};
use windows::Disturbance::{self, Kill, KillServer, Reload, Seal};
use world::World;

const CALLERS: usize = 8;
const RAFT_CALLERS: usize = 4;

/// The disturbances of the processes of each server, one after the other.
const PLAN: &[Disturbance] = &[Kill, Reload, Kill, Kill, Reload];
const RAFT_PLAN: &[Disturbance] = &[Kill, Seal, Reload, KillServer];

/// The least number of requests after which growth is a leak and not a cache that fills for the first time, and a rate
/// is meaningful.
const LONG: u64 = 50_000;

/// Returns the number of requests to send: a few thousand unless `AIRLOCK_SOAK_REQUESTS` gives another.
fn requests() -> u64 {
    std::env::var("AIRLOCK_SOAK_REQUESTS").map_or(4_000, |requests| {
        requests
            .parse()
            .expect("AIRLOCK_SOAK_REQUESTS is a number of requests")
    })
}

#[test]
fn a_soak_loses_nothing_and_nothing_grows() {
    let (total, seed) = (requests(), drawn::seed());
    // A small run has a greater share of hostile requests and of requests to raft, because there would otherwise be
    // almost none.
    let on_raft = (total / 10).max(total.min(800) / 2);
    let hostile_every = (total / 100).clamp(25, 1000);
    let pool =
        |first, total, callers| Pool::new(seed, first, total, hostile_every, Arc::new(Clock::new(callers)));
    let (mut memory, mut raft) = thread::scope(|scope| {
        let raft = scope.spawn(|| {
            let pool = pool(1, on_raft, RAFT_CALLERS);
            World::new("soak-raft", Storage::Disk, pool).of_the_disturbed()
        });
        let pool = pool(1 + on_raft, total - on_raft, CALLERS);
        // A small run uses only some guests of the corpus, because each guest needs a process.
        let memory = World::new("soak", Storage::Memory, pool)
            .of_both_sorts()
            .and_of_the_corpus(if total < LONG { 4 } else { 100 });
        (memory, raft.join().unwrap())
    });
    let pids = [&memory, &raft].map(|world| AtomicU32::new(world.server.pid()));
    let mut watched = [
        Watched::new("on the server without disk", &memory.hosts),
        Watched::new("on the server with raft", &raft.hosts),
    ];
    let begun = Instant::now();
    let (done, done_on_raft) = thread::scope(|scope| {
        for caller in 0..CALLERS {
            let pool = &memory.pool;
            scope.spawn(move || pool.call(caller));
        }
        for caller in 0..RAFT_CALLERS {
            let pool = &raft.pool;
            scope.spawn(move || pool.call(caller));
        }
        let disturber = Disturber {
            server: &mut memory.server,
            server_pid: &pids[0],
            pool: &memory.pool,
            hosts: memory.hosts.iter().filter(|host| !host.steady).cloned().collect(),
            plan: PLAN,
            times: (total / 4_000).clamp(10, 400),
        };
        let disturber = scope.spawn(|| disturber.run());
        let raft_disturber = Disturber {
            server: &mut raft.server,
            server_pid: &pids[1],
            pool: &raft.pool,
            hosts: raft.hosts.clone(),
            plan: RAFT_PLAN,
            times: (total / 20_000).clamp(4, 48),
        };
        let raft_disturber = scope.spawn(|| raft_disturber.run());
        for sample in 0..=SAMPLES {
            memory.pool.wait_for(sample * memory.pool.total / SAMPLES);
            watched[0].look(&pids[0], &memory.pool);
            watched[1].look(&pids[1], &raft.pool);
            progress([&memory.pool, &raft.pool], begun, sample);
        }
        (disturber.join().unwrap(), raft_disturber.join().unwrap())
    });
    let took = begun.elapsed();
    for world in [&memory, &raft] {
        for engine in world.pool.engines() {
            for outcome in engine.verify(&world.server) {
                world.pool.add(&outcome, engine);
            }
        }
    }
    let [in_memory, with_raft] = watched;
    let is_long = total >= LONG;
    let part = |name, pool: Pool, done, watched: Watched, callers, plan| Part {
        name,
        grown: watched.grown(&pool, is_long),
        tally: pool.tally.into_inner().unwrap(),
        done,
        callers,
        plan,
        watched,
    };
    let parts = [
        part("in memory", memory.pool, done, in_memory, CALLERS as u64, PLAN),
        part(
            "on raft",
            raft.pool,
            done_on_raft,
            with_raft,
            RAFT_CALLERS as u64,
            RAFT_PLAN,
        ),
    ];
    println!("{}", report(&parts));
    let own = process::usage(std::process::id()).map_or(0, |usage| usage.memory >> 20);
    println!(
        "{total} requests in {:.0} s: {:.0} a second; this program used {own} MiB",
        took.as_secs_f64(),
        total as f64 / took.as_secs_f64(),
    );
    let mut failures = failures(&parts);
    failures.extend(says_too_little(&parts).filter(|_| is_long));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn progress(pools: [&Pool; 2], begun: Instant, sample: u64) {
    if !sample.is_multiple_of((SAMPLES / 20).max(1)) {
        return;
    }
    let sums = pools.map(|pool| pool.tally.lock().unwrap().sum());
    let all: u64 = sums.iter().map(|sum| sum.all()).sum();
    let of = |count: fn(&pool::Counts) -> u64| sums.iter().map(count).sum::<u64>();
    let seconds = begun.elapsed().as_secs_f64();
    eprintln!(
        "soak: {:>3} %, {all} requests, {} on raft, {seconds:.0} s, {:.0} a second; failed {}, lost {}, wrong {}",
        sample * 100 / SAMPLES,
        sums[1].all(),
        all as f64 / seconds,
        of(|sum| sum.failed.values().sum()),
        of(|sum| sum.lost),
        of(|sum| sum.wrong),
    );
}
