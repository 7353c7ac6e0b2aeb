//! Encodes an engine's answers so that Vault can read them.

use crate::proto::pb;
use crate::{Error, Operation, Report, Request, Response};

/// The reader of an answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reader {
    /// The sender of the request.
    Caller,
    /// `vault path-help`, which prints it.
    Help,
    /// The server, which takes the engine's part of its OpenAPI document from the answer. Such a request has no id.
    Document,
}

impl Reader {
    pub(crate) fn of(request: &Request) -> Reader {
        match request.operation {
            Operation::Help if request.id.is_empty() && request.path.is_empty() => Reader::Document,
            Operation::Help => Reader::Help,
            _ => Reader::Caller,
        }
    }
}

/// Encodes an engine's answer so that Vault can read it. For an answer that Vault could not read, the caller would see
/// gRPC's text.
pub(crate) fn reply(reader: Reader, result: Result<Option<Response>, Error>) -> pb::HandleRequestReply {
    let result = match result {
        // Vault makes a 400 with this text from a response, not from an error.
        Err(Error::User(message)) => Ok(Some(Response::user_error(&message))),
        // Vault would follow a null pointer.
        Ok(None) if reader != Reader::Caller => Ok(Some(Response::new())),
        other => other,
    };
    let sent = result.and_then(|response| {
        response
            .map(pb::Response::try_from)
            .transpose()
            .map_err(|complaint| {
                let complaint = Report::new(&complaint);
                let message = format!("the engine answered what Vault cannot read: {complaint}");
                tracing::error!("{message}");
                Error::Internal(message)
            })
    });
    match sent {
        Ok(response) => pb::HandleRequestReply {
            response,
            ..pb::HandleRequestReply::default()
        },
        // Vault would answer the error in place of the document, for all mounts. The log does not quote its text,
        // because the text is the engine's own.
        Err(_) if reader == Reader::Document => {
            tracing::warn!(
                "the OpenAPI document lacks this mount: the engine answered an error to `help` of the path \"\""
            );
            reply(reader, Ok(None))
        }
        Err(error) => pb::HandleRequestReply {
            err: Some(error.into()),
            ..pb::HandleRequestReply::default()
        },
    }
}
