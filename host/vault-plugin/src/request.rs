//! A request as Vault routes it to a mount.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::auth::Auth;
use crate::caller::Caller;
use crate::json::Json;
use crate::lease::Secret;
use crate::proto::pb;
use crate::redact::hidden;
use crate::system::RotationInfo;
use crate::time::from_nanoseconds;

/// What Vault asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// An update of a path whose existence check said that it holds nothing yet.
    Create,
    /// GET.
    #[default]
    Read,
    /// POST and PUT.
    Update,
    /// PATCH, with a JSON merge patch.
    Patch,
    /// DELETE.
    Delete,
    /// LIST; the path ends in `/`.
    List,
    /// `vault path-help`; and the server's OpenAPI document, for which the path is empty and an answer is taken from
    /// the field `openapi` if it is there.
    Help,
    /// Whose alias a login would be.
    AliasLookahead,
    /// Which role a login would use.
    ResolveRole,
    /// HEAD.
    Header,
    /// The lease in [`Request::secret`] ended.
    Revoke,
    /// The lease in [`Request::secret`] is to be renewed.
    Renew,
    /// Vault's tick, about once a minute, with an empty path: clean up, do what is due.
    Rollback,
    /// A rotation job is due.
    Rotate,
    /// A value is to be taken from a snapshot.
    Recover,
    /// OpenBao's recursive list.
    Scan,
    /// One that this crate does not name.
    Other(String),
}

impl Operation {
    /// Vault's name for it, such as `read`.
    pub fn as_str(&self) -> &str {
        match self {
            Operation::Create => "create",
            Operation::Read => "read",
            Operation::Update => "update",
            Operation::Patch => "patch",
            Operation::Delete => "delete",
            Operation::List => "list",
            Operation::Help => "help",
            Operation::AliasLookahead => "alias-lookahead",
            Operation::ResolveRole => "resolve-role",
            Operation::Header => "header",
            Operation::Revoke => "revoke",
            Operation::Renew => "renew",
            Operation::Rollback => "rollback",
            Operation::Rotate => "rotate",
            Operation::Recover => "recover",
            Operation::Scan => "scan",
            Operation::Other(name) => name,
        }
    }
}

impl From<String> for Operation {
    fn from(name: String) -> Operation {
        match name.as_str() {
            "create" => Operation::Create,
            "read" => Operation::Read,
            "update" => Operation::Update,
            "patch" => Operation::Patch,
            "delete" => Operation::Delete,
            "list" => Operation::List,
            "help" => Operation::Help,
            "alias-lookahead" => Operation::AliasLookahead,
            "resolve-role" => Operation::ResolveRole,
            "header" => Operation::Header,
            "revoke" => Operation::Revoke,
            "renew" => Operation::Renew,
            "rollback" => Operation::Rollback,
            "rotate" => Operation::Rotate,
            "recover" => Operation::Recover,
            "scan" => Operation::Scan,
            _ => Operation::Other(name),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A request to one mount. What Vault hides from plugins, such as the caller's token, is not here either.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Vault's id for the request, the same in its existence check. Empty for rollback and the like.
    pub id: String,
    /// What is asked.
    pub operation: Operation,
    /// Relative to the mount, without a leading slash.
    pub path: String,
    /// The body or the query, a JSON object with numbers as the caller wrote them. None where there was neither.
    pub data: Option<Json>,
    /// The lease that renew and revoke are about.
    pub secret: Option<Secret>,
    /// The login that is renewed; auth plugins only.
    pub auth: Option<Auth>,
    /// Those that the mount's `passthrough_request_headers` lets through.
    pub headers: BTreeMap<String, Vec<String>>,
    /// A salted hash of the caller's token: the same token is the same text on this mount, and of no use elsewhere.
    pub client_token: String,
    /// The accessor of the caller's token.
    pub client_token_accessor: String,
    /// The caller's name as its auth mount gave it, for logs and for names in other systems.
    pub display_name: String,
    /// Where the engine is mounted, with a trailing slash.
    pub mount_point: String,
    /// The type that it was enabled as.
    pub mount_type: String,
    /// The mount's accessor. Vault leaves it empty in reads and existence checks.
    pub mount_accessor: String,
    /// How the caller wants the answer wrapped; Vault does it.
    pub wrap: Option<WrapRequest>,
    /// Vault sends zero.
    pub client_token_remaining_uses: i64,
    /// The caller's entity. Empty for the root token.
    pub entity_id: String,
    /// Whether the caller overrides soft-mandatory policies.
    pub policy_override: bool,
    /// Whether there was no token at all, on a path that allows that.
    pub unauthenticated: bool,
    /// Where the request came from.
    pub connection: Option<Connection>,
    /// The replication secondary that the request came from.
    pub replication_cluster: String,
    /// The snapshot to read from. Vault only.
    pub requires_snapshot_id: String,
    /// Where `recover` takes its value from. Vault only.
    pub recover_source_path: String,
    /// The rotation job that is due. Vault only.
    pub rotation: Option<RotationInfo>,
    /// Who waits for the answer, and may hang up.
    pub caller: Caller,
}

impl Request {
    /// A request with nothing but these, for tests.
    pub fn new(operation: Operation, path: impl Into<String>) -> Request {
        Request {
            operation,
            path: path.into(),
            ..Request::default()
        }
    }

    /// The data as a Rust type; no data reads as an empty object.
    ///
    /// # Errors
    /// [`Error::User`], which names a missing field and the place, but never a value.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let decoded = match &self.data {
            Some(data) => data.decode(),
            None => Json::encode(&serde_json::Map::new())?.decode(),
        };
        decoded.map_err(|error| Error::User(error.to_string()))
    }
}

