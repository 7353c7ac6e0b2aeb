//! `code/NAME`: validates a code, which is accepted once.

use airlock_sdk::{Context, Error, NameWithAt, Response, Result, constant_time_eq, fields, json};

use crate::key::Key;
use crate::{code, used};

fields! {
    /// A code of a key.
    pub(crate) struct Given {
        /// Name of the key.
        name: NameWithAt,
        /// TOTP code to be validated.
        code: String as sensitive = String::new(),
    }
}

/// Answers whether a code is valid now.
pub(crate) fn code(cx: &Context, given: Given) -> Result<Response> {
    let code = given.code.trim();
    if code.is_empty() {
        return Err(Error::user("the code value is required"));
    }
    let key = Key::known(cx, &given.name)?;
    if used::is_used(cx, &given.name, code)? {
        return Err(Error::user("code already used; wait until the next time period"));
    }
    let valid = is_valid(cx, &key, code)?;
    used::remember(cx, &given.name, &key, code, valid)?;
    Response::json(&json!({ "valid": valid }))
}

/// Returns true if the code is that of this period, or of one that the skew allows.
fn is_valid(cx: &Context, key: &Key, given: &str) -> Result<bool> {
    let now = key.counter(cx.clock.now());
    let skew = u64::from(key.skew);
    let mut valid = false;
    for counter in now.saturating_sub(skew)..=now.saturating_add(skew) {
        valid |= constant_time_eq(code::of(key, counter)?, given);
    }
    Ok(valid)
}
