//! One mount's connection back to the server, over which storage, system view and events are called.

use std::future::Future;

use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::Error;

/// The channel that all of a mount's clients share, so that Cleanup can close it under them: the server waits for
/// open calls when it takes a mount down.
pub(crate) struct Link {
    channel: RwLock<Option<Channel>>,
    closed: CancellationToken,
}

impl Link {
    pub(crate) fn new(channel: Channel) -> Link {
        Link {
            channel: RwLock::new(Some(channel)),
            closed: CancellationToken::new(),
        }
    }

    /// Makes one call and gives its errors their meaning; `name` is the call's name in them.
    pub(crate) async fn call<T, F>(
        &self,
        name: &'static str,
        call: impl FnOnce(Channel) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let channel = self.channel.read().clone().ok_or(Error::Closed)?;
        tokio::select! {
            biased;
            () = self.closed.cancelled() => Err(Error::Closed),
            answer = call(channel) => match answer {
                Ok(answer) => Ok(answer.into_inner()),
                Err(status) => Err(Error::from_status(name, status)),
            },
        }
    }

    /// Ends the calls that are open, refuses later ones and lets the connection go.
    pub(crate) fn close(&self) {
        self.closed.cancel();
        *self.channel.write() = None;
    }
}

/// What the server says in the `err` field of an answer.
pub(crate) fn check(name: &'static str, err: String) -> Result<(), Error> {
    if err.is_empty() {
        Ok(())
    } else {
        Err(Error::from_server(name, err))
    }
}
