//! The broker's stream: the messages between host and plugin about their services.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::DialError;
use crate::proto::ConnInfo;
use crate::proto::conn_info::Knock;
use crate::proto::grpc_broker_server::GrpcBroker;

/// The time for which an offer is kept if nobody asks for it. The message that names it is on its way at the same time.
const KEPT: Duration = Duration::from_secs(60);

type Outgoing = mpsc::UnboundedSender<Result<ConnInfo, Status>>;

/// Both directions of the stream. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Post(Arc<Shared>);

#[derive(Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    /// The sender to the host, once the host has opened the stream.
    outgoing: watch::Sender<Option<Outgoing>>,
    /// Cancelled when the host had the stream open and no longer has.
    lost: CancellationToken,
}

impl Post {
    /// Returns the host's offer of a service; waits for it if it has not arrived yet.
    pub async fn offer(&self, service_id: u32, wait: Duration) -> Result<ConnInfo, DialError> {
        let deadline = Instant::now() + wait;
        let awaited = match self.0.inbox.lock().take(service_id) {
            Ok(offer) => return Ok(offer),
            Err(awaited) => awaited,
        };
        self.receive(service_id, awaited, deadline, wait).await
    }

    /// Knocks for a service and waits until the host opens.
    pub async fn knock(&self, service_id: u32, wait: Duration) -> Result<(), DialError> {
        let deadline = Instant::now() + wait;
        let awaited = self.0.inbox.lock().expect_next(service_id);
        let knock = Knock {
            knock: true,
            ..Knock::default()
        };
        let message = ConnInfo {
            service_id,
            knock: Some(knock),
            ..ConnInfo::default()
        };
        self.send(message, deadline).await?;
        let answer = self.receive(service_id, awaited, deadline, wait).await?;
        match answer.knock {
            Some(knock) if knock.error.is_empty() => Ok(()),
            Some(knock) => Err(DialError::KnockRefused {
                service_id,
                reason: knock.error,
            }),
            None => Err(DialError::KnockRefused {
                service_id,
                reason: "it answered with an address".into(),
            }),
        }
    }

    /// Waits until the host was here and is no longer. No Go host opens its stream twice: without the stream none of
    /// its services can be reached again.
    pub async fn lost(&self) {
        self.0.lost.cancelled().await;
    }

    /// Returns the token for which [`lost`](Self::lost) waits.
    pub fn closed(&self) -> CancellationToken {
        self.0.lost.clone()
    }

    /// Records that the host said in another way that its services are gone.
    pub fn lose(&self) {
        self.0.lost.cancel();
    }

    async fn receive(
        &self,
        service_id: u32,
        awaited: oneshot::Receiver<ConnInfo>,
        deadline: Instant,
        wait: Duration,
    ) -> Result<ConnInfo, DialError> {
        match timeout_at(deadline, awaited).await {
            Ok(Ok(message)) => Ok(message),
            // The time is over, or somebody else has begun to wait for the same service.
            _ => Err(DialError::NotOffered {
                service_id,
                seconds: wait.as_secs(),
            }),
        }
    }

    async fn send(&self, message: ConnInfo, deadline: Instant) -> Result<(), DialError> {
        let mut outgoing = self.0.outgoing.subscribe();
        // The host opens the stream when it connects, but the message that makes the application knock may arrive
        // before that.
        let outgoing = timeout_at(deadline, outgoing.wait_for(Option::is_some)).await;
        let outgoing = outgoing
            .ok()
            .and_then(Result::ok)
            .and_then(|outgoing| outgoing.clone());
        outgoing
            .and_then(|outgoing| outgoing.send(Ok(message)).ok())
            .ok_or(DialError::HostGone)
    }

    pub(crate) fn deliver(&self, message: ConnInfo) {
        match &message.knock {
            None => self.0.inbox.lock().put(message),
            Some(knock) if knock.ack => self.0.inbox.lock().answer(message),
            Some(_) => self.refuse(message.service_id),
        }
    }

