//! Foreign text on its way to a person.

use printable::{Printable, escape, is_unsafe};

use crate::Target;

/// Escaping for terminals and logs.
pub const PRINTABLE: Target = Target {
    name: "printable",
    run: printable,
    longest: 4096,
    mutations: 480_000,
    words: &[
        "\u{1b}[2J",
        "\n",
        "\u{202e}",
        "\u{e0041}",
        "\\u{1b}",
        "\u{9b}",
        "\u{2028}",
        "é",
        "🔑",
    ],
    reshape: None,
};

/// Returns true if something had to be escaped.
fn printable(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let escaped = escape(&text);
    assert!(
        !escaped.contains(is_unsafe),
        "a character is left that could mislead"
    );
    assert_eq!(escape(&escaped), escaped, "escaping twice changes something");
    assert_eq!(Printable(&text).to_string(), escaped);
    let mut expected = String::new();
    for character in text.chars() {
        match is_unsafe(character) {
            true => expected.extend(character.escape_default()),
            false => expected.push(character),
        }
    }
    assert_eq!(escaped, expected, "another character changed");
    escaped != text
}
