//! Checks a guest's answer: Vault must be able to decode it, and to make an HTTP answer of it.
//!
//! An answer is checked before its request commits, as strictly as Vault will check it afterwards. Otherwise the caller
//! would get 500 for a write that happened. Code that passes the answer on need not check it again.
//!
//! A large answer is checked in steps. Between two steps other requests run. The time is charged to the request's
//! account.

use airlock_logical::json::{FieldKind, ObjectCheck};
use airlock_logical::moment;

use crate::run::account::Account;
use crate::types::{Error as Refusal, Nanoseconds, Operation, Response, Secret, Timestamp, WrapInfo};
use crate::{CallError, Result};

/// Bytes of JSON that are checked in one step, which takes well below a millisecond.
const STEP: usize = 128 << 10;

/// Most bytes of an error's text. It is copied, escaped and remembered on its way to a person.
const LONGEST_TEXT: usize = 16 << 10;

/// Most headers with their values, and most warnings, of one answer. Each is handled by itself on its way to the
/// caller.
const MOST_PARTS: usize = 1_000;

/// The fields of an answer's data that Vault itself reads: those of the engine's own HTTP answer, and those of a list.
const FIELDS: [&str; 4] = ["http_status_code", "http_content_type", "http_raw_body", "keys"];

/// Checks the answer to a request.
///
/// # Errors
/// [`CallError::Contract`] for an answer that Vault would refuse, and [`CallError::Limit`] if the check takes too long.
pub(crate) async fn check(answer: &Response, operation: &Operation, account: &Account) -> Result<()> {
    let headers = answer.headers.iter().map(|header| 1 + header.values.len());
    if headers.sum::<usize>() > MOST_PARTS || answer.warnings.len() > MOST_PARTS {
        let what = format!("its answer has more than {MOST_PARTS} headers or warnings");
        return Err(breach(account, what));
    }
    if let Some(secret) = &answer.secret {
        check_secret(secret, account).await?;
    }
    if let Some(wrapped) = &answer.wrap_info {
        check_wrapped(wrapped).map_err(|what| breach(account, what))?;
    }
    if let Some(data) = &answer.data {
        let data = check_object(data, "the data of its answer", account).await?;
        check_own_answer(&data, answer.secret.is_some())
            .and_then(|()| check_list(&data, operation))
            .map_err(|what| breach(account, what.to_owned()))?;
    }
    Ok(())
}

/// Returns the error of a request that the guest refused: [`CallError::Guest`], or [`CallError::Contract`] if its
/// status is not the status of an error.
///
/// A text over [`LONGEST_TEXT`] is cut there.
pub(crate) fn refused(mut refusal: Refusal, account: &Account) -> CallError {
    match &mut refusal {
        Refusal::Coded(coded) if !(400..=599).contains(&coded.status) => {
            let status = coded.status;
            let what = format!("it answered an error of status {status}, which is not one of 400 to 599");
            return breach(account, what);
        }
        Refusal::User(text) | Refusal::Internal(text) => cut(text),
        Refusal::Coded(coded) => cut(&mut coded.message),
        Refusal::UnsupportedOperation
        | Refusal::UnsupportedPath
        | Refusal::PermissionDenied
        | Refusal::ReadOnly => {}
    }
    CallError::Guest(refusal)
}

fn cut(text: &mut String) {
    let bytes = text.len();
    if bytes > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
        text.shrink_to_fit();
        text.push_str(&format!("… (cut: it has {bytes} bytes)"));
    }
}

async fn check_object<'a>(text: &'a str, whose: &str, account: &Account) -> Result<ObjectCheck<'a>> {
    let mut check = ObjectCheck::new(text, &FIELDS);
    loop {
        match check.step(STEP) {
            Ok(true) => return Ok(check),
            Ok(false) => {
                account.tick().map_err(|exceeded| CallError::Limit {
                    guest: account.guest.clone(),
                    exceeded,
                })?;
                tokio::task::yield_now().await;
            }
            Err(flaw) => return Err(breach(account, format!("{whose}: {flaw}"))),
        }
    }
}

async fn check_secret(secret: &Secret, account: &Account) -> Result<()> {
    let lease = &secret.lease;
    let times = check_durations([lease.ttl, lease.max_ttl, lease.increment])
        .and_then(|()| check_moment(lease.issue_time.as_ref()));
    times.map_err(|what| breach(account, format!("the lease of its secret: {what}")))?;
    if let Some(internal) = &secret.internal_data {
        check_object(internal, "the internal data of its secret", account).await?;
    }
    Ok(())
}

fn check_wrapped(wrapped: &WrapInfo) -> Result<(), String> {
    check_durations([wrapped.ttl])
        .and_then(|()| check_moment(wrapped.creation_time.as_ref()))
        .map_err(|what| format!("the wrapping of its answer: {what}"))
}

fn check_durations<const N: usize>(durations: [Nanoseconds; N]) -> Result<(), &'static str> {
    match durations.iter().any(|duration| *duration < 0) {
        true => Err("a negative length of time"),
        false => Ok(()),
    }
}

fn check_moment(moment: Option<&Timestamp>) -> Result<(), &'static str> {
    match moment {
        Some(moment) if !moment::is_valid(moment.seconds, moment.nanoseconds) => {
            Err("a time outside the years 1 to 9999, or with more than 999,999,999 nanoseconds")
        }
        _ => Ok(()),
    }
}

/// Checks the engine's own HTTP answer, which `http_status_code` makes of the data.
fn check_own_answer(data: &ObjectCheck<'_>, has_secret: bool) -> Result<(), &'static str> {
    let Some(status) = data.field("http_status_code") else {
        return Ok(());
    };
    if has_secret {
        return Err("an answer with `http_status_code` cannot have a secret");
    }
    let status = match status {
        FieldKind::Number(status) => status.parse().unwrap_or(f64::NAN),
        _ => f64::NAN,
    };
    if !(200.0..600.0).contains(&status) {
        return Err("`http_status_code` is not a number from 200 to 599");
    }
    let has_body = status.trunc() != 204.0;
    match data.field("http_content_type") {
        None if has_body => return Err("an answer with `http_status_code` needs an `http_content_type`"),
        None | Some(FieldKind::String) => {}
        Some(_) => return Err("`http_content_type` is not a string"),
    }
    match data.field("http_raw_body") {
        Some(held) if has_body && held != FieldKind::String => Err("`http_raw_body` is not a string"),
        _ => Ok(()),
    }
}

fn check_list(data: &ObjectCheck<'_>, operation: &Operation) -> Result<(), &'static str> {
    if !matches!(operation, Operation::List | Operation::Scan) {
        return Ok(());
    }
    match data.field("keys") {
        None | Some(FieldKind::Null | FieldKind::Strings) => Ok(()),
        Some(_) => Err("the `keys` of a list are not an array of strings"),
    }
}

fn breach(account: &Account, what: String) -> CallError {
    CallError::Contract {
        guest: account.guest.clone(),
        what,
    }
}

#[cfg(test)]
mod tests;
