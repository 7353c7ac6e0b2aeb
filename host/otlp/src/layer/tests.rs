//! Tests what of spans and events gets into the queue.

use airlock_logical::trace::TARGET;
use tracing::field::Empty;
use tracing::{info_span, trace, trace_span};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::queue::{Receiver, queue};
use crate::traces_to;

const SECRET: &str = "canary-5f1c";
const SECRET_TOO: &str = "canary-of-a-span-name";

fn collected(work: impl FnOnce()) -> Vec<Span> {
    let (sender, mut receiver): (_, Receiver) = queue();
    let subscriber = tracing_subscriber::registry().with(traces_to(sender, Ratio::ALL));
    tracing::subscriber::with_default(subscriber, work);
    receiver.waiting()
}

fn request() -> tracing::Span {
    info_span!(
        target: "vault_plugin::service::mounts",
        "request",
        mount = "demo/",
        request_id = "1f0e2d3c-4b5a-4978-8695-a4b3c2d1e0ff",
        path = SECRET,
        guest = Empty,
    )
}

#[test]
fn only_listed_spans_and_fields_are_kept() {
    let spans = collected(|| {
        let request = request();
        trace!(target: TARGET, parent: &request, operation = "read", key = SECRET, traceparent = SECRET);
        request.record("guest", "kv");
        request.in_scope(|| {
            trace_span!(target: TARGET, "guest", reused = true, key = SECRET).in_scope(|| {
                trace_span!(target: TARGET, "storage.get", outcome = Empty, value = SECRET)
                    .record("outcome", tracing::field::debug(SECRET));
            });
            trace_span!(target: TARGET, "canary-of-a-span-name").in_scope(|| {});
            trace_span!("commit", key = SECRET).in_scope(|| {});
            tracing::warn!(outcome = SECRET, "a line of the log");
            trace!(target: TARGET, outcome = "ok", message = SECRET, key = SECRET);
            trace!(target: TARGET, outcome = "later");
        });
    });
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["storage.get", "guest", "read"]);
    let text = format!("{spans:?}");
    assert!(!text.contains(SECRET) && !text.contains(SECRET_TOO), "{text}");
    let mut keys: Vec<_> = spans[2]
        .attributes
        .iter()
        .map(|attribute| &*attribute.key)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "airlock.guest",
            "airlock.mount",
            "airlock.operation",
            "airlock.outcome",
            "airlock.request_id"
        ]
    );
    assert!(text.contains("\"ok\"") && !text.contains("later"), "{text}");
}

#[test]
fn a_request_that_is_not_sampled_leaves_nothing() {
    let (sender, mut receiver) = queue();
    let subscriber = tracing_subscriber::registry().with(traces_to(sender, "0".parse().unwrap()));
    tracing::subscriber::with_default(subscriber, || {
        let request = request();
        trace!(target: TARGET, parent: &request, operation = "read");
        request.in_scope(|| drop(trace_span!(target: TARGET, "guest")));
    });
    assert_eq!(receiver.waiting(), []);
}

#[test]
fn steps_of_no_request_are_not_kept() {
    let spans = collected(|| {
        trace_span!(target: TARGET, "initialize").in_scope(|| {});
        info_span!("request").in_scope(|| drop(trace_span!(target: TARGET, "guest")));
    });
    assert_eq!(spans, []);
}

#[test]
fn spans_beyond_the_most_are_counted() {
    let spans = collected(|| {
        let request = request();
        trace!(target: TARGET, parent: &request, operation = "read");
        request.in_scope(|| {
            for _ in 0..MOST_SPANS + 4 {
                drop(trace_span!(target: TARGET, "storage.get"));
            }
        });
    });
    assert_eq!(spans.len(), MOST_SPANS as usize);
    let last = spans.last().unwrap();
    let dropped = number("airlock.spans_dropped", 5);
    assert!(last.attributes.contains(&dropped), "{last:?}");
}

#[test]
fn a_request_without_an_outcome_failed() {
    let spans = collected(|| {
        let request = request();
        trace!(target: TARGET, parent: &request, operation = "read");
    });
    assert_eq!(spans[0].status.as_ref().unwrap().message, "no_answer");
}
