//! The kind of a text, which its token keeps, so that a guest can read the token where it could read the text.

use airlock_logical::Timestamp;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::tokens::Tokens;

/// The fewest characters of a text that is taken for hexadecimal digits, base32 or base64. Shorter words look like them by
/// accident.
const SHORTEST: usize = 16;

/// The time that Go writes for "never", which has no kind.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// The units of a length of time in Go's form, the longer ones first.
const UNITS: [&str; 6] = ["ms", "us", "ns", "h", "m", "s"];

/// Returns the token of a text that has a kind.
pub(super) fn token(text: &str, tokens: &Tokens) -> Option<String> {
    if is_digits(text) {
        return Some(tokens.digits(text));
    }
    if let Some(time) = time(text) {
        return Some(moved(time, text, tokens));
    }
    if is_uuid(text) {
        return Some(tokens.uuid(text));
    }
    if let Some(parts) = duration(text) {
        let token = |(number, unit): &(&str, &str)| tokens.digits(number) + unit;
        return Some(parts.iter().map(token).collect());
    }
    if let Some((name, domain)) = address(text) {
        let labels: Vec<_> = domain.split('.').map(|label| tokens.plain(label)).collect();
        return Some(format!("{}@{}", tokens.plain(name), labels.join(".")));
    }
    if text.len() < SHORTEST {
        return None;
    }
    if is_hex(text) {
        return Some(tokens.hex(text));
    }
    if text.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')) {
        return Some(tokens.base32(text));
    }
    base64(text).map(|bytes| tokens.base64(text, bytes))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_hex(text: &str) -> bool {
    let is = |letters: fn(&u8) -> bool| text.bytes().all(|byte| byte.is_ascii_digit() || letters(&byte));
    text.len().is_multiple_of(2)
        && (is(|byte| matches!(byte, b'a'..=b'f')) || is(|byte| matches!(byte, b'A'..=b'F')))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Returns the bytes for which a text in base64 stands. It has to have letters of both sizes, unlike a word.
fn base64(text: &str) -> Option<usize> {
    let has = |is: fn(&u8) -> bool| text.bytes().any(|byte| is(&byte));
    if !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) {
        return None;
    }
    STANDARD.decode(text).ok().map(|bytes| bytes.len())
}

fn time(text: &str) -> Option<OffsetDateTime> {
    // Cheap to rule out: the date's hyphens.
    let is_date = matches!(
        text.as_bytes(),
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b't', ..]
    );
    (is_date && text != NEVER)
        .then(|| OffsetDateTime::parse(text, &Rfc3339).ok())
        .flatten()
}

fn moved(time: OffsetDateTime, text: &str, tokens: &Tokens) -> String {
    let to = tokens.time(Timestamp {
        seconds: time.unix_timestamp(),
        nanoseconds: time.nanosecond(),
    });
    let to = OffsetDateTime::from_unix_timestamp(to.seconds)
        .ok()
        .and_then(|to| to.replace_nanosecond(time.nanosecond()).ok())
        .map(|to| to.to_offset(time.offset()));
    to.and_then(|to| to.format(&Rfc3339).ok())
        // A time at the edge of the years that can be written.
        .unwrap_or_else(|| tokens.plain(text))
}

/// Returns the name and the domain of an email address.
fn address(text: &str) -> Option<(&str, &str)> {
    let (name, domain) = text.split_once('@')?;
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let is_domain = domain.contains('.') && domain.split('.').all(is_label);
    (is_domain && !name.is_empty() && !name.contains(['/', ' '])).then_some((name, domain))
}

/// Returns the numbers and units of a length of time such as `1h30m`.
fn duration(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, after) = rest.split_at(end);
        let unit = UNITS.into_iter().find(|unit| after.starts_with(unit))?;
        if number.is_empty() {
            return None;
        }
        parts.push((number, unit));
        rest = &after[unit.len()..];
    }
    (!parts.is_empty()).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens() -> Tokens {
        Tokens::new().unwrap()
    }

    #[test]
    fn tokens_have_the_kind_of_their_text() {
        let tokens = tokens();
        let of = |text: &str| token(text, &tokens).unwrap_or_else(|| panic!("{text} has no kind"));
        for text in ["12", "1234567890", "9999999999999999999"] {
            let token = of(text);
            assert_eq!(token.len(), text.len());
            assert!(token.parse::<u64>().is_ok(), "{token}");
        }
        // A short number may be its own token, as any other one may be.
        assert_ne!(of("1234567890"), "1234567890");
        assert_eq!(of("7"), "7");
        let (name, domain) = ("ann", "example.com");
        let address = of(&format!("{name}@{domain}"));
        assert_eq!(address.matches(['@', '.']).count(), 2, "{address}");
        assert!(
            !address.contains(name) && !address.contains("example"),
            "{address}"
        );
        assert!(is_uuid(&of("550e8400-e29b-41d4-a716-446655440000")));
        assert!(is_hex(&of("00ff00ff00ff00ff")) && is_hex(&of("00FF00FF00FF00FFAB")));
        assert_eq!(of("JBSWY3DPEHPK3PXP").len(), 16);
        let decoded = STANDARD.decode(of("c2VjcmV0IG9mIDE2IGJ5dGVz")).unwrap();
        assert_eq!(decoded.len(), 32);
        for text in ["90s", "24h", "1h30m"] {
            let token = of(text);
            assert_eq!(token.len(), text.len());
            assert!(duration(&token).is_some(), "{token}");
        }
    }

    #[test]
    fn times_are_moved_together_and_never_stays() {
        let tokens = tokens();
        let at = |text: &str| {
            let token = token(text, &tokens).unwrap();
            assert_ne!(token, text);
            OffsetDateTime::parse(&token, &Rfc3339).unwrap()
        };
        let (first, second) = (at("2026-01-02T03:04:05Z"), at("2026-01-02T04:04:06.5+01:00"));
        assert_eq!((second - first).whole_milliseconds(), 1500);
        assert_eq!(token(NEVER, &tokens), None);
    }

    #[test]
    fn words_have_no_kind() {
        for text in [
            "",
            "password",
            "a-b",
            "a@b",
            "@b.c",
            "deadbeef",
            "h",
            "s3cret",
            "1.5",
            "-3",
            "internationalization",
        ] {
            assert!(token(text, &tokens()).is_none(), "{text}");
        }
    }
}
