//! The effects of a request: what it changed in storage, and the events that its engine sent.
//!
//! An engine's work may go on in other tasks and on other threads, so a request is recognized by its tracing span, which
//! they all have. Watch out: this takes a subscriber that enables this span and none within it. [`subscriber`] is that one;
//! without it no request has effects.

use std::collections::HashMap;

use airlock_storage::StorageEntry;
use bytes::Bytes;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tracing::{Instrument as _, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;

const TARGET: &str = "airlock_dev_server::effects";

/// The most keys and the most events that are kept of one request.
const MOST: usize = 100;
/// The most bytes that are kept of one key, value or event.
const EXCERPT: usize = 2 << 10;
/// The most bytes that are kept of one request.
const ROOM: usize = 64 << 10;

/// Returns the subscriber that a process needs as its global default, so that the page shows what each request changed
/// and sent. It logs nothing.
///
/// ```
/// tracing::subscriber::set_global_default(airlock_dev_server::subscriber()).expect("the process has none yet");
/// ```
pub fn subscriber() -> impl Subscriber + Send + Sync {
    tracing_subscriber::registry().with(filter_fn(|metadata| metadata.target() == TARGET))
}

/// The changes that one request has made so far, and the events that it has sent.
pub(crate) struct Effects {
    /// One change for each key, in the order in which they were first made. A key that the request both added and removed
    /// has none.
    pub(crate) changes: Vec<KeyChange>,
    pub(crate) events: Vec<EventSent>,
    /// The number of events that were not kept.
    pub(crate) more_events: usize,
    /// The digests of the changed keys that were not kept, with true if there was a value before. They are not more than the
    /// keys that the store had before the request, or has now.
    not_kept: HashMap<[u8; 32], bool>,
    room: usize,
}

/// The change of a key's value. `None` stands for a key that did not exist, or does not exist any more.
pub(crate) struct KeyChange {
    /// The store's key, which begins with that of the mount.
    pub(crate) key: String,
    pub(crate) before: Option<Excerpt>,
    pub(crate) after: Option<Excerpt>,
}

/// An event that an engine sent.
pub(crate) struct EventSent {
    pub(crate) mount: String,
    pub(crate) event_type: Excerpt,
    pub(crate) metadata: Option<Excerpt>,
}

/// The beginning of some bytes.
#[derive(PartialEq)]
pub(crate) struct Excerpt {
    pub(crate) bytes: Bytes,
    /// The length of all the bytes.
    pub(crate) length: usize,
    /// The digest of all the bytes, so that values can be compared.
    digest: [u8; 32],
}

impl Default for Effects {
    fn default() -> Self {
        Effects {
            changes: Vec::new(),
            events: Vec::new(),
            more_events: 0,
            not_kept: HashMap::new(),
            room: ROOM,
        }
    }
}

impl Effects {
    /// Returns the number of changes that were not kept.
    pub(crate) fn more_changes(&self) -> usize {
        self.not_kept.len()
    }

    /// Returns the beginning of bytes, as much of it as this request has room for.
    fn excerpt(&mut self, bytes: &[u8]) -> Excerpt {
        let length = bytes.len().min(EXCERPT).min(self.room);
        self.room -= length;
        Excerpt {
            bytes: Bytes::copy_from_slice(bytes.get(..length).unwrap_or_default()),
            length: bytes.len(),
            digest: Sha256::digest(bytes).into(),
        }
    }

    fn change(&mut self, key: &str, before: Option<&StorageEntry>, after: Option<&StorageEntry>) {
        if before.is_none() && after.is_none() {
            return;
        }
        let digest: [u8; 32] = Sha256::digest(key).into();
        if let Some(at) = self.changes.iter().position(|change| change.key == key) {
            let known = &mut self.changes[at];
            self.room += known.after.take().map_or(0, |excerpt| excerpt.bytes.len());
            if known.before.is_none() && after.is_none() {
                self.changes.remove(at);
                self.room += key.len();
            } else {
                let after = after.map(|entry| self.excerpt(&entry.value));
                self.changes[at].after = after;
            }
        } else if let Some(was_there) = self.not_kept.get(&digest) {
            if !was_there && after.is_none() {
                self.not_kept.remove(&digest);
            }
        } else if self.changes.len() == MOST || key.len() > EXCERPT.min(self.room) {
            self.not_kept.insert(digest, before.is_some());
        } else {
            self.room -= key.len();
            let before = before.map(|entry| self.excerpt(&entry.value));
            let after = after.map(|entry| self.excerpt(&entry.value));
            self.changes.push(KeyChange {
                key: key.to_owned(),
                before,
                after,
            });
        }
    }

    fn event(&mut self, mount: &str, event_type: &str, event: &vault_plugin::Event) {
        if self.events.len() == MOST {
            self.more_events += 1;
            return;
        }
        let event_type = self.excerpt(event_type.as_bytes());
        let metadata = event.metadata.as_ref();
        let metadata = metadata.map(|metadata| self.excerpt(metadata.as_str().as_bytes()));
        self.events.push(EventSent {
            mount: mount.to_owned(),
            event_type,
            metadata,
        });
    }
}

impl KeyChange {
    /// Returns the kind of the change, in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match (&self.before, &self.after) {
            (None, _) => "added",
            (_, None) => "removed",
            (before, after) if before.as_ref().map(|it| it.digest) == after.as_ref().map(|it| it.digest) => {
                "same"
            }
            _ => "changed",
        }
    }
}

