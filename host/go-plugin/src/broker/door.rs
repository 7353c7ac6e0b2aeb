//! The way to a service when connections are multiplexed: knock, wait, open a stream.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::codegen::StdError;

use super::{OFFER_TIME, Post};
use crate::DialError;
use crate::mux::{Opener, Stream};

/// The pause before knocking again when the host refused a knock.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock that lets only one service at a time be on its way, because the host gives the next stream to the service
/// for which the last knock came.
#[derive(Clone)]
pub(super) struct KnockLock {
    host: Arc<Mutex<watch::Receiver<Option<Opener>>>>,
}

impl KnockLock {
    pub fn new(host: watch::Receiver<Option<Opener>>) -> KnockLock {
        KnockLock {
            host: Arc::new(Mutex::new(host)),
        }
    }
}

/// The door of one service.
#[derive(Clone)]
pub(super) struct Door {
    service_id: u32,
    post: Post,
    lock: KnockLock,
}

impl Door {
    pub fn new(service_id: u32, post: Post, lock: KnockLock) -> Door {
        Door {
            service_id,
            post,
            lock,
        }
    }

    /// Opens a stream to the service and makes it a connection by `greet`.
    ///
    /// The lock is released only after that: when the service has answered the greeting, the stream has reached it. A
    /// refused knock is repeated for a while, because the host may name a service a moment before it listens.
    pub async fn pass<F, C>(&self, greet: impl FnOnce(Stream) -> F) -> Result<C, StdError>
    where
        F: Future<Output = io::Result<C>>,
    {
        let deadline = Instant::now() + OFFER_TIME;
        loop {
            let mut host = self.lock.host.lock().await;
            match self.post.knock(self.service_id, OFFER_TIME).await {
                Ok(()) => {
                    let connected = timeout(OFFER_TIME, host.wait_for(Option::is_some)).await;
                    let opener = connected.ok().and_then(Result::ok).and_then(|host| host.clone());
                    let stream = opener.ok_or(DialError::HostGone)?.open().await?;
                    return Ok(greet(stream).await?);
                }
                Err(DialError::KnockRefused { .. }) if Instant::now() < deadline => {
                    drop(host);
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
