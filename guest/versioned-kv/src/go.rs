//! Writes numbers and texts as Go does, because clients of Vault's engine see them.

use std::fmt::Write as _;

use airlock_sdk::Value;

/// Converts a number, which wraps around if it is negative or too large.
pub(crate) fn uint32(number: i64) -> u32 {
    // The conversion cuts bits off on purpose.
    number as u32
}

/// Writes a length of time in whole seconds: `1h0m5s`.
pub(crate) fn seconds(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{seconds}s")
    } else {
        format!("{sign}{seconds}s")
    }
}

/// Joins several errors into one text.
pub(crate) fn errors(errors: &[String]) -> String {
    let count = match errors.len() {
        1 => "1 error".into(),
        many => format!("{many} errors"),
    };
    format!("{count} occurred:\n\t* {}\n\n", errors.join("\n\t* "))
}

/// Writes a value as `%v` does.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(self::value).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(members) => {
            let mut members: Vec<String> = members
                .iter()
                .map(|(name, member)| format!("{name}:{}", self::value(member)))
                .collect();
            members.sort_unstable();
            format!("map[{}]", members.join(" "))
        }
    }
}

/// Quotes a text.
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = match c {
            '"' => write!(quoted, "\\\""),
            '\\' => write!(quoted, "\\\\"),
            '\u{7}' => write!(quoted, "\\a"),
            '\u{8}' => write!(quoted, "\\b"),
            '\u{c}' => write!(quoted, "\\f"),
            '\n' => write!(quoted, "\\n"),
            '\r' => write!(quoted, "\\r"),
            '\t' => write!(quoted, "\\t"),
            '\u{b}' => write!(quoted, "\\v"),
            c if is_printable(c) => write!(quoted, "{c}"),
            c if c < ' ' || c == '\u{7f}' => write!(quoted, "\\x{:02x}", u32::from(c)),
            c if c < '\u{10000}' => write!(quoted, "\\u{:04x}", u32::from(c)),
            c => write!(quoted, "\\U{:08x}", u32::from(c)),
        };
    }
    quoted.push('"');
    quoted
}

/// Returns true for a letter, mark, number, punctuation, symbol, or the ASCII space.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    // Rust escapes the same characters, and a mark at the start of a text. So the text here starts with a letter.
    let mut text = [0; 8];
    text[0] = b'a';
    let length = 1 + c.encode_utf8(&mut text[1..]).len();
    std::str::from_utf8(&text[..length]).is_ok_and(|text| text.escape_debug().count() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_with_all_their_smaller_units() {
        for (number, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m0s"),
            (3600, "1h0m0s"),
            (10_925, "3h2m5s"),
            (-1, "-1s"),
        ] {
            assert_eq!(seconds(number), text);
        }
    }

    #[test]
    fn numbers_wrap_around() {
        assert_eq!((uint32(5), uint32(-1), uint32(1 << 32)), (5, u32::MAX, 0));
    }

    #[test]
    fn quotes_are_those_of_go() {
        for (text, quoted) in [
            ("a\"b\\", r#""a\"b\\""#),
            ("\u{7}\n\u{1}\u{7f}", r#""\a\n\x01\x7f""#),
            ("ü🗝", "\"ü🗝\""),
            ("\u{202e}\u{a0}", r#""\u202e\u00a0""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn marks_are_printable_and_other_spaces_are_not() {
        assert!(
            [' ', 'a', 'é', '\u{301}', '漢', '🗝', '\'']
                .into_iter()
                .all(is_printable)
        );
        assert!(
            !['\t', '\u{0}', '\u{a0}', '\u{2028}', '\u{200b}', '\u{e000}']
                .into_iter()
                .any(is_printable)
        );
    }

    #[test]
    fn several_errors_are_counted() {
        assert_eq!(errors(&["a".into()]), "1 error occurred:\n\t* a\n\n");
        assert_eq!(
            errors(&["a".into(), "b".into()]),
            "2 errors occurred:\n\t* a\n\t* b\n\n"
        );
    }
}
