//! The broker: the plugin's way to the services that the host serves to it.
//!
//! The host numbers such a service and sends the number in a message of the application's own. [`Broker::dial`] takes
//! that number and returns a channel for any tonic client.
//!
//! Normally the host says in the broker's stream, before or after that message, at which socket the number is served.
//! When connections are multiplexed it says nothing beforehand: the plugin knocks, and opens a stream once the host has
//! answered.

mod address;
mod door;
mod post;

use std::fmt;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::codegen::StdError;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use crate::connection::Io;
use crate::mux::Opener;
use crate::{DialError, MAX_RESETS, TransportError, WINDOW, tls};

pub(crate) use address::Address;
use door::{Door, KnockLock};
pub(crate) use post::Post;

/// The time that the host may take to offer a service, as in go-plugin.
const OFFER_TIME: Duration = Duration::from_secs(5);

/// The time that one attempt to connect may take, knocking included.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Reaches the services that the host serves to the plugin. Cheap to clone; all clones are the same broker.
///
/// ```
/// use go_plugin::{Broker, DialError, MAX_MESSAGE_SIZE};
/// use tonic::client::Grpc;
/// use tonic::transport::Channel;
///
/// /// Returns a client of the service whose number the host has sent in a message of the application.
/// async fn host(broker: &Broker, service_id: u32) -> Result<Grpc<Channel>, DialError> {
///     let client = Grpc::new(broker.dial(service_id).await?);
///     Ok(client.max_decoding_message_size(MAX_MESSAGE_SIZE))
/// }
/// ```
#[derive(Clone)]
pub struct Broker {
    post: Post,
    tls: Option<TlsConnector>,
    /// Set if connections are multiplexed.
    lock: Option<KnockLock>,
}

impl Broker {
    /// Creates a broker over the host's stream. `host` is given if connections are multiplexed, and filled once the
    /// host is connected.
    pub(crate) fn new(
        post: Post,
        tls: Option<TlsConnector>,
        host: Option<watch::Receiver<Option<Opener>>>,
    ) -> Broker {
        Broker {
            post,
            tls,
            lock: host.map(KnockLock::new),
        }
    }

    /// Connects to the service that the host serves under `service_id`.
    ///
    /// The channel reconnects by itself if the connection breaks while the host still serves. It sets no message limit,
    /// but the clients made from it do: raise theirs to [`MAX_MESSAGE_SIZE`](crate::MAX_MESSAGE_SIZE), as Go's side
    /// does. Drop the channel and its clones when the host ends the service, because hosts wait for that.
    ///
    /// # Errors
    /// [`DialError::NotOffered`] if the host does not offer the service within 5 s, [`DialError::UnknownNetwork`] if it
    /// offers the service on a network that this crate does not know, [`DialError::Connect`] if nobody answers there,
    /// or somebody other than the host.
    pub async fn dial(&self, service_id: u32) -> Result<Channel, DialError> {
        let way = match &self.lock {
            None => Way::Address(Address::of(self.post.offer(service_id, OFFER_TIME).await?)?),
            Some(lock) => Way::Door(Door::new(service_id, self.post.clone(), lock.clone())),
        };
        let tls = self.tls.clone();
        let connector = service_fn(move |_| {
            let (way, tls) = (way.clone(), tls.clone());
            async move { way.open(tls).await.map(TokioIo::new) }
        });
        endpoint()
            .connect_with_connector(connector)
            .await
            .map_err(|source| DialError::Connect {
                service_id,
                source: TransportError::new(source),
            })
    }

    /// Returns a token that is cancelled once the host has asked for the plugin's end or is gone. The host closes its
    /// broker right before.
    ///
    /// From then on its services answer the calls that they have received and accept no new one, for as long as the
    /// process lives: trying again is useless.
    pub fn closed(&self) -> CancellationToken {
        self.post.closed()
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tls, multiplexed) = (self.tls.is_some(), self.lock.is_some());
        f.debug_struct("Broker")
            .field("tls", &tls)
            .field("multiplexed", &multiplexed)
            .finish_non_exhaustive()
    }
}

/// Configures the plugin's side of a brokered connection. The address serves only as HTTP's authority, because the
/// connector knows where to connect. The windows are fixed because measuring them takes pings, and grpc-go hangs up on
/// a peer that pings too often.
fn endpoint() -> Endpoint {
    Endpoint::from_static("http://localhost")
        .connect_timeout(CONNECT_TIME)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_local_error_reset_streams(MAX_RESETS)
}

/// The way to connect to a service, as often as necessary.
#[derive(Clone)]
enum Way {
    Address(Address),
    Door(Door),
}

impl Way {
    async fn open(self, tls: Option<TlsConnector>) -> Result<Box<dyn Io>, StdError> {
        match self {
            Way::Address(address) => Ok(secure(address.connect().await?, tls).await?),
            Way::Door(door) => door.pass(|stream| secure(stream, tls)).await,
        }
    }
}

/// Proves to the host that this is its plugin, and makes the host prove its identity too.
async fn secure(io: impl Io + 'static, tls: Option<TlsConnector>) -> std::io::Result<Box<dyn Io>> {
    Ok(match tls {
        None => Box::new(io),
        Some(tls) => Box::new(tls.connect(tls::server_name(), io).await?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Report;
    use crate::proto::ConnInfo;

    #[tokio::test]
    async fn a_service_that_nobody_serves_is_reported_with_the_cause() {
        let post = Post::default();
        post.deliver(ConnInfo {
            service_id: 7,
            network: "unix".into(),
            address: "/nonexistent/plugin1".into(),
            knock: None,
        });
        let error = Broker::new(post, None, None).dial(7).await.unwrap_err();
        assert_eq!(error.to_string(), "cannot connect to the host's service 7");
        assert_eq!(
            Report::new(&error).to_string(),
            "cannot connect to the host's service 7: No such file or directory (os error 2)"
        );
    }
}
