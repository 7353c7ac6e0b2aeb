//! Checks and matches the patterns of routes: `users/{username}`, `data/{path...}`.
//!
//! Patterns are checked when the engine is compiled, and matched without regular expressions.

use crate::Field;
use crate::refuse::refuse;

/// The captures of a pattern: names, and the parts of the path that they stand for.
pub(crate) type Captures<'p> = Vec<(&'static str, &'p str)>;

/// Stops the compiler if a pattern is wrong.
#[track_caller]
pub(crate) const fn check(pattern: &str) {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at <= bytes.len() {
        let end = segment_end(bytes, at);
        if end == at && end < bytes.len() {
            wrong(
                pattern,
                "has an empty segment: write it without a leading slash and without `//`",
            );
        }
        if end > at {
            check_segment(pattern, at, end);
            if is_rest(bytes, at, end) && end < bytes.len() {
                wrong(
                    pattern,
                    "captures the rest of the path with `{name...}`, so that must come last",
                );
            }
        }
        at = end + 1;
    }
}

#[track_caller]
const fn wrong(pattern: &str, why: &str) -> ! {
    refuse(&["the route `", pattern, "` ", why])
}

#[track_caller]
const fn check_segment(pattern: &str, start: usize, end: usize) {
    let bytes = pattern.as_bytes();
    let braces = bytes[start] == b'{';
    if braces && bytes[end - 1] != b'}' {
        wrong(
            pattern,
            "has a `{name}` that is not a whole segment, closed by `}`",
        );
    }
    let (from, to) = if braces {
        name(bytes, start, end)
    } else {
        (start, end)
    };
    if from == to {
        wrong(pattern, "has a `{}` without a name");
    }
    let mut i = from;
    while i < to {
        if bytes[i] == b'{' || bytes[i] == b'}' {
            wrong(pattern, "has a `{name}` that is not a whole segment");
        }
        if braces && !(bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_') {
            wrong(
                pattern,
                "has a `{name}` that cannot be a field: use letters, digits and `_`",
            );
        }
        i += 1;
    }
}

/// Stops the compiler if a pattern captures a name that is not a field, or that is a field of another type in the
/// route's first operation: then it would depend on the operation which paths exist.
#[track_caller]
pub(crate) const fn check_captures(pattern: &str, fields: &[Field], first: &[Field]) {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = segment_end(bytes, at);
        if end > at && bytes[at] == b'{' {
            let Some(field) = captured(bytes, at, end, fields) else {
                let (from, to) = name(bytes, at, end);
                refuse(&[
                    "the route `",
                    pattern,
                    "` captures `",
                    crate::refuse::part(pattern, from, to),
                    "`, which is not a field of this handler",
                ]);
            };
            if let Some(other) = captured(bytes, at, end, first)
                && !field.fits_the_same_paths(other)
            {
                refuse(&[
                    "the route `",
                    pattern,
                    "` captures `",
                    field.name(),
                    "`, whose type allows other paths in another operation: give it the same type in both",
                ]);
            }
        }
        at = end + 1;
    }
}

/// Returns the field that a captured segment becomes.
pub(super) const fn captured<'f>(
    bytes: &[u8],
    start: usize,
    end: usize,
    fields: &'f [Field],
) -> Option<&'f Field> {
    let (from, to) = name(bytes, start, end);
    let mut i = 0;
    while i < fields.len() {
        if same(
            fields[i].name().as_bytes(),
            0,
            fields[i].name().len(),
            bytes,
            from,
            to,
        ) {
            return Some(&fields[i]);
        }
        i += 1;
    }
    None
}

/// Returns true if a segment other than the last is captured.
pub(crate) const fn captures_inside(pattern: &str) -> bool {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = segment_end(bytes, at);
        if bytes[at] == b'{' && end < bytes.len() {
            return true;
        }
        at = end + 1;
    }
    false
}

pub(super) const fn segment_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'/' {
        at += 1;
    }
    at
}

pub(super) const fn is_rest(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start > 4
        && bytes[start] == b'{'
        && bytes[end - 2] == b'.'
        && bytes[end - 3] == b'.'
        && bytes[end - 4] == b'.'
}

