//! Many connections in one, by yamux, for hosts that can pass only one connection through (plugins in containers).
//!
//! The host opens the outer connection and acts as yamux's client. Either side can then open streams; each stream is
//! treated as a connection of its own, TLS included.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt, TokioAsyncReadCompatExt};
use yamux::{Config, Mode};

/// One connection within the outer one.
pub(crate) type Stream = Compat<yamux::Stream>;

/// Opens streams towards the host.
#[derive(Debug, Clone)]
pub(crate) struct Opener(mpsc::Sender<oneshot::Sender<yamux::Stream>>);

impl Opener {
    /// Opens a stream. The host learns of it with the first byte written.
    pub async fn open(&self) -> io::Result<Stream> {
        let gone = || {
            io::Error::new(
                io::ErrorKind::NotConnected,
                "the multiplexed connection is closed",
            )
        };
        let (reply, stream) = oneshot::channel();
        self.0.send(reply).await.map_err(|_| gone())?;
        stream
            .await
            .map(FuturesAsyncReadCompatExt::compat)
            .map_err(|_| gone())
    }
}

/// Serves the outer connection in a task of its own, until either side closes it; yields the streams that the host
/// opens.
pub(crate) fn serve(socket: UnixStream) -> (Opener, mpsc::UnboundedReceiver<Stream>) {
    run(socket, Mode::Server)
}

fn run(socket: UnixStream, mode: Mode) -> (Opener, mpsc::UnboundedReceiver<Stream>) {
    let (opener, requests) = mpsc::channel(1);
    let (incoming, streams) = mpsc::unbounded_channel();
    let connection = yamux::Connection::new(socket.compat(), Config::default(), mode);
    let mut session = Session {
        connection,
        requests,
        waiting: None,
        incoming,
    };
    tokio::spawn(async move {
        if let Err(error) = poll_fn(|cx| session.poll(cx)).await {
            tracing::debug!(%error, "the multiplexed connection ended");
        }
    });
    (Opener(opener), streams)
}

/// Drives a yamux connection. yamux leaves all driving to its user: nothing moves on any stream unless this is polled.
struct Session {
    connection: yamux::Connection<Compat<UnixStream>>,
    requests: mpsc::Receiver<oneshot::Sender<yamux::Stream>>,
    /// The request for a stream that is now being served.
    waiting: Option<oneshot::Sender<yamux::Stream>>,
    incoming: mpsc::UnboundedSender<Stream>,
}

impl Session {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), yamux::ConnectionError>> {
        loop {
            if self.waiting.is_none()
                && let Poll::Ready(request) = self.requests.poll_recv(cx)
            {
                self.waiting = request;
            }
            if self.waiting.is_some()
                && let Poll::Ready(stream) = self.connection.poll_new_outbound(cx)?
                && let Some(waiting) = self.waiting.take()
            {
                // If the requester has given up, this drops the stream, which closes it.
                let _ = waiting.send(stream);
                continue;
            }
            match self.connection.poll_next_inbound(cx)? {
                // Without a receiver the process is ending.
                Poll::Ready(Some(stream)) => drop(self.incoming.send(stream.compat())),
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    /// Opens the host's end.
    pub(crate) fn host(socket: UnixStream) -> (Opener, mpsc::UnboundedReceiver<Stream>) {
        run(socket, Mode::Client)
    }

    #[tokio::test]
    async fn both_sides_open_streams_that_carry_data_both_ways() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (opener, mut incoming) = serve(ours);
        let (host_opener, mut host_incoming) = host(theirs);
        for (opener, incoming) in [(&opener, &mut host_incoming), (&host_opener, &mut incoming)] {
            let mut near = opener.open().await.unwrap();
            near.write_all(b"ping").await.unwrap();
            let mut far = incoming.recv().await.unwrap();
            let mut read = [0; 4];
            far.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"ping");
            far.write_all(b"pong").await.unwrap();
            near.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"pong");
        }
    }

    #[tokio::test]
    async fn nothing_opens_once_the_connection_is_closed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (opener, mut incoming) = serve(ours);
        drop(theirs);
        let end = timeout(Duration::from_secs(10), incoming.recv())
            .await
            .expect("the end was not noticed");
        assert!(end.is_none());
        assert_eq!(
            opener.open().await.err().map(|error| error.kind()),
            Some(io::ErrorKind::NotConnected)
        );
    }
}
