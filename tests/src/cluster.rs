//! Servers that share their data by raft. One is active and the others are standbys.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::{Server, Storage};

/// The longest time for a cluster to agree on something. It takes far less; at the end of this time the test fails.
const PATIENCE: Duration = Duration::from_secs(120);

/// A cluster whose nodes all have `airlock` in their plugin directory. Dropping it ends them.
pub struct Cluster {
    nodes: Vec<Server>,
}

impl Cluster {
    /// Starts this number of nodes and waits until one is active and the others are standbys.
    ///
    /// A cluster of three survives the loss of one node. A cluster of two survives none, because a majority has to
    /// agree on every write.
    pub fn start(name: &str, nodes: usize) -> Self {
        let first = Server::start(&format!("{name}-0"), Storage::Disk);
        // A node that joins has no vote until it has been stable for this time, and without votes no other node can
        // take over.
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

    /// Returns a node, by its number.
    pub fn node(&self, number: usize) -> &Server {
        &self.nodes[number]
    }

    /// Returns the numbers of all nodes but one.
    pub fn others(&self, number: usize) -> Vec<usize> {
        (0..self.nodes.len()).filter(|other| *other != number).collect()
    }

    /// Waits until there is an active node, and returns its number.
    #[track_caller]
    pub fn active(&self) -> usize {
        eventually("a node is active", || {
            (0..self.nodes.len()).find(|number| self.health(*number) == Some(200))
        })
    }

    /// Makes the active node a standby and waits until another one takes its place. Returns the number of the new
    /// active node.
    #[track_caller]
    pub fn step_down(&self) -> usize {
        let before = self.active();
        loop {
            self.nodes[before]
                .client()
                .write("sys/step-down", json!({}))
                .expect_success("step down");
            self.wait_for_standby(before);
            // On a slow machine the same node may become active again.
            match self.active() {
                after if after != before => return after,
                _ => {}
            }
        }
    }

    /// Kills a node with SIGKILL.
    pub fn kill(&mut self, number: usize) {
        self.nodes[number].kill();
    }

    /// Starts a killed node again, and waits until it is a standby.
    #[track_caller]
    pub fn start_again(&mut self, number: usize) {
        self.nodes[number].join_again();
        self.wait_for_standby(number);
    }

    #[track_caller]
    fn wait_for_standby(&self, number: usize) {
        // This is Vault's status for a standby. OpenBao uses the same status, although its standbys also serve reads.
        eventually("a node stands by", || {
            (self.health(number) == Some(429)).then_some(())
        });
    }

    /// Returns the status of a node's `sys/health`, or `None` if the node does not answer.
    fn health(&self, number: usize) -> Option<u16> {
        let answer = self.nodes[number].client().try_request("GET", "sys/health", None);
        answer.ok().map(|answer| answer.status)
    }
}

/// Calls `ask` until it returns a value. `what` describes the value if it never does.
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
