//! Errors on the wire: `ProtoError` to Vault; plain text and gRPC status from it.

use std::error::Error as _;

use tonic::{Code, Status};

use crate::proto::pb::ProtoError;
use crate::{Error, NoAnswer, Report, ServerError};

/// The values of `ProtoError.err_type`. Vault replaces types 5 to 10 by errors of its own, without the text.
mod kind {
    pub(super) const UNKNOWN: u32 = 0;
    pub(super) const USER: u32 = 1;
    pub(super) const INTERNAL: u32 = 2;
    pub(super) const CODED: u32 = 3;
    pub(super) const UNSUPPORTED_OPERATION: u32 = 5;
    pub(super) const UNSUPPORTED_PATH: u32 = 6;
    pub(super) const INVALID_REQUEST: u32 = 7;
    pub(super) const PERMISSION_DENIED: u32 = 8;
    pub(super) const MULTI_AUTHZ_PENDING: u32 = 9;
    pub(super) const UNRECOVERABLE: u32 = 10;
}

type Meaning = fn(&str) -> ServerError;

/// The meaning of storage errors, recognized by a part of their text.
const STORAGE_TEXTS: [(&str, Meaning); 13] = [
    ("cannot write to readonly storage", |_| ServerError::ReadOnly),
    ("cannot write to storage during setup", |_| {
        ServerError::SetupReadOnly
    }),
    ("please forward to the active node", |_| {
        ServerError::PleaseForward
    }),
    ("relative paths not supported", |_| ServerError::RelativePath),
    // File storage says this for the same mistake.
    ("path cannot contain parent references", |_| {
        ServerError::RelativePath
    }),
    // Every kind of storage for which Vault itself knows a limit says this: raft, Consul, memory.
    ("due to value being too large", |text| {
        ServerError::TooLarge(text.to_owned())
    }),
    ("due to key being too large", |text| {
        ServerError::UnstorableKey(text.to_owned())
    }),
    // File storage says this in the system's words, if a segment is longer than a file name may be.
    ("file name too long", |text| {
        ServerError::UnstorableKey(text.to_owned())
    }),
    // etcd and DynamoDB say this in their own words.
    ("etcdserver: request is too large", |text| {
        ServerError::TooLarge(text.to_owned())
    }),
    ("Item size has exceeded the maximum allowed size", |text| {
        ServerError::TooLarge(text.to_owned())
    }),
    // S3 says this.
    ("KeyTooLongError", |text| {
        ServerError::UnstorableKey(text.to_owned())
    }),
    // OpenBao used to write "failure" and now writes "failed".
    ("transaction commit fail", |_| ServerError::Conflict),
    ("does not support transactions", |_| ServerError::NotTransactional),
];

/// The meaning of the whole text of a write that failed in integrated storage (`hashicorp/raft`, `api.go`; Vault's
/// `physical/raft/raft.go`). Other kinds of storage may say the same within a longer text, of a cluster of their own: the
/// leadership of Consul's servers says nothing about Vault's.
fn of_raft(text: &str) -> Option<ServerError> {
    match text {
        "node is not the leader" => Some(ServerError::NotLeader),
        // The second text is that of a large write: its pieces were stored under two leaders.
        "leadership lost while committing log" | "applying chunking failed, please retry" => {
            Some(ServerError::LostLeadership)
        }
        _ => None,
    }
}

impl ServerError {
    /// Turns the server's text about a failed call into a typed error.
    pub(crate) fn from_server(call: &'static str, text: String) -> ServerError {
        ServerError::about_key(call, text, "")
    }

    /// Works like [`ServerError::from_server`], for a call about a key. The text may quote the key, or a part of it in
    /// its own form. So a phrase that the key contains too means nothing: a caller may have chosen the key.
    pub(crate) fn about_key(call: &'static str, text: String, key: &str) -> ServerError {
        if let Some(error) = of_raft(&text) {
            return error;
        }
        let says = |part: &str| !key.contains(part) && text.contains(part);
        let known = STORAGE_TEXTS.iter().find(|(part, _)| says(part));
        match known {
            Some((_, error)) => error(&text),
            None => ServerError::Failed { call, message: text },
        }
    }

    /// Turns a gRPC status that came in place of an answer into a typed error. The call was about `key`, if that is not
    /// empty.
    pub(crate) fn from_status(call: &'static str, status: Status, key: &str) -> ServerError {
        match status.code() {
            // This side made the status: the connection broke.
            _ if status.source().is_some() => ServerError::Unanswered {
                call,
                source: NoAnswer::new(status),
            },
            Code::Unimplemented => ServerError::Unsupported(call),
            // Go's servers send an error of their own like this.
            Code::Unknown | Code::Internal => ServerError::about_key(call, status.message().to_owned(), key),
            _ => ServerError::Unanswered {
                call,
                source: NoAnswer::new(status),
            },
        }
    }
}

