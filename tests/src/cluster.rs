//! Servers that share their data by raft, of which one is active and the others stand by.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Server, Storage};

/// How long a cluster may take to agree on something. Far longer than it takes, because what never comes is a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// A cluster whose nodes all have `airlock` in their plugin directory. Dropping it ends them.
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts so many nodes and waits until one is active and the others stand by.
    ///
    /// Of three one may die; of two none, because a majority has to agree on every write.
    pub fn start(name: &str, nodes: usize) -> Self {
        let first = Server::start(&format!("{name}-0"), Storage::Disk);
        // A node that joins has no vote until it has been stable for that long, and without votes nobody can take over.
        first
            .client()
            .write(
                "sys/storage/raft/autopilot/configuration",
                json!({"server_stabilization_time": "1s"}),
            )
            .expect_success("configure the cluster");
        let mut cluster = Cluster { nodes: vec![first] };
        for number in 1..nodes {
            let node = Server::join(&format!("{name}-{number}"), &cluster.nodes[0]);
            cluster.nodes.push(node);
            cluster.wait_for_standby(number);
        }
        eventually("every node has a vote", || {
            let asked = cluster.nodes[0].client().read("sys/storage/raft/configuration");
            let servers = asked.data()["config"]["servers"].as_array()?;
            let voters = servers.iter().filter(|server| server["voter"] == true).count();
            (voters == nodes).then_some(())
        });
        cluster
    }

    /// A node, by its number.
    pub fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    /// The numbers of all nodes but one.
    pub fn others(&self, number: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|other| *other != number).collect()
    }

    /// The number of the active node, once there is one.
    #[track_caller]
    pub fn active(&self) -> usize {
        eventually("a node is active", || {
            (0..self.nodes.len()).find(|number| self.health(*number) == Some(200))
        })
    }

    /// The active node stands by, and another one takes its place. Returns the number of that.
    #[track_caller]
    pub fn step_down(&self) -> usize {
        let before = self.active();
        loop {
            self.nodes[before]
                .client()
                .write("sys/step-down", json!({}))
                .expect_success("step down");
            self.wait_for_standby(before);
            // On a slow machine it may be chosen again.
            match self.active() {
                after if after != before => return after,
                _ => {}
            }
        }
    }

    /// SIGKILL for a node.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].kill();
    }

    /// Starts a node again that was killed, and waits until it stands by.
    #[track_caller]
    pub fn start_again(&mut self, number: usize) {
        self.nodes[number].join_again();
        self.wait_for_standby(number);
    }

    #[track_caller]
    fn wait_for_standby(&self, number: usize) {
        // Vault's status of a standby, of which OpenBao's serves reads as well.
        eventually("a node stands by", || {
            (self.health(number) == Some(429)).then_some(())
        });
    }

    /// The status that a node answers of itself; none if it does not answer.
    fn health(&self, number: usize) -> Option<u16> {
        let answer = self.nodes[number].client().try_request("GET", "sys/health", None);
        answer.ok().map(|answer| answer.status)
    }
}

/// Asks until there is an answer. `what` names it in the failure.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "it never came to be: {what}");
        std::thread::yield_now();
    }
}
