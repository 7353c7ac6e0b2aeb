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
    /// True if any day of the month, or of the week, will do.
    any_day: (bool, bool),
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
        let parts: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = parts[..] else {
            let what = "it has five parts: minute, hour, day of the month, month, day of the week";
            return Err(what.into());
        };
        let any = |part: &str| {
            part.split(',')
                .any(|item| matches!(item, "*" | "?" | "*/1" | "?/1"))
        };
        let cron = Cron {
            text: parts.join(" "),
            minutes: bits("minute", minutes, 0, 59, &[])?,
            hours: bits("hour", hours, 0, 23, &[])?,
            days: bits("day of the month", days, 1, 31, &[])?,
            months: bits("month", months, 1, 12, &MONTHS)?,
            weekdays: bits("day of the week", weekdays, 0, 6, &DAYS)?,
            any_day: (any(days), any(weekdays)),
        };
        match cron.day_from(0) {
            Some(_) => Ok(cron),
            None => Err("no day is ever due".into()),
        }
    }
}

/// Returns the bits of a part: items with commas between them.
fn bits(what: &str, part: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    let mut bits = 0;
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
        let (first, last) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        let step = step.map_or(Some(1), |step| step.parse::<usize>().ok());
        let step = step.filter(|step| *step > 0).ok_or_else(wrong)?;
        if first > last {
            return Err(wrong());
        }
        bits |= (first..=last).step_by(step).fold(0, |bits, n| bits | 1 << n);
    }
    match bits {
        0 => Err(format!("the {what} is missing between the commas")),
        bits => Ok(bits),
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
            match self.any_day {
                (false, false) => day || weekday,
                _ => day && weekday,
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
