//! Every field of a request and of a response, each with a different value. Messages are written out in full, so that a
//! field that is added to them must be added here.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use prost_types::Timestamp;

use crate::proto::{logical, pb};
use crate::*;

fn texts<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

fn map(name: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(name.to_owned(), value.to_owned())])
}

fn wire_headers() -> BTreeMap<String, pb::Header> {
    BTreeMap::from([(
        "X-A".to_owned(),
        pb::Header {
            header: texts(["1", "2"]),
        },
    )])
}

fn wire_lease() -> pb::LeaseOptions {
    pb::LeaseOptions {
        ttl: 1_000_000_001,
        renewable: true,
        increment: 2,
        issue_time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 5,
        }),
        max_ttl: 3,
    }
}

fn moment(seconds: i64, nanoseconds: u32) -> crate::Timestamp {
    crate::Timestamp { seconds, nanoseconds }
}

fn lease() -> Lease {
    Lease {
        ttl: 1_000_000_001,
        max_ttl: 3,
        renewable: true,
        increment: 2,
        issue_time: Some(moment(1_700_000_000, 5)),
    }
}

fn wire_secret() -> pb::Secret {
    pb::Secret {
        lease_options: Some(wire_lease()),
        internal_data: r#"{"i":1}"#.into(),
        lease_id: "lease-id".into(),
    }
}

