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

/// The labels of PEM that are known, such as in `-----BEGIN CERTIFICATE-----`. Any other label is somebody's own words.
const LABELS: [&str; 9] = [
    "CERTIFICATE",
    "CERTIFICATE REQUEST",
    "EC PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "PRIVATE KEY",
    "PUBLIC KEY",
    "RSA PRIVATE KEY",
    "X509 CRL",
];

/// The characters of a line of PEM and of the tokens of base64 that has lines.
const LINE: usize = 64;

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
    if let Some(bytes) = base64(text) {
        return Some(tokens.base64(text, bytes));
    }
    text.contains('\n')
        .then(|| pem(text, tokens).or_else(|| base64_of_lines(text, tokens)))
        .flatten()
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

/// Returns the token of base64 that is broken into lines: that of the same base64 in one line, broken so too.
fn base64_of_lines(text: &str, tokens: &Tokens) -> Option<String> {
    let content: String = text.lines().collect();
    let bytes = base64(&content)?;
    Some(ends_as(text, in_lines(&tokens.base64(&content, bytes))))
}

/// Returns the token of PEM: as many blocks of the same kinds, whose content is of the same class of length.
fn pem(text: &str, tokens: &Tokens) -> Option<String> {
    let mut token = String::new();
    let mut lines = text.lines();
    while let Some(begin) = lines.next() {
        let label = begin.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        let label = LABELS.into_iter().find(|known| *known == label)?;
        let end = format!("-----END {label}-----");
        let mut content = String::new();
        loop {
            match lines.next()? {
                line if line == end => break,
                line => content += line,
            }
        }
        let bytes = STANDARD.decode(&content).ok()?.len();
        token += &format!("{begin}\n{}{end}\n", in_lines(&tokens.base64(&content, bytes)));
    }
    Some(ends_as(text, token))
}

/// Breaks a text of ASCII into lines. Each ends with a line feed.
fn in_lines(text: &str) -> String {
    let lines = text.as_bytes().chunks(LINE);
    lines.map(|line| String::from_utf8_lossy(line) + "\n").collect()
}

/// Takes the last line feed of a token away, if its text does not end with one.
fn ends_as(text: &str, mut token: String) -> String {
    if !text.ends_with('\n') {
        token.pop();
    }
    token
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
    fn a_text_of_lines_of_base64_is_one_token_that_can_be_decoded() {
        let tokens = tokens();
        let of = |text: &str| token(text, &tokens).unwrap_or_else(|| panic!("{text} has no kind"));
        // Bytes whose base64 is full of slashes.
        let content = STANDARD.encode([0xff; 100]);
        let (first, rest) = content.split_at(LINE);
        let block = |label| format!("-----BEGIN {label}-----\n{first}\n{rest}\n-----END {label}-----\n");
        let chain = block("CERTIFICATE") + &block("PRIVATE KEY");
        let token_of_chain = of(&chain);
        assert!(!token_of_chain.contains('/'), "{token_of_chain}");
        assert_eq!(of(chain.trim_end()), token_of_chain.trim_end());
        let lines: Vec<_> = token_of_chain.lines().collect();
        // 128 bytes are three lines of base64.
        let [begin, one, two, three, end, ..] = lines[..] else {
            panic!("{token_of_chain}");
        };
        assert_eq!(
            (begin, end),
            ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
        );
        assert_eq!(STANDARD.decode([one, two, three].concat()).unwrap().len(), 128);
        assert_eq!((lines[5], lines.len()), ("-----BEGIN PRIVATE KEY-----", 10));
        // The same bytes have the same token, with lines and without.
        let mixed = STANDARD.encode([0x1f; 100]);
        let (first, rest) = mixed.split_at(76);
        assert_eq!(of(&format!("{first}\n{rest}")).replace('\n', ""), of(&mixed));
        for text in [
            block("MY SECRET"),
            block("CERTIFICATE").replace("-----END", "----END"),
            block("CERTIFICATE") + "more",
            "a\nb".to_owned(),
        ] {
            assert_eq!(token(&text, &tokens), None, "{text}");
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
