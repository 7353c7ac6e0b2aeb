//! Bounds what a guest writes to Vault's log, in the host and in native tests alike.

/// Most log lines of a request, unless an operator sets another number (`--log-lines`). Further lines are dropped.
pub const MOST_LINES: u32 = 1_000;

/// Most bytes of a line and its fields. Vault's own log reader gives up at 64 KiB, of which escaping may take most.
pub const LONGEST_LINE: usize = 16 << 10;

/// Cuts a line to [`LONGEST_LINE`] bytes, from its end.
pub fn shorten(message: &mut String, fields: &mut Vec<(String, String)>) {
    let mut left = LONGEST_LINE;
    cut(message, &mut left);
    fields.retain_mut(|(name, value)| {
        cut(name, &mut left);
        cut(value, &mut left);
        left > 0
    });
}

fn cut(text: &mut String, left: &mut usize) {
    if text.len() > *left {
        text.truncate(text.floor_char_boundary(*left));
        *left = 0;
    } else {
        *left -= text.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let mut message = "ü".repeat(LONGEST_LINE);
        let mut fields = vec![("name".to_owned(), "value".to_owned())];
        shorten(&mut message, &mut fields);
        assert_eq!(message.len(), LONGEST_LINE);
        assert!(fields.is_empty());

        let mut message = "x".repeat(LONGEST_LINE - 8);
        let mut fields = vec![
            ("a".to_owned(), "bc".to_owned()),
            ("d".to_owned(), "e".repeat(100)),
        ];
        shorten(&mut message, &mut fields);
        assert_eq!(fields, [("a".to_owned(), "bc".to_owned())]);
    }
}
