//! The decoders of what the host says, for the targets in `tests/fuzz`. Not an interface: it changes without notice.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;

use crate::broker::{Address, Post};
use crate::launch::Launch;
use crate::proto::ConnInfo;
use crate::tls::Tls;
use crate::{Cookie, Error};

/// The handshake line that answers an environment, for a plugin that speaks the versions `offered`.
///
/// # Errors
/// Why there is none.
pub fn handshake(
    cookie: Cookie,
    offered: &BTreeSet<u32>,
    variable: impl Fn(&str) -> Option<OsString>,
    socket: &Path,
) -> Result<String, Error> {
    let launch = Launch::read(cookie, variable)?;
    let version = launch.negotiate(offered)?;
    let tls = launch.host_cert.clone().map(Tls::pinned_to).transpose()?;
    let mut line = Vec::new();
    launch
        .answer(&mut line, version, socket, tls.as_ref().map(|tls| &tls.cert))
        .map_err(|source| Error::Environment {
            name: "PLUGIN_UNIX_SOCKET_DIR",
            reason: source.to_string(),
        })?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// A message of the broker's stream, if the bytes are one: the service's number, and whether it is an offer.
pub fn read_message(bytes: &[u8]) -> Option<(u32, bool)> {
    let message = ConnInfo::decode(bytes).ok()?;
    Some((message.service_id, message.knock.is_none()))
}

/// Delivers the messages that bytes are, and takes the offer of a service then. Returns its address.
///
/// # Errors
/// As for [`Broker::dial`](crate::Broker::dial).
pub async fn offered<'a>(messages: impl Iterator<Item = &'a [u8]>, service_id: u32) -> Result<String, Error> {
    let post = Post::default();
    for message in messages.filter_map(|bytes| ConnInfo::decode(bytes).ok()) {
        post.deliver(message);
    }
    let address = Address::of(post.offer(service_id, Duration::ZERO).await?)?;
    Ok(match address {
        Address::Unix(path) => path.to_string_lossy().into_owned(),
        Address::Tcp(address) => address,
    })
}
