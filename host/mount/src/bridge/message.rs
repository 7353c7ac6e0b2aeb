//! Converts requests on their way to the guest, and answers on their way back. Adds nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airlock_sandbox::types;
use airlock_sandbox::{CallError, Paths};
use vault_plugin::{Json, ServerError, SpecialPaths};

/// Converts a request to the contract's form.
pub fn request(request: vault_plugin::Request) -> types::Request {
    types::Request {
        id: request.id,
        operation: request.operation,
        path: request.path,
        data: request.data.map(Json::into_string),
        mount_point: request.mount_point,
        mount_type: request.mount_type,
        mount_accessor: request.mount_accessor,
        entity_id: request.entity_id,
        display_name: request.display_name,
        client_token: request.client_token,
        client_token_accessor: request.client_token_accessor,
        headers: headers_in(request.headers),
        connection: request.connection.map(|connection| types::Connection {
            remote_addr: connection.remote_addr,
            remote_port: u32::try_from(connection.remote_port).unwrap_or(0),
        }),
        secret: request.secret.map(|secret| types::Secret {
            lease: types::Lease {
                ttl: nanoseconds(secret.lease.ttl),
                max_ttl: nanoseconds(secret.lease.max_ttl),
                renewable: secret.lease.renewable,
                increment: nanoseconds(secret.lease.increment),
                issue_time: secret.lease.issue_time.map(timestamp),
            },
            internal_data: secret.internal_data.map(Json::into_string),
            lease_id: secret.lease_id,
        }),
        wrap: request.wrap.map(|wrap| types::WrapRequest {
            ttl: nanoseconds(wrap.ttl),
            format: wrap.format,
            seal_wrap: wrap.seal_wrap,
        }),
        unauthenticated: request.unauthenticated,
        policy_override: request.policy_override,
        replication_cluster: request.replication_cluster,
        recover_source_path: request.recover_source_path,
    }
}

/// Converts a guest's answer to Vault's form. The sandbox has checked that Vault can decode the answer, so this loses
/// nothing, and Vault cannot refuse the result.
pub fn answer(answer: types::Response) -> vault_plugin::Response {
    let mut response = vault_plugin::Response::new();
    response.data = answer.data.map(Json::from_checked);
    response.secret = answer.secret.map(|secret| vault_plugin::Secret {
        lease: vault_plugin::Lease {
            ttl: duration(secret.lease.ttl),
            max_ttl: duration(secret.lease.max_ttl),
            renewable: secret.lease.renewable,
            increment: duration(secret.lease.increment),
            issue_time: secret.lease.issue_time.and_then(system_time),
        },
        internal_data: secret.internal_data.map(Json::from_checked),
        lease_id: secret.lease_id,
    });
    response.redirect = answer.redirect.unwrap_or_default();
    response.warnings = answer.warnings;
    for header in answer.headers {
        response
            .headers
            .entry(header.name)
            .or_default()
            .extend(header.values);
    }
    response.wrap_info = answer.wrap_info.map(|info| vault_plugin::WrapInfo {
        ttl: duration(info.ttl),
        token: info.token,
        accessor: info.accessor,
        creation_time: info.creation_time.and_then(system_time),
        wrapped_accessor: info.wrapped_accessor,
        wrapped_entity_id: info.wrapped_entity_id,
        format: info.format,
        creation_path: info.creation_path,
        seal_wrap: info.seal_wrap,
    });
    response
}

/// Converts the reason why a request was not done to the error that makes Vault answer with the right status.
pub fn refusal(error: CallError) -> vault_plugin::Error {
    use vault_plugin::Error as Vault;
    if error.is_read_only() {
        return Vault::Server(ServerError::ReadOnly);
    }
    match error {
        CallError::Guest(types::Error::User(text)) => Vault::User(text),
        CallError::Guest(types::Error::Internal(text)) => Vault::Internal(text),
        CallError::Guest(types::Error::UnsupportedOperation) => Vault::UnsupportedOperation,
        CallError::Guest(types::Error::UnsupportedPath) => Vault::UnsupportedPath,
        CallError::Guest(types::Error::PermissionDenied) => Vault::PermissionDenied,
        CallError::Guest(types::Error::Coded(error)) => Vault::Coded {
            status: error.status,
            message: error.message,
        },
        error => Vault::Coded {
            status: error.status(),
            message: error.to_string(),
        },
    }
}

/// Makes the host's own records local too, for commits with local entries.
pub fn add_local_records(paths: &mut SpecialPaths, redo_record: bool) {
    if redo_record && !paths.local_storage.is_empty() {
        paths.local_storage.push(airlock_storage::LOCAL_RECORDS.into());
    }
}

/// Returns the storage prefixes of these paths. Vault takes a path that does not end in `/` for a single key. Here it
/// is a prefix, so at worst a record is seal-wrapped, or kept local, without need.
pub fn storage_prefixes(paths: &[String]) -> airlock_storage::Prefixes {
    paths.iter().map(|path| path.trim_end_matches('*')).collect()
}

