//! Messages to the plugin's services from a server, or from another process that gained access to the socket.

use std::future::ready;
use std::sync::{Arc, Mutex};

use airlock_logical::json::check_object;
use airlock_logical::moment;
use airlock_sandbox::types;
use bytes::Bytes;
use go_plugin::{Channel, Services};
use tokio::io::DuplexStream;
use vault_plugin::fuzz::{Reply, read_reply};
use vault_plugin::{Backend, Error, Factory, Json, Operation, Request, Response, Setup, async_trait};

use crate::{Target, block_on, grpc};

/// The first byte selects the method. If its highest bit is set, the rest is the call's body with its framing,
/// otherwise the message alone.
pub const REQUESTS: Target = Target {
    name: "vault_requests",
    run: requests,
    longest: 4096,
    mutations: 96_000,
    words: &[
        "read",
        "update",
        "resolve-role",
        "resolve-path",
        "{\"a\":1}",
        "null",
        "\x12\x02\x0a\x00",
        "\x32\x00",
        "\x3a\x00",
        "\u{0}",
        "\x08\u{7f}",
        "\x10\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{7f}\u{1}",
        "secret",
        ".airlock/",
        "\x22\x02",
    ],
    reshape: None,
};

const METHODS: [&str; 8] = [
    "HandleRequest",
    "HandleExistenceCheck",
    "Setup",
    "Initialize",
    "InvalidateKey",
    "SpecialPaths",
    "Type",
    "Cleanup",
];

/// The mount for requests, and the mount that is set up and removed.
const MOUNT: &str = "served";
const OTHER: &str = "other";

/// Returns true if something reached the engine.
fn requests(input: &[u8]) -> bool {
    let Some((first, rest)) = input.split_first() else {
        return false;
    };
    let method = METHODS[usize::from(first & 0x7f) % METHODS.len()];
    let body = match first & 0x80 {
        0 => grpc::frame(rest),
        _ => Bytes::copy_from_slice(rest),
    };
    let server = Server::here();
    let mount = if matches!(method, "Setup" | "Cleanup") {
        OTHER
    } else {
        MOUNT
    };
    let answer = block_on(server.call(method, mount, body));
    let seen = server.seen.lock().unwrap().take();
    if answer.is_err() {
        assert!(
            seen.is_none(),
            "the engine ran a request that the server was told failed"
        );
    }
    let is_accepted = seen.is_some();
    match (seen, answer) {
        (Some(Seen::Request(request)), Ok(answer)) => request_arrived(*request, &answer, rest.len()),
        (Some(Seen::Check(request)), _) => as_guest_sees(*request, rest.len()),
        (Some(Seen::Config(bytes)), _) => assert!(bytes <= rest.len()),
        (Some(Seen::Key(key)), _) => assert!(key.len() <= rest.len()),
        _ => {}
    }
    if mount == OTHER {
        let _ = block_on(server.call("Cleanup", OTHER, grpc::frame(&[])));
    }
    is_accepted
}

fn request_arrived(request: Request, answer: &[u8], length: usize) {
    let reply = read_reply(answer).expect("the reply is not a message of Vault's");
    let is_document =
        request.operation == Operation::Help && request.id.is_empty() && request.path.is_empty();
    let json = |json: &Option<Json>| {
        json.as_ref()
            .is_none_or(|json| check_object(json.as_str()).is_ok())
    };
    let is_sendable = json(&request.data)
        && request
            .secret
            .as_ref()
            .is_none_or(|secret| json(&secret.internal_data))
        && request.auth.as_ref().is_none_or(|auth| json(&auth.internal_data));
    match reply {
        Reply::Answer(Some(answer)) if is_sendable => {
            assert!(
                *answer == echo(&request),
                "what was accepted came back as something else"
            );
        }
        Reply::Answer(answer) => assert!(is_document && answer.is_some(), "what Vault cannot read was sent"),
        Reply::Error { kind: 2, .. } => assert!(!is_sendable && !is_document),
        Reply::Error { .. } => panic!("an error of another kind"),
    }
    as_guest_sees(request, length);
}

