//! The reads of an existence check, kept for the request that it belongs to.
//!
//! Vault sends the two one after the other with the same id. In between it checks its policies, so the request may
//! never come. So the reads are dropped after a few seconds.

use crate::transaction::reads::Reads;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MOST_BYTES: usize = 4 << 20;
const MOST_CHECKS: usize = 256;

pub(crate) struct KeptReads {
    kept: Arc<Mutex<Kept>>,
    lifetime: Duration,
}

#[derive(Default)]
struct Kept {
    /// The oldest first.
    checks: VecDeque<Check>,
    bytes: usize,
    sweeping: bool,
}

struct Check {
    request_id: String,
    reads: Reads,
    until: Instant,
}

impl Check {
    fn bytes(&self) -> usize {
        self.request_id.len() + self.reads.bytes()
    }
}

impl KeptReads {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            kept: Arc::default(),
            lifetime,
        }
    }

    pub(crate) fn keep(&self, request_id: &str, reads: Reads) {
        if request_id.is_empty() {
            return;
        }
        let mut kept = self.kept.lock();
        kept.take(request_id);
        let check = Check {
            request_id: request_id.to_owned(),
            reads,
            until: Instant::now() + self.lifetime,
        };
        kept.bytes += check.bytes();
        kept.checks.push_back(check);
        while kept.bytes > MOST_BYTES || kept.checks.len() > MOST_CHECKS {
            kept.drop_oldest();
        }
        if !kept.sweeping && !kept.checks.is_empty() {
            kept.sweeping = true;
            tokio::spawn(sweep(self.kept.clone(), self.lifetime));
        }
    }

    /// Removes and returns the reads that were kept for a request.
    pub(crate) fn take(&self, request_id: &str) -> Option<Reads> {
        let check = self.kept.lock().take(request_id)?;
        (check.until > Instant::now()).then_some(check.reads)
    }
}

impl Kept {
    fn take(&mut self, request_id: &str) -> Option<Check> {
        let at = self
            .checks
            .iter()
            .position(|check| check.request_id == request_id)?;
        let check = self.checks.remove(at)?;
        self.bytes -= check.bytes();
        Some(check)
    }

    fn drop_oldest(&mut self) {
        if let Some(check) = self.checks.pop_front() {
            self.bytes -= check.bytes();
        }
    }
}

/// Removes expired reads, and runs as long as something is kept.
async fn sweep(kept: Arc<Mutex<Kept>>, lifetime: Duration) {
    loop {
        sleep(lifetime).await;
        let mut kept = kept.lock();
        while kept
            .checks
            .front()
            .is_some_and(|check| check.until <= Instant::now())
        {
            kept.drop_oldest();
        }
        if kept.checks.is_empty() {
            kept.sweeping = false;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::StorageEntry;

    const LIFETIME: Duration = Duration::from_millis(80);

    fn reads(bytes: usize) -> Reads {
        let mut reads = Reads::default();
        reads.found("k", &Some(StorageEntry::new("k", vec![0; bytes])));
        reads
    }

    #[tokio::test]
    async fn reads_are_given_once_and_only_to_their_request() {
        let kept = KeptReads::new(LIFETIME);
        kept.keep("a", reads(1));
        assert!(kept.take("b").is_none());
        assert!(kept.take("a").is_some());
        assert!(kept.take("a").is_none());
    }

    #[tokio::test]
    async fn nothing_is_kept_for_a_request_without_id() {
        let kept = KeptReads::new(LIFETIME);
        kept.keep("", reads(1));
        assert!(kept.take("").is_none());
    }

    #[tokio::test]
    async fn reads_go_after_their_time_also_if_nobody_asks() {
        let kept = KeptReads::new(LIFETIME);
        kept.keep("a", reads(1));
        sleep(LIFETIME).await;
        assert!(kept.take("a").is_none());
        kept.keep("b", reads(1));
        sleep(LIFETIME * 3).await;
        assert!(kept.kept.lock().checks.is_empty() && !kept.kept.lock().sweeping);
    }

    #[tokio::test]
    async fn the_oldest_go_when_there_is_too_much() {
        let kept = KeptReads::new(LIFETIME);
        for n in 0..=MOST_CHECKS {
            kept.keep(&n.to_string(), reads(1));
        }
        assert!(kept.take("0").is_none() && kept.take("1").is_some());
        for n in 0..40 {
            kept.keep(&format!("large-{n}"), reads(200 << 10));
        }
        assert!(kept.kept.lock().bytes <= MOST_BYTES);
        assert!(kept.take("large-39").is_some() && kept.take("2").is_none());
    }

    /// Checks that read two hundred missing keys of 32 KB each.
    #[tokio::test]
    async fn keys_count_as_values_do() {
        let kept = KeptReads::new(LIFETIME);
        let long = "k".repeat(32_000);
        for n in 0..16 {
            let mut reads = Reads::default();
            for n in 0..200 {
                reads.found(&format!("{long}{n}"), &None);
            }
            assert!(reads.keys_held() <= reads.bytes());
            kept.keep(&n.to_string(), reads);
        }
        let kept = kept.kept.lock();
        let held: usize = kept.checks.iter().map(|check| check.reads.keys_held()).sum();
        assert!(held <= MOST_BYTES && !kept.checks.is_empty());
    }
}
