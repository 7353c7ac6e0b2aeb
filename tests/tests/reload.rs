//! Measures how a reload of one mount affects the mounts that share its process, compared with HashiCorp's own KV
//! plugin in the same run.
//!
//! `make reload` prints the table for 1, 4 and 16 mounts. Times depend on the machine and are only printed. The tests
//! check what must be true everywhere: no request fails, no acknowledged write is lost, and no call outlives its link
//! to Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // figures, for whoever runs it

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::{Mount, Plugin, Server, Storage, files, process, vault};
use serde_json::json;

const WRITERS: usize = 2;
const READERS: usize = 2;

/// The number of requests that each mount answers before and after the measurement, so that all of them are busy.
const BUSY: usize = 50;

/// The engine that serves the mounts.
#[derive(Clone, Copy, PartialEq)]
enum Engine {
    /// The KV guest.
    Kv,
    /// The versioned KV guest, with its mounts in version 1.
    VersionedKv,
    /// HashiCorp's engine, with its mounts in version 1.
    Go,
}

impl Engine {
    /// Returns the name in the catalog.
    fn plugin(self) -> &'static str {
        match self {
            Engine::Kv => "airlock-kv",
            Engine::VersionedKv => airlock_tests::VERSIONED_KV,
            Engine::Go => "go-kv",
        }
    }

    /// Registers the plugin. Returns false if it is the Go plugin and was not built.
    fn register(self, server: &Server) -> bool {
        match self {
            Engine::Kv => Plugin::kv()
                .arg(format!("--cache-dir={}", files::guest_cache().display()))
                .register(server),
            Engine::VersionedKv => Plugin::versioned_kv().register(server),
            Engine::Go => return files::go_kv().is_some_and(|plugin| register_go(server, &plugin)),
        }
        true
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Kv => "airlock, kv",
            Engine::VersionedKv => "airlock, versioned-kv",
            Engine::Go => "HashiCorp's KV in Go",
        })
    }
}

fn register_go(server: &Server, plugin: &Path) -> bool {
    let command = server.install(plugin);
    let entry = json!({"command": command, "sha256": files::sha256(plugin)});
    server
        .client()
        .write(
            &format!("sys/plugins/catalog/secret/{}", Engine::Go.plugin()),
            entry,
        )
        .expect_success("register the Go plugin");
    true
}

/// The event that happens to one of the mounts.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    /// `sys/plugins/reload/backend` of a busy mount.
    Reload,
    /// `vault kv enable-versioning` on a mount beside the busy ones.
    EnableVersioning,
    /// SIGTERM to the process.
    Terminate,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Event::Reload => "reload of one",
            Event::EnableVersioning => "enable-versioning on a sibling",
            Event::Terminate => "SIGTERM",
        })
    }
}

/// The callers' view of an event.
struct Figures {
    /// The duration of the command.
    command: Duration,
    /// The time from the command until every mount had answered a request that was sent after the command's end.
    again: Duration,
    /// The longest time in which one of the mounts answered nothing.
    silence: Duration,
    requests: usize,
    /// Requests that failed, by status and text.
    failed: BTreeMap<String, usize>,
}

/// The view of one mount's callers.
#[derive(Default)]
struct Seen {
    answers: Vec<(Instant, Instant)>,
    failed: Vec<String>,
    written: Vec<String>,
    unclear: Vec<String>,
}

struct Load<'a> {
    mounts: &'a [Mount],
    seen: Vec<Mutex<Seen>>,
    stop: AtomicBool,
    next: AtomicUsize,
}

