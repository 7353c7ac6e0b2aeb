//! The path of a mount, as an operator gives it.

use std::fmt;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The characters that a segment of a URL's path may have as they are.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A mount's path, without a slash at either end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountPath(String);

impl FromStr for MountPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_suffix('/').unwrap_or(text);
        let is_segment = |segment: &str| !segment.is_empty() && !matches!(segment, "." | ".." | ".airlock");
        if !path.split('/').all(is_segment) || path.chars().any(printable::is_unsafe) {
            return Err("give the path of a mount as `vault secrets list` shows it, such as demo");
        }
        Ok(Self(path.to_owned()))
    }
}

impl MountPath {
    /// Returns the path as a part of a URL, without a slash at its end.
    pub fn url(&self) -> String {
        let segments = self.0.split('/');
        let segments: Vec<_> = segments
            .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string())
            .collect();
        segments.join("/")
    }

    /// Returns the path of the URL, below `/v1/`, of a path below the mount's `.airlock/`.
    pub fn control(&self, path: &str) -> String {
        format!("{}/.airlock/{path}", self.url())
    }

    /// Returns the path without a slash at its end, for a command line. It is quoted if a shell would change it.
    pub fn argument(&self) -> String {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
        if self.0.bytes().all(is_plain) && !self.0.starts_with('-') {
            self.0.clone()
        } else {
            format!("'{}'", self.0.replace('\'', r"'\''"))
        }
    }
}

/// Shows the path with a slash at its end, as Vault does.
impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_vault_shows() {
        for text in ["demo", "demo/"] {
            let path: MountPath = text.parse().unwrap();
            assert_eq!(path.to_string(), "demo/");
            assert_eq!(path.control("status"), "demo/.airlock/status");
        }
        let path: MountPath = "team a/kv?".parse().unwrap();
        assert_eq!(path.control("swap"), "team%20a/kv%3F/.airlock/swap");
        assert_eq!(path.argument(), "'team a/kv?'");
    }

    #[test]
    fn refuses_what_is_no_mount() {
        for text in [
            "",
            "/",
            "/demo",
            "demo//",
            "a//b",
            "..",
            "a/../sys",
            "demo/.airlock",
            "demo\n",
        ] {
            assert!(text.parse::<MountPath>().is_err(), "{text:?}");
        }
    }
}
