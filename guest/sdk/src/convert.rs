//! Converts the contract's records into the SDK's types, and back.

use std::time::Duration;

use crate::bindings::airlock::engine::types as wit;
use crate::{
    Connection, Error, Header, Lease, LeasedSecret, Request, Response, Timestamp, WrapInfo, WrapRequest,
};

/// Converts a length of time. Vault sends no negative length here; a negative length would become zero.
pub(crate) fn duration(nanoseconds: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

pub(crate) fn nanoseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

impl From<wit::Timestamp> for Timestamp {
    fn from(at: wit::Timestamp) -> Timestamp {
        Timestamp {
            seconds: at.seconds,
            nanoseconds: at.nanoseconds,
        }
    }
}

impl From<Timestamp> for wit::Timestamp {
    fn from(at: Timestamp) -> wit::Timestamp {
        wit::Timestamp {
            seconds: at.seconds,
            nanoseconds: at.nanoseconds,
        }
    }
}

impl From<wit::Request> for Request {
    fn from(request: wit::Request) -> Request {
        let header = |header: wit::Header| Header {
            name: header.name,
            values: header.values,
        };
        let connection = |connection: wit::Connection| Connection {
            remote_addr: connection.remote_addr,
            remote_port: u16::try_from(connection.remote_port).unwrap_or(0),
        };
        let secret = |secret: wit::Secret| LeasedSecret {
            ttl: duration(secret.lease.ttl),
            max_ttl: duration(secret.lease.max_ttl),
            renewable: secret.lease.renewable,
            increment: duration(secret.lease.increment),
            issue_time: secret.lease.issue_time.map(Into::into),
            internal_data: secret.internal_data,
            lease_id: secret.lease_id,
        };
        let wrap = |wrap: wit::WrapRequest| WrapRequest {
            ttl: duration(wrap.ttl),
            format: wrap.format,
            seal_wrap: wrap.seal_wrap,
        };
        Request {
            id: request.id,
            operation: request.operation.into(),
            path: request.path,
            data: request.data,
            mount_point: request.mount_point,
            mount_type: request.mount_type,
            mount_accessor: request.mount_accessor,
            entity_id: request.entity_id,
            display_name: request.display_name,
            client_token: request.client_token,
            client_token_accessor: request.client_token_accessor,
            headers: request.headers.into_iter().map(header).collect(),
            connection: request.connection.map(connection),
            secret: request.secret.map(secret),
            wrap: request.wrap.map(wrap),
            unauthenticated: request.unauthenticated,
            policy_override: request.policy_override,
            replication_cluster: request.replication_cluster,
            recover_source_path: request.recover_source_path,
        }
    }
}

impl From<Lease> for wit::Secret {
    fn from(lease: Lease) -> wit::Secret {
        wit::Secret {
            lease: wit::Lease {
                ttl: nanoseconds(lease.ttl),
                max_ttl: nanoseconds(lease.max_ttl),
                renewable: lease.renewable,
                increment: 0,
                issue_time: None,
            },
            internal_data: Some(lease.internal_data),
            lease_id: String::new(),
        }
    }
}

impl From<Response> for wit::Response {
    fn from(response: Response) -> wit::Response {
        let header = |header: Header| wit::Header {
            name: header.name,
            values: header.values,
        };
        wit::Response {
            data: response.data,
            secret: response.lease.map(Into::into),
            redirect: response.redirect,
            warnings: response.warnings,
            headers: response.headers.into_iter().map(header).collect(),
            wrap_info: response.wrap_info.map(Into::into),
        }
    }
}

impl From<wit::WrapInfo> for WrapInfo {
    fn from(info: wit::WrapInfo) -> WrapInfo {
        WrapInfo {
            ttl: duration(info.ttl),
            token: info.token,
            accessor: info.accessor,
            creation_time: info.creation_time.map(Into::into),
            wrapped_accessor: info.wrapped_accessor,
            wrapped_entity_id: info.wrapped_entity_id,
            format: info.format,
            creation_path: info.creation_path,
            seal_wrap: info.seal_wrap,
        }
    }
}

impl From<WrapInfo> for wit::WrapInfo {
    fn from(info: WrapInfo) -> wit::WrapInfo {
        wit::WrapInfo {
            ttl: nanoseconds(info.ttl),
            token: info.token,
            accessor: info.accessor,
            creation_time: info.creation_time.map(Into::into),
            wrapped_accessor: info.wrapped_accessor,
            wrapped_entity_id: info.wrapped_entity_id,
            format: info.format,
            creation_path: info.creation_path,
            seal_wrap: info.seal_wrap,
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> wit::Error {
        match error {
            Error::User(message) => wit::Error::User(message),
            Error::UnsupportedOperation => wit::Error::UnsupportedOperation,
            Error::UnsupportedPath => wit::Error::UnsupportedPath,
            Error::PermissionDenied => wit::Error::PermissionDenied,
            Error::ReadOnly => wit::Error::ReadOnly,
            Error::Coded { status, message } => wit::Error::Coded(wit::CodedError { status, message }),
            Error::Internal(message) => wit::Error::Internal(message),
        }
    }
}
