//! Takes spans from the queue to the collector.
//!
//! A collector that does not take them is told to the log once, and is asked again with growing pauses. Meanwhile the queue fills
//! up, and then spans are dropped. Once the collector takes them again, the log says how many are missing.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::endpoint::Endpoint;
use crate::proto::collector::trace::v1::ExportTraceServiceRequest;
use crate::proto::common::v1::InstrumentationScope;
use crate::proto::resource::v1::Resource;
use crate::proto::trace::v1::{ResourceSpans, ScopeSpans, Span};
use crate::queue::Receiver;
use crate::send::{Connection, NotSent};

/// The pause after the first failure, which doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The shortest time between two lines about dropped spans.
const BETWEEN_LINES: Duration = Duration::from_secs(60);

/// The time that the end of the process waits for the last spans, if the collector took those before.
const LAST: Duration = Duration::from_millis(100);

/// The task that exports. If this is dropped and not [ended](Self::end), nobody waits for the spans that are left.
pub struct Exporter {
    task: JoinHandle<()>,
    ending: watch::Sender<bool>,
    /// False while the collector does not take spans.
    works: watch::Receiver<bool>,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exporter")
    }
}

/// The spans to export, the collector's address, and the description of this process.
pub(crate) struct Export {
    pub receiver: Receiver,
    pub endpoint: Endpoint,
    pub resource: Resource,
}

impl Exporter {
    /// Starts the task on the current runtime.
    pub(crate) fn start(export: Export) -> Self {
        let (ending, is_ending) = watch::channel(false);
        let (says_works, works) = watch::channel(true);
        let task = tokio::spawn(export.run(is_ending, says_works));
        Self { task, ending, works }
    }

    /// Sends what waits, for at most a tenth of a second, and not at all to a collector that does not take spans.
    pub async fn end(self) {
        if *self.works.borrow() {
            let _ = self.ending.send(true);
            let _ = timeout(LAST, self.task).await;
        } else {
            self.task.abort();
        }
    }
}

impl Export {
    async fn run(mut self, mut ending: watch::Receiver<bool>, works: watch::Sender<bool>) {
        let mut connection = Connection::to(self.endpoint.clone());
        let collector = self.endpoint.authority();
        let mut next_line = Instant::now();
        loop {
            let batch = self.receiver.batch(&mut ending).await;
            if batch.is_empty() {
                return;
            }
            let spans = batch.len() as u64;
            let message = self.message(batch);
            let mut pause = FIRST_PAUSE;
            loop {
                match connection.send(&message).await {
                    Ok(rejected) => {
                        self.receiver.lost.add(rejected);
                        if !works.send_replace(true) {
                            let dropped = self.receiver.lost.take();
                            tracing::info!(collector, dropped, "the collector takes traces again");
                        }
                        break;
                    }
                    Err(error) => {
                        if works.send_replace(false) {
                            tracing::warn!(
                                collector,
                                %error,
                                "the collector does not take traces; requests go on, and it is asked again"
                            );
                        }
                        if matches!(error, NotSent::Refused(_)) {
                            self.receiver.lost.add(spans);
                            sleep(pause).await;
                            break;
                        }
                    }
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            if *works.borrow() && Instant::now() >= next_line {
                let dropped = self.receiver.lost.take();
                if dropped > 0 {
                    next_line = Instant::now() + BETWEEN_LINES;
                    tracing::warn!(
                        collector,
                        dropped,
                        "spans were dropped: the collector takes too long, or rejected them"
                    );
                }
            }
        }
    }

    fn message(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "airlock".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![ScopeSpans {
                    scope: Some(scope),
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }
}
