//! A request, as Vault routes it to a mount.

use std::collections::BTreeMap;
use std::fmt;

use airlock_logical::redact::hidden;
use airlock_logical::{Json, Operation, Secret, WrapRequest};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::auth::Auth;
use crate::caller::Caller;
use crate::proto::pb;
use crate::system::RotationInfo;

/// A request to one mount. It does not contain what Vault hides from plugins, such as the caller's token.
///
/// ```
/// use serde::Deserialize;
/// use vault_plugin::{Error, Json, Operation, Request};
///
/// #[derive(Deserialize)]
/// struct Greeting {
///     name: String,
/// }
///
/// fn greet(request: &Request) -> Result<String, Error> {
///     let Greeting { name } = request.decode()?; // 400 if the name is missing
///     Ok(format!("Hello, {name}!"))
/// }
///
/// let mut request = Request::new(Operation::Update, "greet");
/// request.data = Json::from_text(r#"{"name": "Ada"}"#);
/// assert_eq!(greet(&request)?, "Hello, Ada!");
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// Vault's id for the request, which is the same in its existence check. Empty for rollback and similar requests.
    pub id: String,
    /// The requested operation.
    pub operation: Operation,
    /// Relative to the mount, without a leading slash.
    pub path: String,
    /// The body or the query: a JSON object with numbers as the caller wrote them. `None` if there was neither.
    pub data: Option<Json>,
    /// The lease that renew and revoke are about.
    pub secret: Option<Secret>,
    /// The login that is renewed; auth plugins only.
    pub auth: Option<Box<Auth>>,
    /// The headers that the mount's `passthrough_request_headers` lets through.
    pub headers: BTreeMap<String, Vec<String>>,
    /// A salted hash of the caller's token: the same token gives the same text on this mount, and the text is useless
    /// elsewhere.
    pub client_token: String,
    /// The accessor of the caller's token.
    pub client_token_accessor: String,
    /// The caller's name as its auth mount gave it, for logs and for names in other systems.
    pub display_name: String,
    /// The path at which the engine is mounted, with a trailing slash.
    pub mount_point: String,
    /// The type with which it was enabled.
    pub mount_type: String,
    /// The mount's accessor. Vault leaves it empty in reads and existence checks.
    pub mount_accessor: String,
    /// The wrapping that the caller wants for the answer; Vault does it.
    pub wrap: Option<WrapRequest>,
    /// The number of remaining uses of the caller's token. Vault sends zero.
    pub client_token_remaining_uses: i64,
    /// The caller's entity. Empty for the root token.
    pub entity_id: String,
    /// True if the caller overrides soft-mandatory policies.
    pub policy_override: bool,
    /// True if the caller sent no token, on a path that allows that.
    pub unauthenticated: bool,
    /// The connection over which the request came.
    pub connection: Option<Connection>,
    /// The replication secondary that the request came from.
    pub replication_cluster: String,
    /// The snapshot to read from. Vault only.
    pub requires_snapshot_id: String,
    /// The path from which `recover` takes its value. Vault only.
    pub recover_source_path: String,
    /// The rotation job that is due. Vault only.
    pub rotation: Option<RotationInfo>,
    /// The caller that waits for the answer, and may hang up.
    pub caller: Caller,
}

impl Request {
    /// Creates a request with only these fields, for tests.
    pub fn new(operation: Operation, path: impl Into<String>) -> Request {
        Request {
            operation,
            path: path.into(),
            ..Request::default()
        }
    }

    /// Decodes the data as a Rust type; missing data is decoded as an empty object.
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

    /// Returns the values of a header that the mount lets through. Upper and lower case of its name are the same.
    fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = self
            .headers
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        named.flat_map(|(_, values)| values).map(String::as_str)
    }

    /// Returns the value of a header that was sent once.
    pub(crate) fn only_header(&self, name: &str) -> Option<&str> {
        let mut values = self.header(name);
        values.next().filter(|_| values.next().is_none())
    }

    /// Returns the values of a header as one, as HTTP allows for lists.
    pub(crate) fn joined_header(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.header(name).collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

/// Shows nothing of the path, the data, the headers or the caller.
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

/// The connection over which a request came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connection {
    /// The caller's address, without port.
    pub remote_addr: String,
    /// The caller's port. Vault leaves it zero.
    pub remote_port: i32,
    /// The TLS state, if the caller used TLS and the server reports it.
    pub tls: Option<Box<TlsState>>,
    /// A client certificate for which a trusted proxy vouched, in DER. OpenBao only.
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
    /// True if the handshake was done.
    pub handshake_complete: bool,
    /// True if an earlier session was resumed.
    pub did_resume: bool,
    /// The cipher suite's number.
    pub cipher_suite: u32,
    /// The ALPN protocol.
    pub negotiated_protocol: String,
    /// True if the caller offered that protocol too.
    pub negotiated_protocol_is_mutual: bool,
    /// The name that the caller asked for.
    pub server_name: String,
    /// The certificates that the caller presented.
    pub peer_certificates: Vec<Bytes>,
    /// The chains that the server verified.
    pub verified_chains: Vec<Vec<Bytes>>,
    /// The timestamps as TLS carried them.
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
            secret: wire.secret.map(|secret| Secret::from(*secret)),
            auth: wire.auth.map(|auth| Box::new(Auth::from(*auth))),
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

impl From<pb::Connection> for Connection {
    fn from(wire: pb::Connection) -> Connection {
        Connection {
            remote_addr: wire.remote_addr,
            remote_port: wire.remote_port,
            tls: wire
                .connection_state
                .map(|state| Box::new(TlsState::from(*state))),
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
