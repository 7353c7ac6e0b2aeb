//! The host's connections: accepted, authenticated, counted.
//!
//! Every connection is prepared in a task of its own and within a time limit. So a stranger on the socket, or a peer
//! that says nothing, neither reaches the services nor keeps the host waiting.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use crate::Report;
use crate::mux::{self, Opener};

/// The parts of a connection: a socket or a stream of the multiplexed one, with or without TLS.
pub(crate) trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// The time limit for the TLS handshake of a host, which needs milliseconds.
pub(crate) const TLS_TIME: Duration = Duration::from_secs(10);

/// The pause before accepting again after an error, for example when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Turns incoming connections into authenticated ones.
#[derive(Clone)]
pub(crate) struct Gate {
    /// `None` if the host did not ask for TLS.
    pub acceptor: Option<TlsAcceptor>,
    /// The time that a peer may take to prove its identity.
    pub patience: Duration,
    /// Given if connections are multiplexed; receives the opener of the host's connection.
    pub multiplexed: Option<Arc<watch::Sender<Option<Opener>>>>,
    /// Counts the connections that passed.
    pub count: Count,
    /// The channel for the connections that passed.
    pub passed: mpsc::Sender<Connection>,
}

impl Gate {
    /// Accepts connections until dropped.
    pub async fn accept(self, listener: UnixListener) {
        let mut failing = false;
        loop {
            match next(&listener).await {
                Ok((stream, socket)) => {
                    failing = false;
                    let gate = self.clone();
                    tokio::spawn(async move {
                        match gate.multiplexed.clone() {
                            None => drop(gate.admit(stream, socket).await),
                            Some(host) => gate.admit_streams(stream, socket, host).await,
                        }
                    });
                }
                Err(error) => {
                    // Says it once: it may fail for as long as the peer tries, many times a second.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(reason = %Report::new(&error), "cannot accept a connection");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Admits one connection if it is the host's. Returns true if it was. `socket` is the socket over which it comes.
    async fn admit(&self, stream: impl Io + 'static, socket: Arc<OwnedFd>) -> bool {
        let io: Box<dyn Io> = match &self.acceptor {
            None => Box::new(stream),
            Some(acceptor) => match tokio::time::timeout(self.patience, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "refused a connection that is not the host's");
                    return false;
                }
                Err(_) => {
                    tracing::warn!("refused a connection that did not prove in time that it is the host's");
                    return false;
                }
            },
        };
        self.passed
            .send(Connection {
                io,
                _counted: self.count.enter(socket),
            })
            .await
            .is_ok()
    }

    /// Admits the streams of a multiplexed connection. The plugin then opens its own streams on the first connection
    /// that proves to be the host's.
    async fn admit_streams(
        self,
        stream: UnixStream,
        socket: Arc<OwnedFd>,
        host: Arc<watch::Sender<Option<Opener>>>,
    ) {
        let (opener, mut incoming) = mux::serve(stream);
        while let Some(stream) = incoming.recv().await {
            let (gate, opener, host) = (self.clone(), opener.clone(), host.clone());
            let socket = socket.clone();
            tokio::spawn(async move {
                if gate.admit(stream, socket).await {
                    host.send_if_modified(|host| {
                        let first = host.is_none();
                        host.get_or_insert(opener);
                        first
                    });
                }
            });
        }
    }
}

/// Returns the next connection, and a handle of its socket that its users share.
async fn next(listener: &UnixListener) -> io::Result<(UnixStream, Arc<OwnedFd>)> {
    let (stream, _) = listener.accept().await?;
    let socket = stream.as_fd().try_clone_to_owned()?;
    Ok((stream, Arc::new(socket)))
}

/// The authenticated connections that are open, and whether there has ever been one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<watch::Sender<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// The socket of each connection; several share one if they are multiplexed.
    open: Vec<Arc<OwnedFd>>,
    any: bool,
}

impl Count {
    fn enter(&self, socket: Arc<OwnedFd>) -> Counted {
        self.0.send_modify(|seen| {
            seen.open.push(socket.clone());
            seen.any = true;
        });
        Counted {
            count: self.0.clone(),
            socket,
        }
    }

    /// Waits until the host was connected and no longer is.
    pub async fn all_closed(&self) {
        // The sender is alive in `self`, so waiting cannot fail.
        let _ = self
            .0
            .subscribe()
            .wait_for(|seen| seen.any && seen.open.is_empty())
            .await;
    }

