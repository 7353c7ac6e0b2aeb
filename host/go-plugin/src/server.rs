//! The server: from the environment that the host sets to the end that the host brings about.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinError;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::service::Routes;

use crate::broker::{Broker, Post};
use crate::connection::{Count, Gate, TLS_TIME};
use crate::launch::{Cookie, Launch};
use crate::process::{Parent, Signals, last_words};
use crate::socket::Socket;
use crate::tls::Tls;
use crate::{Error, WINDOW, services};

/// What is left for calls in flight and for [`Server::on_exit`]. The host kills after 2 s.
const GRACE: Duration = Duration::from_millis(1500);

/// How long a host that has closed its broker may take to ask for the end, which it does right after.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many calls that were given up before they were looked at may be pending. `h2`'s own limit of 20 protects from
/// strangers, but the host is none, and closing its connection over a burst of callers who hang up would end every
/// other call with it.
const MAX_RESETS: usize = 1 << 20;

type Services = Box<dyn FnOnce(Broker) -> Routes + Send>;
type OnExit = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Why a plugin's life ended, all of them good reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The host asked for it.
    Requested,
    /// The host's connection closed, or the stream of its broker, without which it cannot be reached.
    Disconnected,
    /// The process that started the plugin is gone.
    Orphaned,
    /// Somebody sent SIGTERM.
    Terminated,
}

/// A plugin, to be built and then served.
pub struct Server {
    cookie: Cookie,
    versions: BTreeMap<u32, Services>,
    on_exit: Option<OnExit>,
}

impl Server {
    /// A plugin for hosts that set this cookie.
    #[must_use]
    pub fn new(cookie: Cookie) -> Server {
        Server {
            cookie,
            versions: BTreeMap::new(),
            on_exit: None,
        }
    }

    /// Offers a version of the application's protocol. `services` makes what is served if the host chooses it: the
    /// highest version that both sides have is chosen, and only its services are made.
    ///
    /// Raise each service's decoding limit to [`MAX_MESSAGE_SIZE`](crate::MAX_MESSAGE_SIZE).
    #[must_use]
    pub fn version(
        mut self,
        version: u32,
        services: impl FnOnce(Broker) -> Routes + Send + 'static,
    ) -> Server {
        self.versions.insert(version, Box::new(services));
        self
    }

    /// Runs `finish` at the end, whatever brought it about, while calls in flight are still answered. Both share 1.5 s,
    /// then [`serve`](Server::serve) returns regardless.
    #[must_use]
    pub fn on_exit<F>(mut self, finish: impl FnOnce() -> F + Send + 'static) -> Server
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.on_exit = Some(Box::new(|| Box::pin(finish())));
        self
    }

    /// Shakes hands with the host and serves it until the end.
    ///
    /// Needs a Tokio runtime with I/O and time; one thread is enough. From here on standard output leads nowhere,
    /// SIGINT is ignored and SIGTERM ends the plugin in order. End the process when this returns, by
    /// [`std::process::exit`] if other threads may still be busy.
    ///
    /// # Errors
    /// [`Error::NotStartedByHost`] if the cookie is missing, [`Error::NoCommonVersion`], and others that keep the plugin
    /// from starting. Print the error to standard error and exit with status 1.
    pub async fn serve(self) -> Result<Exit, Error> {
        // First, so that a parent that dies from here on is noticed.
        let parent = Parent::current();
        let launch = Launch::read(self.cookie, |name| std::env::var_os(name))?;
        let signals = Signals::handle()?;
        let running = Running::start(&launch, self.versions).await?;
        running.until_the_end(parent, signals, self.on_exit).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> = self.versions.keys().collect();
        f.debug_struct("Server")
            .field("cookie", &self.cookie)
            .field("versions", &versions)
            .finish_non_exhaustive()
    }
}

/// A server that the host knows of.
struct Running {
    socket: Socket,
    accepting: AbortOnDropHandle<()>,
    serving: AbortOnDropHandle<Result<(), tonic::transport::Error>>,
    connections: Count,
    post: Post,
    /// The host has asked for the end.
    requested: CancellationToken,
    /// The end has begun.
    ending: CancellationToken,
}

