//! Many callers at once, patient and impatient ones.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write;
use std::net::TcpStream;
use std::thread;

use airlock_tests::{Mount, Plugin, Server, Storage, files};
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

#[test]
fn sixty_four_writers_of_one_key_leave_one_of_their_values() {
    let server = Server::start("one-key", Storage::Memory);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    thread::scope(|scope| {
        for caller in 0..64 {
            let kv = &kv;
            scope.spawn(move || {
                kv.write("a", json!({"value": format!("caller-{caller}")}))
                    .expect_success("write")
            });
        }
    });
    let answer = kv.read("a");
    assert!(
        answer.data()["value"].as_str().unwrap().starts_with("caller-"),
        "{answer:?}"
    );
}

/// 256 requests, all sent before the first caller hangs up; nobody reads an answer.
fn hang_up_in_a_burst(mount: &Mount, path: &str) {
    let host = mount.client().address().strip_prefix("http://").unwrap();
    let body = json!({"value": "x".repeat(1000)}).to_string();
    let request = format!(
        "PUT /v1/{} HTTP/1.1\r\nHost: {host}\r\nX-Vault-Token: {}\r\nContent-Length: {}\r\n\r\n{body}",
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
        .arg("--cpu-ms=50")
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
        hang_up_in_a_burst(&kv[0], "a");
        hang_up_in_a_burst(&slow[0], "loop"); // these are still running when their callers go
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
