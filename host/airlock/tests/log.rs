//! What is set for a whole process: alone here, so that no other test runs under it.

#![allow(clippy::unwrap_used)]

#[test]
fn what_libraries_log_costs_nothing() {
    airlock::log_to_vault().unwrap();
    assert_eq!(log::max_level(), log::LevelFilter::Off);
}
