//! Go's layouts of times: `2006-01-02T15:04:05Z07:00`. The time is in UTC.

use crate::Timestamp;
use crate::time::date;

const DAY: i64 = 86_400;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const DAYS: [&str; 7] = [
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
];

/// The chunks that stand for a part of the time. Of two with the same beginning, the longer one comes first.
const CHUNKS: [&str; 36] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "1",
    "2006",
    "2",
    "_2006",
    "__2",
    "_2",
    "3",
    "4",
    "5",
    "PM",
    "pm",
    "-070000",
    "-07:00:00",
    "-0700",
    "-07:00",
    "-07",
    "Z070000",
    "Z07:00:00",
    "Z0700",
    "Z07:00",
    "Z07",
    ".",
    ",",
];

/// Returns a time in a layout.
pub(super) fn format(layout: &str, time: Timestamp) -> String {
    let parts = Parts::of(time);
    let mut text = String::new();
    let mut rest = layout;
    while let Some(next) = rest.chars().next() {
        match parts.chunk(rest) {
            Some((length, chunk)) => {
                text.push_str(&chunk);
                rest = &rest[length..];
            }
            None => {
                text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    text
}

struct Parts {
    year: i64,
    month: u32,
    day: u32,
    year_day: i64,
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: u32,
}

impl Parts {
    fn of(time: Timestamp) -> Parts {
        let days = time.seconds.div_euclid(DAY);
        let second = time.seconds.rem_euclid(DAY);
        let (year, month, day) = date(days);
        let mut year_day = 1;
        while date(days - year_day).0 == year {
            year_day += 1;
        }
        Parts {
            year,
            month,
            day,
            year_day,
            weekday: days.rem_euclid(7) as usize,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            nanosecond: time.nanoseconds,
        }
    }

    /// Returns the length of the chunk at the beginning of a layout, and what it stands for.
    fn chunk(&self, layout: &str) -> Option<(usize, String)> {
        let chunk = CHUNKS.into_iter().find(|chunk| {
            let after = layout.strip_prefix(chunk);
            // `Janet` is not a month.
            let is_word = |after: &str| {
                matches!(*chunk, "Jan" | "Mon") && after.starts_with(|c: char| c.is_ascii_lowercase())
            };
            after.is_some_and(|after| !is_word(after))
        })?;
        let month = MONTHS[(self.month as usize).saturating_sub(1).min(11)];
        let weekday = DAYS[self.weekday];
        let hour_of_12 = (self.hour + 11) % 12 + 1;
        let is_morning = self.hour < 12;
        let text = match chunk {
            "January" => month.into(),
            "Jan" => month[..3].into(),
            "Monday" => weekday.into(),
            "Mon" => weekday[..3].into(),
            "MST" => "UTC".into(),
            "002" => format!("{:03}", self.year_day),
            "__2" => format!("{:3}", self.year_day),
            "01" => format!("{:02}", self.month),
            "1" => self.month.to_string(),
            "02" => format!("{:02}", self.day),
            "_2" => format!("{:2}", self.day),
            "2" => self.day.to_string(),
            "03" => format!("{hour_of_12:02}"),
            "3" => hour_of_12.to_string(),
            "15" => format!("{:02}", self.hour),
            "04" => format!("{:02}", self.minute),
            "4" => self.minute.to_string(),
            "05" => format!("{:02}", self.second),
            "5" => self.second.to_string(),
            "06" => format!("{:02}", self.year.rem_euclid(100)),
            "2006" => format!("{:04}", self.year),
            "_2006" => format!("_{:04}", self.year),
            "PM" => if is_morning { "AM" } else { "PM" }.into(),
            "pm" => if is_morning { "am" } else { "pm" }.into(),
            "." | "," => return self.fraction(layout),
            // The rest is the time zone.
            zone if zone.starts_with('Z') => "Z".into(),
            zone => zone.replace('-', "+").replace('7', "0"),
        };
        Some((chunk.len(), text))
    }

    /// Returns a fraction of the second: `.000` has all its digits, `.999` no zeros at its end.
    fn fraction(&self, layout: &str) -> Option<(usize, String)> {
        let digits = &layout[1..];
        let kind = digits.chars().next().filter(|kind| matches!(kind, '0' | '9'))?;
        let length = digits.len() - digits.trim_start_matches(kind).len();
        if digits[length..].starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let all = format!("{:09}", self.nanosecond);
        let mut shown = format!("{}{}", &layout[..1], &all[..length.min(9)]);
        if kind == '9' {
            shown.truncate(shown.trim_end_matches('0').len());
            if shown.len() == 1 {
                shown.clear();
            }
        }
        Some((1 + length, shown))
    }
}