impl Load<'_> {
    /// Sends one request after the other to one mount until the load is stopped.
    fn call(&self, mount: usize, write: bool) {
        while !self.stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let key = format!("key-{}", self.next.fetch_add(1, Ordering::Relaxed));
            let answer = if write {
                self.mounts[mount].write(&key, json!({"value": key}))
            } else {
                self.mounts[mount].read("seed")
            };
            let mut seen = self.seen[mount].lock().unwrap();
            match answer.status {
                200 | 204 => {
                    seen.answers.push((begun, Instant::now()));
                    if write {
                        seen.written.push(key);
                    }
                }
                // Other statuses must not occur: 404 would mean that the secret is gone, 400 that the caller was wrong.
                409 | 412 | 500 | 503 => {
                    seen.failed.push(format!("{} {}", answer.status, answer.errors()));
                    if write {
                        seen.unclear.push(key);
                    }
                }
                _ => panic!("{answer:?}"),
            }
        }
    }

    /// Waits until every mount has answered this many more requests that were sent from now on. Returns the moment at
    /// which the last mount had answered its first.
    fn wait_for(&self, more: usize) -> Instant {
        let now = Instant::now();
        let answered = |seen: &Mutex<Seen>| {
            let seen = seen.lock().unwrap();
            let mut after = seen.answers.iter().filter(|(begun, _)| *begun >= now);
            let first = after.next()?.1;
            (after.count() + 1 >= more).then_some(first)
        };
        self.seen
            .iter()
            .map(|seen| {
                loop {
                    match answered(seen) {
                        Some(first) => return first,
                        None => thread::sleep(Duration::from_millis(2)),
                    }
                }
            })
            .max()
            .unwrap()
    }
}