/// Vault answers 400 for invalid requests; 403, 404 and 405 for the types of those names; `err_code` for coded errors;
/// 400 for user errors of existence checks; otherwise 500. It compares texts of type 0 with its own errors.
impl From<Error> for ProtoError {
    fn from(error: Error) -> ProtoError {
        let error = match error {
            // Vault would use any number as the HTTP status of the answer.
            Error::Coded { status, message } if !(400..600).contains(&status) => Error::Internal(format!(
                "the engine answered an error with HTTP status {status}: {message}"
            )),
            error => error,
        };
        let err_type = match &error {
            Error::User(_) => kind::USER,
            Error::InvalidRequest => kind::INVALID_REQUEST,
            Error::PermissionDenied => kind::PERMISSION_DENIED,
            Error::UnsupportedPath => kind::UNSUPPORTED_PATH,
            Error::UnsupportedOperation => kind::UNSUPPORTED_OPERATION,
            Error::Unrecoverable => kind::UNRECOVERABLE,
            Error::ApprovalPending => kind::MULTI_AUTHZ_PENDING,
            Error::Coded { .. } => kind::CODED,
            Error::InvalidCredentials
            | Error::PathRemoved
            | Error::MissingState
            | Error::RateLimited
            | Error::TooManyLeases
            | Error::UpstreamRateLimited => kind::UNKNOWN,
            Error::Internal(_) | Error::Json(_) => kind::INTERNAL,
            Error::Server(error) => server_error_type(error),
        };
        let err_code = match &error {
            Error::Coded { status, .. } => i64::from(*status),
            Error::Server(ServerError::TooLarge(_)) => 413,
            Error::Server(ServerError::UnstorableKey(_)) => 400,
            _ => 0,
        };
        ProtoError {
            err_type,
            err_msg: Report::new(&error).to_string(),
            err_code,
        }
    }
}

