//! Leases secrets, which Vault revokes when their leases end.
//!
//! ```
//! # use airlock_sdk::{Context, Error, Lease, Leased, Response, Result, Secret, Secrets};
//! # use serde_json::json;
//! # use std::time::Duration;
//! /// The data that revoking a token needs.
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct Token {
//!     id: String,
//! }
//!
//! const TOKEN: Secret<Token> = Secret::new("token", revoke_token).renew(renew_token);
//! const SECRETS: Secrets = &[&TOKEN]; // the engine's `SECRETS`
//!
//! fn create_token(cx: &Context, _: ()) -> Result<Response> {
//!     let id = cx.random.uuid();
//!     cx.storage.put(&format!("token/{id}"), "")?;
//!     let lease = lease(&Token { id: id.clone() })?;
//!     Ok(Response::json(&json!({ "token": id }))?.lease(lease))
//! }
//!
//! fn renew_token(cx: &Context, leased: Leased<Token>) -> Result<Lease> {
//!     match cx.storage.get(&format!("token/{}", leased.data.id))? {
//!         Some(_) => lease(&leased.data),
//!         None => Err(Error::user("the token was removed")),
//!     }
//! }
//!
//! fn revoke_token(cx: &Context, leased: Leased<Token>) -> Result<()> {
//!     cx.storage.delete(&format!("token/{}", leased.data.id))
//! }
//!
//! fn lease(token: &Token) -> Result<Lease> {
//!     Ok(TOKEN.lease(token)?.lasting(Duration::from_secs(900), Duration::from_secs(3600)))
//! }
//! ```
//!
//! Vault computes how long a lease lasts: at its issue the time of the engine, and at each renewal the time that the caller asks
//! for, or else that of the engine, within the maximum of the engine and that of the mount, both counted from the issue. It warns
//! a caller who gets less. So a handler gives the times of its role, and computes nothing. An engine that has to know the result
//! itself, such as for the end of a certificate, gets it from [`LeaseTime`].
//!
//! A renewal that fails does not change the lease, and Vault revokes the secret when its time is over. Vault repeats a revoke
//! that fails, so make it succeed if there is nothing left to revoke.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Context, Error, Lease, LeasedSecret, Operation, Response, Result, Timestamp, codec};

/// The types of leased secrets of an engine.
pub type Secrets = &'static [&'static dyn AnySecret];

/// The member of a lease's internal data that names the type of the secret, as in Vault's own framework.
const TYPE: &str = "secret_type";

type Revoke<T> = fn(&Context, Leased<T>) -> Result<()>;
type Renew<T> = fn(&Context, Leased<T>) -> Result<Lease>;

/// A type of leased secret. `T` is the data that the engine needs to renew and revoke one: a struct, which Vault keeps
/// with the lease and never shows to the caller.
#[derive(Debug)]
pub struct Secret<T> {
    kind: &'static str,
    revoke: Revoke<T>,
    renew: Option<Renew<T>>,
    ttl: Duration,
}

impl<T> Secret<T> {
    /// Declares a type of secret, and the function that revokes one. Never change the name: leases outlive versions of
    /// an engine.
    pub const fn new(name: &'static str, revoke: fn(&Context, Leased<T>) -> Result<()>) -> Secret<T> {
        Secret {
            kind: name,
            revoke,
            renew: None,
            ttl: Duration::ZERO,
        }
    }

    /// Makes it renewable: the function returns the lease with its new times, from which Vault computes what it grants.
    /// An error does not change the lease, and the caller gets the error.
    pub const fn renew(mut self, renew: fn(&Context, Leased<T>) -> Result<Lease>) -> Secret<T> {
        self.renew = Some(renew);
        self
    }

    /// Sets the default time of its leases. Without it, the mount's default applies.
    pub const fn lasting(mut self, ttl: Duration) -> Secret<T> {
        self.ttl = ttl;
        self
    }
}

impl<T: Serialize> Secret<T> {
    /// Makes a lease of this type, for the answer.
    ///
    /// # Errors
    /// [`Error::Internal`] if `data` is not a JSON object.
    pub fn lease(&self, data: &T) -> Result<Lease> {
        let no_object = |_| Error::internal("the data of a lease must be a JSON object");
        let internal = codec::write(data).map_err(no_object)?;
        let internal: Option<Map<String, Value>> = codec::read(&internal).map_err(no_object)?;
        let mut internal = internal.unwrap_or_default();
        internal.insert(TYPE.into(), self.kind.into());
        Ok(Lease {
            ttl: self.ttl,
            max_ttl: Duration::ZERO,
            renewable: self.renew.is_some(),
            secret_type: self.kind,
            internal_data: codec::text(&Value::Object(internal)),
            warnings: Vec::new(),
        })
    }
}

/// A lease to renew or revoke. Its `Debug` does not show the data.
#[derive(Clone)]
#[non_exhaustive]
pub struct Leased<T> {
    /// The data that the engine gave with the lease.
    pub data: T,
    /// The times of the lease; see [`LeaseTime`] for its remaining time.
    pub lease: LeasedSecret,
}

impl<T> fmt::Debug for Leased<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}

/// A type of secret with any data. Only [`Secret`] implements it.
pub trait AnySecret: sealed::Sealed {
    #[doc(hidden)]
    fn kind(&self) -> &'static str;
    #[doc(hidden)]
    fn revoke(&self, cx: &Context, internal: Map<String, Value>, lease: LeasedSecret) -> Result<()>;
    #[doc(hidden)]
    fn renew(&self, cx: &Context, internal: Map<String, Value>, lease: LeasedSecret) -> Result<Lease>;
}

