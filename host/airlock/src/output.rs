//! Writes the results of commands to standard output.

use std::io::Write as _;

use anyhow::{Context as _, Result};

/// Writes a text to standard output.
///
/// # Errors
/// Those of standard output, such as a closed pipe.
pub fn print(text: String) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

/// Returns a JSON text with the same meaning, without a character that could mislead a reader.
pub fn json(text: &str) -> String {
    text.chars().map(in_json).collect()
}

/// Returns a character of a JSON text, escaped if it is unsafe. Outside of strings only white space can be unsafe, and
/// it has no meaning there.
fn in_json(character: char) -> String {
    match character {
        '\n' => "\n".to_owned(),
        '\r' | '\t' => " ".to_owned(),
        _ if printable::is_unsafe(character) => {
            let mut units = [0; 2];
            let units = character.encode_utf16(&mut units);
            units.iter().map(|unit| format!("\\u{unit:04x}")).collect()
        }
        _ => character.to_string(),
    }
}