    /// Refuses a knock of the host for a service of the plugin. The host can use only the services to which it is
    /// connected.
    fn refuse(&self, service_id: u32) {
        let error = format!("the plugin serves nothing under id {service_id}");
        let knock = Knock {
            knock: true,
            ack: true,
            error,
        };
        let message = ConnInfo {
            service_id,
            knock: Some(knock),
            ..ConnInfo::default()
        };
        if let Some(outgoing) = &*self.0.outgoing.borrow() {
            // Without a host nobody needs the refusal.
            let _ = outgoing.send(Ok(message));
        }
    }
}

#[tonic::async_trait]
impl GrpcBroker for Post {
    type StartStreamStream = UnboundedReceiverStream<Result<ConnInfo, Status>>;

    async fn start_stream(
        &self,
        request: Request<Streaming<ConnInfo>>,
    ) -> Result<Response<Self::StartStreamStream>, Status> {
        let (outgoing, messages) = mpsc::unbounded_channel();
        self.0.outgoing.send_replace(Some(outgoing));
        let mut incoming = request.into_inner();
        let post = self.clone();
        tokio::spawn(async move {
            while let Ok(Some(message)) = incoming.message().await {
                post.deliver(message);
            }
            post.0.lost.cancel();
        });
        Ok(Response::new(UnboundedReceiverStream::new(messages)))
    }
}

/// The messages by the service that they are about, and those who wait for one.
#[derive(Default)]
struct Inbox(HashMap<u32, Slot>);

enum Slot {
    Arrived(ConnInfo, Instant),
    Awaited(oneshot::Sender<ConnInfo>),
}

impl Inbox {
    /// Takes a message that has arrived, or returns a receiver for the next one.
    fn take(&mut self, id: u32) -> Result<ConnInfo, oneshot::Receiver<ConnInfo>> {
        if let Some(Slot::Arrived(message, _)) = self.0.get(&id) {
            let message = message.clone();
            self.0.remove(&id);
            return Ok(message);
        }
        Err(self.expect_next(id))
    }

    /// Returns a receiver for the next message. Whoever waited for the same before no longer does.
    fn expect_next(&mut self, id: u32) -> oneshot::Receiver<ConnInfo> {
        let (sender, receiver) = oneshot::channel();
        self.0.insert(id, Slot::Awaited(sender));
        receiver
    }

    /// Gives a message to whoever waits for it, or keeps it.
    fn put(&mut self, message: ConnInfo) {
        let id = message.service_id;
        let message = match self.0.remove(&id) {
            Some(Slot::Awaited(waiter)) => match waiter.send(message) {
                Ok(()) => return,
                Err(message) => message,
            },
            _ => message,
        };
        let now = Instant::now();
        self.0.retain(|_, slot| match slot {
            Slot::Arrived(_, at) => now.duration_since(*at) < KEPT,
            Slot::Awaited(waiter) => !waiter.is_closed(),
        });
        self.0.insert(id, Slot::Arrived(message, now));
    }

