//! What an engine answers, as Vault can read it.

use crate::proto::pb;
use crate::{Error, Operation, Request, Response};

/// Who reads an answer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Reader {
    /// Whoever sent the request.
    Caller,
    /// `vault path-help`, which prints it.
    Help,
    /// The server, which takes the engine's part of its OpenAPI document from it. Such a request has no id.
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

/// What an engine answered, as Vault can read it. An answer that it could not read would come out as gRPC's text.
pub(crate) fn reply(reader: Reader, result: Result<Option<Response>, Error>) -> pb::HandleRequestReply {
    let result = match result {
        // 400 with its text, which Vault makes of a response rather than of an error.
        Err(Error::User(message)) => Ok(Some(Response::user_error(&message))),
        // Vault follows a null pointer.
        Ok(None) if reader != Reader::Caller => Ok(Some(Response::new())),
        other => other,
    };
    let sent = result.and_then(|response| {
        response
            .map(pb::Response::try_from)
            .transpose()
            .map_err(|complaint| {
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
        // Vault would answer the error in place of the document, for all mounts. Its text is the engine's, and no line of
        // the log quotes it.
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
