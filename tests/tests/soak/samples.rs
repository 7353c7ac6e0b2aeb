//! The resources of the processes during the run.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_tests::process::{self, Usage};

use super::pool::{Pool, Target};
use super::site::Host;
use super::world::pid_of;

/// The number of samples of all processes, in addition to the first.
pub const SAMPLES: u64 = 50;
/// The number of first samples, in which pools and caches fill.
const WARM_UP: usize = 10;
/// The number of last samples, whose median is the value at the end.
const LAST: usize = 5;

/// One sample of one process.
#[derive(Clone, Copy)]
pub struct Sample {
    pub usage: Usage,
    /// The number of requests to its server since the process started.
    pub age: u64,
}

/// The resources that a server and its hosts used.
pub struct Watched {
    server: &'static str,
    hosts: Vec<Arc<Host>>,
    samples: Vec<Vec<Sample>>,
    /// The first process of each host that must live through the whole run.
    first: Vec<Option<u32>>,
    /// Descriptions of those that did not.
    ended: Vec<String>,
    of_server: Vec<Usage>,
}

impl Watched {
    pub fn new(server: &'static str, hosts: &[Arc<Host>]) -> Self {
        Watched {
            server,
            hosts: hosts.to_vec(),
            samples: hosts.iter().map(|_| Vec::new()).collect(),
            first: vec![None; hosts.len()],
            ended: Vec::new(),
            of_server: Vec::new(),
        }
    }

    pub fn look(&mut self, server: &AtomicU32, pool: &Pool) {
        let server = server.load(Ordering::SeqCst);
        self.of_server.extend(process::usage(server));
        for ((host, samples), first) in self.hosts.iter().zip(&mut self.samples).zip(&mut self.first) {
            let born = host.born.load(Ordering::SeqCst);
            let pid = pid_of(server, host);
            if host.steady {
                let first = *first.get_or_insert_with(|| pid.expect("a host that serves"));
                if pid != Some(first) {
                    self.ended
                        .push(format!("{}: process {first} ended, now it is {pid:?}", host.name));
                }
            }
            // A process that was killed a moment ago has no sample.
            if let Some(usage) = pid.and_then(process::usage) {
                samples.push(Sample {
                    usage,
                    age: pool.begun().saturating_sub(born),
                });
            }
        }
    }

    /// Returns the processes that ended although they should have lived through the whole run, once for each sample
    /// that showed it.
    pub fn ended(&self) -> &[String] {
        &self.ended
    }

    /// Returns the resources that grew in a process that lived through the whole run. A process that was asked for
    /// harm, by `pool`, may grow more. In a run that is not long, memory that grows may be a cache that fills, so only
    /// the other resources count.
    pub fn grown(&self, pool: &Pool, is_long: bool) -> Vec<String> {
        let growths = if is_long { &GROWTHS[..] } else { &GROWTHS[1..] };
        let mut grown = Vec::new();
        for (host, samples) in self.hosts.iter().zip(&self.samples) {
            let harmed = |target: &Target| Arc::ptr_eq(&target.engine.site().host, host);
            let hostile = pool.hostile.iter().any(harmed);
            if host.steady {
                let more = growths
                    .iter()
                    .filter_map(|growth| growth.exceeded(samples, hostile));
                grown.extend(more.map(|text| format!("{}: {text}", host.name)));
            }
        }
        grown
    }

    /// Returns a line for each process. It has the memory in MiB at first, the most during the warm-up, the most, and
    /// at the end; and the threads and open files, the most during the warm-up and at the end. Processes that live
    /// through the whole run have another line, with their memory in MiB at every fifth sample.
    pub fn report(&self) -> String {
        let mut text = format!(
            "{:<36} first   warm   peak    end  threads  files\n",
            format!("memory {}", self.server)
        );
        let of_server = [("the server".to_owned(), self.of_server.clone())];
        let of_hosts = self.hosts.iter().zip(&self.samples).map(|(host, samples)| {
            let usages = samples.iter().map(|sample| sample.usage).collect();
            (host.name.clone(), usages)
        });
        for (name, usages) in of_server.into_iter().chain(of_hosts) {
            let _ = writeln!(text, "  {name:<32} {}", line(&usages));
        }
        for (host, samples) in self.hosts.iter().zip(&self.samples) {
            if host.steady {
                let memory = samples
                    .iter()
                    .step_by(5)
                    .map(|sample| mebibytes(sample.usage.memory));
                let memory: Vec<String> = memory.map(|memory| format!("{memory:.1}")).collect();
                let _ = writeln!(text, "  over time: {:<32} {}", host.name, memory.join(" "));
            }
        }
        text += &self.by_age();
        text
    }

    /// Returns the memory of the processes that were ended, by the number of requests since their start.
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
                mebibytes(memory[memory.len() / 2]),
                mebibytes(memory[memory.len() - 1]),
                memory.len(),
            );
        }
        text
    }
}

/// A resource that may not grow.
struct Growth {
    name: &'static str,
    unit: f64,
    of: fn(&Usage) -> u64,
    /// The most that it may have at the end beyond the most of the warm-up: `slack`, or `hostile` in a process that is
    /// asked for harm.
    slack: u64,
    hostile: u64,
}

// Slots, stacks and buffers stay as large as the largest request that used them needs, and a large request may come
// late. A memory bomb makes them at most as large as --memory-mib, and an answer of 8 MiB is there twice. The busiest
// process serves some 200,000 requests of a million after the warm-up, so a leak of 32 bytes in each request shows. The
// number of connections is that of the callers, which is constant; threads are started for long requests.
const GROWTHS: [Growth; 3] = [
    Growth {
        name: "memory in MiB",
        unit: 1_048_576.0,
        of: |usage| usage.memory,
        slack: 6 << 20,
        hostile: 32 << 20,
    },
    Growth {
        name: "the number of threads",
        unit: 1.0,
        of: |usage| usage.threads,
        slack: 2,
        hostile: 2,
    },
    Growth {
        name: "the number of open files",
        unit: 1.0,
        of: |usage| usage.files,
        slack: 4,
        hostile: 4,
    },
];

impl Growth {
    fn exceeded(&self, samples: &[Sample], hostile: bool) -> Option<String> {
        let values: Vec<u64> = samples.iter().map(|sample| (self.of)(&sample.usage)).collect();
        let bound = warm(&values) + if hostile { self.hostile } else { self.slack };
        let end = end(&values);
        (end > bound).then(|| {
            let [end, bound] = [end, bound].map(|value| value as f64 / self.unit);
            format!("{} grew to {end:.1}, past {bound:.1}", self.name)
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

fn line(usages: &[Usage]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let memory: Vec<u64> = usages.iter().map(|usage| usage.memory).collect();
    let (least, peak) = (memory.iter().min(), memory.iter().max());
    let (least, peak) = (*least.unwrap_or(&0), *peak.unwrap_or(&0));
    let bar = |value: &u64| BARS[((value - least) * 7 / (peak - least).max(1)) as usize];
    let bars = memory.iter().map(bar);
    let first = memory.first().copied().unwrap_or_default();
    let of = [first, warm(&memory), peak, end(&memory)].map(|bytes| format!("{:>6.1}", mebibytes(bytes)));
    let counts = [|usage: &Usage| usage.threads, |usage: &Usage| usage.files].map(|count| {
        let values: Vec<u64> = usages.iter().map(count).collect();
        format!("{:>3} {:>3}", warm(&values), end(&values))
    });
    format!(
        "{} {} {}",
        of.join(" "),
        counts.join(" "),
        bars.collect::<String>()
    )
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
