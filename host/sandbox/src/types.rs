//! Requests and answers as the contract has them: `airlock:engine/types`, in Rust.
//!
//! Written by hand and not generated, for one reason: `Debug`. These types hold what a secrets engine is there to
//! protect, so they print which fields are there and never what is in them.

// The derives implement wasmtime's `unsafe` traits.
#![allow(unsafe_code)]

mod debug;
mod size;

use std::fmt;

use wasmtime::component::{ComponentType, Lift, Lower};

/// JSON text, passed on as it came.
pub type Json = String;

/// A length of time in nanoseconds, as on Vault's wire.
pub type Nanoseconds = i64;

/// A moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Timestamp {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after them, 0 to 999,999,999.
    pub nanoseconds: u32,
}

/// What Vault asks for.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum Operation {
    /// Write where the existence check answered "no".
    #[component(name = "create")]
    Create,
    /// Read.
    #[component(name = "read")]
    Read,
    /// Write where the existence check answered "yes", or where there is none.
    #[component(name = "update")]
    Update,
    /// Write by JSON merge patch.
    #[component(name = "patch")]
    Patch,
    /// Delete.
    #[component(name = "delete")]
    Delete,
    /// List the names below a path.
    #[component(name = "list")]
    List,
    /// `vault path-help`, and the server's OpenAPI document.
    #[component(name = "help")]
    Help,
    /// Of auth engines.
    #[component(name = "alias-lookahead")]
    AliasLookahead,
    /// Of auth engines.
    #[component(name = "resolve-role")]
    ResolveRole,
    /// An HTTP HEAD.
    #[component(name = "header")]
    Header,
    /// A lease ends.
    #[component(name = "revoke")]
    Revoke,
    /// A lease is prolonged.
    #[component(name = "renew")]
    Renew,
    /// Vault's tick, once a minute.
    #[component(name = "rollback")]
    Rollback,
    /// A rotation job is due.
    #[component(name = "rotate")]
    Rotate,
    /// Restore a value from a snapshot.
    #[component(name = "recover")]
    Recover,
    /// OpenBao's recursive list.
    #[component(name = "scan")]
    Scan,
    /// One that this version of the contract does not name.
    #[component(name = "other")]
    Other(String),
}

/// An HTTP header.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Connection {
    /// The caller's address, without a port.
    #[component(name = "remote-addr")]
    pub remote_addr: String,
    /// The caller's port; Vault never says it.
    #[component(name = "remote-port")]
    pub remote_port: u32,
}

/// How the caller wants the answer wrapped.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct WrapRequest {
    /// How long the wrapping token is good for.
    pub ttl: Nanoseconds,
    /// Empty or `jwt`.
    pub format: String,
    /// Whether to wrap what is stored with the seal.
    #[component(name = "seal-wrap")]
    pub seal_wrap: bool,
}

/// What Vault knows of a leased secret's time.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Lease {
    /// How long it is good for.
    pub ttl: Nanoseconds,
    /// How long it can become by renewing.
    #[component(name = "max-ttl")]
    pub max_ttl: Nanoseconds,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// What the caller of renew asks for.
    pub increment: Nanoseconds,
    /// When Vault issued it; none in an answer.
    #[component(name = "issue-time")]
    pub issue_time: Option<Timestamp>,
}

/// A leased secret.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Secret {
    /// Its lease.
    pub lease: Lease,
    /// What renew and revoke get back: a JSON object, or none.
    #[component(name = "internal-data")]
    pub internal_data: Option<Json>,
    /// Vault's name for the lease.
    #[component(name = "lease-id")]
    pub lease_id: String,
}