fn secret() -> Secret {
    Secret {
        lease: lease(),
        internal_data: Json::from_text(r#"{"i":1}"#),
        lease_id: "lease-id".into(),
    }
}

fn wire_alias(name: &str) -> logical::Alias {
    logical::Alias {
        mount_type: "alias-type".into(),
        mount_accessor: "alias-accessor".into(),
        name: name.into(),
        metadata: map("m", "1"),
        id: "alias-id".into(),
        namespace_id: "alias-namespace".into(),
        custom_metadata: map("c", "2"),
        local: true,
        external_id: "external".into(),
        issuer: "issuer".into(),
    }
}

fn alias(name: &str) -> Alias {
    Alias {
        mount_type: "alias-type".into(),
        mount_accessor: "alias-accessor".into(),
        name: name.into(),
        metadata: map("m", "1"),
        id: "alias-id".into(),
        namespace_id: "alias-namespace".into(),
        custom_metadata: map("c", "2"),
        local: true,
        external_id: "external".into(),
        issuer: "issuer".into(),
    }
}

fn wire_auth() -> pb::Auth {
    pb::Auth {
        lease_options: Some(wire_lease()),
        internal_data: "null".into(),
        display_name: "auth-display-name".into(),
        policies: texts(["p"]),
        metadata: map("a", "b"),
        client_token: "auth-token".into(),
        accessor: "auth-accessor".into(),
        period: 4,
        num_uses: 5,
        entity_id: "auth-entity".into(),
        alias: Some(wire_alias("one")),
        group_aliases: vec![wire_alias("group")],
        bound_cidrs: texts(["10.0.0.0/8"]),
        token_policies: texts(["tp"]),
        identity_policies: texts(["ip"]),
        explicit_max_ttl: 6,
        token_type: 2,
        no_default_policy: true,
    }
}

fn auth() -> Auth {
    Auth {
        lease: lease(),
        internal_data: None,
        display_name: "auth-display-name".into(),
        policies: texts(["p"]),
        metadata: map("a", "b"),
        client_token: "auth-token".into(),
        accessor: "auth-accessor".into(),
        period: Duration::from_nanos(4),
        num_uses: 5,
        entity_id: "auth-entity".into(),
        alias: Some(alias("one")),
        group_aliases: vec![alias("group")],
        bound_cidrs: texts(["10.0.0.0/8"]),
        token_policies: texts(["tp"]),
        identity_policies: texts(["ip"]),
        explicit_max_ttl: Duration::from_nanos(6),
        token_type: TokenType::Batch,
        no_default_policy: true,
    }
}

fn wire_certificate(name: &'static str) -> pb::Certificate {
    pb::Certificate {
        asn1_data: name.into(),
    }
}

fn wire_connection() -> pb::Connection {
    let chain = |certificates| pb::CertificateChain { certificates };
    pb::Connection {
        remote_addr: "192.0.2.1".into(),
        connection_state: Some(Box::new(pb::ConnectionState {
            version: 0x0304,
            handshake_complete: true,
            did_resume: true,
            cipher_suite: 0x1301,
            negotiated_protocol: "h2".into(),
            negotiated_protocol_is_mutual: true,
            server_name: "vault".into(),
            peer_certificates: Some(chain(vec![wire_certificate("peer")])),
            verified_chains: vec![chain(vec![wire_certificate("leaf"), wire_certificate("root")])],
            signed_certificate_timestamps: vec!["sct".into()],
            ocsp_response: "ocsp".into(),
            tls_unique: "unique".into(),
        })),
        remote_port: 4711,
        proxied_certificates_raw: vec!["proxied".into()],
        peer_certificates_raw: vec!["raw".into()],
    }
}

fn connection() -> Connection {
    Connection {
        remote_addr: "192.0.2.1".into(),
        remote_port: 4711,
        tls: Some(Box::new(TlsState {
            version: 0x0304,
            handshake_complete: true,
            did_resume: true,
            cipher_suite: 0x1301,
            negotiated_protocol: "h2".into(),
            negotiated_protocol_is_mutual: true,
            server_name: "vault".into(),
            peer_certificates: vec!["peer".into()],
            verified_chains: vec![vec!["leaf".into(), "root".into()]],
            signed_certificate_timestamps: vec!["sct".into()],
            ocsp_response: "ocsp".into(),
            tls_unique: "unique".into(),
        })),
        proxied_certificates: vec!["proxied".into()],
        peer_certificates: vec!["raw".into()],
    }
}

#[test]
fn every_field_of_a_request_arrives() {
    let wire = pb::Request {
        id: "id".into(),
        replication_cluster: "cluster".into(),
        operation: "renew".into(),
        path: "path".into(),
        data: r#"{"d":1}"#.into(),
        secret: Some(wire_secret().into()),
        auth: Some(wire_auth().into()),
        headers: wire_headers(),
        client_token: "token".into(),
        client_token_accessor: "token-accessor".into(),
        display_name: "display-name".into(),
        mount_point: "mount/".into(),
        mount_type: "type".into(),
        mount_accessor: "accessor".into(),
        wrap_info: Some(pb::RequestWrapInfo {
            ttl: 7,
            format: "jwt".into(),
            seal_wrap: true,
        }),
        client_token_remaining_uses: 8,
        entity_id: "entity".into(),
        policy_override: true,
        unauthenticated: true,
        connection: Some(wire_connection()),
        requires_snapshot_id: "snapshot".into(),
        recover_source_path: "source".into(),
        rotation_info: Some(pb::RotationInfo {
            rotation_id: "rotation".into(),
            next_vault_rotation: 9,
            last_vault_rotation: 0,
        }),
    };
    let expected = Request {
        id: "id".into(),
        operation: Operation::Renew,
        path: "path".into(),
        data: Json::from_text(r#"{"d":1}"#),
        secret: Some(secret()),
        auth: Some(auth().into()),
        headers: BTreeMap::from([("X-A".to_owned(), texts(["1", "2"]))]),
        client_token: "token".into(),
        client_token_accessor: "token-accessor".into(),
        display_name: "display-name".into(),
        mount_point: "mount/".into(),
        mount_type: "type".into(),
        mount_accessor: "accessor".into(),
        wrap: Some(WrapRequest {
            ttl: 7,
            format: "jwt".into(),
            seal_wrap: true,
        }),
        client_token_remaining_uses: 8,
        entity_id: "entity".into(),
        policy_override: true,
        unauthenticated: true,
        connection: Some(connection()),
        replication_cluster: "cluster".into(),
        requires_snapshot_id: "snapshot".into(),
        recover_source_path: "source".into(),
        rotation: Some(RotationInfo {
            id: "rotation".into(),
            next: Some(UNIX_EPOCH + Duration::from_secs(9)),
            last: None,
        }),
        caller: crate::Caller::default(),
    };
    // Debug is redacted, so the failure of a single comparison of everything would show nothing.
    let request = Request::from(wire);
    assert_eq!(request.secret, expected.secret);
    assert_eq!(request.auth, expected.auth);
    assert_eq!(request.connection, expected.connection);
    assert!(request == expected, "{request:?}");
}

#[test]
fn every_field_of_a_response_leaves() {
    let response = Response {
        data: Json::from_text(r#"{"d":1}"#),
        secret: Some(secret()),
        auth: Some(auth().into()),
        redirect: "https://example.com".into(),
        warnings: texts(["w"]),
        headers: BTreeMap::from([("X-A".to_owned(), texts(["1", "2"]))]),
        wrap_info: Some(Box::new(WrapInfo {
            ttl: 1,
            token: "wrapping".into(),
            accessor: "accessor".into(),
            creation_time: Some(moment(0, 0)),
            wrapped_accessor: "wrapped".into(),
            wrapped_entity_id: "entity".into(),
            format: "jwt".into(),
            creation_path: "path".into(),
            seal_wrap: true,
        })),
        mount_type: "type".into(),
        held: None,
    };
    let expected = pb::Response {
        secret: Some(wire_secret().into()),
        auth: Some(wire_auth().into()),
        data: r#"{"d":1}"#.into(),
        redirect: "https://example.com".into(),
        warnings: texts(["w"]),
        wrap_info: Some(Box::new(pb::ResponseWrapInfo {
            ttl: 1,
            token: "wrapping".into(),
            accessor: "accessor".into(),
            creation_time: Some(Timestamp { seconds: 0, nanos: 0 }),
            wrapped_accessor: "wrapped".into(),
            wrapped_entity_id: "entity".into(),
            format: "jwt".into(),
            creation_path: "path".into(),
            seal_wrap: true,
        })),
        headers: wire_headers(),
        mount_type: "type".into(),
    };
    assert_eq!(pb::Response::try_from(response).unwrap(), expected);
}

#[test]
fn a_lease_that_was_never_issued_leaves_with_a_timestamp_that_vault_accepts() {
    let data = Json::from_text("{}").unwrap();
    let response = Response::new().with_secret(Secret::new(Duration::from_secs(60), data));
    let lease = pb::Response::try_from(response)
        .unwrap()
        .secret
        .unwrap()
        .lease_options
        .unwrap();
    assert_eq!(lease.issue_time.unwrap().seconds, -62_135_596_800);
    assert_eq!((lease.ttl, lease.renewable), (60_000_000_000, true));
}

#[test]
fn what_vault_would_choke_on_is_named() {
    let complaint = |response: Response| {
        let error = pb::Response::try_from(response).unwrap_err();
        Report::new(&error).to_string()
    };
    let never = moment(1 << 40, 0);
    let late = Secret {
        lease: Lease {
            issue_time: Some(never),
            ..Lease::default()
        },
        ..Secret::default()
    };
    assert_eq!(
        complaint(Response::new().with_secret(late)),
        "a secret with an issue time outside the years 1 to 9999"
    );
    let list = Secret {
        internal_data: Json::from_text("[]"),
        ..Secret::default()
    };
    assert_eq!(
        complaint(Response::new().with_secret(list)),
        "internal data of a secret: not a JSON object"
    );
    let wrapped = WrapInfo {
        creation_time: Some(never),
        ..WrapInfo::default()
    };
    assert_eq!(
        complaint(Response::new().with_wrap_info(wrapped)),
        "wrapping with a time outside the years 1 to 9999"
    );
    let data = Json::from_text(r#"{"a":1e999}"#).unwrap();
    assert_eq!(
        complaint(Response::new().with_data(data)),
        "data: a number that does not fit a 64-bit float"
    );
}
