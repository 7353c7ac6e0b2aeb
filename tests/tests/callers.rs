//! Many concurrent callers, patient and impatient ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use airlock_tests::{Answer, Mount, Plugin, Server, Storage, eventually, files};
use serde_json::json;

#[test]
fn sixty_four_callers_at_once_each_get_their_own_answers() {
    let server = Server::start("callers", Storage::Memory);
    Plugin::kv().register(&server);
    let mounts = [
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    ];

    thread::scope(|scope| {
        for caller in 0..64 {
            let kv = &mounts[caller % 2];
            scope.spawn(move || {
                let key = format!("caller-{caller}");
                for round in 0..10 {
                    let value = format!("{caller}/{round}").repeat(round * 100 + 1);
                    let message = if round == 0 { "key created" } else { "key updated" };
                    assert_eq!(
                        kv.write(&key, json!({"value": value})).data(),
                        &json!({"message": message})
                    );
                    assert_eq!(kv.read(&key).data(), &json!({"value": value}));
                }
            });
        }
    });
    for kv in &mounts {
        assert_eq!(kv.list("").data()["keys"].as_array().unwrap().len(), 32);
    }
}

/// Returns the answers to 64 callers who write to one key at the same time.
fn write_at_once(kv: &Mount) -> Vec<Answer> {
    thread::scope(|scope| {
        let callers: Vec<_> = (0..64)
            .map(|caller| scope.spawn(move || kv.write("a", json!({"value": format!("caller-{caller}")}))))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    })
}

#[test]
fn sixty_four_updates_of_one_key_are_all_done() {
    let server = Server::start("updates", Storage::Memory);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.write("a", json!({"value": "first"})).expect_success("write");
    for answer in write_at_once(&kv) {
        assert_eq!(answer.data()["message"], "key updated", "{answer:?}");
    }
    let last = kv.read("a");
    assert!(
        last.data()["value"].as_str().unwrap().starts_with("caller-"),
        "{last:?}"
    );
}

/// Vault authorised each of them to create a key that did not exist, so only the first may write it.
#[test]
fn of_sixty_four_callers_who_create_one_key_one_does_and_none_overwrites_it() {
    let server = Server::start("creates", Storage::Memory);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    let answers = write_at_once(&kv);
    let created = answers
        .iter()
        .filter(|answer| answer.data()["message"] == "key created")
        .count();
    assert_eq!(created, 1, "{answers:?}");
    // The later callers found the key. They got an update, or 412 if Vault's check had come before the key existed.
    for answer in &answers {
        assert!(
            answer.data()["message"].is_string() || answer.status == 412,
            "{answer:?}"
        );
    }
}

/// Sends 256 requests and hangs up without reading an answer. All are sent before the first caller hangs up.
fn hang_up_in_a_burst(mount: &Mount, method: &str, path: &str) {
    let host = mount.client().address().strip_prefix("http://").unwrap();
    let body = json!({"value": "x".repeat(1000)}).to_string();
    let request = format!(
        "{method} /v1/{} HTTP/1.1\r\nHost: {host}\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
        mount.path(path),
        mount.client().token(),
        body.len()
    );
    let callers: Vec<TcpStream> = (0..256)
        .map(|_| {
            let mut caller = TcpStream::connect(host).unwrap();
            caller.write_all(request.as_bytes()).unwrap();
            caller
        })
        .collect();
    drop(callers);
}

#[test]
fn after_256_callers_hang_up_in_a_burst_every_mount_still_answers() {
    let server = Server::start("hang-up", Storage::Memory);
    Plugin::kv().register(&server);
    Plugin::serving("adversary", &files::guest("adversary"))
        .args(["--cpu-ms=50", "--breaker=0"])
        .register(&server);
    let kv = [
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    ];
    let slow = [
        server.mount("slow-one", "adversary"),
        server.mount("slow-two", "adversary"),
    ];
    let hosts = airlock_tests::process::hosts(server.pid());

    for round in 0..3 {
        hang_up_in_a_burst(&kv[0], "PUT", "a");
        hang_up_in_a_burst(&slow[0], "GET", "loop"); // these are still running when their callers go
        for kv in &kv {
            let value = format!("round {round}");
            kv.write("b", json!({"value": value}))
                .expect_success("write after the burst");
            assert_eq!(kv.read("b").data()["value"], value.as_str());
        }
        for slow in &slow {
            slow.read("ok").expect_success("read after the burst");
        }
    }
    assert_eq!(
        airlock_tests::process::hosts(server.pid()),
        hosts,
        "a host was started anew"
    );
}

#[test]
fn callers_who_hang_up_leave_the_queue_and_are_never_served() {
    let server = Server::start("queue", Storage::Memory);
    Plugin::serving("adversary", &files::guest("adversary"))
        .arg("--cpu-ms=3000")
        .arg("--instances=1")
        .arg("--queue=4")
        .register(&server);
    let mount = server.mount("slow", "adversary");
    thread::scope(|scope| {
        let held = scope.spawn(|| mount.read("commit-then-loop"));
        eventually("the one that may run does", || {
            server.stored("slow", "adversary/written")
        });
        hang_up_in_a_burst(&mount, "GET", "loop"); // four wait, the others are refused

        let patient = loop {
            match mount.read("ok") {
                full if full.status == 429 => thread::yield_now(),
                answer => break answer,
            }
        };
        patient.expect_success("a read behind the one that runs");
        let held = held.join().unwrap();
        assert!(
            held.status == 500 && held.errors().contains("--cpu-ms"),
            "{held:?}"
        );
    });
    let looped = |line: &airlock_tests::Line| {
        line.message().contains("was not done") && line.field("error").contains("--cpu-ms")
    };
    server.log().wait_for("the end of the one that ran", looped);
    assert_eq!(server.log().lines().iter().filter(|line| looped(line)).count(), 1);
}
