//! Checks and matches the patterns of routes: `users/{username}`, `data/{path...}`.
//!
//! Patterns are checked when the engine is compiled, and matched without regular expressions.

/// The captures of a pattern: names, and the parts of the path that they stand for.
pub(crate) type Captures<'p> = Vec<(&'static str, &'p str)>;

/// Stops the compiler if a pattern is wrong.
pub(crate) const fn check(pattern: &str) {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at <= bytes.len() {
        let end = segment_end(bytes, at);
        if end == at && end < bytes.len() {
            panic!("a route has an empty segment: write it without a leading slash and without `//`");
        }
        if end > at {
            check_segment(bytes, at, end);
            if is_rest(bytes, at, end) && end < bytes.len() {
                panic!("`{{name...}}` takes the rest of the path, so it must come last in a route");
            }
        }
        at = end + 1;
    }
}

const fn check_segment(bytes: &[u8], start: usize, end: usize) {
    let braces = bytes[start] == b'{';
    if braces && bytes[end - 1] != b'}' {
        panic!("a `{{name}}` in a route must be a whole segment, closed by `}}`");
    }
    let (from, to) = if braces {
        name(bytes, start, end)
    } else {
        (start, end)
    };
    if from == to {
        panic!("a `{{name}}` in a route needs a name");
    }
    let mut i = from;
    while i < to {
        if bytes[i] == b'{' || bytes[i] == b'}' {
            panic!("a `{{name}}` in a route must be a whole segment");
        }
        if braces && !(bytes[i].is_ascii_alphanumeric() || bytes[i] == b'_') {
            panic!("the name in a route's `{{name}}` is that of a field: letters, digits and `_`");
        }
        i += 1;
    }
}

/// Stops the compiler if a pattern captures a name that is not a field.
pub(crate) const fn check_captures(pattern: &str, fields: &[crate::Field]) {
    let bytes = pattern.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let end = segment_end(bytes, at);
        if end > at && bytes[at] == b'{' {
            let (from, to) = name(bytes, at, end);
            let mut i = 0;
            let mut found = false;
            while i < fields.len() {
                found = found || same(fields[i].name().as_bytes(), bytes, from, to);
                i += 1;
            }
            if !found {
                panic!("the route captures a `{{name}}` that the fields of this handler do not have");
            }
        }
        at = end + 1;
    }
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

const fn segment_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'/' {
        at += 1;
    }
    at
}

const fn is_rest(bytes: &[u8], start: usize, end: usize) -> bool {
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

const fn same(left: &[u8], bytes: &[u8], from: usize, to: usize) -> bool {
    if left.len() != to - from {
        return false;
    }
    let mut i = 0;
    while i < left.len() {
        if left[i] != bytes[from + i] {
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
