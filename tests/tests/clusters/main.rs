//! Clusters of three nodes: the answers of standbys, and in [`failovers`] the data after another node has become active.
//!
//! A standby of Vault forwards every request. A standby of OpenBao runs the plugins itself, on storage that it can only
//! read: it answers requests that write nothing, forwards the others, and is told of each key that the active node
//! changes.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod failovers;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use airlock_tests::{Brand, Cluster, Mount, Plugin, VERSIONED_KV, eventually, files, process, skipped_on};
use serde_json::{Value, json};

const NODES: usize = 3;

const READS_ON_STANDBYS: &str = "its standbys run no plugin: they forward every request";

/// The cluster of the tests that change nothing about its nodes.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let cluster = Cluster::start("cluster", NODES);
    let active = cluster.node(cluster.active());
    Plugin::kv().register(active);
    bank().register(active);
    Plugin::serving("users", &files::guest("users")).register(active);
    Plugin::versioned_kv().register(active);
    cluster
});

fn bank() -> Plugin {
    Plugin::serving("bank", &files::guest("bank"))
}

/// One mount, as each node serves it.
struct Mounts {
    active: Mount,
    standbys: Vec<Mount>,
}

impl Mounts {
    /// Mounts a plugin and waits until every node knows the mount.
    fn new(cluster: &Cluster, path: &str, plugin: &str) -> Self {
        let number = cluster.active();
        let active = cluster.node(number).mount(path, plugin);
        let others = cluster.others(number).into_iter();
        let standbys: Vec<Mount> = others.map(|other| cluster.node(other).mounted(path)).collect();
        for standby in &standbys {
            eventually("a standby knows the mount", || {
                (!standby.list("").errors().contains("no handler for route")).then_some(())
            });
        }
        Mounts { active, standbys }
    }

    fn all(&self) -> impl Iterator<Item = &Mount> {
        self.standbys.iter().chain([&self.active])
    }
}

/// Starts a cluster for one test. Its KV mount has the value `one` at the key `a`.
fn cluster_with_a_key(name: &str) -> (Cluster, Mounts) {
    let cluster = Cluster::start(name, NODES);
    Plugin::kv().register(cluster.node(cluster.active()));
    let mounts = Mounts::new(&cluster, "kv", "airlock-kv");
    mounts
        .active
        .write("a", json!({"value": "one"}))
        .expect_success("write");
    (cluster, mounts)
}

/// Waits until a standby reads this value at the key `a`.
fn eventually_reads(standby: &Mount, value: &Value) {
    eventually("a standby reads the value", || {
        (standby.read("a").data()["value"] == *value).then_some(())
    });
}

#[test]
fn every_node_reads_what_is_written_through_any() {
    let mounts = Mounts::new(&CLUSTER, "any", "airlock-kv");
    for (number, through) in mounts.all().enumerate() {
        let value = json!(format!("through node {number}"));
        through
            .write("a", json!({"value": value}))
            .expect_success("write");
        assert_eq!(mounts.active.read("a").data()["value"], value);
        for standby in &mounts.standbys {
            eventually_reads(standby, &value);
        }
        through.delete("a").expect_success("delete");
        for standby in &mounts.standbys {
            eventually("a standby finds the key gone", || {
                (standby.read("a").status == 400).then_some(())
            });
        }
    }
}

#[test]
fn a_standby_reads_while_the_active_host_does_nothing() {
    if skipped_on(Brand::Vault, READS_ON_STANDBYS) {
        return;
    }
    let (cluster, mounts) = cluster_with_a_key("alone");
    for standby in &mounts.standbys {
        eventually_reads(standby, &json!("one"));
    }
    process::stop(cluster.node(cluster.active()).host());
    for standby in &mounts.standbys {
        assert_eq!(standby.read("a").data()["value"], "one");
        let listed = standby.list("").expect_success("list");
        assert_eq!(listed.data()["keys"], json!(["a"]));
    }
}

#[test]
fn standbys_follow_every_write_of_the_active_node() {
    let mounts = Mounts::new(&CLUSTER, "cached", VERSIONED_KV);
    mounts.active.tune_to_version_2();
    mounts.active.wait_until_versioned();
    for standby in &mounts.standbys {
        // Until it has heard of the change, it answers as version 1.
        eventually("a standby has version 2", || {
            (standby.read("config").status == 200).then_some(())
        });
    }
    for version in 1..=20 {
        let written = mounts
            .active
            .write("data/a", json!({"data": {"number": version}}))
            .expect_success("write");
        assert_eq!(written.data()["version"], version);
        for standby in &mounts.standbys {
            eventually("a standby reads the version", || {
                let read = standby.read("data/a");
                let metadata = standby.read("metadata/a");
                let both = (
                    &read.data()["data"]["number"],
                    &metadata.data()["current_version"],
                );
                (both == (&json!(version), &json!(version))).then_some(())
            });
        }
    }
    mounts
        .active
        .write("config", json!({"max_versions": 7}))
        .expect_success("configure");
    for standby in &mounts.standbys {
        eventually("a standby reads the configuration", || {
            (standby.read("config").data()["max_versions"] == 7).then_some(())
        });
    }
}

