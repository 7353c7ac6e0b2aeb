//! Describes a request as Vault sends it.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::{Error, Operation, Result, Timestamp, codec};

/// An HTTP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its values, at least one.
    pub values: Vec<String>,
}

/// The origin of the caller's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The remote address.
    pub remote_addr: String,
    /// The remote port; Vault leaves it 0.
    pub remote_port: u16,
}

/// The caller's request to wrap the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrapRequest {
    /// The time to live of the wrapping token.
    pub ttl: Duration,
    /// `jwt` or empty.
    pub format: String,
    /// True to wrap it with the seal's key too.
    pub seal_wrap: bool,
}

/// The lease to renew or revoke. See [`Secret`](crate::Secret) for the typed way to it.
#[derive(Clone, Default)]
pub struct LeasedSecret {
    /// The time of the lease from its issue or renewal.
    pub ttl: Duration,
    /// The maximum time of the lease in total.
    pub max_ttl: Duration,
    /// True if it can be renewed.
    pub renewable: bool,
    /// The extension that the caller of renew asks for; 0 if none.
    pub increment: Duration,
    /// The time at which Vault issued it.
    pub issue_time: Option<Timestamp>,
    /// The engine's JSON, unchanged.
    pub internal_data: Option<String>,
    /// Vault's name for it.
    pub lease_id: String,
}

/// A request. A handler gets the fields of `data` as its second argument, with their types. This struct has everything
/// else.
///
/// Its `Debug` shows neither data nor tokens.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Request {
    /// Vault's id for the request; empty for rollback and the like.
    pub id: String,
    /// The operation that Vault asks for.
    pub operation: Operation,
    /// Relative to the mount, without a leading slash. Lists end in `/`.
    pub path: String,
    /// A JSON object as text, or none.
    pub data: Option<String>,
    /// The path at which the engine is mounted, with a trailing slash.
    pub mount_point: String,
    /// The type under which it is mounted.
    pub mount_type: String,
    /// Vault's name for the mount; empty in existence checks and most reads.
    pub mount_accessor: String,
    /// The caller's identity; empty for the root token.
    pub entity_id: String,
    /// The caller's name, as the authentication method gave it.
    pub display_name: String,
    /// A salted hash of the caller's token, useless elsewhere.
    pub client_token: String,
    /// The accessor of the caller's token.
    pub client_token_accessor: String,
    /// The headers that the mount's `passthrough_request_headers` allows.
    pub headers: Vec<Header>,
    /// The origin of the caller's connection.
    pub connection: Option<Connection>,
    /// The lease to renew or revoke.
    pub secret: Option<LeasedSecret>,
    /// The caller's request to wrap the answer.
    pub wrap: Option<WrapRequest>,
    /// True if the request came without a token.
    pub unauthenticated: bool,
    /// True if the caller asked to override soft-mandatory policies.
    pub policy_override: bool,
    /// The replication cluster from which the request came.
    pub replication_cluster: String,
    /// The path from which a recover takes its value.
    pub recover_source_path: String,
}

impl Request {
    /// Returns the data as an object. A request without data has an empty object.
    ///
    /// # Errors
    /// [`Error::Internal`] if the data is not a JSON object.
    pub(crate) fn object(&self) -> Result<Map<String, Value>> {
        match &self.data {
            None => Ok(Map::new()),
            Some(data) => {
                codec::read(data.as_bytes()).map_err(|_| Error::internal("request data is not a JSON object"))
            }
        }
    }
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
