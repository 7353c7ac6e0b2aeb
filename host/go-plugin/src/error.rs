//! The crate's errors: one type for serving the plugin, and one for reaching the host's services.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The reasons why a plugin cannot start or serve.
///
/// Print it with [`Report`](crate::Report), which adds the cause: that is one line for a person, fit for standard
/// error. It contains no message of the application, but may quote what the host set in the environment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The magic cookie is missing or wrong: a person started the program by hand, or a host started it that wants
    /// another kind of plugin.
    #[error(
        "this program is a plugin: it is not run by itself but started by the program that uses it, \
         which then sets {key} (it is {state})"
    )]
    NotStartedByHost {
        /// The environment variable that carries the cookie.
        key: &'static str,
        /// `not set`, or `set to something else`.
        state: &'static str,
    },

    /// The server was built without a single [`version`](crate::Server::version).
    #[error("the plugin offers no protocol version, which is a mistake in its code")]
    NoVersion,

    /// Host and plugin have no version of the application's protocol in common.
    #[error("the host speaks protocol version {wanted} and this plugin {offered}: one of them is too old")]
    NoCommonVersion {
        /// The plugin's lowest version, which go-plugin wants to be told in this case.
        lowest: u32,
        /// The plugin's versions.
        offered: String,
        /// The host's versions.
        wanted: String,
    },

    /// The host set an environment variable to a value that makes no sense.
    #[error("the host set {name} to something unusable: {reason}")]
    Environment {
        /// The variable's name.
        name: &'static str,
        /// The fault of the value.
        reason: String,
    },

    /// The host offers no certificate, so its connection would be neither encrypted nor authenticated.
    #[error(
        "the host did not set PLUGIN_CLIENT_CERT, and this plugin serves nobody without TLS: switch automatic mutual TLS \
         on in the host"
    )]
    NoTls,

    /// The socket, or its directory, could not be made.
    #[error("cannot {action} {}", path.display())]
    Socket {
        /// The action that failed, as a verb phrase.
        action: &'static str,
        /// The path on which the action failed.
        path: PathBuf,
        /// The cause of the failure.
        source: io::Error,
    },

    /// A unix socket's path has at most 107 bytes; its directory is nested too deep for that.
    #[error(
        "the socket's path {} has {length} bytes and at most {limit} are possible: set {setting} to a shorter path",
        path.display()
    )]
    SocketPathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        length: usize,
        /// The largest possible length.
        limit: usize,
        /// The environment variable that moves the socket.
        setting: &'static str,
    },

    /// The plugin's own certificate could not be made.
    #[error("cannot make the plugin's TLS certificate")]
    Certificate(#[source] rcgen::Error),

    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[source] rustls::Error),

    /// The handshake line could not be written: the host is gone, or standard output is closed.
    #[error("cannot write the handshake to standard output")]
    Handshake(#[source] io::Error),

    /// The process could not prepare for signals, or for its parent's end.
    #[error("cannot {action}")]
    Process {
        /// The action that failed, as a verb phrase.
        action: &'static str,
        /// The cause of the failure.
        source: io::Error,
    },

    /// The server ended because the host is gone.
    #[error("the host's connection is closed")]
    HostGone,
}

/// The reasons why a plugin cannot reach one of its host's services.
///
/// Print it with [`Report`](crate::Report), which adds the cause in the same line. It may quote what the host wrote to
/// the broker.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The host did not say within five seconds where its service is.
    #[error("the host did not offer its service {service_id} within {seconds} s")]
    NotOffered {
        /// The service's id in the broker.
        service_id: u32,
        /// The time that the host had.
        seconds: u64,
    },

    /// The host offers its service on a network that this crate does not know.
    #[error("the host offers its service {service_id} on the unknown network {network:?}")]
    UnknownNetwork {
        /// The service's id in the broker.
        service_id: u32,
        /// The network that the host named instead of `unix` or `tcp`.
        network: String,
    },

    /// The host refused a knock for one of its services.
    #[error("the host keeps its service {service_id} closed: {reason}")]
    KnockRefused {
        /// The service's id in the broker.
        service_id: u32,
        /// The host's words.
        reason: String,
    },

    /// The host is gone, so none of its services can be reached.
    #[error("the host's connection is closed")]
    HostGone,

    /// The host's service was offered but could not be reached.
    #[error("cannot connect to the host's service {service_id}")]
    Connect {
        /// The service's id in the broker.
        service_id: u32,
        /// The cause of the failure.
        source: TransportError,
    },
}

/// A failure of the gRPC transport. `Display` shows the innermost cause, because the others only say "transport error";
/// `Debug` shows them all.
#[derive(Debug)]
pub struct TransportError(Arc<dyn Error + Send + Sync>);

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(root(&*self.0), f)
    }
}

/// The innermost cause is the source too, so that a [`Report`](crate::Report) knows an error of the system.
impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(root(&*self.0))
    }
}

impl TransportError {
    /// Creates the error of a failure that others report too.
    pub(crate) fn shared(error: Arc<dyn Error + Send + Sync>) -> Self {
        Self(error)
    }
}

/// Returns the innermost cause of an error.
pub(crate) fn root<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
