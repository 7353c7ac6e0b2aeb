//! The outcome of a call: the status that the service answers, or one that says why the service did not answer.

use std::sync::Arc;

use http::{HeaderMap, StatusCode, response};
use tonic::{Code, Status};

use super::connection::Failure;
use crate::error::root;

/// Checks the headers of an answer, which hold the status if the answer has no message.
pub(super) fn check_head(head: &response::Parts) -> Result<(), Status> {
    match answered(&head.headers) {
        Some(answered) => answered,
        None if head.status == StatusCode::OK => Ok(()),
        None => Err(Status::new(
            code_of(head.status),
            format!(
                "the answer has the HTTP status {} and no gRPC status",
                head.status
            ),
        )),
    }
}

/// Checks the status at the end of an answer.
pub(super) fn check_end(trailers: &HeaderMap) -> Result<(), Status> {
    answered(trailers).unwrap_or_else(|| Err(Status::unknown("the answer ends without a gRPC status")))
}

/// Reads the service's status.
fn answered(headers: &HeaderMap) -> Option<Result<(), Status>> {
    // Nearly every status is this one.
    if headers.get("grpc-status")? == "0" {
        return Some(Ok(()));
    }
    let mut headers = headers.clone();
    // tonic panics if the details are not base64, and nobody reads them.
    headers.remove("grpc-status-details-bin");
    Status::from_header_map(&headers).map(Err)
}

/// Returns gRPC's code for an HTTP status, as in gRPC's `http-grpc-status-mapping.md`.
fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::BAD_REQUEST => Code::Internal,
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        StatusCode::NOT_FOUND => Code::Unimplemented,
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// Returns the status of a call whose answer did not arrive.
pub(super) fn unanswered(error: h2::Error) -> Status {
    let status = Status::unavailable(format!("the connection to the host failed: {error}"));
    caused(status, Arc::new(error))
}

/// Returns the status of a call that found no connection.
pub(super) fn not_connected(failure: Failure) -> Status {
    let status = Status::unavailable(format!("cannot connect to the host: {}", root(&*failure)));
    caused(status, failure)
}

fn caused(mut status: Status, cause: Failure) -> Status {
    status.set_source(cause);
    status
}

/// Returns the status of a call whose answer is not the expected message.
pub(super) fn unreadable(error: prost::DecodeError) -> Status {
    Status::internal(format!("cannot decode the answer: {error}"))
}
