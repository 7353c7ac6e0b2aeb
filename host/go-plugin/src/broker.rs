//! The broker: the plugin's way to the services that the host serves to it.
//!
//! The host numbers such a service and sends the number in a message of the application's own. [`Broker::dial`] takes
//! that number and returns a [`Channel`], which makes the calls.
//!
//! Normally the host says in the broker's stream, before or after that message, at which socket the number is served.
//! When connections are multiplexed it says nothing beforehand: the plugin knocks, and opens a stream once the host has
//! answered.

mod address;
mod door;
mod post;

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;
use tonic::codegen::StdError;

use crate::connection::Io;
use crate::mux::Opener;
use crate::{Channel, DialError, tls};

pub(crate) use address::Address;
use door::{Door, KnockLock};
pub(crate) use post::Post;

/// The time that the host may take to offer a service, as in go-plugin.
const OFFER_TIME: Duration = Duration::from_secs(5);

/// Reaches the services that the host serves to the plugin. Cheap to clone; all clones are the same broker.
///
/// ```
/// use go_plugin::{Broker, Report};
/// use tonic::Status;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Text {
///     #[prost(string, tag = "1")]
///     text: String,
/// }
///
/// /// Asks the service whose number the host has sent in a message of the application.
/// async fn name(broker: &Broker, service_id: u32) -> Result<String, Status> {
///     let host = broker.dial(service_id).await;
///     let host = host.map_err(|error| Status::unavailable(Report::new(&error).to_string()))?;
///     let reply: Text = host.unary("/greeter.Host/Name", &()).await?;
///     Ok(reply.text)
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
    /// The channel reconnects by itself if the connection breaks while the host still serves. Drop the channel and its
    /// clones when the host ends the service, because hosts wait for that.
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
        let channel = Channel::new(move || way.clone().open(tls.clone()));
        match channel.connect().await {
            Ok(()) => Ok(channel),
            Err(source) => Err(DialError::Connect { service_id, source }),
        }
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
