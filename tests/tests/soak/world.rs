//! The servers, their host processes, the mounts, and the shares of the load.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use airlock_tests::{Plugin, Server, Storage, files, hostile, process};

use super::bank::Bank;
use super::hostile::{Hostile, LIMITS, Neighbour};
use super::kv::Kv;
use super::pool::{Pool, Target};
use super::site::{Engine, Host, Site};
use super::versioned::Versioned;

/// A server, the hosts that it runs, and its callers.
pub struct World {
    pub server: Server,
    pub hosts: Vec<Arc<Host>>,
    pub pool: Pool,
    guests: tempfile::TempDir,
}

impl World {
    pub fn new(name: &str, storage: Storage, pool: Pool) -> Self {
        World {
            server: Server::start(name, storage),
            hosts: Vec::new(),
            pool,
            guests: tempfile::tempdir().unwrap(),
        }
    }

    /// Registers a guest for a process of its own. The name of the guest's file distinguishes that process from the
    /// others.
    fn host(&mut self, guest: &Path, name: &str, steady: bool, args: &[&str]) -> Arc<Host> {
        let file = self.guests.path().join(format!("{name}.wasm"));
        fs::copy(guest, &file).unwrap();
        let mut plugin =
            Plugin::serving(name, &file).arg(format!("--cache-dir={}", files::guest_cache().display()));
        for arg in args {
            plugin = plugin.arg(*arg);
        }
        plugin.register(&self.server);
        let host = Host::new(name, steady);
        self.hosts.push(host.clone());
        host
    }

    fn site(&self, host: &Arc<Host>, mount: &str, number: usize) -> Site {
        Site {
            mount: self.server.mount(mount, &host.name),
            host: host.clone(),
            clock: self.pool.clock.clone(),
            number,
        }
    }

    fn add(&mut self, weight: usize, engine: impl Engine + 'static) {
        self.pool.targets.push(Target {
            weight,
            engine: Box::new(engine),
        });
    }

    /// Mounts every engine twice: on processes that live through the whole run and on others that do not.
    pub fn of_both_sorts(mut self) -> Self {
        for (sort, steady) in [("steady", true), ("shaken", false)] {
            self.add_engines(sort, steady, 2, 600);
        }
        self
    }

    /// Mounts every engine on processes that are disturbed.
    pub fn of_the_disturbed(mut self) -> Self {
        self.add_engines("raft", false, 1, 100);
        self
    }

    fn add_engines(&mut self, sort: &str, steady: bool, kv_mounts: usize, keys: usize) {
        // Each mount has its own number, so that no two write the same values.
        let base = match sort {
            "steady" => 0,
            "shaken" => 10,
            _ => 20,
        };
        let kv = self.host(&files::guest("kv"), &format!("kv-{sort}"), steady, &[]);
        for number in 0..kv_mounts {
            let site = self.site(&kv, &format!("kv-{sort}-{number}"), base + number);
            self.add(112 / kv_mounts, Kv::new(site, keys));
        }
        let versioned = self.host(
            &files::guest("versioned-kv"),
            &format!("versioned-{sort}"),
            steady,
            &[],
        );
        let site = self.site(&versioned, &format!("versioned-{sort}"), base + 5);
        site.mount.tune_to_version_2();
        site.mount.wait_until_versioned();
        self.add(40, Versioned::new(site, keys / 5));

        let bank = self.host(&files::guest("bank"), &format!("bank-{sort}"), steady, &[]);
        let site = self.site(&bank, &format!("bank-{sort}"), base + 6);
        self.add(32, Bank::new(site));

        let adversary = self.host(
            &files::guest("adversary"),
            &format!("adversary-{sort}"),
            steady,
            &LIMITS,
        );
        let (hostile, neighbour) = (format!("hostile-{sort}"), format!("neighbour-{sort}"));
        let site = self.site(&adversary, &neighbour, base + 7);
        self.add(16, Neighbour::of_the_adversary(site));
        let hostile = Hostile::adversary(self.site(&adversary, &hostile, base + 8));
        self.add_hostile(8, hostile);
    }

    fn add_hostile(&mut self, weight: usize, engine: Hostile) {
        self.pool.hostile.push(Target {
            weight,
            engine: Box::new(engine),
        });
    }

    /// Mounts at most `most` guests of the corpus, each twice on a process of its own.
    pub fn and_of_the_corpus(mut self, most: usize) -> Self {
        let corpus = hostile::corpus();
        let by_request = |guest: &&hostile::Hostile| matches!(guest.harm, hostile::Harm::Request { .. });
        let corpus: Vec<_> = corpus.iter().filter(by_request).collect();
        let some = corpus.iter().step_by(corpus.len().div_ceil(most).max(1));
        for (guest, number) in some.zip(100..) {
            let directory = tempfile::tempdir().unwrap();
            let arguments = guest.arguments();
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let name = format!("hostile-{}", guest.name);
            let host = self.host(&guest.file(directory.path()), &name, true, &arguments);
            let hostile = Hostile::of_the_corpus(guest, || self.site(&host, &name, number));
            hostile
                .into_iter()
                .for_each(|hostile| self.add_hostile(1, hostile));
            let site = self.site(&host, &format!("{name}-neighbour"), number);
            self.add(1, Neighbour::of_the_corpus(site));
        }
        self
    }

    /// Returns the engines on a host's mounts.
    pub fn engines_on<'a>(pool: &'a Pool, host: &'a Arc<Host>) -> impl Iterator<Item = &'a dyn Engine> {
        pool.engines()
            .filter(move |engine| Arc::ptr_eq(&engine.site().host, host))
    }
}

/// Returns the process that serves a registration's mounts.
pub fn pid_of(server: u32, host: &Host) -> Option<u32> {
    let file = format!("/{}.wasm", host.name);
    let serves = |pid: &u32| {
        process::arguments(*pid)
            .iter()
            .any(|argument| argument.ends_with(&file))
    };
    process::hosts(server).into_iter().rfind(serves)
}
