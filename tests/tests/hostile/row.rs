//! One guest: what is asked of it, and what must be so afterwards.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::hostile::{Harm, Hostile};
use airlock_tests::{Answer, Mount, Plugin, Server, process};
use serde_json::json;

use crate::latency::{Pace, Samples};

/// Callers that ask for harm at the same time.
pub const CALLERS: usize = 8;

/// How many answers the neighbour gets between one of these requests and the caller's next: Vault and this test run on the
/// same machine, which requests without a pause would fill, whatever they ask for.
const PACE: usize = 25;

/// By how much the host's resident memory may stay larger than before: buffers, and pages that the pool of instances keeps
/// so that the next request need not ask for them.
const KEPT: u64 = 32 << 20;

/// How long memory may take to come back. Far longer than it takes, because memory that never comes back is a failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// What all rows share.
pub struct Run {
    pub server: Server,
    /// A mount on another process, the neighbour of guests that are not loaded.
    pub elsewhere: Mount,
    /// Requests of the neighbour, quiet and beside the harm.
    pub samples: usize,
}

/// What came of one guest.
pub struct Row {
    pub name: String,
    pub about: String,
    /// The answer that a caller got, or what was wrong with it.
    pub answer: String,
    pub quiet: Option<Samples>,
    pub beside: Option<Samples>,
    /// Requests for harm that were answered while the neighbour's ran.
    pub harmed: u32,
    /// Bytes of the host's resident memory before, and after.
    pub memory: Option<(u64, u64)>,
    pub shares_process: bool,
    pub failures: Vec<String>,
}

impl Run {
    /// Lets a guest do its harm.
    pub fn row(&self, guest: &Hostile) -> Row {
        let mut row = Row {
            name: guest.name.clone(),
            about: guest.about.clone(),
            answer: String::new(),
            quiet: None,
            beside: None,
            harmed: 0,
            memory: None,
            shares_process: guest.harm != Harm::Load,
            failures: Vec::new(),
        };
        if let Err(failure) = self.fill(&mut row, guest) {
            row.failures.push(format!("{}: {failure}", row.name));
        }
        row
    }

    fn fill(&self, row: &mut Row, guest: &Hostile) -> Result<(), String> {
        let others = process::hosts(self.server.pid());
        let mut plugin = Plugin::serving(&guest.name, &guest.file(&self.server.temporary_directory()));
        for argument in guest.arguments() {
            plugin = plugin.arg(argument);
        }
        plugin.register(&self.server);

        let mut stage = Stage::set(self, guest, &others)?;
        let (neighbour, path) = stage.neighbour();
        let quiet: Result<Vec<_>, _> = (0..self.samples)
            .map(|_| Samples::time(neighbour, path))
            .collect();
        row.quiet = Some(Samples::of(quiet?));
        let mut before = stage.host.map(process::resident_bytes);

        let alone = stage.harm();
        row.answer = format!("{} {}", alone.status, alone.errors());
        check(guest, &alone)?;
        if guest.harm == Harm::Load {
            stage.host = self.hosts_besides(&others).pop();
            before = stage.host.map(process::resident_bytes);
        }
        let (beside, harmed) = stage.beside(self.samples)?;
        row.beside = Some(Samples::of(beside));
        row.harmed = harmed;

        if let (Some(host), Some(before)) = (stage.host, before) {
            if process::has_ended(host) {
                return Err("its host died".into());
            }
            row.memory = Some((before, settled(host, before + KEPT)?));
            stage.check_serving()?;
            if stage.mounting_fails() {
                // Vault keeps the process of an engine that it could not set up, one for all attempts.
                process::kill(host);
            }
        }
        stage.strike(&others)
    }

    /// The hosts that run now and did not run then.
    fn hosts_besides(&self, others: &[u32]) -> Vec<u32> {
        let mut hosts = process::hosts(self.server.pid());
        hosts.retain(|host| !others.contains(host));
        hosts
    }
}

/// A guest's mounts.
struct Stage<'a> {
    run: &'a Run,
    guest: &'a Hostile,
    /// Where requests for harm go, and the neighbour; none for a guest that must not be loaded.
    mounts: Option<(Mount, Mount)>,
    /// The process of both.
    host: Option<u32>,
    /// How often harm was to be done by mounting it, each time at another path.
    enabled: AtomicU32,
}

impl<'a> Stage<'a> {
    fn set(run: &'a Run, guest: &'a Hostile, others: &[u32]) -> Result<Self, String> {
        let mut stage = Self {
            run,
            guest,
            mounts: None,
            host: None,
            enabled: AtomicU32::new(0),
        };
        if guest.harm == Harm::Load {
            return Ok(stage);
        }
        let mount = |path: &str| {
            let answer = run.server.try_mount(path, &guest.name);
            match answer.status {
                200 | 204 => Ok(run.server.mounted(path)),
                _ => Err(format!("it cannot be mounted: {answer:?}")),
            }
        };
        stage.mounts = Some((mount(&guest.name)?, mount(&format!("{}-beside", guest.name))?));
        let hosts = run.hosts_besides(others);
        match hosts[..] {
            [host] => stage.host = Some(host),
            _ => {
                return Err(format!(
                    "one process for both mounts expected, there are {hosts:?}"
                ));
            }
        }
        Ok(stage)
    }

