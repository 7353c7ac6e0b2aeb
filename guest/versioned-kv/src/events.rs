//! Sends events as Vault's engine does.

use airlock_sdk::Context;
use serde::{Serialize, Serializer};

use crate::model::KeyMetadata;

/// Sends the event for a change at a path of the mount. `data_path` is the path at which the new data can be read.
pub(crate) fn changed(cx: &Context, version: u8, operation: &str, path: &str, data_path: Option<&str>) {
    send(cx, version, operation, path, data_path, &[]);
}

/// Sends the event for a change of versions of a key. `numbers` has the versions that the caller asked for, and the
/// name of their field in the event.
pub(crate) fn versions_changed(
    cx: &Context,
    operation: &str,
    path: &str,
    data_path: Option<&str>,
    key: &KeyMetadata,
    numbers: Option<(&str, &[i64])>,
) {
    let mut more = vec![
        ("current_version", key.current_version.to_string()),
        ("oldest_version", key.oldest_version.to_string()),
    ];
    if let Some((name, numbers)) = numbers {
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        more.push((name, format!("[{}]", numbers.join(","))));
    }
    send(cx, 2, operation, path, data_path, &more);
}

fn send(
    cx: &Context,
    version: u8,
    operation: &str,
    path: &str,
    data_path: Option<&str>,
    more: &[(&str, String)],
) {
    let mut metadata = vec![("modified", "true"), ("operation", operation), ("path", path)];
    metadata.extend(data_path.map(|data_path| ("data_path", data_path)));
    metadata.extend(more.iter().map(|(name, value)| (*name, value.as_str())));
    let event = format!("kv-v{version}/{operation}");
    if let Err(error) = cx.events.send(&event, &Members(&metadata)) {
        // The request succeeds without the event.
        cx.log
            .field("event", event)
            .field("error", error)
            .debug("an event was not sent");
    }
}

/// An object with these members, in this order.
struct Members<'m>(&'m [(&'m str, &'m str)]);

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
