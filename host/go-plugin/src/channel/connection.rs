//! The connection of a channel: opened once for all who wait for it, replaced when it is broken.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use h2::client;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::timeout;
use tonic::codegen::StdError;

use crate::connection::Io;
use crate::{CONNECTION_WINDOW, MAX_RESETS, WINDOW};

/// The time that one attempt to connect may take, knocking included.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The size of the headers and trailers that an answer may have. Go's hosts send their errors there, which may quote a
/// storage key of 32 KiB, three times as long when it is percent-encoded.
const MAX_HEADERS: u32 = 128 << 10;

pub(super) type Connector = Box<dyn FnMut() -> Connecting + Send>;
type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Io>, StdError>> + Send>>;

/// The reason why nobody could connect; all who waited for the attempt share it.
pub(super) type Failure = Arc<dyn std::error::Error + Send + Sync>;

type Driver = client::Connection<Box<dyn Io>, Bytes>;

/// An open connection. It is closed when all clones and the calls on it are gone.
#[derive(Clone)]
pub(super) struct Connection {
    /// Tells this connection from the channel's earlier and later ones.
    pub number: u64,
    pub sender: client::SendRequest<Bytes>,
}

/// The connections of a channel, of which one at a time is used. Clones share them.
#[derive(Clone)]
pub(super) struct Connections(Arc<Mutex<Inner>>);

struct Inner {
    connector: Connector,
    /// Drives the connections. A runtime from which a call comes may end before the connection, drive it too seldom,
    /// or have no sockets at all.
    runtime: Handle,
    state: State,
    /// The number of attempts to connect.
    attempts: u64,
}

enum State {
    Closed,
    Opening(Attempt),
    /// The connection may be broken; whoever uses it finds out.
    Open(Connection),
}

type Outcome = Result<Connection, Failure>;
type Attempt = watch::Receiver<Option<Outcome>>;

impl Connections {
    /// Creates connections that the current runtime drives.
    pub fn new(connector: Connector) -> Connections {
        Connections(Arc::new(Mutex::new(Inner {
            connector,
            runtime: Handle::current(),
            state: State::Closed,
            attempts: 0,
        })))
    }

    /// Returns the connection. Opens another one if none is open, or if the open one is that which the caller found `broken`.
    pub async fn current(&self, broken: Option<u64>) -> Outcome {
        let mut attempt = {
            let mut inner = self.0.lock();
            match &inner.state {
                State::Open(connection) if Some(connection.number) != broken => return Ok(connection.clone()),
                // An attempt that ended without an outcome has panicked.
                State::Opening(attempt) if attempt.has_changed().is_ok() => attempt.clone(),
                State::Open(_) | State::Opening(_) | State::Closed => self.open(&mut inner),
            }
        };
        let outcome = attempt.wait_for(Option::is_some).await;
        let outcome = outcome.ok().and_then(|outcome| outcome.clone());
        // Only a panic or the end of its runtime stops an attempt for which somebody waits.
        outcome.unwrap_or_else(|| Err(Arc::new(io::Error::from(io::ErrorKind::NotConnected))))
    }

    /// Begins an attempt, in the task that will drive the connection. So the attempt survives the one who caused it, if
    /// others wait too.
    fn open(&self, inner: &mut Inner) -> Attempt {
        let (outcome, attempt) = watch::channel(None);
        inner.attempts += 1;
        let connecting = (inner.connector)();
        inner
            .runtime
            .spawn(run(connecting, inner.attempts, Arc::downgrade(&self.0), outcome));
        inner.state = State::Opening(attempt.clone());
        attempt
    }
}

/// Connects, tells those who wait, and drives the connection to its end.
async fn run(
    connecting: Connecting,
    number: u64,
    connections: Weak<Mutex<Inner>>,
    outcome: watch::Sender<Option<Outcome>>,
) {
    let opened = tokio::select! {
        // The channel and all its clones are gone.
        () = outcome.closed() => return,
        opened = timeout(CONNECT_TIME, greet(connecting)) => opened.unwrap_or_else(|_| Err(too_slow())),
    };
    // The task keeps neither the channel nor a sender, because the connection ends with them.
    let driver = {
        let Some(connections) = connections.upgrade() else {
            return;
        };
        let (result, driver) = match opened {
            Ok((sender, driver)) => (Ok(Connection { number, sender }), Some(driver)),
            Err(error) => (Err(Failure::from(error)), None),
        };
        connections.lock().state = match &result {
            Ok(connection) => State::Open(connection.clone()),
            Err(_) => State::Closed,
        };
        outcome.send_replace(Some(result));
        drop(outcome);
        driver
    };
    if let Some(driver) = driver
        && let Err(error) = driver.await
    {
        tracing::debug!(%error, "a connection to a service of the host ended");
    }
}

/// Connects and begins HTTP/2. The windows are fixed because measuring them takes pings, and grpc-go hangs up on a peer
/// that pings too often.
async fn greet(connecting: Connecting) -> Result<(client::SendRequest<Bytes>, Driver), StdError> {
    let io = connecting.await?;
    let opened = client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .max_local_error_reset_streams(Some(MAX_RESETS))
        .enable_push(false)
        .handshake(io)
        .await?;
    Ok(opened)
}

fn too_slow() -> StdError {
    let text = format!("nobody answered within {} s", CONNECT_TIME.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, text).into()
}
