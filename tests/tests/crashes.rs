//! Tests processes that die without warning.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use airlock_tests::{End, Load, Plugin, Server, Storage, files, process};
use serde_json::json;

airlock_tests::on_each_storage!(
    after_the_host_is_killed_under_load_the_next_request_is_served,
    after_an_idle_host_is_killed_the_next_request_is_served,
    a_record_that_cannot_be_finished_is_set_aside_till_dropped,
    when_the_server_is_killed_no_host_and_no_socket_is_left,
);

fn after_the_host_is_killed_under_load_the_next_request_is_served(storage: Storage) {
    let server = Server::start("kill-host", storage);
    Plugin::kv().register(&server);
    let mounts = [
        server.mount("one", "airlock-kv"),
        server.mount("two", "airlock-kv"),
    ];
    let (load, next) = (Load::default(), AtomicU32::new(0));
    let acknowledged: Mutex<Vec<(usize, String)>> = Mutex::default();
    let write = |mount: usize| {
        let key = format!("key-{}", next.fetch_add(1, Ordering::Relaxed));
        let answer = mounts[mount].write(&key, json!({"value": key}));
        match answer.status {
            200 => {
                acknowledged.lock().unwrap().push((mount, key));
                End::Acknowledged
            }
            // Requests in flight may fail, but they are answered. 412 means that the request took effect, the process
            // died, and Vault sent it again.
            412 => End::Failed(format!("{answer:?}")),
            _ => End::of(&answer),
        }
    };
    thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        for writer in 0..8 {
            let (load, write) = (&load, &write);
            scope.spawn(move || load.call(|| write(writer % 2)));
        }
        load.undisturbed(100);
        for _ in 0..3 {
            let before = server.host();
            kill_and_await_its_end(&server, before);
            for mount in &mounts {
                let answer = mount.write("next", json!({"value": "one"}));
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            assert_ne!(server.host(), before);
            load.undisturbed(100);
        }
    });
    assert!(load.acknowledged() > 0);
    for (mount, key) in acknowledged.into_inner().unwrap() {
        assert_eq!(
            mounts[mount].read(&key).data()["value"],
            key.as_str(),
            "acknowledged and lost"
        );
    }
}

/// Kills the host and waits until Vault knows, because until then a request meets the dead process.
fn kill_and_await_its_end(server: &Server, host: u32) {
    let mark = server.log().mark();
    process::kill(host);
    server
        .log()
        .wait_after(mark, "that the plugin process ended", |line| {
            line.message() == "plugin process exited"
        });
}

fn after_an_idle_host_is_killed_the_next_request_is_served(storage: Storage) {
    let server = Server::start("kill-idle", storage);
    Plugin::kv().register(&server);
    let kv = server.mount("kv", "airlock-kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    let host = server.host();
    kill_and_await_its_end(&server, host);
    assert_eq!(kv.read("a").data()["value"], "one");
    assert_ne!(server.host(), host);
}

fn a_record_that_cannot_be_finished_is_set_aside_till_dropped(storage: Storage) {
    let server = Server::start("set-aside", storage);
    Plugin::serving("bank", &files::guest("bank")).register(&server);
    let bank = server.mount("bank", "bank");
    bank.write("count", json!({})).expect_success("count");
    let records = format!("{}/.airlock/redo", server.storage_of("bank"));
    let raw = server.client();
    raw.write(&format!("{records}/1-1"), json!({"value": "damaged"}))
        .expect_success("leave a record");

    for _ in 0..2 {
        let mark = server.log().mark();
        server.reload("bank");
        assert_eq!(bank.read("count").data()["count"], 1);
        let line = server
            .log()
            .wait_after(mark, "that a record was set aside", |line| {
                line.message().contains("was set aside")
            });
        assert_eq!(
            (line.level(), line.field("record")),
            ("error", ".airlock/redo/1-1")
        );
    }
    // The documentation describes these steps.
    let why = raw.read(&format!("{records}/1-1.aside"));
    let why = why.data()["value"].as_str().unwrap();
    assert!(why.contains("reason: it is damaged"), "{why}");
    for name in raw.list(&records).data()["keys"].as_array().unwrap() {
        raw.delete(&format!("{records}/{}", name.as_str().unwrap()))
            .expect_success("drop");
    }
    let mark = server.log().mark();
    server.reload("bank");
    assert_eq!(bank.read("count").data()["count"], 1);
    let told = |line: &airlock_tests::Line| line.message().contains("was set aside");
    assert!(!server.log().lines()[mark..].iter().any(told));
}

fn when_the_server_is_killed_no_host_and_no_socket_is_left(storage: Storage) {
    process::adopt_orphans();
    let mut server = Server::start("kill-server", storage);
    Plugin::kv().register(&server);
    // Two registrations make two processes, one of which has requests in flight.
    Plugin::kv().arg("--cpu-ms=900").named("other").register(&server);
    let kv = server.mount("kv", "airlock-kv");
    server.mount("other", "other");
    let hosts = process::hosts(server.pid());
    assert_eq!(hosts.len(), 2);
    let sockets: Vec<_> = hosts
        .iter()
        .flat_map(|&host| process::listening_sockets(host))
        .collect();
    assert!(
        sockets.len() >= 2 && sockets.iter().all(|socket| socket.exists()),
        "{sockets:?}"
    );

    let writes = AtomicU32::new(0);
    thread::scope(|scope| {
        for writer in 0..8 {
            let (kv, writes) = (&kv, &writes);
            scope.spawn(move || {
                let path = kv.path(&format!("key-{writer}"));
                while kv
                    .client()
                    .try_request("PUT", &path, Some(&json!({"value": "one"})))
                    .is_ok()
                {
                    writes.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        while writes.load(Ordering::Relaxed) < 50 {
            thread::yield_now();
        }
        server.kill();
    });

    for host in hosts {
        assert!(
            process::wait_for_orphan(host, Duration::from_secs(10)),
            "host {host} outlived its server"
        );
    }
    let left: Vec<_> = sockets.iter().filter(|socket| socket.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    // The private directories of the sockets are gone too.
    let directories = fs::read_dir(server.temporary_directory()).unwrap();
    let left: Vec<_> = directories
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}