/// Checks that the conversion to the contract's request keeps every field that it must and invents none.
fn as_guest_sees(request: Request, length: usize) {
    let (path, data, operation) = (
        request.path.clone(),
        request.data.clone(),
        request.operation.clone(),
    );
    let headers: usize = request.headers.values().map(Vec::len).sum();
    let guests = airlock_mount::fuzz::request(request);
    assert_eq!(guests.path, path);
    assert_eq!(guests.data, data);
    assert_eq!(
        guests
            .headers
            .iter()
            .map(|header| header.values.len())
            .sum::<usize>(),
        headers
    );
    if let types::Operation::Other(name) = &guests.operation {
        assert_eq!(name, operation.as_str());
    }
    let texts = [
        &guests.id,
        &guests.path,
        &guests.mount_point,
        &guests.entity_id,
        &guests.display_name,
    ];
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    assert!(bytes + guests.data.as_ref().map_or(0, |data| data.len()) <= length);
    if let Some(wrap) = &guests.wrap {
        assert!(wrap.ttl >= 0);
    }
    if let Some(types::Secret { lease, .. }) = &guests.secret {
        assert!(lease.ttl >= 0 && lease.max_ttl >= 0 && lease.increment >= 0);
        // A guest that returns the lease must not be told that its issue time is not valid.
        let issued = lease.issue_time;
        assert!(issued.is_none_or(|time| moment::is_valid(time.seconds, time.nanoseconds)));
    }
}

/// Returns the engine's answer to a request. It has as much of the request as an answer can hold.
fn echo(request: &Request) -> Response {
    let mut answer = Response::new();
    answer.data.clone_from(&request.data);
    answer.secret.clone_from(&request.secret);
    answer.auth.clone_from(&request.auth);
    answer.headers.clone_from(&request.headers);
    answer.redirect.clone_from(&request.path);
    answer.mount_type.clone_from(&request.mount_type);
    answer
}

/// A message that reached the engine.
enum Seen {
    Request(Box<Request>),
    Check(Box<Request>),
    Config(usize),
    Key(String),
}

/// The plugin's services, with an engine that records what reaches it and a mount that is set up.
#[derive(Clone)]
struct Server {
    services: Services,
    seen: Arc<Mutex<Option<Seen>>>,
}

struct Engine(Arc<Mutex<Option<Seen>>>);

impl Engine {
    fn keep(&self, seen: Seen) {
        *self.0.lock().unwrap() = Some(seen);
    }
}

#[async_trait]
impl Factory for Engine {
    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
        let config = mount.config.iter().map(|(name, value)| name.len() + value.len());
        self.keep(Seen::Config(config.sum::<usize>() + mount.backend_uuid.len()));
        Ok(Arc::new(Engine(self.0.clone())))
    }
}

#[async_trait]
impl Backend for Engine {
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let answer = echo(&request);
        self.keep(Seen::Request(Box::new(request)));
        Ok(Some(answer))
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        self.keep(Seen::Check(Box::new(request)));
        Ok(Some(true))
    }

    async fn invalidate_key(&self, key: &str) {
        self.keep(Seen::Key(key.to_owned()));
    }
}

impl Server {
    fn here() -> Self {
        thread_local! {
            static HERE: Server = block_on(Server::start());
        }
        HERE.with(Clone::clone)
    }

    async fn start() -> Self {
        let seen = Arc::new(Mutex::new(None));
        let nobody = Channel::new(|| ready(Err::<DuplexStream, _>("nobody serves")));
        let services = vault_plugin::fuzz::services(Engine(seen.clone()), nobody);
        let server = Self { services, seen };
        // `backend_uuid` is field 3.
        let setup = grpc::frame(b"\x1a\x01u");
        server.call("Setup", MOUNT, setup).await.unwrap();
        server.seen.lock().unwrap().take();
        server
    }

    async fn call(&self, method: &str, mount: &str, body: Bytes) -> Result<Bytes, String> {
        let answer = self.services.call(grpc::call(method, mount, body)).await;
        grpc::message(answer.unwrap()).await
    }
}
