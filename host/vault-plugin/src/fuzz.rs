//! Gives the targets in `tests/fuzz` the plugin's decoders of foreign bytes. Not a stable interface: it changes without
//! notice.

use std::sync::Arc;

use async_trait::async_trait;
use go_plugin::{Channel, DialError, Services};
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::proto::pb;
use crate::serve;
use crate::service::{Dial, Reader, reply};
use crate::{Auth, Error, Factory, Operation, Request, Response, Secret, Storage, SystemView, WrapInfo};

/// Returns the services that a server calls, without a connection. Mounts reach the server through `channel`.
pub fn services(factory: impl Factory, channel: Channel) -> Services {
    serve::services(Arc::new(factory), Arc::new(Server(channel))).0
}

struct Server(Channel);

#[async_trait]
impl Dial for Server {
    async fn dial(&self, _: u32) -> Result<Channel, DialError> {
        Ok(self.0.clone())
    }

    fn closed(&self) -> CancellationToken {
        CancellationToken::new()
    }
}

/// Returns a mount's view of the server at the other end of `channel`.
pub fn views(channel: Channel) -> (Storage, SystemView) {
    let link = Arc::new(Link::new(channel, CancellationToken::new()));
    (Storage::new(link.clone()), SystemView::new(link))
}

/// An answer as the server sees it.
pub enum Reply {
    /// The answer, which may be empty.
    Answer(Option<Box<Response>>),
    /// The error.
    Error {
        /// Vault's number for its kind.
        kind: u32,
        /// The HTTP status of an error that has its own, otherwise 0.
        status: i64,
        /// The text.
        text: String,
    },
}

/// Encodes the result of an engine as the answer to `HandleRequest`.
pub fn write_reply(result: Result<Option<Response>, Error>) -> Vec<u8> {
    let request = Request::new(Operation::Read, "path");
    reply(Reader::of(&request), result).encode_to_vec()
}

/// Decodes an answer to `HandleRequest`. Returns `None` if the message is not one.
pub fn read_reply(message: &[u8]) -> Option<Reply> {
    let reply = pb::HandleRequestReply::decode(message).ok()?;
    Some(match reply.err {
        Some(error) => Reply::Error {
            kind: error.err_type,
            status: error.err_code,
            text: error.err_msg,
        },
        None => Reply::Answer(reply.response.map(read_response).map(Box::new)),
    })
}

fn read_response(wire: pb::Response) -> Response {
    Response {
        data: crate::Json::from_text(wire.data),
        secret: wire.secret.map(|secret| Secret::from(*secret)),
        auth: wire.auth.map(|auth| Box::new(Auth::from(*auth))),
        redirect: wire.redirect,
        warnings: wire.warnings,
        headers: wire
            .headers
            .into_iter()
            .map(|(name, values)| (name, values.header))
            .collect(),
        wrap_info: wire.wrap_info.map(|info| Box::new(WrapInfo::from(*info))),
        mount_type: wire.mount_type,
        held: None,
    }
}
