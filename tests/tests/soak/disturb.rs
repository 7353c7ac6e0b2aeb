//! Kills, reloads and seals, spread over the requests.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_tests::{Log, Server, eventually, process};
use serde_json::json;

use super::pool::Pool;
use super::site::{Engine, Host};
use super::windows::Disturbance;
use super::world::{World, pid_of};

/// The disturbances that took place, and the log lines of that time.
#[derive(Debug, Default)]
pub struct Done {
    pub times: BTreeMap<Disturbance, u64>,
    /// The number of times that the first request after a kill failed.
    pub unserved: u64,
    /// Warnings and errors of hosts, by level and message.
    pub logged: BTreeMap<String, u64>,
}

impl Done {
    /// Counts the lines of the log and empties it, because it would otherwise fill the memory.
    fn note(&mut self, log: &Log) {
        for line in log.take() {
            if line.is_hosts() && matches!(line.level(), "warn" | "error") {
                let message: String = line.message().chars().take(120).collect();
                *self
                    .logged
                    .entry(format!("{} {message}", line.level()))
                    .or_default() += 1;
            }
        }
    }
}

/// A disturbance, which ends when this is dropped, so that nobody waits for its end forever.
struct Open<'a> {
    pool: &'a Pool,
    hosts: &'a [Arc<Host>],
}

impl<'a> Open<'a> {
    fn new(pool: &'a Pool, hosts: &'a [Arc<Host>], disturbance: Disturbance) -> Self {
        hosts.iter().for_each(|host| host.windows.open(disturbance));
        Open { pool, hosts }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.pool.resume();
        self.hosts.iter().for_each(|host| host.windows.close());
    }
}

/// Disturbs the hosts of one server.
pub struct Disturber<'a> {
    pub server: &'a mut Server,
    /// The server's process, for the sampling of its resources.
    pub server_pid: &'a AtomicU32,
    pub pool: &'a Pool,
    /// The hosts that are disturbed.
    pub hosts: Vec<Arc<Host>>,
    /// The kinds of disturbances, which are used one after the other.
    pub plan: &'a [Disturbance],
    /// The number of disturbances, spread evenly over the requests.
    pub times: u64,
}

impl Disturber<'_> {
    /// Disturbs until all requests are made.
    pub fn run(mut self) -> Done {
        let mut done = Done::default();
        for time in 0..self.times {
            self.pool
                .wait_for((time + 1) * self.pool.total / (self.times + 1));
            let (round, at) = (time as usize / self.plan.len(), time as usize % self.plan.len());
            let disturbance = self.plan[at];
            let all = self.hosts.clone();
            let hosts = match disturbance {
                Disturbance::Kill | Disturbance::Reload => vec![all[(round + at) % all.len()].clone()],
                Disturbance::Seal | Disturbance::KillServer => all,
            };
            done.note(self.server.log());
            self.disturb(disturbance, &hosts, &mut done);
            *done.times.entry(disturbance).or_default() += 1;
        }
        self.pool.wait_for(self.pool.total);
        done.note(self.server.log());
        done
    }

    fn disturb(&mut self, disturbance: Disturbance, hosts: &[Arc<Host>], done: &mut Done) {
        let open = Open::new(self.pool, hosts, disturbance);
        self.engines_on(hosts, |engine| engine.disturb());
        match disturbance {
            Disturbance::Kill | Disturbance::Reload => self.end_process(disturbance, &hosts[0]),
            Disturbance::Seal => {
                self.pool.pause();
                self.server.seal();
                self.server.unseal();
            }
            Disturbance::KillServer => {
                self.pool.pause();
                self.server.kill();
                self.server.start_again();
                self.server_pid.store(self.server.pid(), Ordering::SeqCst);
            }
        }
        self.pool.resume();
        self.engines_on(hosts, |engine| {
            if engine.serves() {
                return;
            }
            done.unserved += u64::from(disturbance == Disturbance::Kill);
            let what = format!("{} serves after a {disturbance}", engine.site().mount.name());
            eventually(&what, || engine.serves().then_some(()));
        });
        for host in hosts {
            host.born.store(self.pool.begun(), Ordering::SeqCst);
        }
        drop(open);
        self.engines_on(hosts, |engine| {
            for outcome in engine.settle() {
                self.pool.add(&outcome, engine);
            }
        });
    }

    fn engines_on(&self, hosts: &[Arc<Host>], each: impl FnMut(&dyn Engine)) {
        let on_hosts = hosts.iter().flat_map(|host| World::engines_on(self.pool, host));
        on_hosts.for_each(each);
    }

    fn end_process(&self, disturbance: Disturbance, host: &Arc<Host>) {
        let pid = pid_of(self.server.pid(), host).expect("a process that serves");
        if disturbance == Disturbance::Kill {
            process::kill(pid);
        } else {
            let mount = World::engines_on(self.pool, host)
                .next()
                .expect("a mount")
                .site()
                .mount
                .name();
            self.server
                .client()
                .write(
                    "sys/plugins/reload/backend",
                    json!({ "mounts": [format!("{mount}/")] }),
                )
                .expect_success("reload");
        }
        let what = format!("the process of {} ends after a {disturbance}", host.name);
        eventually(&what, || process::has_ended(pid).then_some(()));
    }
}