    /// Gives an answer to whoever waits for it. Drops one that comes too late, because it must not answer a later
    /// question.
    fn answer(&mut self, message: ConnInfo) {
        if let Some(Slot::Awaited(waiter)) = self.0.remove(&message.service_id) {
            let _ = waiter.send(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const BRIEFLY: Duration = Duration::from_millis(20);

    fn offer(service_id: u32, address: &str) -> ConnInfo {
        ConnInfo {
            service_id,
            network: "unix".into(),
            address: address.into(),
            knock: None,
        }
    }

    fn answer(service_id: u32, error: &str) -> ConnInfo {
        let knock = Knock {
            knock: true,
            ack: true,
            error: error.into(),
        };
        ConnInfo {
            service_id,
            knock: Some(knock),
            ..ConnInfo::default()
        }
    }

    /// Opens the stream as a host does. Returns it as the host reads it.
    fn opened(post: &Post) -> mpsc::UnboundedReceiver<Result<ConnInfo, Status>> {
        let (outgoing, messages) = mpsc::unbounded_channel();
        post.0.outgoing.send_replace(Some(outgoing));
        messages
    }

    #[tokio::test]
    async fn an_offer_may_come_before_it_is_asked_for() {
        let post = Post::default();
        post.deliver(offer(1, "/one"));
        post.deliver(offer(2, "/two"));
        assert_eq!(post.offer(2, BRIEFLY).await.unwrap().address, "/two");
        assert_eq!(post.offer(1, BRIEFLY).await.unwrap().address, "/one");
    }

    #[tokio::test]
    async fn an_offer_may_come_after_it_is_asked_for() {
        let post = Post::default();
        let (offered, ()) = tokio::join!(post.offer(3, SOON), async { post.deliver(offer(3, "/three")) });
        assert_eq!(offered.unwrap().address, "/three");
    }

    #[tokio::test]
    async fn a_service_that_is_never_offered_is_an_error_and_leaves_nothing_behind() {
        let post = Post::default();
        let error = post.offer(4, BRIEFLY).await.unwrap_err();
        assert!(
            matches!(error, DialError::NotOffered { service_id: 4, .. }),
            "{error}"
        );
        post.deliver(offer(5, "/five"));
        assert_eq!(post.0.inbox.lock().0.len(), 1);
    }

    #[test]
    fn offers_that_nobody_asked_for_are_forgotten() {
        let mut inbox = Inbox::default();
        inbox.put(offer(1, "/one"));
        let Some(Slot::Arrived(_, at)) = inbox.0.get_mut(&1) else {
            panic!("it was not kept")
        };
        *at = at.checked_sub(KEPT).unwrap();
        inbox.put(offer(2, "/two"));
        assert_eq!(inbox.0.keys().collect::<Vec<_>>(), [&2]);
    }

    #[tokio::test]
    async fn a_knock_is_sent_and_its_answer_awaited() {
        let post = Post::default();
        let mut host = opened(&post);
        let (open, ()) = tokio::join!(post.knock(6, SOON), async {
            let knock = host.recv().await.unwrap().unwrap();
            assert_eq!((knock.service_id, knock.knock.unwrap().ack), (6, false));
            post.deliver(answer(6, ""));
        });
        open.unwrap();
    }

    #[tokio::test]
    async fn a_refused_knock_carries_the_hosts_words() {
        let post = Post::default();
        let _host = opened(&post);
        let (open, ()) = tokio::join!(post.knock(7, SOON), async { post.deliver(answer(7, "not here")) });
        assert_eq!(
            open.unwrap_err().to_string(),
            "the host keeps its service 7 closed: not here"
        );
    }

    #[tokio::test]
    async fn an_answer_that_comes_too_late_does_not_answer_the_next_knock() {
        let post = Post::default();
        let _host = opened(&post);
        post.deliver(answer(8, ""));
        assert!(matches!(
            post.knock(8, BRIEFLY).await,
            Err(DialError::NotOffered { .. })
        ));
    }

    #[tokio::test]
    async fn knocking_waits_for_the_host_to_open_its_stream() {
        let post = Post::default();
        let (open, _host) = tokio::join!(post.knock(9, SOON), async {
            let mut host = opened(&post);
            host.recv().await.unwrap().unwrap();
            post.deliver(answer(9, ""));
            host
        });
        open.unwrap();
    }

    #[tokio::test]
    async fn the_hosts_own_knocks_are_refused() {
        let post = Post::default();
        let mut host = opened(&post);
        let knock = Knock {
            knock: true,
            ..Knock::default()
        };
        post.deliver(ConnInfo {
            service_id: 10,
            knock: Some(knock),
            ..ConnInfo::default()
        });
        let refusal = host.recv().await.unwrap().unwrap().knock.unwrap();
        assert!(refusal.ack);
        assert_eq!(refusal.error, "the plugin serves nothing under id 10");
    }
}
