//! A request in the file of a recording.

use airlock_logical::{Json, Lease, Secret, Timestamp, WrapRequest};
use airlock_sandbox::types;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::is_false;

/// A request. Fields that are empty are left out.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::recording) struct Asked {
    pub operation: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_point: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mount_accessor: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entity_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_token: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub client_token_accessor: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, Vec<String>)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Leased>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrap: Option<(i64, String, bool)>,
    #[serde(skip_serializing_if = "is_false")]
    pub unauthenticated: bool,
    #[serde(skip_serializing_if = "is_false")]
    pub policy_override: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub replication_cluster: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub recover_source_path: String,
}

/// A leased secret. Lengths of time are nanoseconds.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::recording) struct Leased {
    ttl: i64,
    max_ttl: i64,
    renewable: bool,
    increment: i64,
    issue_time: Option<(i64, u32)>,
    internal_data: Option<Value>,
    lease_id: String,
}

impl Leased {
    pub fn of(secret: &Secret) -> Self {
        let Lease {
            ttl,
            max_ttl,
            renewable,
            increment,
            issue_time,
        } = secret.lease.clone();
        Self {
            ttl,
            max_ttl,
            renewable,
            increment,
            issue_time: issue_time.map(|time| (time.seconds, time.nanoseconds)),
            internal_data: value(&secret.internal_data),
            lease_id: secret.lease_id.clone(),
        }
    }

    pub fn secret(self) -> Secret {
        Secret {
            lease: Lease {
                ttl: self.ttl,
                max_ttl: self.max_ttl,
                renewable: self.renewable,
                increment: self.increment,
                issue_time: self
                    .issue_time
                    .map(|(seconds, nanoseconds)| Timestamp { seconds, nanoseconds }),
            },
            internal_data: json(self.internal_data),
            lease_id: self.lease_id,
        }
    }
}

pub(super) fn value(json: &Option<Json>) -> Option<Value> {
    json.as_ref().and_then(|json| json.decode().ok())
}

pub(super) fn json(value: Option<Value>) -> Option<Json> {
    value.and_then(|value| Json::from_text(value.to_string()))
}

impl Asked {
    pub fn of(request: types::Request) -> Self {
        Self {
            operation: request.operation.as_str().to_owned(),
            path: request.path,
            data: value(&request.data),
            id: request.id,
            mount_point: request.mount_point,
            mount_type: request.mount_type,
            mount_accessor: request.mount_accessor,
            entity_id: request.entity_id,
            display_name: request.display_name,
            client_token: request.client_token,
            client_token_accessor: request.client_token_accessor,
            headers: request
                .headers
                .into_iter()
                .map(|header| (header.name, header.values))
                .collect(),
            remote_address: request.connection.map(|connection| connection.remote_addr),
            secret: request.secret.as_ref().map(Leased::of),
            wrap: request.wrap.map(|wrap| (wrap.ttl, wrap.format, wrap.seal_wrap)),
            unauthenticated: request.unauthenticated,
            policy_override: request.policy_override,
            replication_cluster: request.replication_cluster,
            recover_source_path: request.recover_source_path,
        }
    }

    pub fn request(self) -> types::Request {
        types::Request {
            id: self.id,
            operation: self.operation.into(),
            path: self.path,
            data: json(self.data),
            mount_point: self.mount_point,
            mount_type: self.mount_type,
            mount_accessor: self.mount_accessor,
            entity_id: self.entity_id,
            display_name: self.display_name,
            client_token: self.client_token,
            client_token_accessor: self.client_token_accessor,
            headers: headers_of(self.headers),
            connection: self.remote_address.map(|remote_addr| types::Connection {
                remote_addr,
                remote_port: 0,
            }),
            secret: self.secret.map(Leased::secret),
            wrap: self.wrap.map(|(ttl, format, seal_wrap)| WrapRequest {
                ttl,
                format,
                seal_wrap,
            }),
            unauthenticated: self.unauthenticated,
            policy_override: self.policy_override,
            replication_cluster: self.replication_cluster,
            recover_source_path: self.recover_source_path,
        }
    }
}

pub(super) fn headers(headers: &[types::Header]) -> Vec<(String, Vec<String>)> {
    let headers = headers.iter();
    headers
        .map(|header| (header.name.clone(), header.values.clone()))
        .collect()
}

pub(super) fn headers_of(headers: Vec<(String, Vec<String>)>) -> Vec<types::Header> {
    let headers = headers.into_iter();
    headers
        .map(|(name, values)| types::Header { name, values })
        .collect()
}
