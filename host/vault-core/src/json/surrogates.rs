//! Replaces halves of surrogate pairs, which JSON's escapes can write but text in UTF-8 cannot hold.

use std::borrow::Cow;

/// Returns the text with U+FFFD in place of each escaped half of a surrogate pair that stands alone. Go's decoder reads
/// such a half as U+FFFD. Other decoders refuse the text.
pub fn without_lone_surrogates(text: Cow<'_, str>) -> Cow<'_, str> {
    if !text.contains("\\ud") && !text.contains("\\uD") {
        return text;
    }
    let unit = |at: usize| -> Option<u16> {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut fixed = String::with_capacity(text.len());
    let mut rest = 0;
    while let Some(found) = text[rest..].find('\\') {
        let at = rest + found;
        fixed.push_str(&text[rest..at]);
        let (kept, length) = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (true, 12),
            (Some(0xd800..=0xdfff), _) => (false, 6),
            (Some(_), _) => (true, 6),
            (None, _) => (true, 2),
        };
        rest = at;
        let Some(escape) = text.get(at..at + length) else {
            break; // not an escape of JSON
        };
        fixed.push_str(if kept { escape } else { "\\ufffd" });
        rest = at + length;
    }
    fixed.push_str(&text[rest..]);
    Cow::Owned(fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_of_surrogate_pairs_are_replaced_and_pairs_kept() {
        let fixed = |text| without_lone_surrogates(Cow::Borrowed(text)).into_owned();
        assert_eq!(fixed(r#""\ud83d\ude00""#), r#""\ud83d\ude00""#);
        assert_eq!(fixed(r#""\ud800x\uDC00\n""#), r#""\ufffdx\ufffd\n""#);
        assert_eq!(fixed(r#""\ud800\ud83d\ude00""#), r#""\ufffd\ud83d\ude00""#);
        assert_eq!(fixed(r#""\\ud800""#), r#""\\ud800""#);
    }

    #[test]
    fn text_that_is_not_an_escape_is_unchanged() {
        for text in ["\\ud800\\", "\\ud83d\\é"] {
            let fixed = without_lone_surrogates(Cow::Borrowed(text));
            assert!(
                fixed.starts_with("\\ufffd\\") && fixed.ends_with(&text[6..]),
                "{fixed}"
            );
        }
    }
}
