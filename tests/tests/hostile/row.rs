//! Tests one guest: asks it for harm and checks the state afterwards.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use airlock_tests::hostile::{Harm, Hostile};
use airlock_tests::{Answer, Line, Mount, Plugin, Server, process};
use serde_json::json;

use crate::latency::{Pace, Samples, Times};

/// The number of callers that ask for harm at the same time.
pub const CALLERS: usize = 8;

/// The number of the neighbour's answers between the answer to one request for harm and the same caller's next request.
/// Vault and this test run on the same machine, which requests without a pause would overload, whatever they ask for.
const PACE: usize = 25;

/// The bytes of resident memory that the host may keep in addition: buffers, and pages that the pool of instances keeps
/// so that the next request does not have to allocate them.
const KEPT: u64 = 32 << 20;

/// The bytes that it may keep in addition when the same harm is done again. It is less, because everything that is kept
/// once is there by then.
const AGAIN: u64 = 16 << 20;

/// The least number of requests for harm of each caller, if a request takes no longer than [`CHEAP`].
const CHEAP_REQUESTS: u32 = 3;
const CHEAP: Duration = Duration::from_millis(100);

/// The length that no line of the host and no text of an error exceeds.
const LONGEST_LINE: usize = 64 << 10;
const LONGEST_ERROR: usize = 17 << 10;

/// The longest time for memory to be freed. It takes far less; at the end of this time the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// The state that all rows share.
pub struct Run {
    pub server: Server,
    /// A mount on another process, which is the neighbour of guests that are not loaded.
    pub elsewhere: Mount,
    /// The number of the neighbour's requests, quiet and beside the harm.
    pub samples: usize,
}

/// The result of one guest.
pub struct Row {
    pub name: String,
    pub about: String,
    /// The answer that a caller got, or what was wrong with it.
    pub answer: String,
    pub quiet: Option<Times>,
    pub beside: Option<Times>,
    /// The number of requests for harm that were answered during the neighbour's requests.
    pub harmed: u32,
    /// Bytes of the host's resident memory before and after.
    pub memory: Option<(u64, u64)>,
    pub shares_process: bool,
    pub failures: Vec<String>,
}

impl Run {
    /// Lets a guest do its harm, and returns the result.
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
        let quiet = Times::measure(stage.neighbour(), self.elsewhere(), self.samples, || false)?;
        row.quiet = Some(quiet);
        let mut before = stage.host.map(process::resident_bytes);

        self.server.log().take();
        let asked = Instant::now();
        let alone = stage.harm();
        let each = if asked.elapsed() < CHEAP {
            CHEAP_REQUESTS
        } else {
            1
        };
        row.answer = format!("{} {}", alone.status, alone.errors());
        check(guest, &alone)?;
        if guest.harm == Harm::Load {
            stage.host = self.hosts_besides(&others).pop();
            before = stage.host.map(process::resident_bytes);
        }
        let callers = CALLERS as u32;
        let (beside, harmed) = stage.beside(self.samples, each * callers)?;
        row.beside = Some(beside);
        row.harmed = harmed;

        if let (Some(host), Some(before)) = (stage.host, before) {
            if process::has_ended(host) {
                return Err("its host died".into());
            }
            let first = settled(host, before + KEPT)?;
            row.harmed += stage.beside(1, callers)?.1;
            if process::has_ended(host) {
                return Err("its host died when harm was done again".into());
            }
            row.memory = Some((before, settled(host, before.max(first) + AGAIN)?));
            stage.check_serving()?;
            if stage.mounting_fails() {
                // Vault keeps the process of an engine that it could not set up. There is one process for all attempts.
                process::kill(host);
            }
        }
        stage.strike(&others)?;
        check_log(&self.server.log().take())
    }

    /// Returns the mount on another process, and a path that it answers.
    fn elsewhere(&self) -> (&Mount, &'static str) {
        (&self.elsewhere, "greeting")
    }

    /// Returns the hosts that run now, without these others.
    fn hosts_besides(&self, others: &[u32]) -> Vec<u32> {
        let mut hosts = process::hosts(self.server.pid());
        hosts.retain(|host| !others.contains(host));
        hosts
    }
}

/// The mounts of a guest.
struct Stage<'a> {
    run: &'a Run,
    guest: &'a Hostile,
    /// The mount for requests for harm, and the neighbour. None if the guest must not be loaded.
    mounts: Option<(Mount, Mount)>,
    /// The process of both mounts.
    host: Option<u32>,
    /// The number of attempts to do harm by mounting the guest. Each attempt used another path.
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
            None => self.run.elsewhere(),
        }
    }

    /// Asks the guest for harm.
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

    /// Lets all callers ask for harm until the neighbour has `samples` answers and the callers have at least `least`.
    fn beside(&self, samples: usize, least: u32) -> Result<(Times, u32), String> {
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
            let goes_on = || {
                pace.count();
                harmed.load(SeqCst) < least
            };
            let result = Times::measure(self.neighbour(), self.run.elsewhere(), samples, goes_on);
            pace.end();
            result
        })?;
        match wrong.into_inner().unwrap() {
            Some(wrong) => Err(wrong),
            None => Ok((times, harmed.load(SeqCst))),
        }
    }

    /// Checks that both mounts answer, and from the same process.
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

    /// Removes the mounts, and waits until none of the guest's processes runs.
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
        let (elsewhere, path) = self.run.elsewhere();
        Samples::time(elsewhere, path).map(|_| ())
    }
}

/// Checks that a caller got the answer that the guest's file gives.
fn check(guest: &Hostile, answer: &Answer) -> Result<(), String> {
    let errors = answer.errors();
    if !guest.fits(answer) {
        return Err(format!(
            "{} with {:?} or {:?} expected, got {answer:?}",
            guest.status, guest.words, guest.or
        ));
    }
    if errors.len() > LONGEST_ERROR {
        return Err(format!("an error of {} bytes: {answer:?}", errors.len()));
    }
    // A refusal has the guest's own text, which a caller gets unchanged.
    if matches!(guest.harm, Harm::Request { .. }) && answer.status < 500 {
        return Ok(());
    }
    // Vault adds line feeds and tabs around the error.
    match errors.chars().find(|c| c.is_control() && !"\n\t".contains(*c)) {
        Some(control) => Err(format!("{control:?} in an error: {answer:?}")),
        None => Ok(()),
    }
}

/// Checks that Vault or the host wrote every line of the log, and the guest none.
fn check_log(lines: &[Line]) -> Result<(), String> {
    for line in lines {
        let message = line.message();
        // If Vault cannot parse a plugin's line, it logs the whole line as the message.
        let is_raw = line.is_hosts() && message.starts_with('{');
        let is_forged = !line.is_hosts() && message.contains("root token generated");
        let has_control = line.is_hosts() && line.texts().any(|text| text.contains(char::is_control));
        let is_long = line.is_hosts() && line.text.len() > LONGEST_LINE;
        if line.level().is_empty() || is_raw || is_forged || has_control || is_long {
            let start: String = line.text.chars().take(600).collect();
            return Err(format!(
                "a line of {} bytes (raw: {is_raw}, forged: {is_forged}, control characters: {has_control}): {start:?}",
                line.text.len()
            ));
        }
    }
    Ok(())
}

/// Waits until the host's resident memory is at most `most`, and returns it.
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