mod sealed {
    pub trait Sealed {}
    impl<T> Sealed for super::Secret<T> {}
}

impl<T: DeserializeOwned> AnySecret for Secret<T> {
    fn kind(&self) -> &'static str {
        self.kind
    }

    fn revoke(&self, cx: &Context, internal: Map<String, Value>, lease: LeasedSecret) -> Result<()> {
        (self.revoke)(cx, leased(internal, lease)?)
    }

    fn renew(&self, cx: &Context, internal: Map<String, Value>, lease: LeasedSecret) -> Result<Lease> {
        let renew = self.renew.ok_or(Error::UnsupportedOperation)?;
        renew(cx, leased(internal, lease)?)
    }
}

fn leased<T: DeserializeOwned>(internal: Map<String, Value>, lease: LeasedSecret) -> Result<Leased<T>> {
    let internal = if internal.is_empty() {
        Value::Null
    } else {
        Value::Object(internal)
    };
    let data = codec::read_own(codec::text(&internal).as_bytes(), "a lease's data")?;
    Ok(Leased { data, lease })
}

/// Renews or revokes a lease. The lease's data names the type of its secret.
#[inline] // Most engines have no secrets, and then nothing of this is in their guests.
pub(crate) fn handle(secrets: Secrets, cx: &Context) -> Result<Option<Response>> {
    let unsupported = || Error::internal("secret is unsupported by this backend");
    if secrets.is_empty() {
        return Err(unsupported());
    }
    let lease = cx
        .request
        .secret
        .clone()
        .ok_or_else(|| Error::internal("request has no secret"))?;
    let internal = lease.internal_data.as_deref().unwrap_or("{}");
    let mut internal: Map<String, Value> = codec::read(internal.as_bytes()).map_err(|_| unsupported())?;
    let kind = internal.remove(TYPE).ok_or_else(unsupported)?;
    let secret = secrets
        .iter()
        .find(|secret| kind == secret.kind())
        .ok_or_else(unsupported)?;
    if cx.request.operation == Operation::Renew {
        let lease = secret.renew(cx, internal, lease)?;
        return Ok(Some(Response::default().lease(lease)));
    }
    secret.revoke(cx, internal, lease)?;
    Ok(None)
}

/// Refuses an answer whose lease could never be revoked.
pub(crate) fn check(secrets: Secrets, response: &Response) -> Result<()> {
    match &response.lease {
        Some(lease) if !secrets.iter().any(|secret| secret.kind() == lease.secret_type) => {
            Err(Error::Internal(format!(
                "the engine leases secrets of the type {:?}, which is missing from its `SECRETS`",
                lease.secret_type
            )))
        }
        _ => Ok(()),
    }
}

/// The times that determine how long a lease may last. A length of zero means that it is not given.
///
/// Vault computes the same for each lease, and warns the caller. Use this if the engine itself needs the result, such as for
/// the end of a certificate. Leave the warning of a renewal out of the lease: its caller would get it twice.
///
/// ```
/// # use airlock_sdk::{Context, LeaseTime, Result};
/// # use std::time::Duration;
/// # fn handler(cx: &Context, increment: Duration, role_ttl: Duration, role_max_ttl: Duration) -> Result<()> {
/// let (ttl, _) = LeaseTime { increment, ttl: role_ttl, max_ttl: role_max_ttl, issue_time: None }.calculate(cx)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LeaseTime {
    /// The time that the caller asks for.
    pub increment: Duration,
    /// The time that the role or the engine gives.
    pub ttl: Duration,
    /// The maximum that the role or the engine gives, counted from the issue.
    pub max_ttl: Duration,
    /// The time at which the lease was issued; none means now.
    pub issue_time: Option<Timestamp>,
}

impl LeaseTime {
    /// Returns the time of the lease from now, within the mount's maximum, and a warning if that is less than was asked
    /// for.
    ///
    /// # Errors
    /// [`Error::Internal`] if the lease has reached its maximum, or the server does not report the mount's limits.
    pub fn calculate(self, cx: &Context) -> Result<(Duration, Option<String>)> {
        let given = |length: &Duration| !length.is_zero();
        let mount_max = cx.system.max_lease_ttl()?;
        let max = Some(self.max_ttl)
            .filter(given)
            .map_or(mount_max, |max| max.min(mount_max));
        let wanted = match [self.increment, self.ttl].into_iter().find(given) {
            Some(wanted) => wanted,
            None => cx.system.default_lease_ttl()?,
        };
        let spent = self.issue_time.map_or(Duration::ZERO, |issued| {
            Timestamp::from_seconds(cx.clock.now().seconds).since(Timestamp::from_seconds(issued.seconds))
        });
        let left = max.saturating_sub(spent);
        if left.is_zero() {
            return Err(Error::internal("past the max TTL, cannot renew"));
        }
        let warning = (wanted > left).then(|| {
            format!(
                "TTL of \"{}\" exceeded the effective max_ttl of \"{}\"; TTL value is capped accordingly",
                human(wanted),
                human(left)
            )
        });
        Ok((wanted.min(left), warning))
    }
}

/// Returns a text such as `1h30m`, without the parts that are zero.
fn human(length: Duration) -> String {
    let seconds = length.as_secs();
    let parts = [
        (seconds / 3600, 'h'),
        (seconds / 60 % 60, 'm'),
        (seconds % 60, 's'),
    ];
    let text: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_without_what_is_zero() {
        let told = |seconds| human(Duration::from_secs(seconds));
        assert_eq!(
            [told(0), told(5), told(3600), told(3661)],
            ["0s", "5s", "1h", "1h1m1s"]
        );
    }
}
