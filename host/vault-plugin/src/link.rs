//! The connection of one mount back to the server, over which it calls storage, system view and events.

use std::error::Error as _;

use go_plugin::Channel;
use parking_lot::{Mutex, RwLock};
use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::methods::Method;

/// The channel that all calls of a mount share, so that Cleanup can close it for all of them: the server waits for
/// open calls when it takes a mount down.
pub(crate) struct Link {
    channel: RwLock<Option<Channel>>,
    closed: CancellationToken,
    /// Cancelled when the server ends the process: the server still answers the calls that it has received and accepts
    /// no new one.
    server_left: CancellationToken,
    faltered: Mutex<Option<Instant>>,
}

impl Link {
    pub(crate) fn new(channel: Channel, server_left: CancellationToken) -> Link {
        Link {
            channel: RwLock::new(Some(channel)),
            closed: CancellationToken::new(),
            server_left,
            faltered: Mutex::new(None),
        }
    }

    /// Makes one call and gives its errors a type.
    pub(crate) async fn call<A, R>(&self, method: &Method<A, R>, args: &A) -> Result<R, ServerError>
    where
        A: Message,
        R: Message + Default,
    {
        self.call_about(method, "", args).await
    }

    /// Works like [`Link::call`], for a call about a key.
    pub(crate) async fn call_about<A, R>(
        &self,
        method: &Method<A, R>,
        key: &str,
        args: &A,
    ) -> Result<R, ServerError>
    where
        A: Message,
        R: Message + Default,
    {
        if self.server_left.is_cancelled() {
            return Err(ServerError::Closed);
        }
        let channel = self.channel.read().clone().ok_or(ServerError::Closed)?;
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(ServerError::Closed),
            answer = channel.unary(method.path, args) => answer.map_err(|status| {
                // This is a failure on the way, not an answer of the server.
                if status.source().is_some() {
                    *self.faltered.lock() = Some(Instant::now());
                }
                ServerError::from_status(method.name, status, key)
            }),
        }
    }

    /// Returns when a call last found the connection broken. A server that ends the process closes this connection
    /// first, and announces the end right after that, over another connection.
    pub(crate) fn faltered(&self) -> Option<Instant> {
        *self.faltered.lock()
    }

    /// Ends the calls that are open, refuses later ones and drops the connection.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        *self.channel.write() = None;
    }
}

/// Turns the `err` field of an answer into a result.
pub(crate) fn check(name: &'static str, err: String) -> Result<(), ServerError> {
    if err.is_empty() {
        Ok(())
    } else {
        Err(ServerError::from_server(name, err))
    }
}

/// Works like [`check`], for a call about a key.
pub(crate) fn check_about(name: &'static str, key: &str, err: String) -> Result<(), ServerError> {
    if err.is_empty() {
        Ok(())
    } else {
        Err(ServerError::about_key(name, err, key))
    }
}
