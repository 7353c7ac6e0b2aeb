//! Pushed guests in clusters of three nodes, and in a cluster that is restored from another one's snapshot.

use std::fs;
use std::thread;

use airlock_tests::{Answer, Brand, Cluster, End, Load, Mount, Server, Storage, eventually, vault};
use serde_json::{Value, json};

use super::under_load::{CALLERS, MOUNTS, SWAPS, Turn, is_of};
use super::{Builds, operate, push, runs};

/// After how many swaps the active node steps down.
const SWAPS_A_TERM: usize = 10;

#[test]
fn a_new_leader_runs_the_guest_that_was_pushed_to_another_node() {
    let mut cluster = Cluster::start("pushed-cluster", 3);
    let first = cluster.active();
    let builds = Builds::new(&cluster.node(first).temporary_directory().join("builds"));
    builds.register(cluster.node(first), "pushed");
    let mount = cluster.node(first).mount("kv", "pushed");
    push(cluster.node(first).client(), &builds.one, "kv");
    mount.write("a", json!({"value": "1"})).expect_success("write");
    push(cluster.node(first).client(), &builds.two, "kv");
    assert_eq!(runs(&mount), "0.2.0");
    // No node finds a file, a signature or a key any more.
    fs::remove_file(&builds.one).unwrap();
    fs::remove_file(&builds.two).unwrap();
    cluster.kill(first);
    let second = cluster.active();
    assert_ne!(second, first);
    let mount = cluster.node(second).mounted("kv");
    eventually("the new leader serves", || {
        (mount.read("a").status == 200 && mount.read("a").data()["value"] == "1").then_some(())
    });
    assert_eq!(runs(&mount), "0.2.0");
    operate(cluster.node(second).client(), &["rollback", "--mount", "kv"]).expect_success("rollback");
    assert_eq!(runs(&mount), "0.1.0");
}

#[test]
fn a_snapshot_brings_the_guests_along_to_a_fresh_server() {
    let old = Server::start("snapshot-from", Storage::Disk);
    let builds = Builds::new(&old.temporary_directory().join("builds"));
    builds.register(&old, "pushed");
    let mount = old.mount("kv", "pushed");
    push(old.client(), &builds.one, "kv");
    push(old.client(), &builds.two, "kv");
    mount.write("a", json!({"value": "1"})).expect_success("write");
    let mut fresh = Server::start("snapshot-to", Storage::Disk);
    let snapshot = fresh.temporary_directory().join("snapshot");
    let save = ["operator", "raft", "snapshot", "save", snapshot.to_str().unwrap()];
    vault(old.client(), save).expect_success("save");
    fresh.restore(&snapshot, &old);
    // Whatever else the old server had is gone.
    drop(old);
    let mount = fresh.mounted("kv");
    assert_eq!(mount.read("a").expect_success("read").data()["value"], "1");
    assert_eq!(runs(&mount), "0.2.0");
    operate(fresh.client(), &["rollback", "--mount", "kv"]).expect_success("rollback");
    assert_eq!(runs(&mount), "0.1.0");
    assert_eq!(mount.read("a").expect_success("read").data()["value"], "1");
}

/// The errors of a standby that knows of no active node.
const NO_ACTIVE_NODE: [&str; 2] = ["active cluster node not found", "no active"];

/// Sends one request to a node. During an election there may be nobody to answer it. `elections` tells when there are any.
fn send(
    mount: &Mount,
    elections: &Turn,
    method: &str,
    key: &str,
    body: Option<&Value>,
) -> Result<Answer, End> {
    let path = mount.path(key);
    let (term, answer) = elections.during(|| mount.client().try_request(method, &path, body));
    let answer = answer.map_err(|error| End::Failed(error.to_string()))?;
    let nobody = || NO_ACTIVE_NODE.iter().any(|error| answer.errors().contains(error));
    match answer.status {
        200 => Ok(answer),
        // A standby may still know a leader, and redirect to it.
        307 if term.is_none() => Err(End::Failed("redirected".to_owned())),
        // The key's first write, whose answer was lost with its node, may be stored late.
        412 if term.is_none() => Err(End::Failed(answer.errors())),
        500.. if term.is_none() || nobody() => Err(End::Failed(answer.errors())),
        _ => Err(End::Wrong(format!("{method} {key}: {answer:?}"))),
    }
}

