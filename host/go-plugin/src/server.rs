//! The server, from reading the environment that the host sets until the end.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::broker::{Broker, Post};
use crate::connection::{Connection, Count, Gate, TLS_TIME};
use crate::launch::{Cookie, Launch};
use crate::linger::keep_open;
use crate::process::{Parent, Signals, last_words};
use crate::socket::Socket;
use crate::tls::Tls;
use crate::{ServeError, Services, services};

/// The time for [`Server::on_exit`]. The host waits as long: it kills the process 2 s after its request for the end is
/// answered, and the end of the process is the answer.
const GRACE: Duration = Duration::from_secs(5);

/// The longest time for which the host's connections may outlive the process: far longer than the host needs to see its
/// end.
const AFTERLIFE: Duration = Duration::from_secs(10);

/// The number of times that the runtime polls its tasks before the process ends: more than a call that is done needs to
/// send its answer.
const LAST_ROUNDS: usize = 64;

/// The time that a host that has closed its broker may take to ask for the end, which it does right after.
const FAREWELL: Duration = Duration::from_secs(1);

type MakeServices = Box<dyn FnOnce(Broker) -> Services + Send>;
type OnExit = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The reason why a plugin ended. None of them is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Exit {
    /// The host asked for the end.
    Requested,
    /// The host's connection closed, or the stream of its broker, without which the host's services cannot be reached.
    Disconnected,
    /// The process that started the plugin is gone.
    Orphaned,
    /// Somebody sent SIGTERM.
    Terminated,
}

/// A plugin, to be built and then served.
///
/// ```no_run
/// use go_plugin::{Cookie, Exit, ServeError, Server, Services};
///
/// async fn serve() -> Result<(), ServeError> {
///     let server = Server::new(Cookie { key: "GREETER_PLUGIN", value: "hello" })
///         .version(1, |_broker| Services::new()) // for older hosts
///         .version(2, |_broker| Services::new())
///         .on_exit(|| async { tracing::info!("nothing is left to store") });
///     match server.serve().await? {
///         Exit::Requested => tracing::info!("the host asked for the end"),
///         other => tracing::warn!(reason = ?other, "the host did not say goodbye"),
///     }
///     Ok(())
/// }
/// ```
pub struct Server {
    cookie: Cookie,
    versions: BTreeMap<u32, MakeServices>,
    on_exit: Option<OnExit>,
    plaintext: bool,
}

impl Server {
    /// Creates a plugin for hosts that set this cookie.
    #[must_use]
    pub fn new(cookie: Cookie) -> Server {
        Server {
            cookie,
            versions: BTreeMap::new(),
            on_exit: None,
            plaintext: false,
        }
    }

    /// Also serves hosts that offer no certificate (go-plugin's `AutoMTLS` is off), without TLS in both directions:
    /// then whoever can open the socket can act as the host. By default such a host is refused.
    #[must_use]
    pub fn allow_plaintext(mut self) -> Server {
        self.plaintext = true;
        self
    }

    /// Offers a version of the application's protocol. `services` makes the services that are served if this version is
    /// chosen: the highest version that both sides have is chosen, and only its services are made.
    ///
    /// Raise each service's decoding limit to [`MAX_MESSAGE_SIZE`](crate::MAX_MESSAGE_SIZE).
    #[must_use]
    pub fn version(
        mut self,
        version: u32,
        services: impl FnOnce(Broker) -> Services + Send + 'static,
    ) -> Server {
        self.versions.insert(version, Box::new(services));
        self
    }

