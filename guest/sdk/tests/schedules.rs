//! Schedules of cron are read as Vault reads them, or refused with the reason.

#![allow(clippy::unwrap_used)]

use airlock_sdk::Timestamp;
use airlock_sdk::rotation::{InvalidSchedule, Schedule};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    times: Vec<Timestamp>,
    schedules: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    schedule: String,
    next: Option<Vec<Timestamp>>,
}

/// `cron/golden.json` is from the parser that Vault uses; `cron/generate.go` wrote it.
#[test]
fn a_cron_schedule_is_due_when_vault_says() {
    let golden: Golden = serde_json::from_str(include_str!("cron/golden.json")).unwrap();
    for case in golden.schedules {
        let schedule = Schedule::cron(&case.schedule, None).ok();
        let next = schedule.map(|schedule| golden.times.iter().map(|time| schedule.next(*time)).collect());
        assert_eq!(next, case.next, "{:?}", case.schedule);
    }
}

#[test]
fn a_time_zone_is_refused_and_the_line_says_what_to_do() {
    for zone in ["TZ=Europe/Berlin", "CRON_TZ=UTC", "TZ="] {
        let refused = Schedule::cron(&format!("{zone} 0 3 * * *"), None);
        let why = "a time zone is not supported: leave it out, and give the times in UTC";
        assert_eq!(refused, Err(InvalidSchedule::Cron(why.into())), "{zone}");
    }
}

#[test]
fn a_schedule_that_never_comes_is_refused() {
    for (text, why) in [
        ("0 0 30 2 *", "no day is ever due"),
        ("0 0 , * *", "the day of the month is missing between the commas"),
    ] {
        let refused = Schedule::cron(text, None);
        assert_eq!(refused, Err(InvalidSchedule::Cron(why.into())), "{text}");
    }
}
