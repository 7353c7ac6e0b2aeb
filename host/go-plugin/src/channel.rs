//! The calls to a service that the host serves.
//!
//! [`Channel`] speaks gRPC over the `h2` crate. Every storage call of a plugin passes through it, so a call starts no
//! task and no timer, and nothing stands between the call and the connection but `h2`'s own queue. Each connection has
//! one task that drives it.
//!
//! Only unary calls are possible, because the services of go-plugin's hosts need no others.

mod call;
mod connection;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;

use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tonic::Status;
use tonic::codegen::StdError;

use crate::connection::Io;
use crate::{TransportError, message};
use connection::Connections;

/// A connection to one service. Cheap to clone: all clones share the connection, and any number of calls use it at the
/// same time.
///
/// If the connection breaks, the next call opens another one; calls that need it at the same time share one attempt.
/// Dropping the future of a call cancels the call. Dropping all clones closes the connection.
///
/// ```
/// use go_plugin::Channel;
/// use tokio::net::UnixStream;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Text {
///     #[prost(string, tag = "1")]
///     text: String,
/// }
///
/// /// Asks a service that a program serves at a socket.
/// async fn name() -> Result<String, tonic::Status> {
///     let channel = Channel::new(|| UnixStream::connect("/run/greeter.sock"));
///     let reply: Text = channel.unary("/greeter.Host/Name", &()).await?;
///     Ok(reply.text)
/// }
/// ```
#[derive(Clone)]
pub struct Channel {
    connections: Connections,
}

impl Channel {
    /// Creates a channel that opens each connection with `connector`. The first call connects, unless
    /// [`connect`](Channel::connect) did so before.
    ///
    /// An attempt that takes longer than 10 s is given up. The connector must not use this channel. All connections run
    /// on the runtime in which the channel was created, whatever runtime a call is made from.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new<F, C, T, E>(mut connector: F) -> Channel
    where
        F: FnMut() -> C + Send + 'static,
        C: Future<Output = Result<T, E>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        E: Into<StdError>,
    {
        let connections = Connections::new(Box::new(move || {
            let connecting = connector();
            Box::pin(async move {
                let io: Box<dyn Io> = Box::new(connecting.await.map_err(Into::into)?);
                Ok(io)
            })
        }));
        Channel { connections }
    }

    /// Connects, unless the channel is connected already.
    ///
    /// # Errors
    /// The connector's error, or a timeout.
    pub async fn connect(&self) -> Result<(), TransportError> {
        match self.connections.current(None).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(TransportError::shared(failure)),
        }
    }

    /// Makes one call. `path` names the method, such as `/greeter.Host/Name`.
    ///
    /// A request that the host has certainly not processed is sent once more, over a new connection: the host refused
    /// it, or closed the connection before it. No other request is sent twice. Messages have at most
    /// [`MAX_MESSAGE_SIZE`](crate::MAX_MESSAGE_SIZE) bytes.
    ///
    /// # Errors
    /// The status that the service answers. If the host's answer did not arrive, the status has a
    /// [`source`](std::error::Error::source), and the host may have processed the request. If this side made the status
    /// because of the messages themselves (one is too large, or the answer cannot be read), it has no source.
    pub async fn unary<A, R>(&self, path: &'static str, request: &A) -> Result<R, Status>
    where
        A: Message,
        R: Message + Default,
    {
        let reply = call::exchange(&self.connections, path, &|| message::frame(request, "request")).await?;
        R::decode(reply).map_err(status::unreadable)
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
