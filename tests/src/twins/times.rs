//! Makes the times in an answer comparable.

use serde_json::Value;

/// All times of an answer: the members whose name ends in `_time`.
pub(super) struct Times {
    /// With all their decimals, so that the texts sort in the order of the times.
    sorted: Vec<String>,
}

impl Times {
    pub(super) fn of(body: &Value) -> Self {
        let mut sorted = Vec::new();
        collect(body, &mut sorted);
        sorted.sort();
        sorted.dedup();
        Times { sorted }
    }

    /// Returns the placeholder for a time: its rank among the answer's times, and how many minutes it is after the
    /// first, if any. Returns `None` for a text that is not a time in Vault's form.
    pub(super) fn placeholder(&self, text: &str) -> Option<String> {
        let time = in_full(text)?;
        let rank = self.sorted.iter().position(|other| *other == time)?;
        let minutes = (seconds(&time) - seconds(&self.sorted[0]) + 30) / 60;
        Some(match minutes {
            0 => format!("(time {rank})"),
            _ => format!("(time {rank}, {minutes} minutes on)"),
        })
    }
}

fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str().filter(|_| name.ends_with("_time")) {
                    Some(text) => into.extend(in_full(text)),
                    None => collect(member, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        _ => (),
    }
}

/// Adds all decimals to a time in Vault's form (RFC 3339, UTC, up to nine decimals without zeros at the end). Returns
/// `None` for a text that is not in that form.
pub(super) fn in_full(text: &str) -> Option<String> {
    let text = text.strip_suffix('Z')?;
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let form = "dddd-dd-ddTdd:dd:dd";
    let fits = seconds.len() == form.len()
        && seconds.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            _ => byte == form,
        });
    let trimmed = decimals.len() <= 9
        && decimals.bytes().all(|byte| byte.is_ascii_digit())
        && !decimals.ends_with('0')
        && (decimals.is_empty() != text.contains('.'));
    (fits && trimmed).then(|| format!("{seconds}.{decimals:0<9}"))
}

/// Returns whole seconds since the beginning of March of year 0, in today's calendar, of a time from [`in_full`].
fn seconds(time: &str) -> i64 {
    let number = |begin: usize, end: usize| time[begin..end].parse::<i64>().unwrap();
    // Years begin in March here, so that the leap day is the last.
    let (year, month) = match (number(0, 4), number(5, 7)) {
        (year, month @ 1..=2) => (year - 1, month + 9),
        (year, month) => (year, month - 3),
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + number(8, 10);
    ((days * 24 + number(11, 13)) * 60 + number(14, 16)) * 60 + number(17, 19)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn placeholders(times: &[&str]) -> Vec<Option<String>> {
        let body: Vec<Value> = times.iter().map(|time| json!({ "some_time": time })).collect();
        let all = Times::of(&Value::Array(body));
        times.iter().map(|time| all.placeholder(time)).collect()
    }

    #[test]
    fn times_are_compared_by_their_order() {
        let (early, late) = ("2026-01-01T00:00:00.49Z", "2026-01-01T00:00:00.5Z");
        assert_eq!(
            placeholders(&[early, late]),
            placeholders(&[early, "2026-01-01T00:00:01Z"])
        );
        assert_ne!(placeholders(&[early, late]), placeholders(&[late, early]));
        assert_ne!(placeholders(&[early, early]), placeholders(&[early, late]));
        assert_ne!(placeholders(&[early, ""]), placeholders(&[early, late]));
    }

    #[test]
    fn times_that_lie_apart_are_compared_by_minutes() {
        let after = |time| placeholders(&["2027-12-31T23:00:00Z", time])[1].clone().unwrap();
        assert_eq!(after("2028-01-01T01:30:29.9Z"), "(time 1, 150 minutes on)");
        assert_eq!(
            after("2028-03-01T00:00:00Z"),
            format!("(time 1, {} minutes on)", 60 * (24 * 60 + 1))
        );
    }

    #[test]
    fn text_that_is_no_time_of_vaults_has_no_placeholder() {
        let wrong = [
            "2026-01-01T00:00:00.50Z",
            "2026-01-01T00:00:00+00:00",
            "2026-01-01T00:00:00.Z",
            "soon",
        ];
        assert_eq!(placeholders(&wrong), [const { None }; 4]);
    }
}