impl Running {
    async fn start(launch: &Launch, mut versions: BTreeMap<u32, Services>) -> Result<Running, Error> {
        let version = agree(launch, &versions)?;
        let services = versions.remove(&version).ok_or(Error::NoVersion)?;
        let tls = launch.host_cert.clone().map(Tls::pinned_to).transpose()?;
        let (socket, listener) = Socket::listen(&launch.place)?;

        let (host, known_host) = watch::channel(None);
        let (passed, incoming) = mpsc::channel(1);
        let connections = Count::default();
        let gate = Gate {
            acceptor: tls.as_ref().map(|tls| tls.acceptor.clone()),
            multiplexed: launch.multiplex.then(|| host.into()),
            patience: TLS_TIME,
            count: connections.clone(),
            passed,
        };

        let post = Post::default();
        let (requested, ending) = (CancellationToken::new(), CancellationToken::new());
        let connector = tls.as_ref().map(|tls| tls.connector.clone());
        let broker = Broker::new(post.clone(), connector, launch.multiplex.then_some(known_host));
        let routes =
            services::add_to(services(broker), post.clone(), requested.clone(), ending.clone()).await;
        let server = router(routes)
            .serve_with_incoming_shutdown(ReceiverStream::new(incoming), ending.clone().cancelled_owned());

        let accepting = AbortOnDropHandle::new(tokio::spawn(gate.accept(listener)));
        let serving = AbortOnDropHandle::new(tokio::spawn(server));
        let cert = tls.as_ref().map(|tls| &tls.cert);
        last_words(|out| launch.answer(out, version, socket.path(), cert)).map_err(Error::Handshake)?;
        Ok(Running {
            socket,
            accepting,
            serving,
            connections,
            post,
            requested,
            ending,
        })
    }

    async fn until_the_end(
        mut self,
        parent: Parent,
        mut signals: Signals,
        on_exit: Option<OnExit>,
    ) -> Result<Exit, Error> {
        let exit = tokio::select! {
            () = self.requested.cancelled() => Exit::Requested,
            () = self.connections.all_closed() => Exit::Disconnected,
            () = async {
                self.post.lost().await;
                sleep(FAREWELL).await;
            } => Exit::Disconnected,
            () = parent.ended() => Exit::Orphaned,
            () = signals.terminated() => Exit::Terminated,
            ended = &mut self.serving => return Err(failure(ended)),
        };
        tracing::debug!(reason = ?exit, "the plugin ends");

        // The socket first: whatever happens from here on, it is gone.
        drop(self.accepting);
        drop(self.socket);
        self.ending.cancel();
        self.post.close();
        let finish = async {
            if let Some(on_exit) = on_exit {
                on_exit().await;
            }
        };
        if timeout(GRACE, async { tokio::join!(finish, self.serving) })
            .await
            .is_err()
        {
            tracing::warn!("the plugin ends although not all of its work is finished");
        }
        Ok(exit)
    }
}

/// The version to serve. Without one the host is told so in its own way, by an answer that it will refuse, and nothing
/// is served: the host kills what it refuses, and nobody could clean up.
fn agree(launch: &Launch, versions: &BTreeMap<u32, Services>) -> Result<u32, Error> {
    let version = launch.negotiate(&versions.keys().copied().collect());
    if let Err(Error::NoCommonVersion { lowest, .. }) = version {
        last_words(|out| launch.answer(out, lowest, Path::new(""), None)).map_err(Error::Handshake)?;
    }
    version
}

fn router(routes: Routes) -> tonic::transport::server::Router {
    tonic::transport::Server::builder()
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_pending_accept_reset_streams(Some(MAX_RESETS))
        .http2_max_local_error_reset_streams(Some(MAX_RESETS))
        .add_routes(routes)
}

/// Why the server ended though nobody had told it to.
fn failure(ended: Result<Result<(), tonic::transport::Error>, JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => Error::Serve(error),
        // It ends by itself only with its source of connections, which ends with the accepting task.
        Ok(Ok(())) | Err(_) => Error::HostGone,
    }
}
