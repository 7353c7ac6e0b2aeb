//! Tests settings of the whole process. The test is alone here, so that no other test runs under them.

#![allow(clippy::unwrap_used)]

use airlock_logical::trace::TARGET;

#[test]
fn what_nobody_wants_costs_nothing() {
    airlock::log_to_vault(None).unwrap();
    // What libraries log.
    assert_eq!(log::max_level(), log::LevelFilter::Off);
    // The spans and events of traces: the place that makes one is switched off, not asked each time.
    assert!(tracing::trace_span!(target: TARGET, "guest").is_disabled());
    assert!(!tracing::event_enabled!(target: TARGET, tracing::Level::TRACE));
}
