//! Reads and writes the URLs that authenticator apps exchange:
//! `otpauth://totp/ISSUER:ACCOUNT?secret=…&issuer=…&period=…&digits=…&algorithm=…`.
//!
//! They are parsed by the rules of Go's `net/url`, so that the engine accepts what Vault's engine accepts.

use airlock_sdk::{Error, Result};

use crate::create::Given;
use crate::key::Key;

/// The parameters that a URL contains.
pub(crate) struct Parameters {
    pub issuer: Option<String>,
    pub account_name: String,
    /// Empty if it is missing.
    pub secret: String,
    pub period: Option<i64>,
    pub digits: Option<i64>,
    pub algorithm: Option<String>,
}

/// Applies the URL that a caller gives, if there is one.
pub(crate) fn read(given: Given) -> Result<Given> {
    if given.url().is_empty() {
        return Ok(given);
    }
    let (path, query) =
        parse(given.url()).ok_or_else(|| Error::user("an error occurred while parsing url string"))?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (label_issuer, account_name) = match path.split_once(':') {
        Some((issuer, account)) => (Some(issuer), account),
        None => (None, path),
    };
    let value = |name: &str| {
        let found = query.iter().find(|(other, _)| other == name);
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let number = |name: &str| {
        let wrong = || Error::user(format!("an error occurred while parsing {name} value in url"));
        value(name)
            .map(|text| text.parse::<i64>().map_err(|_| wrong()))
            .transpose()
    };
    let parameters = Parameters {
        issuer: value("issuer").or(label_issuer.map(str::to_owned)),
        account_name: account_name.to_owned(),
        secret: value("secret").unwrap_or_default(),
        period: number("period")?,
        digits: number("digits")?,
        algorithm: value("algorithm"),
    };
    Ok(given.with(parameters))
}

/// Returns the URL of a key.
pub(crate) fn of(key: &Key) -> String {
    format!(
        "otpauth://totp/{}:{}?algorithm={}&digits={}&issuer={}&period={}&secret={}",
        escaped(&key.issuer, b"$&+,/:;=@"),
        escaped(&key.account_name, b"$&+,/:;=@"),
        key.algorithm,
        key.digits,
        // `&` and `=` are escaped here, so that no issuer adds a parameter.
        escaped(&key.issuer, b"$:@"),
        key.period,
        key.key,
    )
}

/// Escapes everything but letters, digits, `-_.~` and `also`.
fn escaped(text: &str, also: &[u8]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || also.contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Returns the path and the parameters of a URL. Returns `None` if Go would not parse it.
fn parse(url: &str) -> Option<(String, Vec<(String, String)>)> {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    if url.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    unescaped(fragment, false)?;
    let (scheme, rest) = scheme(url)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let query = parameters(query);
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        return match scheme {
            // The rest is opaque, so the path is empty.
            Some(_) => Some((String::new(), query)),
            None if first.contains(':') => None,
            None => Some((unescaped(rest, false)?, query)),
        };
    }
    let has_authority = rest.starts_with("//") && (scheme.is_some() || !rest.starts_with("///"));
    let path = if has_authority {
        let (authority, path) = rest[2..].split_at(rest[2..].find('/').unwrap_or(rest.len() - 2));
        is_authority(authority).then_some(path)?
    } else {
        rest
    };
    Some((unescaped(path, false)?, query))
}

/// Splits a URL behind its scheme. Returns `None` if it begins with a colon.
fn scheme(url: &str) -> Option<(Option<&str>, &str)> {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    match end {
        Some(0) if url.starts_with(':') => None,
        Some(end) if url[end..].starts_with(':') && url.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Some((Some(&url[..end]), &url[end + 1..]))
        }
        _ => Some((None, url)),
    }
}

/// Returns true for a host with an optional user and port.
fn is_authority(authority: &str) -> bool {
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let user_fits = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !user.chars().all(user_fits) || unescaped(user, false).is_none() {
        return false;
    }
    let (name, port) = match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => (&host[..colon], &host[colon + 1..]),
        _ => (host, ""),
    };
    let name_fits =
        |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "-_.~!$&'()*+,;=:[]<>\"%".contains(c);
    let brackets = name.contains('[') == name.ends_with(']') && name.rfind('[').is_none_or(|at| at == 0);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && name.chars().all(name_fits)
        && brackets
        && unescaped(name, false).is_some()
        // A host escapes nothing but bytes beyond ASCII.
        && name.match_indices('%').all(|(at, _)| matches!(name.as_bytes().get(at + 1), Some(b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F')))
}

/// Reads a query. Leaves out the parameters that are not well formed, as Go does.
fn parameters(query: &str) -> Vec<(String, String)> {
    let pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((unescaped(name, true)?, unescaped(value, true)?))
    };
    pairs.filter_map(pair).collect()
}

/// Replaces `%XX`, and `+` by a space if `plus` is set. Returns `None` for a `%` without two hexadecimal digits.
fn unescaped(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            b'+' if plus => b' ',
            other => other,
        });
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