fn server_error_type(error: &ServerError) -> u32 {
    match error {
        ServerError::TooLarge(_) | ServerError::UnstorableKey(_) => kind::CODED,
        // The server recognizes its own texts.
        ServerError::ReadOnly
        | ServerError::SetupReadOnly
        | ServerError::PleaseForward
        | ServerError::RelativePath => kind::UNKNOWN,
        ServerError::Conflict
        | ServerError::NotTransactional
        | ServerError::Unsupported(_)
        | ServerError::NotLeader
        | ServerError::LostLeadership
        | ServerError::Closed
        | ServerError::Failed { .. }
        | ServerError::Unanswered { .. }
        | ServerError::EventData(_)
        | ServerError::WrappedData(_)
        | ServerError::NoRandomBytes(_) => kind::INTERNAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(error: impl Into<Error>) -> (u32, i64, String) {
        let wire = ProtoError::from(error.into());
        (wire.err_type, wire.err_code, wire.err_msg)
    }

    #[test]
    fn what_storage_says_comes_out_typed_also_within_a_longer_text() {
        let read = |text: &str| ServerError::from_server("storage put", text.to_owned());
        assert!(matches!(
            read("cannot write to readonly storage"),
            ServerError::ReadOnly
        ));
        assert!(matches!(
            read("failed to persist: cannot write to readonly storage"),
            ServerError::ReadOnly
        ));
        assert!(matches!(
            read("cannot write to storage during setup"),
            ServerError::SetupReadOnly
        ));
        assert!(matches!(
            read("please forward to the active node"),
            ServerError::PleaseForward
        ));
        assert!(matches!(
            read("relative paths not supported"),
            ServerError::RelativePath
        ));
        for too_large in [
            "put failed due to value being too large; got 1048650 bytes, max: 1048576 bytes",
            "put failed due to value being too large, max value size for key logical/1/a is 5, got 6",
            "put failed due to value being too large: Unexpected response code: 413 (Value for key \"vault/a\" is too \
             large (524289 > 524288 bytes))",
            "etcdserver: request is too large",
        ] {
            assert!(matches!(read(too_large), ServerError::TooLarge(text) if text == too_large));
        }
        for key in [
            "put failed due to key being too large, max key size for integrated storage is 32768",
            "open /data/logical/1/_aaa: file name too long",
        ] {
            assert!(matches!(read(key), ServerError::UnstorableKey(text) if text == key));
        }
        assert!(matches!(
            read("path cannot contain parent references"),
            ServerError::RelativePath
        ));
        assert!(matches!(
            read("transaction commit failure"),
            ServerError::Conflict
        ));
        assert!(matches!(
            read("verify: transaction commit failed"),
            ServerError::Conflict
        ));
        assert!(matches!(read("node is not the leader"), ServerError::NotLeader));
        for lost in [
            "leadership lost while committing log",
            "applying chunking failed, please retry",
        ] {
            assert!(matches!(read(lost), ServerError::LostLeadership));
        }
        // The leader of Consul's own cluster.
        assert!(matches!(
            read("Failed request: rpc error making call: node is not the leader"),
            ServerError::Failed { .. }
        ));
        // The same node may go on.
        assert!(matches!(
            read("leadership transfer in progress"),
            ServerError::Failed { .. }
        ));
        assert!(matches!(read("disk full"), ServerError::Failed { .. }));
    }

    #[test]
    fn what_the_key_says_means_nothing() {
        let key = "a/file name too long";
        let about = |text: &str| ServerError::about_key("storage put", text.to_owned(), key);
        for text in [
            "open /data/a/file name too long: input/output error",
            "open /data/a/_file name too long: input/output error",
            "failed to delete \"a/file name too long\": input/output error",
            "open /data/a/_file name too long: file name too long",
        ] {
            assert!(matches!(about(text), ServerError::Failed { .. }), "{text}");
        }
        let folder = "file name too long/";
        let listed = "open /data/file name too long: permission denied".to_owned();
        let error = ServerError::about_key("storage list", listed, folder);
        assert!(matches!(error, ServerError::Failed { .. }), "{error}");
        let quoted = Status::unknown("open /data/a/file name too long: input/output error");
        let error = ServerError::from_status("storage get", quoted, key);
        assert!(matches!(error, ServerError::Failed { .. }), "{error}");
        assert!(matches!(
            about("put failed due to key being too large"),
            ServerError::UnstorableKey(_)
        ));
    }

    #[test]
    fn errors_that_make_the_server_forward_go_back_as_their_text() {
        let read_only = (kind::UNKNOWN, 0, "cannot write to readonly storage".to_owned());
        assert_eq!(
            sent(ServerError::from_server(
                "storage put",
                "x: cannot write to readonly storage".into()
            )),
            read_only
        );
        let forward = (kind::UNKNOWN, 0, "please forward to the active node".to_owned());
        assert_eq!(
            sent(ServerError::from_server(
                "storage get",
                "please forward to the active node".into()
            )),
            forward
        );
    }

    #[test]
    fn errors_with_a_type_of_their_own_are_sent_as_it() {
        assert_eq!(sent(Error::UnsupportedOperation).0, 5);
        assert_eq!(sent(Error::UnsupportedPath).0, 6);
        assert_eq!(sent(Error::InvalidRequest).0, 7);
        assert_eq!(sent(Error::PermissionDenied).0, 8);
        assert_eq!(sent(Error::ApprovalPending).0, 9);
        assert_eq!(sent(Error::Unrecoverable).0, 10);
        assert_eq!(
            sent(Error::User("no such role".into())),
            (1, 0, "no such role".into())
        );
        assert_eq!(sent(Error::Internal("lost".into())), (2, 0, "lost".into()));
        assert_eq!(
            sent(Error::RateLimited),
            (0, 0, "rate limit quota exceeded".into())
        );
    }

    #[test]
    fn a_coded_error_keeps_its_status_and_an_impossible_one_is_internal() {
        assert_eq!(
            sent(Error::Coded {
                status: 409,
                message: "taken".into()
            }),
            (3, 409, "taken".into())
        );
        assert_eq!(sent(ServerError::TooLarge("value".into())).1, 413);
        assert_eq!(sent(ServerError::UnstorableKey("long".into())).1, 400);
        for status in [0, 200, 399, 600] {
            assert_eq!(
                sent(Error::Coded {
                    status,
                    message: "odd".into()
                })
                .0,
                kind::INTERNAL
            );
        }
    }

    #[test]
    fn an_error_goes_out_with_its_cause() {
        use airlock_logical::json::Flaw;
        let wrapped = ServerError::WrappedData(Flaw::NotAnObject);
        assert_eq!(wrapped.to_string(), "the data cannot be wrapped");
        assert_eq!(
            sent(wrapped),
            (
                kind::INTERNAL,
                0,
                "the data cannot be wrapped: not a JSON object".into()
            )
        );
    }

    #[test]
    fn a_call_that_the_server_does_not_know_is_unsupported() {
        let error = ServerError::from_status(
            "send event",
            Status::unimplemented("unknown service pb.Events"),
            "",
        );
        assert!(matches!(error, ServerError::Unsupported("send event")));
        let error = ServerError::from_status("storage get", Status::unavailable("connection closed"), "");
        assert!(matches!(error, ServerError::Unanswered { .. }));
        assert_eq!(
            sent(error),
            (
                kind::INTERNAL,
                0,
                "storage get was not answered: connection closed".into()
            )
        );
    }
}
