//! Converts requests on their way to the guest, and answers on their way back. Adds nothing.

use airlock_sandbox::CallError;
use airlock_sandbox::types;
use vault_plugin::{Json, Secret, ServerError, SpecialPaths};

/// Converts a request to the contract's form. It comes boxed, so that only its fields are moved.
pub fn request(request: vault_plugin::Request) -> types::Request {
    types::Request {
        id: request.id,
        operation: request.operation,
        path: request.path,
        data: request.data,
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
        secret: request.secret,
        wrap: request.wrap,
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
    response.data = answer.data.map(checked);
    response.secret = answer.secret.map(|secret| Secret {
        internal_data: secret.internal_data.map(checked),
        ..secret
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
    response.wrap_info = answer.wrap_info.map(Box::new);
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

fn headers_in(headers: impl IntoIterator<Item = (String, Vec<String>)>) -> Vec<types::Header> {
    headers
        .into_iter()
        .map(|(name, values)| types::Header { name, values })
        .collect()
}

/// Notes that the sandbox has checked a text, so that it is not checked again when it is sent.
fn checked(json: Json) -> Json {
    Json::from_checked(json.into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_passed_on_unchanged_and_uncopied() {
        const TEXT: &str = r#"{"n": 9007199254740993, "x":1e3}"#;
        let text = Json::from(TEXT);
        let place = text.as_ptr();
        let mut incoming = vault_plugin::Request::new(vault_plugin::Operation::Update, "a");
        incoming.data = Some(text);
        let data = request(incoming).data.unwrap();
        assert_eq!((data.as_str(), data.as_ptr()), (TEXT, place));
        let outgoing = answer(types::Response {
            data: Some(data),
            ..types::Response::default()
        });
        let data = outgoing.data.unwrap();
        assert_eq!((data.as_str(), data.as_ptr()), (TEXT, place));
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