/// Converts the paths that Vault treats specially.
pub fn paths(paths: Paths) -> SpecialPaths {
    SpecialPaths {
        root: paths.root,
        unauthenticated: paths.unauthenticated,
        local_storage: paths.local_storage,
        seal_wrap_storage: paths.seal_wrap_storage,
        write_forwarded_storage: paths.write_forwarded_storage,
        binary: Vec::new(),
        limited: paths.limited,
        allow_snapshot_read: paths.allow_snapshot_read,
    }
}

fn headers_in(headers: impl IntoIterator<Item = (String, Vec<String>)>) -> Vec<types::Header> {
    headers
        .into_iter()
        .map(|(name, values)| types::Header { name, values })
        .collect()
}

/// Converts wrapped data to the contract's form.
pub fn wrap_info(info: vault_plugin::WrapInfo) -> types::WrapInfo {
    types::WrapInfo {
        ttl: nanoseconds(info.ttl),
        token: info.token,
        accessor: info.accessor,
        creation_time: info.creation_time.map(timestamp),
        wrapped_accessor: info.wrapped_accessor,
        wrapped_entity_id: info.wrapped_entity_id,
        format: info.format,
        creation_path: info.creation_path,
        seal_wrap: info.seal_wrap,
    }
}

/// Converts a length of time to the contract's unit. More than 292 years become 292 years.
pub fn nanoseconds(duration: Duration) -> types::Nanoseconds {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Converts a guest's length of time. A negative one becomes zero.
pub fn duration(nanoseconds: types::Nanoseconds) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}

/// Converts a point in time. One before 1970, which no lease has, becomes 1970.
fn timestamp(time: SystemTime) -> types::Timestamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    types::Timestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}

/// Converts a guest's point in time. Returns `None` if it is farther away than the system's clock can say.
fn system_time(time: types::Timestamp) -> Option<SystemTime> {
    let seconds = Duration::from_secs(time.seconds.unsigned_abs());
    let second = match time.seconds < 0 {
        true => UNIX_EPOCH.checked_sub(seconds),
        false => UNIX_EPOCH.checked_add(seconds),
    };
    second?.checked_add(Duration::from_nanos(time.nanoseconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_passed_on_digit_for_digit() {
        const TEXT: &str = r#"{"n": 9007199254740993, "x":1e3}"#;
        let mut incoming = vault_plugin::Request::new(vault_plugin::Operation::Update, "a");
        incoming.data = Json::from_text(TEXT);
        assert_eq!(request(incoming).data.as_deref(), Some(TEXT));
        let outgoing = answer(types::Response {
            data: Some(TEXT.into()),
            ..types::Response::default()
        });
        assert_eq!(outgoing.data.unwrap().as_str(), TEXT);
    }

    #[test]
    fn times_that_do_not_fit_are_bounded_and_do_not_wrap() {
        assert_eq!(nanoseconds(Duration::MAX), i64::MAX);
        assert_eq!(duration(-1), Duration::ZERO);
        let early = types::Timestamp {
            seconds: -2,
            nanoseconds: 500_000_000,
        };
        assert_eq!(system_time(early), Some(UNIX_EPOCH - Duration::from_millis(1500)));
        let time = UNIX_EPOCH + Duration::new(7, 9);
        assert_eq!(system_time(timestamp(time)), Some(time));
    }

    #[test]
    fn what_the_guest_refuses_keeps_its_meaning() {
        let refused = |error| refusal(CallError::Guest(error));
        assert!(
            matches!(refused(types::Error::User("no".into())), vault_plugin::Error::User(text) if text == "no")
        );
        assert!(matches!(
            refused(types::Error::ReadOnly),
            vault_plugin::Error::Server(ServerError::ReadOnly)
        ));
        let coded = types::CodedError {
            status: 418,
            message: "tea".into(),
        };
        assert!(matches!(
            refused(types::Error::Coded(coded)),
            vault_plugin::Error::Coded { status: 418, .. }
        ));
    }
    #[test]
    fn a_guest_with_local_storage_and_redo_records_has_local_records() {
        let local = |local: &[&str], redo_record| {
            let mut paths = SpecialPaths {
                local_storage: local.iter().map(|path| path.to_string()).collect(),
                ..SpecialPaths::default()
            };
            add_local_records(&mut paths, redo_record);
            paths.local_storage
        };
        assert_eq!(local(&["node/"], true), ["node/", ".airlock/redo/local/"]);
        assert_eq!(local(&["node/"], false), ["node/"]);
        assert!(local(&[], true).is_empty());
        let prefixes = storage_prefixes(&["keys/*".into(), "config".into()]);
        assert!(prefixes.contain("keys/a") && prefixes.contain("config") && !prefixes.contain("other"));
    }
}
