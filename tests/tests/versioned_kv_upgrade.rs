//! Tests that a mount of the versioned KV guest keeps every key when it is tuned from version 1 to version 2, although
//! the host is killed again and again, and that no version leaves a readable name of a key in storage.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use airlock_tests::{Answer, Plugin, Server, Storage, process};
use serde_json::{Value, json};

airlock_tests::on_each_storage!(
    no_key_is_lost_though_the_host_is_killed_while_the_mount_is_upgraded,
    keys_that_nobody_asks_for_are_upgraded_by_and_by,
    names_of_keys_cannot_be_read_in_storage,
);

/// A text in every name, so that a readable name in storage is found.
const MARK: &str = "visible";

fn server(name: &str, storage: Storage) -> Server {
    let server = Server::start(name, storage);
    Plugin::versioned_kv().register(&server);
    server
}

/// Returns names of all shapes: flat, deep, of other alphabets, and with a meaning in version 2.
fn names(count: usize) -> Vec<String> {
    let shapes = [
        "",
        "team/",
        "deep/er/and/deeper/",
        "data/",
        "metadata/",
        "versions/",
        "config/",
        "%C3%BCn%C3%AF/",
    ];
    let name = |number: usize| format!("{}{MARK}-{number}", shapes[number % shapes.len()]);
    (0..count)
        .map(name)
        // A key and a folder of the same name.
        .chain([
            format!("{MARK}-0/{MARK}"),
            "config".to_owned(),
            "data/config".to_owned(),
        ])
        .collect()
}

fn value(name: &str) -> Value {
    json!({"of": name, "exact": 0.1})
}

/// Repeats a request until the host lives long enough to answer it.
fn persist(mut request: impl FnMut() -> Answer) -> Answer {
    for _ in 0..1_000 {
        let answer = request();
        if answer.status != 500 {
            return answer;
        }
    }
    panic!("the host does not come back");
}

fn visible(server: &Server, mount: &str) -> Vec<String> {
    let mut keys = server.stored_keys(mount);
    keys.retain(|key| key.contains(MARK) || key.contains("deeper") || key.contains("team"));
    keys
}

fn no_key_is_lost_though_the_host_is_killed_while_the_mount_is_upgraded(storage: Storage) {
    let server = server("upgrade", storage);
    let kv = server.mount_versioned_kv("kv", 1);
    let names = names(240);
    for name in &names {
        kv.write(name, value(name)).expect_success("write");
    }
    assert_eq!(visible(&server, "kv"), [""; 0]);
    kv.tune_to_version_2();
    persist(|| kv.read("config")).expect_success("config");

    // A third of the keys is read, a third is written, and a third is left alone. Meanwhile the host dies.
    let done = AtomicUsize::new(0);
    let kills = thread::scope(|scope| {
        let work = |worker: usize| {
            let (kv, names, done) = (&kv, &names, &done);
            scope.spawn(move || {
                for (number, name) in names
                    .iter()
                    .enumerate()
                    .filter(|(number, _)| number % 4 == worker)
                {
                    match number % 3 {
                        0 => {
                            let answer = persist(|| kv.read(&format!("data/{name}")));
                            assert_eq!(answer.data()["data"], value(name), "{answer:?}");
                        }
                        1 => {
                            let body = json!({"data": {"new": name}, "options": {"cas": 1}});
                            let answer = persist(|| kv.write(&format!("data/{name}"), body.clone()));
                            // 400 means that the request took effect, the process died, and the request was sent again.
                            assert!([200, 400].contains(&answer.status), "{name}: {answer:?}");
                        }
                        _ => (),
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let workers = [0, 1, 2, 3].map(work);
        let mut kills = 0;
        for enough in (30..names.len()).step_by(30) {
            // A worker that has already ended may have failed.
            while done.load(Ordering::Relaxed) < enough && !workers.iter().any(|worker| worker.is_finished())
            {
                thread::yield_now();
            }
            process::hosts(server.pid()).into_iter().for_each(process::kill);
            kills += 1;
        }
        kills
    });
    assert!(kills > 3);

    let all_there = || {
        persist(|| kv.read("config")).expect_success("config");
        let listed: BTreeSet<String> = kv.all_keys().into_iter().collect();
        assert_eq!(listed, names.iter().cloned().collect());
        for (number, name) in names.iter().enumerate() {
            let first = kv.read(&format!("data/{name}?version=1"));
            assert_eq!(first.data()["data"], value(name), "{name}: {first:?}");
            let current = kv.read(&format!("data/{name}")).expect_success(name);
            let written = number % 3 == 1;
            assert_eq!(
                current.data()["metadata"]["version"],
                if written { 2 } else { 1 },
                "{name}"
            );
            if written {
                assert_eq!(current.data()["data"], json!({"new": name}));
            }
        }
    };
    all_there();
    assert_eq!(visible(&server, "kv"), [""; 0]);
}

fn keys_that_nobody_asks_for_are_upgraded_by_and_by(storage: Storage) {
    let server = server("upgrade-tick", storage);
    let kv = server.mount_versioned_kv("kv", 1);
    let names = names(60);
    for name in &names {
        kv.write(name, value(name)).expect_success("write");
    }
    kv.tune_to_version_2();
    // The keys are listed before any of them is upgraded.
    let listed: BTreeSet<String> = kv.all_keys().into_iter().collect();
    assert_eq!(listed, names.iter().cloned().collect());

    let version_1 = || {
        server
            .stored_keys("kv")
            .iter()
            .filter(|key| key.starts_with("v1/"))
            .count()
    };
    assert_eq!(version_1(), names.len());
    for killed in [true, false, false] {
        if killed {
            process::kill(server.host());
        }
        server.tick(&kv);
    }
    assert_eq!(version_1(), 0);
    for name in &names {
        assert_eq!(
            kv.read(&format!("data/{name}")).data()["data"],
            value(name),
            "{name}"
        );
        let metadata = kv.read(&format!("metadata/{name}")).expect_success(name);
        assert_eq!(metadata.data()["current_version"], 1);
    }
    assert_eq!(visible(&server, "kv"), [""; 0]);
}

fn names_of_keys_cannot_be_read_in_storage(storage: Storage) {
    let server = server("names", storage);
    for version in [1, 2] {
        let mount = format!("kv{version}");
        let kv = server.mount_versioned_kv(&mount, version);
        let path = |name: &str| {
            if version == 1 {
                name.to_owned()
            } else {
                format!("data/{name}")
            }
        };
        for name in names(16) {
            kv.write(&path(&name), json!({"data": {"x": 1}}))
                .expect_success("write");
        }
        assert!(server.stored_keys(&mount).len() > 16);
        assert_eq!(visible(&server, &mount), [""; 0]);
    }
    // The built-in engine does leave readable names in version 1, which shows that the test can find them.
    let builtin = server.mount_builtin_kv("builtin", 1);
    for name in names(16) {
        builtin.write(&name, json!({"x": 1})).expect_success("write");
    }
    assert!(visible(&server, "builtin").len() >= 16);

    // The same names have different keys on another mount, so comparing the keys of two mounts reveals nothing.
    let keys = |mount: &str| -> BTreeSet<String> { server.stored_keys(mount).into_iter().collect() };
    let other = server.mount_versioned_kv("other", 2);
    for name in names(16) {
        other
            .write(&format!("data/{name}"), json!({"data": {"x": 1}}))
            .expect_success("write");
    }
    let both: Vec<_> = keys("kv2").intersection(&keys("other")).cloned().collect();
    assert!(both.len() < 5, "only settings lie at the same keys: {both:?}");
}