/// Nothing of the path, the data, the headers or the caller.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("id", &self.id)
            .field("operation", &self.operation)
            .field("path", &hidden(&self.path))
            .field("data", &self.data)
            .field("secret", &self.secret)
            .field("auth", &self.auth)
            .field("mount_point", &self.mount_point)
            .field("mount_type", &self.mount_type)
            .finish_non_exhaustive()
    }
}

/// How a caller wants an answer wrapped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WrapRequest {
    /// How long the wrapping token is good for.
    pub ttl: Duration,
    /// The wrapping token's form; empty is the usual one.
    pub format: String,
    /// Whether to keep it under the seal's key too.
    pub seal_wrap: bool,
}

/// The connection that a request came over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The caller's address, without port.
    pub remote_addr: String,
    /// The caller's port. Vault leaves it zero.
    pub remote_port: i32,
    /// TLS, where the caller used it and the server tells.
    pub tls: Option<TlsState>,
    /// A client certificate that a trusted proxy vouched for, in DER. OpenBao only.
    pub proxied_certificates: Vec<Bytes>,
    /// The client's own certificates, in DER. OpenBao only.
    pub peer_certificates: Vec<Bytes>,
}

/// The TLS connection between the caller and the server. Certificates are in DER.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsState {
    /// The protocol's number, such as 0x0304 for TLS 1.3.
    pub version: u32,
    /// Whether the handshake was done.
    pub handshake_complete: bool,
    /// Whether an earlier session was resumed.
    pub did_resume: bool,
    /// The cipher suite's number.
    pub cipher_suite: u32,
    /// The ALPN protocol.
    pub negotiated_protocol: String,
    /// Whether the caller offered that protocol too.
    pub negotiated_protocol_is_mutual: bool,
    /// The name that the caller asked for.
    pub server_name: String,
    /// What the caller presented.
    pub peer_certificates: Vec<Bytes>,
    /// The chains that the server verified.
    pub verified_chains: Vec<Vec<Bytes>>,
    /// As TLS carried them.
    pub signed_certificate_timestamps: Vec<Bytes>,
    /// The stapled OCSP answer.
    pub ocsp_response: Bytes,
    /// The channel binding of RFC 5929.
    pub tls_unique: Bytes,
}

impl From<pb::Request> for Request {
    fn from(wire: pb::Request) -> Request {
        Request {
            id: wire.id,
            operation: wire.operation.into(),
            path: wire.path,
            data: Json::from_text(wire.data),
            secret: wire.secret.map(Secret::from),
            auth: wire.auth.map(Auth::from),
            headers: wire
                .headers
                .into_iter()
                .map(|(name, values)| (name, values.header))
                .collect(),
            client_token: wire.client_token,
            client_token_accessor: wire.client_token_accessor,
            display_name: wire.display_name,
            mount_point: wire.mount_point,
            mount_type: wire.mount_type,
            mount_accessor: wire.mount_accessor,
            wrap: wire.wrap_info.map(WrapRequest::from),
            client_token_remaining_uses: wire.client_token_remaining_uses,
            entity_id: wire.entity_id,
            policy_override: wire.policy_override,
            unauthenticated: wire.unauthenticated,
            connection: wire.connection.map(Connection::from),
            replication_cluster: wire.replication_cluster,
            requires_snapshot_id: wire.requires_snapshot_id,
            recover_source_path: wire.recover_source_path,
            rotation: wire.rotation_info.map(RotationInfo::from),
            caller: Caller::default(),
        }
    }
}

impl From<pb::RequestWrapInfo> for WrapRequest {
    fn from(wire: pb::RequestWrapInfo) -> WrapRequest {
        WrapRequest {
            ttl: from_nanoseconds(wire.ttl),
            format: wire.format,
            seal_wrap: wire.seal_wrap,
        }
    }
}

impl From<pb::Connection> for Connection {
    fn from(wire: pb::Connection) -> Connection {
        Connection {
            remote_addr: wire.remote_addr,
            remote_port: wire.remote_port,
            tls: wire.connection_state.map(TlsState::from),
            proxied_certificates: wire.proxied_certificates_raw,
            peer_certificates: wire.peer_certificates_raw,
        }
    }
}

impl From<pb::ConnectionState> for TlsState {
    fn from(wire: pb::ConnectionState) -> TlsState {
        TlsState {
            version: wire.version,
            handshake_complete: wire.handshake_complete,
            did_resume: wire.did_resume,
            cipher_suite: wire.cipher_suite,
            negotiated_protocol: wire.negotiated_protocol,
            negotiated_protocol_is_mutual: wire.negotiated_protocol_is_mutual,
            server_name: wire.server_name,
            peer_certificates: wire.peer_certificates.map(chain).unwrap_or_default(),
            verified_chains: wire.verified_chains.into_iter().map(chain).collect(),
            signed_certificate_timestamps: wire.signed_certificate_timestamps,
            ocsp_response: wire.ocsp_response,
            tls_unique: wire.tls_unique,
        }
    }
}

fn chain(wire: pb::CertificateChain) -> Vec<Bytes> {
    wire.certificates
        .into_iter()
        .map(|certificate| certificate.asn1_data)
        .collect()
}
