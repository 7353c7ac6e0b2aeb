//! The servers, the processes beneath them, the mounts, and the shares of the load.

use std::fs;
use std::sync::Arc;

use airlock_tests::{Plugin, Server, Storage, files, process};

use super::bank::Bank;
use super::hostile::{Hostile, LIMITS, Neighbour};
use super::kv::Kv;
use super::pool::{Pool, Target};
use super::site::{Engine, Host, Site};
use super::versioned::Versioned;

/// A server, the hosts that it runs, and who calls it.
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

    /// Registers a guest for a process of its own, with a file whose name tells that process from the others.
    fn host(&mut self, guest: &str, name: &str, steady: bool, args: &[&str]) -> Arc<Host> {
        let file = self.guests.path().join(format!("{name}.wasm"));
        fs::copy(files::guest(guest), &file).unwrap();
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

    /// Mounts every engine twice over: on processes that live to the end and on others that do not.
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
        // A number of its own for each mount, so that no two write the same values.
        let base = match sort {
            "steady" => 0,
            "shaken" => 10,
            _ => 20,
        };
        let kv = self.host("kv", &format!("kv-{sort}"), steady, &[]);
        for number in 0..kv_mounts {
            let site = self.site(&kv, &format!("kv-{sort}-{number}"), base + number);
            self.add(28 / kv_mounts, Kv::new(site, keys));
        }
        let cache = [
            "--cache=names",
            "--cache=config",
            "--cache=upgrade",
            "--cache=metadata/",
        ];
        let versioned = self.host("versioned-kv", &format!("versioned-{sort}"), steady, &cache);
        let site = self.site(&versioned, &format!("versioned-{sort}"), base + 5);
        site.mount.tune_to_version_2();
        site.mount.wait_until_versioned();
        self.add(10, Versioned::new(site, keys / 5));

        let bank = self.host("bank", &format!("bank-{sort}"), steady, &["--cache=settings/"]);
        let site = self.site(&bank, &format!("bank-{sort}"), base + 6);
        self.add(8, Bank::new(site));

        let adversary = self.host("adversary", &format!("adversary-{sort}"), steady, &LIMITS);
        let (hostile, neighbour) = (format!("hostile-{sort}"), format!("neighbour-{sort}"));
        let site = self.site(&adversary, &neighbour, base + 7);
        self.add(4, Neighbour::new(site));
        let hostile = Hostile::new(self.site(&adversary, &hostile, base + 8));
        self.pool.hostile.push(Target {
            weight: 1,
            engine: Box::new(hostile),
        });
    }

    /// The engines on a host's mounts.
    pub fn engines_on<'a>(pool: &'a Pool, host: &'a Arc<Host>) -> impl Iterator<Item = &'a dyn Engine> {
        pool.engines()
            .filter(move |engine| Arc::ptr_eq(&engine.site().host, host))
    }
}

/// The process that serves a registration's mounts.
pub fn pid_of(server: u32, host: &Host) -> Option<u32> {
    let file = format!("/{}.wasm", host.name);
    let serves = |pid: &u32| {
        process::arguments(*pid)
            .iter()
            .any(|argument| argument.ends_with(&file))
    };
    process::hosts(server).into_iter().rfind(serves)
}