/// Observes the requests that are being served.
#[derive(Default)]
pub(crate) struct Watched(Mutex<HashMap<u64, Effects>>);

/// A request, as whoever works for it knows it.
#[derive(Clone, Copy)]
pub(crate) struct RequestId(u64);

impl RequestId {
    /// Returns the request for which the present task works, if it works for one and that is watched.
    pub(crate) fn current() -> Option<RequestId> {
        tracing::Span::current().id().map(|id| RequestId(id.into_u64()))
    }
}

impl Watched {
    /// Runs a request and returns its effects.
    pub(crate) async fn observe<T>(&self, work: impl Future<Output = T>) -> (T, Effects) {
        let span = tracing::trace_span!(target: TARGET, "request");
        let id = span.id().map(|id| id.into_u64());
        if let Some(id) = id {
            self.0.lock().insert(id, Effects::default());
        }
        let watch = Watch(self, id);
        let answer = work.instrument(span).await;
        (answer, watch.effects())
    }

    /// Notes a change of a stored entry.
    pub(crate) fn changed(
        &self,
        request: RequestId,
        key: &str,
        before: Option<&StorageEntry>,
        after: Option<&StorageEntry>,
    ) {
        if let Some(effects) = self.0.lock().get_mut(&request.0) {
            effects.change(key, before, after);
        }
    }

    /// Notes an event.
    pub(crate) fn sent(&self, mount: &str, event_type: &str, event: &vault_plugin::Event) {
        if let Some(request) = RequestId::current()
            && let Some(effects) = self.0.lock().get_mut(&request.0)
        {
            effects.event(mount, event_type, event);
        }
    }
}

/// A request that is watched until this is dropped, also if the request's work panics.
struct Watch<'a>(&'a Watched, Option<u64>);