    /// Runs `finish` at the end, for whatever reason the plugin ends, for at most 5 s; then [`serve`](Server::serve)
    /// returns anyway.
    ///
    /// Meanwhile calls come and are answered as before. A call that is unanswered when the process ends fails at the
    /// host only then: a host such as Vault sends such calls again, to a new process. So if a call cannot be carried
    /// out any more, it is better to leave it unanswered than to answer an error.
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
    /// [`ServeError::NotStartedByHost`] if the cookie is missing, [`ServeError::NoCommonVersion`],
    /// [`ServeError::NoTls`], and others that keep the plugin from starting. Print the error's
    /// [`Report`](crate::Report) to standard error and exit with status 1.
    pub async fn serve(self) -> Result<Exit, ServeError> {
        // This comes first, so that the end of the parent is noticed from here on.
        let parent = Parent::current();
        let launch = Launch::read(self.cookie, |name| std::env::var_os(name))?;
        let signals = Signals::handle()?;
        let running = Running::start(&launch, self.versions, self.plaintext).await?;
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
    serving: AbortOnDropHandle<()>,
    connections: Count,
    multiplexed: bool,
    post: Post,
    /// Cancelled when the host has asked for the end.
    requested: CancellationToken,
}

impl Running {
    async fn start(
        launch: &Launch,
        mut versions: BTreeMap<u32, MakeServices>,
        plaintext: bool,
    ) -> Result<Running, ServeError> {
        let version = agree(launch, &versions)?;
        if launch.host_cert.is_none() && !plaintext {
            return Err(ServeError::NoTls);
        }
        let make_services = versions.remove(&version).ok_or(ServeError::NoVersion)?;
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
        let requested = CancellationToken::new();
        let connector = tls.as_ref().map(|tls| tls.connector.clone());
        let broker = Broker::new(post.clone(), connector, launch.multiplex.then_some(known_host));
        let services = services::add_to(make_services(broker), post.clone(), requested.clone()).await;

        let accepting = AbortOnDropHandle::new(tokio::spawn(gate.accept(listener)));
        let serving = AbortOnDropHandle::new(tokio::spawn(serve(incoming, services)));
        let cert = tls.as_ref().map(|tls| &tls.cert);
        last_words(|out| launch.answer(out, version, socket.path(), cert)).map_err(ServeError::Handshake)?;
        Ok(Running {
            socket,
            accepting,
            serving,
            connections,
            multiplexed: launch.multiplex,
            post,
            requested,
        })
    }

    async fn until_the_end(
        mut self,
        parent: Parent,
        mut signals: Signals,
        on_exit: Option<OnExit>,
    ) -> Result<Exit, ServeError> {
        let exit = tokio::select! {
            () = self.requested.cancelled() => Exit::Requested,
            () = self.connections.all_closed() => Exit::Disconnected,
            () = async {
                self.post.lost().await;
                sleep(FAREWELL).await;
            } => Exit::Disconnected,
            () = parent.ended() => Exit::Orphaned,
            () = signals.terminated() => Exit::Terminated,
            // It ends by itself only when its source of connections ends, which ends with the accepting task.
            _ = &mut self.serving => return Err(ServeError::HostGone),
        };
        tracing::debug!(reason = ?exit, "the plugin ends");
        if exit != Exit::Terminated {
            // go-plugin's host closes its broker before it asks for the end, but does not say so on the broker's
            // stream.
            self.post.lose();
        }

        // Remove the socket first, whatever happens from here on.
        drop(self.socket);
        let finish = async {
            if let Some(on_exit) = on_exit {
                on_exit().await;
            }
        };
        if timeout(GRACE, finish).await.is_err() {
            tracing::warn!("the plugin ends although not all of its work is finished");
        }
        for _ in 0..LAST_ROUNDS {
            tokio::task::yield_now().await;
        }
        // A container ends with its first process, and go-plugin's multiplexer waits until the other side hangs up.
        if !self.multiplexed && matches!(exit, Exit::Requested | Exit::Terminated) {
            keep_open(&self.connections.sockets(), AFTERLIFE);
        }
        // Serve until the process is gone: ending the server would tell the host to send its calls elsewhere.
        std::mem::forget((self.accepting, self.serving));
        Ok(exit)
    }
}

/// Returns the version to serve. Without a common version, tells the host in its own way, by an answer that it
/// will refuse, and serves nothing: the host kills what it refuses, and nobody could clean up.
fn agree(launch: &Launch, versions: &BTreeMap<u32, MakeServices>) -> Result<u32, ServeError> {
    let version = launch.negotiate(&versions.keys().copied().collect());
    if let Err(ServeError::NoCommonVersion { lowest, .. }) = version {
        last_words(|out| launch.answer(out, lowest, Path::new(""), None)).map_err(ServeError::Handshake)?;
    }
    version
}

/// Serves each connection in a task of its own, which the end of this one leaves alone.
async fn serve(mut connections: mpsc::Receiver<Connection>, services: Services) {
    while let Some(connection) = connections.recv().await {
        tokio::spawn(services.clone().serve(connection));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_host_without_a_certificate_is_refused() {
        let cookie = Cookie {
            key: "COOKIE",
            value: "yes",
        };
        let launch = Launch::read(cookie, |name| (name == "COOKIE").then(|| "yes".into())).unwrap();
        let versions = BTreeMap::from([(1, Box::new(|_| Services::new()) as MakeServices)]);
        let started = Running::start(&launch, versions, false).await;
        assert!(matches!(started.err(), Some(ServeError::NoTls)));
    }
}