    fn mounting_fails(&self) -> bool {
        matches!(self.guest.harm, Harm::Enable | Harm::Load)
    }

    fn neighbour(&self) -> (&Mount, &'static str) {
        match &self.mounts {
            Some((_, beside)) => (beside, "ok"),
            None => (&self.run.elsewhere, "greeting"),
        }
    }

    /// Asks for harm.
    fn harm(&self) -> Answer {
        let name = &self.guest.name;
        match (&self.guest.harm, &self.mounts) {
            (Harm::Request { method, path }, Some((mount, _))) => {
                let body = (*method == "PUT").then(|| json!({"value": "x"}));
                mount.client().request(method, &mount.path(path), body.as_ref())
            }
            _ => {
                let options = json!({"hostile": "yes"});
                let number = self.enabled.fetch_add(1, SeqCst);
                self.run
                    .server
                    .try_mount_with(&format!("{name}-{number}"), name, &options)
            }
        }
    }

    /// Lets all callers ask for harm until the neighbour has so many answers.
    fn beside(&self, samples: usize) -> Result<(Vec<Duration>, u32), String> {
        let (neighbour, path) = self.neighbour();
        let pace = Pace::default();
        let harmed = AtomicU32::new(0);
        let wrong = Mutex::new(None);
        let times = thread::scope(|scope| {
            for caller in 0..CALLERS {
                let (pace, harmed, wrong) = (&pace, &harmed, &wrong);
                scope.spawn(move || {
                    let mut next = caller * PACE / CALLERS;
                    while pace.wait_for(next) {
                        let answer = self.harm();
                        harmed.fetch_add(1, SeqCst);
                        next = pace.answers() + PACE;
                        if let Err(what) = check(self.guest, &answer) {
                            *wrong.lock().unwrap() = Some(format!("one of {CALLERS} callers: {what}"));
                        }
                    }
                });
            }
            let mut times = Vec::new();
            let result = loop {
                match Samples::time(neighbour, path) {
                    Ok(time) => times.push(time),
                    Err(failed) => break Err(failed),
                }
                pace.count();
                if times.len() >= samples && harmed.load(SeqCst) >= CALLERS as u32 {
                    break Ok(times);
                }
            };
            pace.end();
            result
        })?;
        match wrong.into_inner().unwrap() {
            Some(wrong) => Err(wrong),
            None => Ok((times, harmed.load(SeqCst))),
        }
    }

    /// Both mounts answer, and from the same process.
    fn check_serving(&self) -> Result<(), String> {
        let Some((mount, beside)) = &self.mounts else {
            return Ok(());
        };
        Samples::time(mount, "ok")?;
        Samples::time(beside, "ok")?;
        let hosts = process::hosts(self.run.server.pid());
        match self.host {
            Some(host) if hosts.contains(&host) => Ok(()),
            _ => Err(format!("its host {:?} was replaced: {hosts:?}", self.host)),
        }
    }

    /// Takes the mounts down, and waits until nothing of the guest runs.
    fn strike(&self, others: &[u32]) -> Result<(), String> {
        if let Some((mount, beside)) = &self.mounts {
            self.run.server.unmount(mount.name());
            self.run.server.unmount(beside.name());
        }
        // Vault keeps a mount whose engine it could not initialize.
        let left = self
            .run
            .server
            .client()
            .read("sys/mounts")
            .expect_success("mounts");
        for number in 0..self.enabled.load(SeqCst) {
            let path = format!("{}-{number}", self.guest.name);
            if left.data().get(format!("{path}/")).is_some() {
                self.run.server.unmount(&path);
            }
        }
        let until = Instant::now() + PATIENCE;
        while process::hosts(self.run.server.pid()) != others {
            if Instant::now() > until {
                let hosts = process::hosts(self.run.server.pid());
                return Err(format!(
                    "processes do not end with their mounts: {hosts:?}, of which {others:?} may stay"
                ));
            }
            thread::yield_now();
        }
        Samples::time(&self.run.elsewhere, "greeting").map(|_| ())
    }
}

/// Whether a caller got the answer that the guest's file says.
fn check(guest: &Hostile, answer: &Answer) -> Result<(), String> {
    let errors = answer.errors();
    let missing = guest.words.iter().find(|words| !errors.contains(*words));
    match missing {
        None if answer.status == guest.status => Ok(()),
        _ => Err(format!(
            "{} with {:?} expected, got {answer:?}",
            guest.status, guest.words
        )),
    }
}

/// The host's resident memory once it is no larger than that.
fn settled(host: u32, most: u64) -> Result<u64, String> {
    let until = Instant::now() + PATIENCE;
    loop {
        let bytes = process::resident_bytes(host);
        if bytes <= most {
            return Ok(bytes);
        }
        if Instant::now() > until {
            return Err(format!(
                "its host keeps {} MiB, which is over {}",
                bytes >> 20,
                most >> 20
            ));
        }
        thread::yield_now();
    }
}