fn measure(server: &Server, engine: Engine, event: Event, count: usize, name: &str) -> Figures {
    let mounts: Vec<Mount> = (0..count)
        .map(|number| server.mount(&format!("{name}-{number}"), engine.plugin()))
        .collect();
    let idle = server.mount(&format!("{name}-idle"), engine.plugin());
    for mount in &mounts {
        mount
            .write("seed", json!({"value": "seed"}))
            .expect_success("seed");
    }
    let load = Load {
        mounts: &mounts,
        seen: mounts.iter().map(|_| Mutex::default()).collect(),
        stop: AtomicBool::new(false),
        next: AtomicUsize::new(0),
    };
    let mark = server.log().mark();
    let (begun, command, again) = thread::scope(|scope| {
        for number in 0..count {
            let load = &load;
            for caller in 0..WRITERS + READERS {
                scope.spawn(move || load.call(number, caller < WRITERS));
            }
        }
        load.wait_for(BUSY);
        let begun = Instant::now();
        match event {
            Event::Reload => {
                let mounts = json!({"mounts": [format!("{}/", mounts[0].name())]});
                server
                    .client()
                    .write("sys/plugins/reload/backend", mounts)
                    .expect_success("reload");
            }
            Event::EnableVersioning => {
                vault(server.client(), ["kv", "enable-versioning", idle.name()])
                    .expect_success("enable versioning");
            }
            Event::Terminate => {
                let host = server.host();
                process::terminate(host);
                while !process::has_ended(host) {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
        let command = begun.elapsed();
        let again = load.wait_for(BUSY) - begun;
        load.stop.store(true, Ordering::Relaxed);
        (begun, command, again)
    });

    let seen: Vec<Seen> = load
        .seen
        .into_iter()
        .map(|seen| seen.into_inner().unwrap())
        .collect();
    for (mount, seen) in mounts.iter().zip(&seen) {
        for key in &seen.written {
            let answer = mount.read(key);
            assert_eq!(
                answer.data()["value"],
                key.as_str(),
                "acknowledged and lost: {answer:?}"
            );
        }
        for key in &seen.unclear {
            // The value is stored or missing, but never a different one.
            let answer = mount.read(key);
            assert!(
                answer.data()["value"] == key.as_str() || [400, 404].contains(&answer.status),
                "{answer:?}"
            );
        }
    }
    if engine != Engine::Go {
        let lines = server.log().lines();
        for line in &lines[mark..] {
            assert!(
                !line.message().contains("not all of its work is finished"),
                "calls waited for the whole grace: {}",
                line.text
            );
            assert!(!line.message().contains("calls that do not end"), "{}", line.text);
        }
    }
    for mount in mounts.iter().chain([&idle]) {
        if engine == Engine::Go {
            // Under a type other than `kv`, the Go plugin gives a lease with each read and cannot revoke it.
            let leases = format!("sys/leases/revoke-force/{}", mount.name());
            server
                .client()
                .write(&leases, json!({}))
                .expect_success("forget the leases");
        }
        server.unmount(mount.name());
    }
    let silence = seen
        .iter()
        .map(|seen| longest_silence(&seen.answers, begun))
        .max();
    let mut failed = BTreeMap::new();
    for text in seen.iter().flat_map(|seen| &seen.failed) {
        *failed.entry(text.clone()).or_default() += 1;
    }
    Figures {
        command,
        again,
        silence: silence.unwrap(),
        requests: seen
            .iter()
            .map(|seen| seen.answers.len() + seen.failed.len())
            .sum(),
        failed,
    }
}

/// Returns the longest time between two answers of which the later one came after `begun`.
fn longest_silence(answers: &[(Instant, Instant)], begun: Instant) -> Duration {
    let mut ends: Vec<Instant> = answers.iter().map(|(_, end)| *end).collect();
    ends.sort_unstable();
    let gaps = ends.windows(2).filter(|pair| pair[1] > begun);
    gaps.map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

/// Measures `rounds` times, one engine after the other, and prints the medians.
fn compare(server: &Server, engines: &[Engine], event: Event, count: usize, rounds: usize) {
    let mut figures: Vec<(Engine, Vec<Figures>)> =
        engines.iter().map(|&engine| (engine, Vec::new())).collect();
    for round in 0..rounds {
        for (engine, figures) in &mut figures {
            let name = format!("{}-{count}-{round}", engine.plugin());
            figures.push(measure(server, *engine, event, count, &name));
        }
    }
    for (engine, figures) in &figures {
        let median = |figure: fn(&Figures) -> f64| {
            let mut values: Vec<f64> = figures.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        println!(
            "{event}, {count:>2} busy mounts, {engine:<22}: command {:.2} s, all answer again after {:.2} s, longest silence {:.2} s, \
             failed {:.0} of {:.0}",
            median(|f| f.command.as_secs_f64()),
            median(|f| f.again.as_secs_f64()),
            median(|f| f.silence.as_secs_f64()),
            median(|f| f.failed.values().sum::<usize>() as f64),
            median(|f| f.requests as f64),
        );
        let failed = figures.iter().any(|figures| !figures.failed.is_empty());
        for (text, count) in figures.iter().flat_map(|figures| &figures.failed) {
            println!("    {count} times {text}");
        }
        assert!(*engine == Engine::Go || !failed, "requests failed for a reload");
    }
}

/// Returns the numbers of mounts to measure: `AIRLOCK_RELOAD_MOUNTS`, separated by spaces.
fn counts() -> Vec<usize> {
    let given = std::env::var("AIRLOCK_RELOAD_MOUNTS").unwrap_or_else(|_| "4".to_owned());
    given
        .split_whitespace()
        .map(|count| count.parse().unwrap())
        .collect()
}

fn rounds() -> usize {
    std::env::var("AIRLOCK_RELOAD_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap())
}

fn run(event: Event, engines: &[Engine]) {
    let server = Server::start("reload-cost", Storage::Memory);
    let engines: Vec<Engine> = engines
        .iter()
        .copied()
        .filter(|engine| engine.register(&server))
        .collect();
    for count in counts() {
        compare(&server, &engines, event, count, rounds());
    }
}

#[test]
fn a_reload_of_one_mount_is_no_outage_of_its_siblings() {
    run(Event::Reload, &[Engine::Kv, Engine::Go]);
}

#[test]
fn enable_versioning_on_a_sibling_is_no_outage() {
    run(Event::EnableVersioning, &[Engine::VersionedKv, Engine::Go]);
}

#[test]
fn sigterm_to_the_process_is_no_outage() {
    run(Event::Terminate, &[Engine::Kv]);
}