#[test]
fn a_standby_never_shows_half_of_a_commit() {
    let mounts = Mounts::new(&CLUSTER, "halves", "bank");
    for number in 0..6 {
        mounts
            .active
            .write(&format!("accounts/{number}"), json!({"balance": 100}))
            .expect_success("open");
    }
    for standby in &mounts.standbys {
        eventually("a standby sees all accounts", || {
            (standby.read("total").data()["total"] == 600).then_some(())
        });
    }
    let (stop, mounts) = (AtomicBool::new(false), &mounts);
    let seen = thread::scope(|scope| {
        for writer in 0..3_u64 {
            let stop = &stop;
            scope.spawn(move || {
                let mut number = writer;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let (from, to) = ((number * 7) % 6, (number * 5 + 1 + writer) % 6);
                    if from != to {
                        let transfer = json!({"from": from.to_string(), "to": to.to_string(), "amount": 1});
                        mounts.active.write("transfer", transfer);
                    }
                }
            });
        }
        let reads = (0..300).flat_map(|_| &mounts.standbys);
        let seen: Vec<_> = reads.map(|standby| standby.read("total")).collect();
        stop.store(true, Ordering::Relaxed);
        seen
    });
    let wrong: Vec<_> = seen.iter().filter(|read| read.data()["total"] != 600).collect();
    assert!(
        wrong.is_empty(),
        "{} of {}: {:?}",
        wrong.len(),
        seen.len(),
        wrong[0]
    );
}

#[test]
fn a_lease_that_a_standby_is_asked_for_is_the_active_nodes() {
    let mounts = Mounts::new(&CLUSTER, "leases", "users");
    mounts.standbys[0]
        .write("users/ann", json!({"email": "ann@example.org", "ttl": "1h"}))
        .expect_success("write");
    for through in mounts.all() {
        let session = eventually("a node leases", || {
            let answer = through.read("users/ann/session");
            (answer.status == 200).then_some(answer)
        });
        let lease = json!({"lease_id": session.body["lease_id"]});
        for client in [mounts.standbys[1].client(), mounts.active.client()] {
            client
                .write("sys/leases/renew", lease.clone())
                .expect_success("renew");
        }
    }
}

#[test]
fn a_standby_whose_host_was_killed_answers_all_the_same() {
    if skipped_on(Brand::Vault, READS_ON_STANDBYS) {
        return;
    }
    let (cluster, mounts) = cluster_with_a_key("killed-host");
    let standbys = cluster.others(cluster.active());
    for (number, standby) in standbys.into_iter().zip(&mounts.standbys) {
        eventually_reads(standby, &json!("one"));
        cluster.node(number).kill_host();
        eventually("a standby answers again", || {
            let read = standby.read("a");
            assert!([200, 500, 503].contains(&read.status), "{read:?}");
            (read.data()["value"] == "one").then_some(())
        });
        standby
            .write("a", json!({"value": "one"}))
            .expect_success("write");
    }
}

/// Builds the KV guest as another version, with another error for a missing key.
fn build(directory: &Path, version: &str, missing: &str) -> PathBuf {
    let file = directory.join(format!("kv-{version}.wasm"));
    let texts = [(env!("CARGO_PKG_VERSION"), version), ("key not found", missing)];
    files::alter_guest("kv", &file, &texts);
    file
}

#[test]
fn a_reload_of_each_node_brings_it_the_new_guest() {
    if skipped_on(Brand::Vault, READS_ON_STANDBYS) {
        return;
    }
    let cluster = Cluster::start("upgraded", NODES);
    let number = cluster.active();
    let active = cluster.node(number);
    for (version, missing) in [("0.1.7", "key not found"), ("0.2.0", "key not there")] {
        let guest = build(&active.temporary_directory(), version, missing);
        Plugin::serving("changing", &guest)
            .version(&format!("v{version}"))
            .register(active);
    }
    let old = json!({"type": "changing", "config": {"plugin_version": "v0.1.7"}});
    active
        .client()
        .write("sys/mounts/kv", old)
        .expect_success("mount");
    let nodes = || [number].into_iter().chain(cluster.others(number));
    let says = |node: usize, missing: &str| {
        eventually("a node's guest answers", || {
            let read = cluster.node(node).mounted("kv").read("missing");
            read.errors().contains(missing).then_some(())
        });
    };
    nodes().for_each(|node| says(node, "key not found"));
    let new = json!({"plugin_version": "v0.2.0"});
    active
        .client()
        .write("sys/mounts/kv/tune", new)
        .expect_success("tune");
    for node in nodes() {
        cluster.node(node).reload("kv");
        says(node, "key not there");
    }
}
