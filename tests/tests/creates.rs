//! Creates of the same key by many clients at the same time, and creates on a mount whose queue is full.
//!
//! If two requests create a key, Vault has authorised both as creates, and the second is answered 412. Vault's own Go
//! client then sends it again, and Vault asks its policies for an update.

#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::print_stdout)] // figures, for whoever runs it

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fs, thread};

use airlock_tests::{Mount, Output, Plugin, Server, Storage, files, run};
use serde_json::{Value, json};

const WRITERS: usize = 16;

/// A mount, tokens for as many writers, and the audit log, which records each attempt.
struct Race {
    server: Server,
    kv: Mount,
    /// The token and its accessor.
    tokens: Vec<(String, String)>,
    audit: PathBuf,
}

impl Race {
    fn new(name: &str) -> Self {
        let server = Server::start(name, Storage::Memory);
        Plugin::kv().register(&server);
        let kv = server.mount("kv", "airlock-kv");
        let token = |_| {
            let token = server
                .client()
                .write("auth/token/create", json!({"policies": ["root"]}));
            let auth = &token.expect_success("token").body["auth"];
            let text = |name: &str| auth[name].as_str().unwrap().to_owned();
            (text("client_token"), text("accessor"))
        };
        let tokens = (0..WRITERS).map(token).collect();
        let audit = server.temporary_directory().join("audit.log");
        server.audit_to(&audit);
        Race {
            server,
            kv,
            tokens,
            audit,
        }
    }

    /// Returns how many writes took one attempt, two attempts and so on.
    fn tries(&self) -> BTreeMap<u32, usize> {
        let mut tries: BTreeMap<(String, String), u32> = BTreeMap::new();
        for line in fs::read_to_string(&self.audit).unwrap().lines() {
            let entry: Value = serde_json::from_str(line).unwrap();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let write = (text(&entry["auth"]["accessor"]), text(&entry["request"]["path"]));
            let is_writers = self.tokens.iter().any(|(_, accessor)| *accessor == write.0);
            if entry["type"] == "request" && is_writers {
                *tries.entry(write).or_default() += 1;
            }
        }
        let mut counted = BTreeMap::new();
        for tries in tries.into_values() {
            *counted.entry(tries).or_default() += 1;
        }
        counted
    }

    /// Checks that every writer wrote every key. Returns how many writes took more than one attempt.
    #[track_caller]
    fn check(&self, client: &str, keys: usize) -> usize {
        let tries = self.tries();
        let third = tries.get(&3).copied().unwrap_or_default();
        println!("{client}: writes by the number of their tries: {tries:?}; {third} took a third try");
        assert_eq!(tries.values().sum::<usize>(), WRITERS * keys, "{tries:?}");
        for key in 0..keys {
            let answer = self.kv.read(&key.to_string()).expect_success("read");
            let writer: usize = answer.data()["value"].as_str().unwrap().parse().unwrap();
            assert!(writer < WRITERS);
        }
        WRITERS * keys - tries.get(&1).copied().unwrap_or_default()
    }
}

/// Builds the Go program in `tests/vault/api-client`.
fn api_client() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("api-client");
    run(Command::new("go")
        .args(["build", "-o"])
        .arg(&target)
        .arg("./api-client")
        .current_dir(files::root().join("tests/vault")))
    .expect_success("go build");
    target
}

#[test]
fn the_go_client_creates_the_same_keys_without_an_error() {
    const KEYS: usize = 50;
    let client = api_client();
    let race = Race::new("retries-api");
    run(Command::new(client)
        .arg(race.server.client().address())
        .args(["kv", &KEYS.to_string()])
        .args(race.tokens.iter().map(|(token, _)| token)))
    .expect_success("the writers");
    let again = race.check("Go API client", KEYS);
    assert!(again > 0, "no write met a conflict");
}

/// Writes with the command line, which retries only because this sets the number of retries.
fn write_by_command(race: &Race, writer: usize, key: usize) -> Output {
    run(Command::new(files::vault())
        .args(["write", &format!("kv/{key}"), &format!("value={writer}")])
        .env("VAULT_ADDR", race.server.client().address())
        .env("VAULT_TOKEN", &race.tokens[writer].0)
        .env("VAULT_MAX_RETRIES", "2"))
}

#[test]
fn the_command_line_creates_the_same_keys_if_told_to_retry() {
    const KEYS: usize = 10;
    let race = Race::new("retries-cli");
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let race = &race;
            scope.spawn(move || {
                for key in 0..KEYS {
                    write_by_command(race, writer, key).expect_success("vault write");
                }
            });
        }
    });
    // Processes start too far apart for a conflict to be certain.
    race.check("command line", KEYS);
}

#[test]
fn a_full_queue_answers_a_create_with_503_and_its_cause() {
    let server = Server::start("creates-full", Storage::Memory);
    Plugin::serving("adversary", &files::guest("adversary"))
        .args(["--instances=1", "--queue=1", "--cpu-ms=300", "--breaker=0"])
        .register(&server);
    let mount = server.mount("full", "adversary");
    let stop = AtomicBool::new(false);
    let answers = thread::scope(|scope| {
        // One request runs, one waits, and the others keep the queue full.
        for _ in 0..6 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    mount.read("loop");
                }
            });
        }
        let mut answers = Vec::new();
        while answers.iter().filter(|(status, _)| *status == 503).count() < 20 && answers.len() < 5000 {
            let answer = mount.write("missing", json!({}));
            answers.push((answer.status, answer.errors()));
        }
        stop.store(true, Ordering::Relaxed);
        answers
    });
    assert!(answers.iter().any(|(status, _)| *status == 503), "{answers:?}");
    for (status, errors) in &answers {
        match status {
            503 => assert!(
                errors.contains("existence check") && errors.contains("--queue"),
                "{errors}"
            ),
            // The existence check ran, and then the queue was full.
            429 => assert!(errors.contains("--queue"), "{errors}"),
            // The create ran: the guest does not know this command.
            400 => assert!(errors.contains("no such misbehaviour"), "{errors}"),
            _ => panic!("{status}: {errors}"),
        }
    }
}