    /// Returns the sockets of the open connections.
    pub fn sockets(&self) -> Vec<Arc<OwnedFd>> {
        self.0.borrow().open.clone()
    }
}

/// One connection's place in the count.
#[derive(Debug)]
struct Counted {
    count: Arc<watch::Sender<Seen>>,
    socket: Arc<OwnedFd>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.send_modify(|seen| {
            let place = seen.open.iter().position(|open| Arc::ptr_eq(open, &self.socket));
            place.map(|place| seen.open.swap_remove(place));
        });
    }
}

/// A connection of the host.
pub(crate) struct Connection {
    io: Box<dyn Io>,
    _counted: Counted,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::tests::host;
    use crate::tls::{Tls, server_name};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(10);

    fn gate(tls: &Tls, patience: Duration) -> (Gate, mpsc::Receiver<Connection>) {
        let (passed, connections) = mpsc::channel(1);
        let acceptor = Some(tls.acceptor.clone());
        (
            Gate {
                acceptor,
                patience,
                multiplexed: None,
                count: Count::default(),
                passed,
            },
            connections,
        )
    }

    #[tokio::test]
    async fn a_silent_stranger_is_hung_up_on_and_not_counted() {
        let tls = Tls::pinned_to(host().cert).unwrap();
        let (gate, mut connections) = gate(&tls, Duration::from_millis(20));
        let count = gate.count.clone();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let accepting = tokio::spawn(gate.accept(UnixListener::bind(&path).unwrap()));

        let mut stranger = UnixStream::connect(&path).await.unwrap();
        let end = timeout(SOON, stranger.read(&mut [0; 1]))
            .await
            .expect("nobody hung up");
        assert_eq!(end.unwrap(), 0);
        assert!(connections.try_recv().is_err());
        assert!(!count.0.borrow().any);
        accepting.abort();
    }

    #[tokio::test]
    async fn of_multiplexed_connections_the_plugin_uses_the_one_that_is_the_hosts() {
        let host = host();
        let tls = Tls::pinned_to(host.cert.clone()).unwrap();
        let (mut gate, mut connections) = gate(&tls, SOON);
        let (opener, mut known) = watch::channel(None);
        gate.multiplexed = Some(opener.into());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let accepting = tokio::spawn(gate.accept(UnixListener::bind(&path).unwrap()));

        // The stranger comes first, and even speaks TLS.
        let stranger = mux::tests::host(UnixStream::connect(&path).await.unwrap());
        let stream = stranger.0.open().await.unwrap();
        let _ = tls.connector.connect(server_name(), stream).await;
        let mut rightful = mux::tests::host(UnixStream::connect(&path).await.unwrap());
        let stream = rightful.0.open().await.unwrap();
        let _stream = host
            .connector(&tls.cert)
            .connect(server_name(), stream)
            .await
            .unwrap();

        let _connection = timeout(SOON, connections.recv())
            .await
            .expect("the host was kept out");
        let opener = timeout(SOON, known.wait_for(Option::is_some))
            .await
            .unwrap()
            .unwrap()
            .clone()
            .unwrap();
        // The other side notices a stream when its first byte arrives.
        opener.open().await.unwrap().write_all(b"!").await.unwrap();
        timeout(SOON, rightful.1.recv())
            .await
            .expect("the stream went elsewhere")
            .unwrap();
        accepting.abort();
    }

    #[tokio::test]
    async fn the_host_gets_in_while_a_stranger_is_silent() {
        let host = host();
        let tls = Tls::pinned_to(host.cert.clone()).unwrap();
        let (gate, mut connections) = gate(&tls, SOON);
        let count = gate.count.clone();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let accepting = tokio::spawn(gate.accept(UnixListener::bind(&path).unwrap()));

        let _silent = UnixStream::connect(&path).await.unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        let stream = host
            .connector(&tls.cert)
            .connect(server_name(), stream)
            .await
            .unwrap();
        let connection = timeout(SOON, connections.recv())
            .await
            .expect("the host was kept waiting");

        assert_eq!(count.sockets().len(), 1);
        drop((connection, stream));
        timeout(SOON, count.all_closed())
            .await
            .expect("the closed connection still counts");
        accepting.abort();
    }
}
