//! Spans that wait for the collector. Nobody waits for room: what does not fit is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::proto::trace::v1::Span;

/// Most spans that wait. One takes about one KiB.
const ROOM: usize = 4096;

/// Most spans of one message to the collector.
const BATCH: usize = 512;

/// The longest time for which a span waits for others to go with it.
const PAUSE: Duration = Duration::from_secs(1);

/// The end of the queue into which spans are put when they end.
pub(crate) struct Sender {
    spans: mpsc::Sender<Span>,
    lost: Lost,
}

/// The end of the queue from which the exporter takes spans.
pub(crate) struct Receiver {
    spans: mpsc::Receiver<Span>,
    pub lost: Lost,
}

/// The number of dropped spans that were not reported yet.
#[derive(Clone, Default)]
pub(crate) struct Lost(Arc<AtomicU64>);

impl Lost {
    pub fn add(&self, spans: u64) {
        self.0.fetch_add(spans, Relaxed);
    }

    pub fn take(&self) -> u64 {
        self.0.swap(0, Relaxed)
    }
}

pub(crate) fn queue() -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(ROOM);
    let lost = Lost::default();
    (
        Sender {
            spans: sender,
            lost: lost.clone(),
        },
        Receiver {
            spans: receiver,
            lost,
        },
    )
}

impl Sender {
    pub fn push(&self, span: Span) {
        if self.spans.try_send(span).is_err() {
            self.lost.add(1);
        }
    }
}

impl Receiver {
    /// Waits for spans, and then for more to go with them, but not beyond the cancellation of `ending`. Returns none once nothing
    /// waits and the end has come.
    pub async fn batch(&mut self, ending: &mut tokio::sync::watch::Receiver<bool>) -> Vec<Span> {
        let mut batch = Vec::new();
        if *ending.borrow() {
            self.take_waiting(&mut batch);
            return batch;
        }
        tokio::select! {
            received = self.spans.recv_many(&mut batch, BATCH) => {
                if received == 0 {
                    return batch;
                }
            }
            _ = ending.changed() => {
                self.take_waiting(&mut batch);
                return batch;
            }
        }
        let until = Instant::now() + PAUSE;
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            let more = async {
                tokio::select! {
                    received = self.spans.recv_many(&mut batch, room) => received > 0,
                    _ = ending.changed() => false,
                }
            };
            if !timeout_at(until, more).await.unwrap_or(false) {
                break;
            }
        }
        batch
    }

    /// Returns what waits.
    #[cfg(test)]
    pub fn waiting(&mut self) -> Vec<Span> {
        let mut batch = Vec::new();
        self.take_waiting(&mut batch);
        batch
    }

    fn take_waiting(&mut self, batch: &mut Vec<Span>) {
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
    }
}
