//! Reads schedules of cron, and finds their times.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::time::date;

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The most days until a schedule comes round: from one 29 February to the next, if a year between them has none.
const LONGEST: i64 = 8 * 366;

const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// A schedule: for each part the bits of its values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Cron {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// True if a day of the month or one of the week is enough, because neither part is `*`.
    either_day: bool,
}

impl From<Cron> for String {
    fn from(cron: Cron) -> String {
        cron.text
    }
}

impl TryFrom<String> for Cron {
    type Error = String;

    fn try_from(text: String) -> Result<Cron, String> {
        text.parse()
    }
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Cron, String> {
        if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
            return Err("a time zone is not supported: leave it out, and give the times in UTC".into());
        }
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = parts[..] else {
            let what = "it has five parts: minute, hour, day of the month, month, day of the week";
            return Err(what.into());
        };
        let minutes = values("minute", minutes, 0, 59, &[])?;
        let hours = values("hour", hours, 0, 23, &[])?;
        let days = values("day of the month", days, 1, 31, &[])?;
        let months = values("month", months, 1, 12, &MONTHS)?;
        let weekdays = values("day of the week", weekdays, 0, 6, &DAYS)?;
        let cron = Cron {
            text: parts.join(" "),
            minutes: minutes.bits,
            hours: hours.bits,
            days: days.bits,
            months: months.bits,
            weekdays: weekdays.bits,
            either_day: !days.is_any && !weekdays.is_any,
        };
        match cron.day_from(0) {
            Some(_) => Ok(cron),
            None => Err("no day is ever due".into()),
        }
    }
}

/// The values of a part.
#[derive(Default)]
struct Values {
    bits: u64,
    /// True if one of its items is `*` in every step.
    is_any: bool,
}

/// Reads a part: items with commas between them, each as Vault's parser reads it.
fn values(what: &str, part: &str, least: u32, most: u32, names: &[&str]) -> Result<Values, String> {
    let mut values = Values::default();
    for item in part.split(',').filter(|item| !item.is_empty()) {
        let wrong = || format!("{item:?} is not a valid {what}, from {least} to {most}");
        let number = |text: &str| {
            let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
            let number = match named {
                Some(at) => u32::try_from(at).ok().map(|at| at + least),
                None => text.parse().ok(),
            };
            number
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(wrong)
        };
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (item, None),
        };
        let (beginning, end) = match range.split_once('-') {
            Some((beginning, end)) => (beginning, Some(end)),
            None => (range, None),
        };
        let is_any = matches!(beginning, "*" | "?");
        let (first, last) = match end {
            // What follows the star counts for nothing.
            _ if is_any => (least, most),
            Some(end) => (number(beginning)?, number(end)?),
            None if step.is_some() => (number(beginning)?, most),
            None => (number(beginning)?, number(beginning)?),
        };
        // An `i64` on every machine, as in Vault.
        let step = step.map_or(Some(1), |step| step.parse::<i64>().ok());
        let step = step.filter(|step| *step > 0).ok_or_else(wrong)?;
        if first > last {
            return Err(wrong());
        }
        values.is_any |= is_any && step == 1;
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        values.bits |= (first..=last).step_by(step).fold(0, |bits, n| bits | 1 << n);
    }
    match values.bits {
        0 => Err(format!("the {what} is missing between the commas")),
        _ => Ok(values),
    }
}

fn has(bits: u64, number: i64) -> bool {
    u32::try_from(number).is_ok_and(|number| bits.checked_shr(number).is_some_and(|bits| bits & 1 == 1))
}

impl Cron {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the first minute of the schedule after a time.
    pub(super) fn next(&self, after: Timestamp) -> Timestamp {
        let from = (after.seconds.div_euclid(MINUTE) + 1) * MINUTE;
        let (today, now) = (from.div_euclid(DAY), from.rem_euclid(DAY));
        let later_today = self.day_from(today).filter(|day| *day == today);
        let seconds = later_today
            .and_then(|day| Some(day * DAY + self.minute_from(now)?))
            .or_else(|| Some(self.day_from(today + 1)? * DAY + self.minute_from(0)?));
        // Each schedule has a day, or it would not have been read, and a minute in it.
        Timestamp::from_seconds(seconds.unwrap_or(i64::MAX))
    }

    /// Returns the first day on or after one.
    fn day_from(&self, day: i64) -> Option<i64> {
        (day..day + LONGEST).find(|day| {
            let (_, month, of_month) = date(*day);
            if !has(self.months, month.into()) {
                return false;
            }
            // 1970 began on a Thursday.
            let weekday = has(self.weekdays, (day + 4).rem_euclid(7));
            let day = has(self.days, of_month.into());
            match self.either_day {
                true => day || weekday,
                false => day && weekday,
            }
        })
    }

    /// Returns the first second of a minute on or after a second of the day.
    fn minute_from(&self, second: i64) -> Option<i64> {
        let minutes = second / MINUTE..DAY / MINUTE;
        let mut due = minutes.filter(|minute| has(self.hours, minute / 60) && has(self.minutes, minute % 60));
        due.next().map(|minute| minute * MINUTE)
    }
}
