//! The contract's requests and answers (`airlock:engine/types`) in Rust.
//!
//! They are written by hand and not generated for one reason: `Debug`. These types hold the secrets that an engine
//! protects, so they print which fields are set and never what is in them.

// The derives implement wasmtime's `unsafe` traits.
#![allow(unsafe_code)]

mod debug;
mod size;

pub(crate) use size::wrap_info_bytes;

use std::fmt;

use wasmtime::component::{ComponentType, Lift, Lower};

pub use airlock_logical::{Json, Lease, Nanoseconds, Operation, Secret, Timestamp, WrapInfo, WrapRequest};

/// An HTTP header.
#[derive(Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// The origin of a request.
#[derive(Debug, Clone, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Connection {
    /// The caller's address, without a port.
    #[component(name = "remote-addr")]
    pub remote_addr: String,
    /// The caller's port. Vault never sends it.
    #[component(name = "remote-port")]
    pub remote_port: u32,
}

/// A request of Vault. The contract documents each field.
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
    /// Returns a request with nothing but an operation and a path. Set the rest as fields.
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

/// A guest's answer.
#[derive(Clone, Default, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(record)]
pub struct Response {
    /// A JSON object, or `None`.
    pub data: Option<Json>,
    /// A leased secret. Vault registers a lease for it.
    pub secret: Option<Secret>,
    /// The address to which the caller is redirected.
    pub redirect: Option<String>,
    /// Texts that are shown to the caller.
    pub warnings: Vec<String>,
    /// HTTP headers. The caller gets those that the mount lets through.
    pub headers: Vec<Header>,
    /// An answer that is already wrapped.
    #[component(name = "wrap-info")]
    pub wrap_info: Option<WrapInfo>,
}

/// The reason why a guest did not carry out a request.
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
    /// Storage is read-only here: the server forwards the request to one that may write.
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

/// The text of a guest is for the caller alone. So `Display`, which makes the answer, shows it, and `Debug`, which
/// makes logs, does not.
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