impl Watch<'_> {
    fn effects(mut self) -> Effects {
        let id = self.1.take();
        id.and_then(|id| self.0.0.lock().remove(&id)).unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.1 {
            self.0.0.lock().remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: &[u8]) -> StorageEntry {
        StorageEntry::new("k", value.to_vec())
    }

    fn kind(before: Option<&[u8]>, after: Option<&[u8]>) -> Option<&'static str> {
        let mut effects = Effects::default();
        effects.change("k", before.map(entry).as_ref(), after.map(entry).as_ref());
        effects.changes.first().map(KeyChange::kind)
    }

    #[test]
    fn a_change_says_what_became_of_a_key() {
        let long = |end: u8| [vec![b'x'; 2 * EXCERPT], vec![end]].concat();
        assert_eq!(kind(None, Some(b"a")), Some("added"));
        assert_eq!(kind(Some(b"a"), Some(b"b")), Some("changed"));
        assert_eq!(kind(Some(b"a"), None), Some("removed"));
        assert_eq!(kind(Some(b"a"), Some(b"a")), Some("same"));
        assert_eq!(kind(None, None), None);
        // Values that differ only after what is kept of them.
        assert_eq!(kind(Some(&long(1)), Some(&long(2))), Some("changed"));
    }

    #[test]
    fn several_writes_of_a_key_are_one_change() {
        let mut effects = Effects::default();
        effects.change("k", None, Some(&entry(b"first")));
        effects.change("k", Some(&entry(b"first")), Some(&entry(b"last")));
        let [change] = &effects.changes[..] else {
            panic!("{} changes", effects.changes.len());
        };
        assert_eq!((change.kind(), change.before.is_none()), ("added", true));
        assert_eq!(change.after.as_ref().unwrap().bytes, "last");
    }

    #[test]
    fn a_key_that_is_added_and_removed_again_is_no_change() {
        let mut effects = Effects::default();
        effects.change("other", Some(&entry(b"a")), Some(&entry(b"b")));
        effects.change("k", None, Some(&entry(b"first")));
        effects.change("k", Some(&entry(b"first")), None);
        let keys: Vec<_> = effects.changes.iter().map(|change| &change.key).collect();
        assert_eq!(keys, ["other"]);
        effects.change("k", None, Some(&entry(b"second")));
        assert_eq!(effects.changes.last().map(KeyChange::kind), Some("added"));
        // It was there before.
        effects.change("other", Some(&entry(b"b")), None);
        assert_eq!(effects.changes.first().map(KeyChange::kind), Some("removed"));
    }

    #[test]
    fn keys_that_are_gone_again_leave_room_for_others() {
        let mut effects = Effects::default();
        let value = entry(&[0; EXCERPT]);
        for number in 0..33 {
            let key = number.to_string();
            effects.change(&key, None, Some(&value));
            effects.change(&key, Some(&value), Some(&value));
            effects.change(&key, Some(&value), None);
        }
        assert_eq!((effects.changes.len(), effects.room), (0, ROOM));
        effects.change("k", Some(&entry(b"a")), Some(&value));
        let change = &effects.changes[0];
        assert_eq!((change.kind(), &change.key), ("changed", &"k".to_owned()));
        assert_eq!(
            change.after.as_ref().map(|after| after.bytes.len()),
            Some(EXCERPT)
        );
    }

    #[test]
    fn each_key_that_is_not_kept_counts_once() {
        let mut effects = Effects::default();
        for number in 0..MOST {
            effects.change(&number.to_string(), None, Some(&entry(b"v")));
        }
        effects.change("gone again", None, Some(&entry(b"a")));
        effects.change("gone again", Some(&entry(b"a")), None);
        assert_eq!(effects.more_changes(), 0);
        effects.change("removed", Some(&entry(b"a")), Some(&entry(b"b")));
        effects.change("removed", Some(&entry(b"b")), None);
        assert_eq!(effects.more_changes(), 1);
        // Also if the list has a place for it by then, because what it was before is not known any more.
        effects.change("0", Some(&entry(b"v")), None);
        effects.change("removed", None, Some(&entry(b"c")));
        assert_eq!((effects.changes.len(), effects.more_changes()), (MOST - 1, 1));
    }

    #[test]
    fn what_is_kept_of_a_request_has_a_bound() {
        let mut effects = Effects::default();
        let event = vault_plugin::Event::default();
        for number in 0..3 * MOST {
            effects.change(&number.to_string(), None, Some(&entry(&[0; 10_000])));
            effects.event("demo/", &"t".repeat(10_000), &event);
        }
        assert!(effects.changes.len() <= MOST && effects.events.len() == MOST);
        assert_eq!(effects.changes.len() + effects.more_changes(), 3 * MOST);
        assert_eq!(effects.events.len() + effects.more_events, 3 * MOST);
        let values = effects.changes.iter().filter_map(|change| change.after.as_ref());
        let types = effects.events.iter().map(|event| &event.event_type);
        let kept: usize = values.chain(types).map(|excerpt| excerpt.bytes.len()).sum();
        assert!(kept > ROOM / 2 && kept <= ROOM, "{kept}");
    }

    #[test]
    fn only_the_request_that_works_is_charged() {
        let watched = Watched::default();
        tracing::subscriber::with_default(subscriber(), || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let request = async |key: &str| {
                let work = async {
                    for _ in 0..3 {
                        tokio::task::yield_now().await;
                        let id = RequestId::current().unwrap();
                        watched.changed(id, key, None, Some(&entry(b"v")));
                    }
                };
                let ((), effects) = watched.observe(work).await;
                effects
                    .changes
                    .into_iter()
                    .map(|change| change.key)
                    .collect::<Vec<_>>()
            };
            let both = async { tokio::join!(request("a"), request("b")) };
            assert_eq!(
                runtime.block_on(both),
                (vec!["a".to_owned()], vec!["b".to_owned()])
            );
            assert!(RequestId::current().is_none() && watched.0.lock().is_empty());
        });
    }
}
