//! Serves the numbers of all mounts of a process over HTTP, on a loopback port or a Unix socket (`--metrics-listen`).
//!
//! It begins with the first mount, so that a process that Vault starts only to register the plugin takes no port. While another
//! process has the port, such as the one before a reload, that is logged once and tried again; mounts are served meanwhile.
//!
//! # What to watch
//! Readers need no token: whoever can reach the address reads how often which kind of request was made at which mount. Only the
//! process's own user can open a socket, and a port does not answer a web page that a browser on this machine was led to. A few
//! connections are served at once, each for one short request, and the text is made once a second at most: it costs time of the
//! thread that also serves requests.

mod listener;
mod merge;

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use airlock_mount::{METRICS_MEDIA_TYPE, VaultMount};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use vault_plugin::Report;

use crate::args::MetricsAddress;
use listener::{Stream, listen};
use merge::merged;

/// Most connections that are served at once. Others wait in the kernel's queue.
const CONNECTIONS: usize = 4;

/// Longest time for a connection.
const REQUEST: Duration = Duration::from_secs(10);

/// Longest time until a request's headers are there, so that a few idle connections do not keep others out for long.
const HEADERS: Duration = Duration::from_secs(2);

/// Time for which the text is answered again.
const FRESH: Duration = Duration::from_secs(1);

/// Most bytes of a request's line and headers.
const HEAD: usize = 16 << 10;

/// Time after which an address that could not be taken is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The mounts of a process, whose numbers are served.
pub struct MetricsPort {
    address: Option<MetricsAddress>,
    mounts: Mutex<Mounts>,
    /// The last text, and when it was made.
    made: Mutex<Option<(Instant, Bytes)>>,
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

impl MetricsPort {
    /// Serves nothing yet.
    pub fn new(address: Option<MetricsAddress>) -> Arc<Self> {
        Arc::new(Self {
            address,
            mounts: Mutex::default(),
            made: Mutex::default(),
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
        let mut failing = false;
        loop {
            let Ok(one) = connections.clone().acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok(stream) => {
                    failing = false;
                    let this = self.clone();
                    tokio::spawn(async move {
                        let _one = one;
                        // Nobody needs to know that a caller hung up, or was too slow.
                        let _ = timeout(REQUEST, this.connection(stream)).await;
                    });
                }
                Err(error) => {
                    // Says it once: usually the process has no file descriptors left, and that may last.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::error!(reason = %Report::new(&error), "cannot accept a reader of the numbers");
                    }
                    sleep(AGAIN).await;
                }
            }
        }
    }

    async fn connection(&self, stream: Box<dyn Stream>) -> hyper::Result<()> {
        let service =
            service_fn(
                |request: Request<Incoming>| async move { Ok::<_, Infallible>(self.answer(&request)) },
            );
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
            .max_buf_size(HEAD)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service)
            .await
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if matches!(self.address, Some(MetricsAddress::Loopback(_)))
            && !are_for_this_machine(request.headers())
        {
            return plain(
                StatusCode::MISDIRECTED_REQUEST,
                "the numbers are read by an address such as 127.0.0.1, or localhost\n",
            );
        }
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "the numbers are at /metrics\n");
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "the numbers are read with GET\n");
        }
        let mut answer = Response::new(Full::new(self.recent_text()));
        let media_type = hyper::header::HeaderValue::from_static(METRICS_MEDIA_TYPE);
        answer.headers_mut().insert(CONTENT_TYPE, media_type);
        answer
    }

    fn recent_text(&self) -> Bytes {
        let mut made = self.made.lock();
        match &*made {
            Some((at, text)) if at.elapsed() < FRESH => text.clone(),
            _ => {
                let text = Bytes::from(self.text());
                *made = Some((Instant::now(), text.clone()));
                text
            }
        }
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

/// Returns true if a request's headers name this machine itself. The request of a web page names the page's own host, even if
/// that name leads here.
fn are_for_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host();
        let address = host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text));
    *answer.status_mut() = status;
    answer
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_a_name_of_this_machine_is_answered() {
        let of = |host: &str| HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        for host in [
            "localhost",
            "LocalHost:9180",
            "127.0.0.1:9180",
            "127.0.0.2",
            "[::1]:9180",
            "[::1]",
        ] {
            assert!(are_for_this_machine(&of(host)), "{host}");
        }
        for host in [
            "",
            "example.com",
            "localhost.example.com",
            "192.0.2.1:9180",
            "[2001:db8::1]",
            "a b",
        ] {
            assert!(!are_for_this_machine(&of(host)), "{host}");
        }
        assert!(!are_for_this_machine(&HeaderMap::new()));
    }
}