const fn name(bytes: &[u8], start: usize, end: usize) -> (usize, usize) {
    if is_rest(bytes, start, end) {
        (start + 1, end - 4)
    } else {
        (start + 1, end - 1)
    }
}

/// Returns true if two ranges of bytes are equal.
pub(crate) const fn same(
    left: &[u8],
    left_from: usize,
    left_to: usize,
    bytes: &[u8],
    from: usize,
    to: usize,
) -> bool {
    if left_to - left_from != to - from {
        return false;
    }
    let mut i = 0;
    while i < to - from {
        if left[left_from + i] != bytes[from + i] {
            return false;
        }
        i += 1;
    }
    true
}

/// One part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    Literal(&'static str),
    /// One segment, not empty.
    One(&'static str),
    /// The rest of the path, which may be empty.
    Rest(&'static str),
}

/// Returns the parts of a checked pattern.
pub(crate) fn segments(pattern: &'static str) -> impl Iterator<Item = Segment> {
    pattern.split('/').map(|segment| {
        let Some(name) = segment.strip_prefix('{').and_then(|open| open.strip_suffix('}')) else {
            return Segment::Literal(segment);
        };
        match name.strip_suffix("...") {
            Some(rest) => Segment::Rest(rest),
            None => Segment::One(name),
        }
    })
}

/// Matches a whole path.
pub(crate) fn capture<'p>(pattern: &'static str, path: &'p str) -> Option<Captures<'p>> {
    let mut captures = Captures::new();
    let mut left = Some(path);
    for segment in segments(pattern) {
        let here = left?;
        let (first, rest) = match here.split_once('/') {
            Some((first, rest)) => (first, Some(rest)),
            None => (here, None),
        };
        match segment {
            Segment::Literal(literal) if literal == first => {}
            Segment::One(name) if !first.is_empty() => captures.push((name, first)),
            Segment::Rest(name) => {
                captures.push((name, here));
                return Some(captures);
            }
            _ => return None,
        }
        left = rest;
    }
    left.is_none().then_some(captures)
}

/// Matches a path and ignores its trailing slash, for lists and requests for help.
pub(crate) fn capture_folder<'p>(pattern: &'static str, path: &'p str) -> Option<Captures<'p>> {
    capture(pattern, path).or_else(|| {
        let path = path.strip_suffix('/').unwrap_or(path);
        capture(pattern.strip_suffix('/').unwrap_or(pattern), path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_part_captures_one_segment() {
        assert_eq!(capture("users/{name}", "users/bob"), Some(vec![("name", "bob")]));
        assert_eq!(capture("users/{name}", "users/"), None);
        assert_eq!(capture("users/{name}", "users"), None);
        assert_eq!(capture("users/{name}", "users/bob/keys"), None);
        assert_eq!(capture("{a}/x/{b}", "1/x/2"), Some(vec![("a", "1"), ("b", "2")]));
    }

    #[test]
    fn a_rest_captures_everything_that_is_left() {
        assert_eq!(
            capture("data/{path...}", "data/a/b/ü"),
            Some(vec![("path", "a/b/ü")])
        );
        assert_eq!(capture("data/{path...}", "data/"), Some(vec![("path", "")]));
        assert_eq!(capture("data/{path...}", "data"), None);
        assert_eq!(capture("{path...}", ""), Some(vec![("path", "")]));
    }

    #[test]
    fn a_literal_matches_itself_only() {
        assert_eq!(capture("config", "config"), Some(vec![]));
        assert_eq!(capture("config", "config/"), None);
        assert_eq!(capture("config", "configs"), None);
        assert_eq!(capture("users/", "users/"), Some(vec![]));
    }

    #[test]
    fn a_folder_matches_with_and_without_its_slash() {
        assert_eq!(capture_folder("users/", "users"), Some(vec![]));
        assert_eq!(capture_folder("users", "users/"), Some(vec![]));
        assert_eq!(
            capture_folder("users/{name}", "users/bob/"),
            Some(vec![("name", "bob")])
        );
        assert_eq!(
            capture_folder("data/{path...}", "data/a/"),
            Some(vec![("path", "a/")])
        );
    }
}