/// A caller's own key: the last value whose write was acknowledged, and the last one that was sent.
#[derive(Default)]
struct Known {
    acknowledged: u64,
    sent: u64,
}

impl Known {
    /// Writes the next value through a node and reads it through the same node.
    fn write_and_read(&mut self, mount: &Mount, turn: &Turn, elections: &Turn, key: &str) -> Result<(), End> {
        self.sent += 1;
        let value = json!({"value": self.sent.to_string()});
        let (build, written) = turn.during(|| send(mount, elections, "PUT", key, Some(&value)));
        let written = written?;
        self.acknowledged = self.sent;
        if !is_of(build, &written) {
            return Err(End::Wrong(format!("{key}: {build:?}, {written:?}")));
        }
        let found = send(mount, elections, "GET", key, None);
        // A standby of OpenBao answers from what it has been told of by then.
        if Brand::of_server() == Brand::Vault {
            self.assert_is_stored(&found?);
        }
        Ok(())
    }

    /// Checks what was read after the last write.
    fn assert_is_stored(&self, found: &Answer) {
        let value: u64 = found.data()["value"].as_str().unwrap().parse().unwrap();
        let Known { acknowledged, sent } = self;
        assert!(
            (*acknowledged..=*sent).contains(&value),
            "{value}: {acknowledged} to {sent}"
        );
    }
}

#[test]
fn a_hundred_swaps_and_failovers_under_load_lose_no_acknowledged_write() {
    let cluster = Cluster::start("swaps-failovers", 3);
    let first = cluster.active();
    let builds = Builds::new(&cluster.node(first).temporary_directory().join("builds"));
    builds.register(cluster.node(first), "pushed");
    let digests = builds.digests();
    let mounts: Vec<(String, Turn)> = (0..MOUNTS)
        .map(|number| (format!("kv{number}"), Turn::of(1)))
        .collect();
    for (path, _) in &mounts {
        cluster.node(first).mount(path, "pushed");
        push(cluster.node(first).client(), &builds.one, path);
        push(cluster.node(first).client(), &builds.two, path);
        for other in cluster.others(first) {
            let mount = cluster.node(other).mounted(path);
            eventually("a standby knows the mount", || {
                (!mount.list("").errors().contains("no handler for route")).then_some(())
            });
        }
    }
    let (load, elections) = (Load::default(), Turn::of(0));
    let known: Vec<Known> = thread::scope(|scope| {
        let _stop = load.stop_when_dropped();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (path, turn) = &mounts[caller % MOUNTS];
                let (load, elections) = (&load, &elections);
                let mount = cluster.node(caller % 3).mounted(path);
                scope.spawn(move || {
                    let (mut known, key) = (Known::default(), format!("caller-{caller}"));
                    load.call(|| match known.write_and_read(&mount, turn, elections, &key) {
                        Ok(()) => End::Acknowledged,
                        Err(end) => end,
                    });
                    known
                })
            })
            .collect();
        for swap in 0..SWAPS {
            let (path, turn) = &mounts[swap % MOUNTS];
            load.wait_for(CALLERS as u64);
            turn.next(|build| {
                eventually("another guest has taken over", || {
                    let active = cluster.node(cluster.active()).mounted(path);
                    let moved = active.write(".airlock/downgrade", json!({"sha256": digests[build]}));
                    (moved.status == 200).then_some(())
                });
            });
            if swap % SWAPS_A_TERM == 0 {
                elections.next(|_| {
                    cluster.step_down();
                    for node in 0..3 {
                        let mount = cluster.node(node).mounted(path);
                        eventually("a node finds the active one", || {
                            (mount.read("none").status < 500).then_some(())
                        });
                    }
                });
            }
        }
        load.wait_for(CALLERS as u64);
        load.stop();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    assert!(load.acknowledged() > (SWAPS * CALLERS) as u64);
    let active = cluster.node(cluster.active());
    for (caller, known) in known.iter().enumerate() {
        let mount = active.mounted(&mounts[caller % MOUNTS].0);
        known.assert_is_stored(&mount.read(&format!("caller-{caller}")).expect_success("read"));
    }
}