/// One request of Vault's. See the contract for each field.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
#[allow(missing_docs)] // the contract documents them
pub struct Request {
    pub id: String,
    pub operation: Operation,
    pub path: String,
    pub data: Option<Json>,
    #[component(name = "mount-point")]
    pub mount_point: String,
    #[component(name = "mount-type")]
    pub mount_type: String,
    #[component(name = "mount-accessor")]
    pub mount_accessor: String,
    #[component(name = "entity-id")]
    pub entity_id: String,
    #[component(name = "display-name")]
    pub display_name: String,
    #[component(name = "client-token")]
    pub client_token: String,
    #[component(name = "client-token-accessor")]
    pub client_token_accessor: String,
    pub headers: Vec<Header>,
    pub connection: Option<Connection>,
    pub secret: Option<Secret>,
    pub wrap: Option<WrapRequest>,
    pub unauthenticated: bool,
    #[component(name = "policy-override")]
    pub policy_override: bool,
    #[component(name = "replication-cluster")]
    pub replication_cluster: String,
    #[component(name = "recover-source-path")]
    pub recover_source_path: String,
}

impl Request {
    /// A request with nothing but an operation and a path; set the rest as fields.
    pub fn new(operation: Operation, path: impl Into<String>) -> Self {
        Self {
            id: String::new(),
            operation,
            path: path.into(),
            data: None,
            mount_point: String::new(),
            mount_type: String::new(),
            mount_accessor: String::new(),
            entity_id: String::new(),
            display_name: String::new(),
            client_token: String::new(),
            client_token_accessor: String::new(),
            headers: Vec::new(),
            connection: None,
            secret: None,
            wrap: None,
            unauthenticated: false,
            policy_override: false,
            replication_cluster: String::new(),
            recover_source_path: String::new(),
        }
    }
}

/// A wrapped answer.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
#[allow(missing_docs)] // the contract documents them
pub struct WrapInfo {
    pub ttl: Nanoseconds,
    pub token: String,
    pub accessor: String,
    #[component(name = "creation-time")]
    pub creation_time: Option<Timestamp>,
    #[component(name = "wrapped-accessor")]
    pub wrapped_accessor: String,
    #[component(name = "wrapped-entity-id")]
    pub wrapped_entity_id: String,
    pub format: String,
    #[component(name = "creation-path")]
    pub creation_path: String,
    #[component(name = "seal-wrap")]
    pub seal_wrap: bool,
}

/// A guest's answer.
#[derive(Clone, Default, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Response {
    /// A JSON object, or none.
    pub data: Option<Json>,
    /// Makes Vault register a lease.
    pub secret: Option<Secret>,
    /// Where to send the caller.
    pub redirect: Option<String>,
    /// Shown to the caller.
    pub warnings: Vec<String>,
    /// HTTP headers, as far as the mount lets them through.
    pub headers: Vec<Header>,
    /// An answer that is wrapped already.
    #[component(name = "wrap-info")]
    pub wrap_info: Option<WrapInfo>,
}

/// Why a guest did not do a request.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(variant)]
pub enum Error {
    /// The caller's mistake: 400 with this text.
    #[component(name = "user")]
    User(String),
    /// 405.
    #[component(name = "unsupported-operation")]
    UnsupportedOperation,
    /// 404.
    #[component(name = "unsupported-path")]
    UnsupportedPath,
    /// 403.
    #[component(name = "permission-denied")]
    PermissionDenied,
    /// The server sends the request on to one that may write.
    #[component(name = "read-only")]
    ReadOnly,
    /// An HTTP status of the guest's choice.
    #[component(name = "coded")]
    Coded(CodedError),
    /// The engine's own fault: 500 with this text.
    #[component(name = "internal")]
    Internal(String),
}

/// An error with an HTTP status of the guest's choice.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct CodedError {
    /// 400 to 599.
    pub status: u16,
    /// The text of the answer.
    pub message: String,
}

/// What a guest says is for the caller alone, so it is in `Display`, which makes the answer, and not in `Debug`, which
/// makes logs.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User(text) | Self::Internal(text) => text,
            Self::Coded(error) => &error.message,
            Self::UnsupportedOperation => "unsupported operation",
            Self::UnsupportedPath => "unsupported path",
            Self::PermissionDenied => "permission denied",
            Self::ReadOnly => "cannot write to readonly storage",
        })
    }
}

impl std::error::Error for Error {}
