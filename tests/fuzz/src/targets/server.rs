//! A server's answers to the host's own calls of storage and of the system view, read from a real HTTP/2 connection.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use airlock_logical::json::check_object;
use airlock_sandbox::{System, SystemError};
use airlock_storage::{Error, StorageEntry};
use bytes::Bytes;
use go_plugin::{Channel, Services};
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;
use tonic::codegen::BoxFuture;
use tonic::server::NamedService;
use tower::Service;

use crate::{Target, block_on, grpc};

/// The first byte selects the call that is answered, the second the gRPC status (0 for none). The rest is the message,
/// or the text of the status.
pub const ANSWERS: Target = Target {
    name: "server_answers",
    run: answers,
    longest: 4096,
    mutations: 36_000,
    words: &[
        "\x12\x1ecannot write to readonly storage",
        "\x0a\x02a/",
        "due to value being too large",
        "file name too long",
        "transaction commit fail",
        "please forward to the active node",
        "relative paths not supported",
        "\x08\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{1}",
        "\x0a\x00",
        "\x12\x00",
        "\x1a\x00",
        "..",
    ],
    reshape: None,
};

/// The host's requests are small, so the size of the answer limits the size of everything that is made of it.
fn answers(input: &[u8]) -> bool {
    let (head, message) = input.split_at(input.len().min(2));
    let [call, status] = std::array::from_fn(|at| head.get(at).copied().unwrap_or_default());
    let double = Double::here();
    *double.answer.lock().unwrap() = (status % 17, Bytes::copy_from_slice(message));
    block_on(async {
        let (storage, system) = vault_plugin::fuzz::views(double.channel.clone());
        match call % 20 {
            kind @ 0..8 => of_storage(kind, &airlock_mount::fuzz::storage(storage), message, status).await,
            kind => of_system(kind, &airlock_mount::fuzz::system(system), message).await,
        }
    })
}

async fn of_storage(kind: u8, storage: &impl airlock_storage::Storage, message: &[u8], status: u8) -> bool {
    const KEY: &str = "a/file name too long";
    let texts = |names: &[String]| names.iter().map(String::len).sum::<usize>();
    let is_bounded = |bytes: usize| {
        assert!(bytes <= message.len());
        true
    };
    let was_said = || {
        assert!(status.is_multiple_of(17));
        true
    };
    let error = match kind {
        0 => match storage.get(KEY).await {
            Ok(entry) => {
                return is_bounded(entry.map_or(0, |entry| entry.key.len() + entry.value.len()));
            }
            Err(error) => error,
        },
        1 => match storage.list("a/").await {
            Ok(names) => return is_bounded(texts(&names)),
            Err(error) => error,
        },
        2 => match storage.list_page("a/", "b", 3).await {
            Ok(names) => return is_bounded(texts(&names)),
            Err(error) => error,
        },
        3 => match storage.put(StorageEntry::new(KEY, "value")).await {
            Ok(()) => return was_said(),
            Err(error) => error,
        },
        4 => match storage.delete(KEY).await {
            Ok(()) => return was_said(),
            Err(error) => error,
        },
        _ => match storage.begin().await {
            Ok(None) => return false,
            Ok(Some(mut transaction)) => {
                let _ = transaction.put(StorageEntry::new(KEY, "value")).await;
                let ended = match kind {
                    5 => transaction.commit().await,
                    _ => transaction.rollback().await,
                };
                return ended.is_ok() && was_said();
            }
            Err(error) => error,
        },
    };
    // An error is certain only if it has storage's own words; the words of a key mean nothing.
    if error.rejection().is_some() {
        let text = String::from_utf8_lossy(message);
        let says = |words: &str| text.contains(words);
        assert!(
            says("too large")
                || says("TooLong")
                || says("maximum allowed")
                || says("relative paths")
                || says("parent ref")
                || (kind > 4 || kind == 1 || kind == 2) && says("file name too long"),
            "{error}"
        );
    }
    assert!(
        !matches!(error, Error::Denied(_) | Error::InvalidKey(_)),
        "{error}"
    );
    false
}

