//! Guests that take over from each other while callers write and read.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use airlock_tests::{Answer, End, Load, Mount};
use serde_json::json;

use super::{Builds, SERVER, WORDS, push};

/// The mounts of the tests under load.
pub const MOUNTS: usize = 4;
/// The number of times that a guest takes over.
pub const SWAPS: usize = 100;
/// The callers, which share the mounts.
pub const CALLERS: usize = 16;

/// The build of a mount, or the active node of a cluster: twice its number while it holds, and one more while the next is about
/// to take over.
pub struct Turn(AtomicUsize);

impl Turn {
    /// A mount that runs this build.
    pub fn of(build: usize) -> Self {
        Self(AtomicUsize::new(2 * build))
    }

    /// A mount that runs either build, and may change at any time.
    pub fn of_either() -> Self {
        Self(AtomicUsize::new(1))
    }

    /// Lets the next build take over. Until `swap` returns, either may answer.
    pub fn next(&self, swap: impl FnOnce(usize)) {
        let now = self.0.fetch_add(1, Ordering::SeqCst);
        swap((now / 2 + 1) % 2);
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// Sends a request. Also returns the build that must have answered it, if none took over meanwhile.
    pub fn during<T>(&self, send: impl FnOnce() -> T) -> (Option<usize>, T) {
        let before = self.0.load(Ordering::SeqCst);
        let result = send();
        let holds = before.is_multiple_of(2) && self.0.load(Ordering::SeqCst) == before;
        (holds.then_some(before / 2 % 2), result)
    }
}

/// Returns whether this build gave this answer to a write, or any build if none is given.
pub fn is_of(build: Option<usize>, answer: &Answer) -> bool {
    let says = |build: usize| {
        WORDS[build]
            .iter()
            .any(|words| answer.data()["message"] == *words)
    };
    build.map_or_else(|| says(0) || says(1), says)
}

#[test]
fn a_hundred_swaps_under_load_lose_no_request_and_no_write() {
    let builds = Builds::new(&SERVER.temporary_directory().join("load"));
    builds.register(&SERVER, "load");
    let digests = builds.digests();
    let mounts: Vec<(Mount, Turn)> = (0..MOUNTS)
        .map(|number| {
            let path = format!("load{number}");
            let mount = SERVER.mount(&path, "load");
            push(SERVER.client(), &builds.one, &path);
            push(SERVER.client(), &builds.two, &path);
            (mount, Turn::of(1))
        })
        .collect();
    let load = Load::default();
    thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        for caller in 0..CALLERS {
            let (load, (mount, turn)) = (&load, &mounts[caller % MOUNTS]);
            scope.spawn(move || {
                let mut count = 0_u64;
                load.call(|| write_and_read(mount, turn, caller, &mut count));
            });
        }
        for swap in 0..SWAPS {
            let (mount, turn) = &mounts[swap % MOUNTS];
            turn.next(|build| {
                let moved = mount.write(".airlock/downgrade", json!({"sha256": digests[build]}));
                let moved = moved.expect_success("swap");
                assert_eq!(moved.data()["running"]["sha256"], json!(digests[build]));
            });
            load.wait_for(CALLERS as u64);
        }
        load.stop();
    });
    load.assert_none_failed();
    assert!(load.acknowledged() > (SWAPS * CALLERS) as u64);
}

/// Creates a key, reads it, updates it, reads it, and deletes it. Nobody else uses the key.
pub fn write_and_read(mount: &Mount, turn: &Turn, caller: usize, count: &mut u64) -> End {
    *count += 1;
    let key = format!("caller-{caller}/{count}");
    for value in ["first", "second"] {
        let (build, written) = turn.during(|| mount.write(&key, json!({"value": value})));
        if written.status != 200 {
            return End::of(&written);
        }
        let found = mount.read(&key);
        if !is_of(build, &written) || (found.status == 200 && found.data()["value"] != value) {
            return End::Wrong(format!("{key}: {build:?}, {written:?}, {found:?}"));
        }
        if found.status != 200 {
            return End::of(&found);
        }
    }
    End::of(&mount.delete(&key))
}
