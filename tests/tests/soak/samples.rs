//! What the processes use, as the requests go by.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_tests::process::{self, Usage};

use super::pool::Pool;
use super::site::Host;
use super::world::pid_of;

/// How often all processes are looked at, beside the first time.
pub const SAMPLES: u64 = 50;
/// The first samples, in which pools and caches fill.
const WARM_UP: usize = 10;
/// The last samples, whose median is the end.
const LAST: usize = 5;

/// One look at one process.
#[derive(Clone, Copy)]
pub struct Sample {
    pub usage: Usage,
    /// The requests to its server since it was started.
    pub age: u64,
}

/// What a server and its hosts used.
pub struct Watched {
    server: &'static str,
    hosts: Vec<Arc<Host>>,
    samples: Vec<Vec<Sample>>,
    of_server: Vec<Usage>,
}

impl Watched {
    pub fn new(server: &'static str, hosts: &[Arc<Host>]) -> Self {
        Watched {
            server,
            hosts: hosts.to_vec(),
            samples: hosts.iter().map(|_| Vec::new()).collect(),
            of_server: Vec::new(),
        }
    }

    pub fn look(&mut self, server: &AtomicU32, pool: &Pool) {
        let server = server.load(Ordering::SeqCst);
        self.of_server.extend(process::usage(server));
        for (host, samples) in self.hosts.iter().zip(&mut self.samples) {
            let born = host.born.load(Ordering::SeqCst);
            // One that was killed a moment ago is missed.
            if let Some(usage) = pid_of(server, host).and_then(process::usage) {
                samples.push(Sample {
                    usage,
                    age: pool.begun().saturating_sub(born),
                });
            }
        }
    }

    /// What grew in a process that lived through all of it: bounds are stated in [`Growth`].
    pub fn grown(&self) -> Vec<String> {
        let steady = self
            .hosts
            .iter()
            .zip(&self.samples)
            .filter(|(host, _)| host.steady);
        steady
            .flat_map(|(host, samples)| {
                let grown = GROWTHS.iter().filter_map(|growth| growth.exceeded(samples));
                grown
                    .map(|text| format!("{}: {text}", host.name))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    pub fn report(&self) -> String {
        let mut text = format!("{}\n", self.server);
        for growth in &GROWTHS {
            let unit = growth.unit;
            let _ = writeln!(text, "  {:<20} first  warm  peak   end", growth.name);
            if growth.name == "memory" {
                let of_server = self.of_server.iter().map(growth.of).collect::<Vec<_>>();
                let _ = writeln!(text, "    {:<18} {}", "the server", line(&of_server, unit));
            }
            for (host, samples) in self.hosts.iter().zip(&self.samples) {
                let values: Vec<u64> = samples.iter().map(|sample| (growth.of)(&sample.usage)).collect();
                let _ = writeln!(text, "    {:<18} {}", host.name, line(&values, unit));
            }
        }
        text += &self.by_age();
        text
    }

    /// The memory of the processes that were ended, by how many requests old they were.
    fn by_age(&self) -> String {
        let mut samples: Vec<Sample> = self
            .hosts
            .iter()
            .zip(&self.samples)
            .filter(|(host, _)| !host.steady)
            .flat_map(|(_, samples)| samples.iter().copied())
            .collect();
        samples.sort_by_key(|sample| sample.age);
        let mut text =
            "  memory of the disturbed, by the requests to the server since their start\n".to_owned();
        for samples in samples.chunks(samples.len().div_ceil(6).max(1)) {
            let mut memory: Vec<u64> = samples.iter().map(|sample| sample.usage.memory).collect();
            memory.sort_unstable();
            let _ = writeln!(
                text,
                "    {:>7} to {:>7}: median {:.1} MiB, most {:.1} MiB, of {} samples",
                samples[0].age,
                samples[samples.len() - 1].age,
                memory[memory.len() / 2] as f64 / 1024.0,
                memory[memory.len() - 1] as f64 / 1024.0,
                memory.len(),
            );
        }
        text
    }
}

/// How far something may grow between the warm-up and the end, before that is taken for a leak.
struct Growth {
    name: &'static str,
    unit: f64,
    of: fn(&Usage) -> u64,
    /// A quarter more than ever during the warm-up, and this.
    slack: u64,
}

// Slots and buffers stay as large as the largest request that used them, and a large request may come late: 12 MiB. Over the
// million each of these processes serves some 100,000 requests after the warm-up, so that a leak of 200 bytes each shows.
// Connections and threads come and go with the callers, of whom there are always as many.
const GROWTHS: [Growth; 3] = [
    Growth {
        name: "memory",
        unit: 1024.0,
        of: |usage| usage.memory,
        slack: 12 << 10,
    },
    Growth {
        name: "threads",
        unit: 1.0,
        of: |usage| usage.threads,
        slack: 4,
    },
    Growth {
        name: "open files",
        unit: 1.0,
        of: |usage| usage.files,
        slack: 8,
    },
];

impl Growth {
    fn exceeded(&self, samples: &[Sample]) -> Option<String> {
        let values: Vec<u64> = samples.iter().map(|sample| (self.of)(&sample.usage)).collect();
        let (warm, end) = (warm(&values), end(&values));
        let bound = warm + warm / 4 + self.slack;
        (end > bound).then(|| {
            let [warm, end, bound] = [warm, end, bound].map(|value| value as f64 / self.unit);
            format!("{} grew from {warm:.1} to {end:.1}, past {bound:.1}", self.name)
        })
    }
}

fn warm(values: &[u64]) -> u64 {
    values.iter().take(WARM_UP).max().copied().unwrap_or_default()
}

fn end(values: &[u64]) -> u64 {
    let mut last = values[values.len().saturating_sub(LAST)..].to_vec();
    last.sort_unstable();
    last.get(last.len() / 2).copied().unwrap_or_default()
}

fn line(values: &[u64], unit: f64) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let peak = values.iter().max().copied().unwrap_or_default();
    let bar = |value: &u64| BARS[(value * 8).div_ceil(peak.max(1)).saturating_sub(1).min(7) as usize];
    let first = values.first().copied().unwrap_or_default();
    let [first, warm, peak, end] = [first, warm(values), peak, end(values)]
        .map(|value| format!("{:>5.*}", usize::from(unit > 1.0), value as f64 / unit));
    format!(
        "{first} {warm} {peak} {end}  {}",
        values.iter().map(bar).collect::<String>()
    )
}
