//! The answer of an auth plugin to a login, which it gets back on renewal. A secrets engine does not need it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use airlock_logical::redact::hidden;
use airlock_logical::time::{duration, nanoseconds};
use airlock_logical::{Alias, Json, Lease};

use crate::error::Unreadable;
use crate::json;
use crate::proto::pb;
use crate::time::OutOfRange;

/// The result of a login, with the token that Vault is to make.
///
/// ```
/// use std::time::Duration;
/// use vault_plugin::{Alias, Auth, Lease, Response};
///
/// let answer = Response::new().with_auth(Auth {
///     display_name: "ada".to_owned(),
///     alias: Some(Alias { name: "ada@example.com".to_owned(), ..Alias::default() }),
///     token_policies: vec!["reader".to_owned()],
///     lease: Lease::renewable(Duration::from_secs(3600)),
///     ..Auth::default()
/// });
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Auth {
    /// The time for which the token is valid.
    pub lease: Lease,
    /// A JSON object that comes back on renewal; the caller never sees it.
    pub internal_data: Option<Json>,
    /// A name for logs; not secret.
    pub display_name: String,
    /// All policies; filled in by Vault.
    pub policies: Vec<String>,
    /// Kept with the token and shown in Vault's audit log.
    pub metadata: BTreeMap<String, String>,
    /// Filled in by Vault.
    pub client_token: String,
    /// Filled in by Vault.
    pub accessor: String,
    /// The period of a periodic token, which lives while it is renewed in each period. Zero: the token is not
    /// periodic.
    pub period: Duration,
    /// The number of times that the token may be used. Zero: without limit.
    pub num_uses: i64,
    /// Filled in by Vault.
    pub entity_id: String,
    /// The alias of whoever logged in, for Vault's identity store.
    pub alias: Option<Alias>,
    /// The groups that the login names.
    pub group_aliases: Vec<Alias>,
    /// Networks from which the token may be used, such as `10.0.0.0/8`.
    pub bound_cidrs: Vec<String>,
    /// The policies that the login gives.
    pub token_policies: Vec<String>,
    /// The policies that the identity gives; filled in by Vault.
    pub identity_policies: Vec<String>,
    /// The greatest age of the token, whatever its renewals. Zero: no such limit.
    pub explicit_max_ttl: Duration,
    /// The kind of token to make.
    pub token_type: TokenType,
    /// True to leave out the policy `default`.
    pub no_default_policy: bool,
}

/// Kinds of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// The kind that the mount is tuned to.
    #[default]
    Default,
    /// Kept in storage; renewable.
    Service,
    /// Not kept in storage.
    Batch,
    /// Service, if the mount leaves the choice to the engine.
    DefaultService,
    /// Batch, if the mount leaves the choice to the engine.
    DefaultBatch,
    /// A kind that this crate does not know, by its number.
    Other(u32),
}

/// Shows only what Vault itself logs.
impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("lease", &self.lease)
            .field("internal_data", &self.internal_data)
            .field("client_token", &hidden(&self.client_token))
            .field("token_type", &self.token_type)
            .finish_non_exhaustive()
    }
}

impl From<u32> for TokenType {
    fn from(number: u32) -> TokenType {
        match number {
            0 => TokenType::Default,
            1 => TokenType::Service,
            2 => TokenType::Batch,
            3 => TokenType::DefaultService,
            4 => TokenType::DefaultBatch,
            other => TokenType::Other(other),
        }
    }
}

impl From<TokenType> for u32 {
    fn from(kind: TokenType) -> u32 {
        match kind {
            TokenType::Default => 0,
            TokenType::Service => 1,
            TokenType::Batch => 2,
            TokenType::DefaultService => 3,
            TokenType::DefaultBatch => 4,
            TokenType::Other(other) => other,
        }
    }
}

impl From<pb::Auth> for Auth {
    fn from(wire: pb::Auth) -> Auth {
        Auth {
            lease: wire.lease_options.map(Lease::from).unwrap_or_default(),
            internal_data: Json::from_text(wire.internal_data),
            display_name: wire.display_name,
            policies: wire.policies,
            metadata: wire.metadata,
            client_token: wire.client_token,
            accessor: wire.accessor,
            period: duration(wire.period),
            num_uses: wire.num_uses,
            entity_id: wire.entity_id,
            alias: wire.alias.map(Alias::from),
            group_aliases: wire.group_aliases.into_iter().map(Alias::from).collect(),
            bound_cidrs: wire.bound_cidrs,
            token_policies: wire.token_policies,
            identity_policies: wire.identity_policies,
            explicit_max_ttl: duration(wire.explicit_max_ttl),
            token_type: wire.token_type.into(),
            no_default_policy: wire.no_default_policy,
        }
    }
}

/// The error says what Vault would refuse.
impl TryFrom<Auth> for pb::Auth {
    type Error = Unreadable;

    fn try_from(auth: Auth) -> Result<pb::Auth, Unreadable> {
        let owner = "an auth";
        let lease = auth.lease.try_into();
        let internal_data = json::to_wire(auth.internal_data);
        Ok(pb::Auth {
            lease_options: Some(lease.map_err(|OutOfRange| Unreadable::IssueTime { owner })?),
            internal_data: internal_data.map_err(|source| Unreadable::InternalData { owner, source })?,
            display_name: auth.display_name,
            policies: auth.policies,
            metadata: auth.metadata,
            client_token: auth.client_token,
            accessor: auth.accessor,
            period: nanoseconds(auth.period),
            num_uses: auth.num_uses,
            entity_id: auth.entity_id,
            alias: auth.alias.map(Into::into),
            group_aliases: auth.group_aliases.into_iter().map(Into::into).collect(),
            bound_cidrs: auth.bound_cidrs,
            token_policies: auth.token_policies,
            identity_policies: auth.identity_policies,
            explicit_max_ttl: nanoseconds(auth.explicit_max_ttl),
            token_type: auth.token_type.into(),
            no_default_policy: auth.no_default_policy,
        })
    }
}
