//! Tests that nothing acknowledged is lost when another node becomes active.

use std::thread;
use std::time::Duration;

use airlock_tests::{Cluster, End, Load, Mount, eventually, process};
use serde_json::json;

use super::{Mounts, NODES, bank, cluster_with_a_key};

/// Sends one count. Its result may be anything but a client error. A server error of a node that is going down has an
/// unknown outcome.
fn count(bank: &Mount) -> End {
    match bank
        .client()
        .try_request("PUT", &bank.path("count"), Some(&json!({})))
    {
        Ok(answer) if answer.status < 300 => End::Acknowledged,
        Ok(answer) if answer.status < 500 => End::Wrong(format!("{answer:?}")),
        Ok(answer) => End::Failed(format!("{answer:?}")),
        Err(error) => End::Failed(error.to_string()),
    }
}

/// Counts up through every node while something happens to the cluster. Then checks that every acknowledged count is
/// stored.
fn count_up_while(cluster: &mut Cluster, happens: impl Fn(&mut Cluster)) {
    let mounts = Mounts::new(cluster, "bank", "bank");
    mounts
        .active
        .write("count", json!({}))
        .expect_success("the first count");
    // A standby that does not know the first count would have the next one authorised as a create, which is refused
    // with 412.
    for standby in &mounts.standbys {
        eventually("a standby reads the first count", || {
            (standby.read("count").status == 200).then_some(())
        });
    }
    let load = &Load::default();
    let in_flight = thread::scope(|scope| {
        let _end = load.stop_when_dropped();
        for mount in mounts.all().chain(mounts.all()) {
            scope.spawn(move || load.call(|| count(mount)));
        }
        load.wait_for(50);
        let in_flight = load.in_flight_during(|| happens(cluster));
        load.wait_for(50);
        in_flight
    });
    let active = cluster.node(cluster.active()).mounted("bank");
    let counted = active.read("count").expect_success("count").data()["count"]
        .as_u64()
        .unwrap()
        - 1;
    let acknowledged = load.acknowledged();
    assert!(
        (acknowledged..=acknowledged + in_flight).contains(&counted),
        "{acknowledged} were acknowledged and {in_flight} in flight; counted were {counted}"
    );
    for mount in mounts.all() {
        eventually("every node reads the same count", || {
            (mount.read("count").data()["count"] == counted + 1).then_some(())
        });
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_active_node_steps_down() {
    let mut cluster = Cluster::start("step-down", NODES);
    bank().register(cluster.node(cluster.active()));
    count_up_while(&mut cluster, |cluster| {
        for _ in 0..2 {
            cluster.step_down();
        }
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_active_node_is_killed() {
    process::adopt_orphans();
    let mut cluster = Cluster::start("leader-killed", NODES);
    bank().register(cluster.node(cluster.active()));
    count_up_while(&mut cluster, |cluster| {
        let killed = cluster.active();
        let host = cluster.node(killed).host();
        cluster.kill(killed);
        assert!(
            process::wait_for_orphan(host, Duration::from_secs(60)),
            "the host outlived its server"
        );
        assert_ne!(cluster.active(), killed);
        cluster.start_again(killed);
    });
}

/// A write fails because its node loses the leadership. The next leader stores a newer value, and then one of the other two leads:
/// often the first node, while the request still runs there.
#[test]
fn a_write_of_a_lost_leader_does_not_undo_the_next_leaders() {
    let (cluster, mounts) = cluster_with_a_key("lost-leader");
    let first = cluster.active();
    let others = cluster.others(first);
    let (pid, client) = (
        |number: usize| cluster.node(number).pid(),
        |number: usize| cluster.node(number).client(),
    );
    let (mark, host) = (cluster.node(first).log().mark(), cluster.node(first).host());
    let (late, next, third) = thread::scope(|scope| {
        // The request has begun before the leadership is lost: one that comes later would wait for the next leader.
        process::stop(host);
        let late = scope.spawn(|| mounts.active.write("a", json!({"value": "late"})));
        eventually("the request has begun", || {
            let begun = client(first).read("sys/in-flight-req");
            begun.body.to_string().contains("v1/kv/a").then_some(())
        });
        others.iter().for_each(|other| process::stop(pid(*other)));
        process::go_on(host);
        let lost = "leadership lost, stopping active operation";
        let log = cluster.node(first).log();
        log.wait_after(mark, lost, |line| line.message() == lost);
        process::stop(pid(first));
        others.iter().for_each(|other| process::go_on(pid(*other)));
        let leads = |other: &usize| client(*other).read("sys/health").status == 200;
        let next = eventually("another node leads", || others.iter().copied().find(leads));
        let third = *others.iter().find(|other| **other != next).unwrap();
        let write = |key: &str, value: &str| {
            let mount = cluster.node(next).mounted("kv");
            mount.write(key, json!({"value": value})).status == 200
        };
        eventually("the next leader stores", || write("a", "newer").then_some(()));
        process::go_on(pid(first));
        // Meanwhile the first node follows, so that it may be elected. Whether each of these writes succeeds does not matter.
        for number in 0..500 {
            write("b", &number.to_string());
        }
        process::stop(pid(next));
        (late.join().unwrap(), next, third)
    });
    assert_ne!(late.status, 200, "{late:?}");
    let read = || {
        let mut found = [first, third]
            .into_iter()
            .map(|node| cluster.node(node).mounted("kv").read("a"));
        let found = found.find(|found| found.status == 200)?;
        Some(found.data()["value"].clone())
    };
    assert_eq!(eventually("another node leads", read), "newer");
    process::go_on(pid(next));
}
