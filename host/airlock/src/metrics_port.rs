//! Serves the numbers of all mounts of a process over HTTP, on a loopback port or a Unix socket (`--metrics-listen`).
//!
//! It begins with the first mount, so that a process that Vault starts only to register the plugin takes no port. While another
//! process has the port, such as the one before a reload, that is logged once and tried again; mounts are served meanwhile.
//!
//! # What to watch
//! There is no token: whoever can reach the address reads how often which kind of request was made at which mount. A socket can
//! be opened by the process's own user only. A few connections are served at once, each for one short request.

mod merge;

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use airlock_mount::{METRICS_MEDIA_TYPE, VaultMount};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use crate::args::MetricsAddress;
use merge::merged;

/// Most connections that are served at once. Others wait in the kernel's queue.
const CONNECTIONS: usize = 4;

/// Longest time for a connection. A mount whose guest is being loaded is waited for 2 s.
const REQUEST: Duration = Duration::from_secs(10);

/// Most bytes of a request's line and headers.
const HEAD: usize = 16 << 10;

/// Time after which an address that could not be taken is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The mounts of a process, whose numbers are served.
pub struct MetricsPort {
    address: Option<MetricsAddress>,
    mounts: Mutex<Mounts>,
}

#[derive(Default)]
struct Mounts {
    all: Vec<Mounted>,
    has_begun: bool,
}

struct Mounted {
    uuid: String,
    mount: Weak<VaultMount>,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl MetricsPort {
    /// Serves nothing yet.
    pub fn new(address: Option<MetricsAddress>) -> Arc<Self> {
        Arc::new(Self {
            address,
            mounts: Mutex::default(),
        })
    }

    /// Adds a mount, and begins to listen with the first one.
    pub fn add(self: &Arc<Self>, uuid: String, mount: &Arc<VaultMount>) {
        let Some(address) = self.address.clone() else {
            return;
        };
        let mut mounts = self.mounts.lock();
        mounts.all.retain(|mounted| mounted.mount.strong_count() > 0);
        mounts.all.push(Mounted {
            uuid,
            mount: Arc::downgrade(mount),
        });
        if !mounts.has_begun {
            mounts.has_begun = true;
            tokio::spawn(self.clone().serve(address));
        }
    }

    async fn serve(self: Arc<Self>, address: MetricsAddress) {
        let mut was_told = false;
        let listener = loop {
            match listen(&address).await {
                Ok(listener) => break listener,
                Err(error) => {
                    if !was_told {
                        tracing::warn!(
                            %error,
                            %address,
                            "the numbers are not served, because --metrics-listen cannot be listened on; this is tried again, \
                             and mounts are served meanwhile"
                        );
                    }
                    was_told = true;
                    sleep(AGAIN).await;
                }
            }
        };
        tracing::info!(%address, "the numbers of all mounts are served");
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(one) = connections.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok(stream) => {
                    let this = self.clone();
                    tokio::spawn(async move {
                        let _one = one;
                        // Nobody needs to know that a caller hung up, or was too slow.
                        let _ = timeout(REQUEST, this.connection(stream)).await;
                    });
                }
                // Usually the process has no file descriptors left.
                Err(_) => sleep(AGAIN).await,
            }
        }
    }

    async fn connection(&self, stream: Box<dyn Stream>) -> hyper::Result<()> {
        let service = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(self.answer(&request).await)
        });
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(REQUEST)
            .max_buf_size(HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "the numbers are at /metrics\n");
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "the numbers are read with GET\n");
        }
        let mut answer = Response::new(self.text().into());
        let media_type = hyper::header::HeaderValue::from_static(METRICS_MEDIA_TYPE);
        answer.headers_mut().insert(CONTENT_TYPE, media_type);
        answer
    }

    /// Returns the numbers of all mounts, each with the mount's path and UUID.
    fn text(&self) -> String {
        let mounted = self.mounts.lock();
        let mut texts: Vec<_> = mounted
            .all
            .iter()
            .filter_map(|Mounted { uuid, mount }| {
                let mount = mount.upgrade()?;
                let labels = [
                    ("mount", mount.path().to_string()),
                    ("backend_uuid", uuid.clone()),
                ];
                Some((labels, mount.known_metrics_text().unwrap_or_default()))
            })
            .collect();
        drop(mounted);
        texts.sort();
        merged(&texts)
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

async fn listen(address: &MetricsAddress) -> io::Result<Listener> {
    match address {
        MetricsAddress::Loopback(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        MetricsAddress::Unix(path) => {
            remove_stale(path)?;
            let listener = UnixListener::bind(path)?;
            fs::set_permissions(path, Permissions::from_mode(0o600))?;
            Ok(Listener::Unix(listener))
        }
    }
}

/// Removes a socket that nobody listens on, as a process that was killed leaves it. Never removes anything else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    // Does not wait: a process that has stopped takes no connection.
    let connect = || {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)
    };
    let nobody_listens = || connect() == Err(Errno::CONNREFUSED);
    match is_socket && nobody_listens() {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer
}
