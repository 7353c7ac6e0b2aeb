//! Gives the targets in `tests/fuzz` the decoders of the host's messages. Not a stable interface: it changes without
//! notice.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use prost::Message as _;

use crate::broker::{Address, Post};
use crate::launch::Launch;
use crate::proto::ConnInfo;
use crate::tls::Tls;
use crate::{Cookie, DialError, ServeError};

/// Returns the handshake line that answers an environment, for a plugin that speaks the versions `offered`.
///
/// # Errors
/// The reason why the plugin does not start.
pub fn handshake(
    cookie: Cookie,
    offered: &BTreeSet<u32>,
    variable: impl Fn(&str) -> Option<OsString>,
    socket: &Path,
) -> Result<String, ServeError> {
    let launch = Launch::read(cookie, variable)?;
    let version = launch.negotiate(offered)?;
    let tls = launch.host_cert.clone().map(Tls::pinned_to).transpose()?;
    let mut line = Vec::new();
    launch
        .answer(&mut line, version, socket, tls.as_ref().map(|tls| &tls.cert))
        .map_err(ServeError::Handshake)?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Decodes a message of the broker's stream. Returns the service's number, and true if the message is an offer, or
/// `None` if the bytes are not a message.
pub fn read_message(bytes: &[u8]) -> Option<(u32, bool)> {
    let message = ConnInfo::decode(bytes).ok()?;
    Some((message.service_id, message.knock.is_none()))
}

/// Delivers those of the byte strings that are messages, and then takes the offer of a service. Returns its address.
///
/// # Errors
/// Those of [`Broker::dial`](crate::Broker::dial).
pub async fn offered<'a>(
    messages: impl Iterator<Item = &'a [u8]>,
    service_id: u32,
) -> Result<String, DialError> {
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
