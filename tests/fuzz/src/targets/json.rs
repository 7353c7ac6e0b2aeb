//! The JSON of answers, read by three decoders that must agree: the check before the commit (`airlock_logical::json`),
//! the copy of Go's scanner in `airlock dev`, and `serde_json`, whose grammar stands for that of Go's decoder.
//!
//! They differ on purpose in three ways, which the target allows for. The check requires an object, and numbers that
//! fit a 64-bit float. The development server limits the content of a request's body, as Vault does. And `serde_json`'s
//! `Value` supports neither half of a surrogate pair alone nor more than 127 levels, so only its grammar is compared.

use airlock_logical::json::{Flaw, MAX_DEPTH, ObjectCheck, check_object};
use serde::de::IgnoredAny;

use crate::Target;

/// The data of a guest's answer, and the data of a lease.
pub const OBJECTS: Target = Target {
    name: "json_objects",
    run: objects,
    longest: 24_000,
    mutations: 50_000,
    words: WORDS,
    reshape: None,
};

/// JSON's words, and words about which decoders differ.
pub const WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"",
    "null",
    "true",
    "false",
    "{\"a\":",
    "[[[[[[[[",
    "1e400",
    "-0",
    "1E+308",
    "0.1e-400",
    "\\ud83d\\ude00",
    "\\ud800",
    "\\u0000",
    "\\",
    "/",
    "\u{feff}",
    " ",
    "\t",
    "\"keys\":[\"a\"]",
    "\"http_status_code\":",
    "\"http_content_type\":\"text/plain\"",
    "\"http_raw_body\":\"\"",
    "\"error\":\"no\"",
    "\"$serde_json::private::Number\":\"1\"",
];

fn objects(input: &[u8]) -> bool {
    let grammar = serde_json::from_slice::<IgnoredAny>(input).is_ok();
    if airlock_dev_server::fuzz::is_json(input) && is_container(input) {
        assert!(grammar, "airlock dev takes what is not JSON");
    }
    let Ok(text) = str::from_utf8(input) else {
        return false;
    };
    let checked = check_object(text);
    assert_eq!(
        checked,
        stepwise(text),
        "the check in steps differs from the whole one"
    );
    match checked {
        Ok(()) => {
            assert!(grammar, "the check takes what is not JSON");
            assert!(depth(text) <= MAX_DEPTH);
        }
        Err(Flaw::NotAnObject) => assert!(!text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')),
        Err(Flaw::Syntax { at }) => {
            assert!(!grammar && at < text.len(), "the check refuses JSON at byte {at}")
        }
        Err(Flaw::Incomplete) => assert!(!grammar, "the check takes JSON for incomplete"),
        Err(Flaw::Depth) => assert!(depth(text) > MAX_DEPTH),
        Err(Flaw::Number) => assert!(has_large_number(text)),
        Err(flaw) => panic!("an unknown flaw: {flaw}"),
    }
    checked.is_ok()
}

fn stepwise(text: &str) -> Result<(), Flaw> {
    let mut check = ObjectCheck::new(text, &["keys"]);
    loop {
        match check.step(1 + text.len() % 7) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(flaw) => return Err(flaw),
        }
    }
}

fn is_container(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Returns the text without its strings.
fn outside_of_strings(text: &str) -> String {
    let (mut outside, mut is_in, mut is_escaped) = (String::new(), false, false);
    for character in text.chars() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_in => is_escaped = true,
            '"' => {
                is_in = !is_in;
                outside.push(' ');
            }
            _ if !is_in => outside.push(character),
            _ => {}
        }
    }
    outside
}

fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for character in outside_of_strings(text).chars() {
        match character {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

fn has_large_number(text: &str) -> bool {
    outside_of_strings(text)
        .split(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'))
        .any(|number| {
            // The check is at the end of a number, and the text after it need not be JSON.
            let is_end = |end: &usize| !number.as_bytes().get(*end).is_some_and(u8::is_ascii_digit);
            let mut ends = (1..=number.len()).filter(is_end);
            ends.any(|end| number[..end].parse::<f64>().is_ok_and(f64::is_infinite))
        })
}
