//! A request as Vault sends it.

use std::fmt;
use std::time::Duration;

use crate::Timestamp;
use crate::route::Verb;

/// What Vault asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation {
    /// A write to a path where nothing is yet, as the existence check found.
    Create,
    /// A read.
    #[default]
    Read,
    /// A write.
    Update,
    /// A JSON merge patch.
    Patch,
    /// A deletion.
    Delete,
    /// The names below a path.
    List,
    /// The help text and the OpenAPI document of a path.
    Help,
    /// For authentication methods.
    AliasLookahead,
    /// For authentication methods.
    ResolveRole,
    /// A HEAD request.
    Header,
    /// The end of a lease.
    Revoke,
    /// A longer lease.
    Renew,
    /// Vault's tick, once a minute.
    Rollback,
    /// A rotation job is due.
    Rotate,
    /// A value from a snapshot.
    Recover,
    /// OpenBao's recursive list.
    Scan,
    /// One that this version of the kit does not name.
    Other(String),
}

impl Operation {
    /// The verb that routes are declared with; none for what the kit answers itself.
    pub(crate) fn verb(&self) -> Option<Verb> {
        Some(match self {
            Operation::Create => Verb::Create,
            Operation::Read => Verb::Read,
            Operation::Update => Verb::Update,
            Operation::Patch => Verb::Patch,
            Operation::Delete => Verb::Delete,
            Operation::List => Verb::List,
            Operation::Scan => Verb::Scan,
            _ => return None,
        })
    }
}

/// An HTTP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its values, one or more.
    pub values: Vec<String>,
}

/// Where the caller connects from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address.
    pub remote_addr: String,
    /// The port; Vault leaves it 0.
    pub remote_port: u16,
}

/// How the caller wants the answer wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrapRequest {
    /// How long the wrapping token lives.
    pub ttl: Duration,
    /// `jwt` or empty.
    pub format: String,
    /// Whether to wrap it with the seal's key too.
    pub seal_wrap: bool,
}

/// The lease that a renew or revoke is about. See [`Secret`](crate::Secret) for the typed way to it.
#[derive(Clone, Default)]
pub struct LeasedSecret {
    /// How long the lease lasts from its issue or renewal.
    pub ttl: Duration,
    /// How long it may last in all.
    pub max_ttl: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// What the caller of renew asks for; 0 if nothing.
    pub increment: Duration,
    /// When Vault issued it.
    pub issue_time: Option<Timestamp>,
    /// JSON, as the engine gave it.
    pub internal_data: Option<String>,
    /// Vault's name for it.
    pub lease_id: String,
}

/// A request. The fields of `data` reach a handler typed, as its second argument; this is everything else.
///
/// Its `Debug` shows neither data nor tokens.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Request {
    /// Vault's id for the request; empty for rollback and the like.
    pub id: String,
    /// What is asked for.
    pub operation: Operation,
    /// Relative to the mount, without a leading slash. Lists end in `/`.
    pub path: String,
    /// A JSON object as text, or none.
    pub data: Option<String>,
    /// Where the engine is mounted, with a trailing slash.
    pub mount_point: String,
    /// The type it is mounted as.
    pub mount_type: String,
    /// Vault's name for the mount; empty in existence checks and most reads.
    pub mount_accessor: String,
    /// The caller's identity; empty for the root token.
    pub entity_id: String,
    /// The caller's name, as the authentication method gave it.
    pub display_name: String,
    /// A salted hash of the caller's token, of no use elsewhere.
    pub client_token: String,
    /// The accessor of the caller's token.
    pub client_token_accessor: String,
    /// The headers that the mount's `passthrough_request_headers` lets through.
    pub headers: Vec<Header>,
    /// Where the caller connects from.
    pub connection: Option<Connection>,
    /// The lease that renew and revoke are about.
    pub secret: Option<LeasedSecret>,
    /// How the caller wants the answer wrapped.
    pub wrap: Option<WrapRequest>,
    /// Whether it came without a token.
    pub unauthenticated: bool,
    /// Whether the caller asked to override soft-mandatory policies.
    pub policy_override: bool,
    /// The replication cluster that it came from.
    pub replication_cluster: String,
    /// Where a recover takes its value from.
    pub recover_source_path: String,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LeasedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasedSecret")
            .field("ttl", &self.ttl)
            .field("max_ttl", &self.max_ttl)
            .field("renewable", &self.renewable)
            .finish_non_exhaustive()
    }
}
