//! Tests a setting of the whole process. The test is alone here, so that no other test runs under that setting.

#![allow(clippy::unwrap_used)]

#[test]
fn what_libraries_log_costs_nothing() {
    airlock::log_to_vault(None).unwrap();
    assert_eq!(log::max_level(), log::LevelFilter::Off);
}
