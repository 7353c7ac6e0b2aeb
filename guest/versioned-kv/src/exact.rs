//! Finds numbers that Vault would change.
//!
//! Vault decodes the data of a plugin's answer with 64-bit floats, but its own engine of version 1 returns each number
//! unchanged. So an answer with a number that would change is sent as a finished body, which Vault does not decode.

/// Returns true if JSON text has a number that a 64-bit float would change.
pub(crate) fn has_number_that_changes(json: &str) -> bool {
    let mut rest = json;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        rest = &rest[at..];
        if let Some(text) = rest.strip_prefix('"') {
            rest = after_text(text);
            continue;
        }
        let end = rest
            .find([',', ']', '}', ' ', '\n', '\r', '\t'])
            .unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        if changes(number) {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the text after the quote that ends a string.
fn after_text(text: &str) -> &str {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return &text[at + 1..],
            _ => {}
        }
    }
    ""
}

fn changes(number: &str) -> bool {
    let Ok(float) = number.parse::<f64>() else {
        return true;
    };
    // Outside this range Vault writes an exponent.
    let plain = float == 0.0 || (1e-6..1e21).contains(&float.abs());
    !plain || float.to_string() != number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_everyday_use_do_not_change() {
        for json in [
            r#"{"a":0,"b":-1,"c":[1.5, 9007199254740992 ],"d":{"e":0.000001}}"#,
            r#"{"12345678901234567890":"1e3","a":"\"1e3, \\","b":null,"c":true}"#,
            "{}",
        ] {
            assert!(!has_number_that_changes(json), "{json}");
        }
    }

    #[test]
    fn what_a_float_cannot_hold_or_writes_otherwise_changes() {
        for number in [
            "12345678901234567890",
            "0.12345678901234567890",
            "1e3",
            "1.0",
            "1.50",
            "0.0000001",
            "1e400",
            "1000000000000000000000",
        ] {
            assert!(
                has_number_that_changes(&format!(r#"{{"a":"x\"","n":[{number}]}}"#)),
                "{number}"
            );
        }
    }
}