async fn of_system(kind: u8, system: &impl System, message: &[u8]) -> bool {
    let result = match kind {
        8 => system.default_lease_ttl().await.map(|ttl| assert!(ttl >= 0)),
        9 => system.max_lease_ttl().await.map(|ttl| assert!(ttl >= 0)),
        10 => system.tainted().await.map(drop),
        11 => system.caching_disabled().await.map(drop),
        12 => system.local_mount().await.map(drop),
        13 => system.replication_state().await.map(drop),
        14 => system
            .vault_version()
            .await
            .map(|version| assert!(version.len() <= message.len() + 2)),
        15 => system
            .cluster_id()
            .await
            .map(|id| assert!(id.len() <= message.len())),
        16 => system.entity_info("e").await.map(|entity| {
            let aliases = entity.iter().flat_map(|entity| &entity.aliases);
            assert!(
                aliases
                    .map(|alias| alias.id.len() + alias.name.len())
                    .sum::<usize>()
                    <= message.len()
            );
        }),
        17 => system
            .groups_for_entity("e")
            .await
            .map(|groups| assert!(groups.len() <= message.len())),
        18 => system
            .generate_password("p")
            .await
            .map(|password| assert!(password.len() <= message.len())),
        _ => {
            let data = String::from_utf8_lossy(message).into_owned();
            let is_object = check_object(&data).is_ok();
            let wrapped = system.wrap_data(data.into(), i64::MIN).await;
            assert!(
                is_object || wrapped.is_err(),
                "data was wrapped that is not a JSON object"
            );
            let token = system.identity_token("a", i64::MAX).await;
            token
                .map(|(_, ttl)| assert!(ttl >= 0))
                .and(wrapped.map(|info| assert!(info.ttl >= 0)))
        }
    };
    assert!(
        !matches!(result, Err(SystemError::Busy(_))),
        "only the mount's own lock is busy"
    );
    result.is_ok()
}

/// A server that answers every call alike.
#[derive(Clone)]
struct Double {
    channel: Channel,
    answer: Answer,
}

/// The gRPC status, and the message or the text of the status.
type Answer = Arc<Mutex<(u8, Bytes)>>;

impl Double {
    fn here() -> Self {
        thread_local! {
            static HERE: Double = block_on(Double::start());
        }
        HERE.with(Clone::clone)
    }

    async fn start() -> Self {
        let answer = Answer::default();
        let (client, server) = tokio::io::duplex(1 << 16);
        let (storage, system) = (Storage(answer.clone()), SystemView(answer.clone()));
        tokio::spawn(Services::new().with(storage).with(system).serve(server));
        let mut client = Some(client);
        let channel = Channel::new(move || ready(client.take().ok_or("it connects once")));
        channel.connect().await.unwrap();
        Self { channel, answer }
    }
}

fn answer(answer: &Answer) -> http::Response<Body> {
    let (status, message) = answer.lock().unwrap().clone();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(status)));
    let body = match status {
        0 => grpc::frame(&message),
        _ => {
            let text: String = message.iter().map(|byte| format!("%{byte:02X}")).collect();
            trailers.insert("grpc-message", text.parse().unwrap());
            Bytes::new()
        }
    };
    let body = Full::new(body).with_trailers(ready(Some(Ok(trailers))));
    let mut response = http::Response::new(Body::new(body));
    let kind = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", kind);
    response
}

macro_rules! service {
    ($service:ident, $name:literal) => {
        #[derive(Clone)]
        struct $service(Answer);

        impl NamedService for $service {
            const NAME: &'static str = $name;
        }

        impl Service<http::Request<Body>> for $service {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<Self::Response, Infallible>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: http::Request<Body>) -> Self::Future {
                Box::pin(ready(Ok(answer(&self.0))))
            }
        }
    };
}

service!(Storage, "pb.Storage");
service!(SystemView, "pb.SystemView");
