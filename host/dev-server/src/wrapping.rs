//! Response wrapping: stores an answer and hands it out once, in return for its token.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use airlock_storage::StorageEntry;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use vault_core::Envelope;

use crate::Clock;
use crate::answer::Reply;
use crate::go::moment;
use crate::random::base62;
use crate::store::{Change, Store};

const PREFIX: &str = "core/wraps/";

/// All wrapped answers.
pub(crate) struct Wraps {
    store: Arc<Store>,
    clock: Clock,
}

/// An answer that was wrapped.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Wrapped {
    pub(crate) token: String,
    pub(crate) accessor: String,
    pub(crate) creation_time: SystemTime,
    pub(crate) creation_path: String,
    pub(crate) ttl: Duration,
    /// The envelope that the caller would have got without wrapping.
    pub(crate) response: String,
}

impl Wraps {
    pub(crate) fn new(store: Arc<Store>, clock: Clock) -> Wraps {
        Wraps { store, clock }
    }

    /// Stores an answer under a new wrapping token.
    pub(crate) fn wrap(
        &self,
        reply: &Reply,
        request_id: &str,
        path: &str,
        ttl: Duration,
    ) -> airlock_storage::Result<Wrapped> {
        self.put(reply.envelope(request_id), path.to_owned(), ttl)
    }

    fn put(
        &self,
        response: String,
        creation_path: String,
        ttl: Duration,
    ) -> airlock_storage::Result<Wrapped> {
        let wrapped = Wrapped {
            token: format!("hvs.{}", base62(95)),
            accessor: base62(24),
            creation_time: self.clock.now(),
            creation_path,
            ttl,
            response,
        };
        self.store
            .put_document(&format!("{PREFIX}{}", wrapped.token), &wrapped)?;
        Ok(wrapped)
    }

    /// Returns the wrapped answer of a token, if the token is still valid.
    pub(crate) fn look_up(&self, token: &str) -> airlock_storage::Result<Option<Wrapped>> {
        if token.is_empty() || token.contains('/') {
            return Ok(None);
        }
        let found = self.store.get(&format!("{PREFIX}{token}"))?;
        let decode = |entry: StorageEntry| serde_json::from_slice::<Wrapped>(&entry.value).ok();
        let wrapped = found.and_then(decode);
        Ok(wrapped.filter(|wrapped| wrapped.creation_time + wrapped.ttl > self.clock.now()))
    }

    /// Removes and returns the wrapped answer of a token.
    pub(crate) fn take(&self, token: &str) -> airlock_storage::Result<Option<Wrapped>> {
        let wrapped = self.look_up(token)?;
        if wrapped.is_some() {
            self.store.delete(format!("{PREFIX}{token}"))?;
        }
        Ok(wrapped)
    }

    /// Moves a wrapped answer to a new token; the old one becomes invalid.
    pub(crate) fn rewrap(&self, token: &str) -> airlock_storage::Result<Option<Wrapped>> {
        let Some(old) = self.take(token)? else {
            return Ok(None);
        };
        self.put(old.response, old.creation_path, old.ttl).map(Some)
    }

    /// Deletes the wrapped answers that have expired.
    pub(crate) fn tidy(&self) -> airlock_storage::Result<()> {
        let now = self.clock.now();
        let gone = |entry: &StorageEntry| match serde_json::from_slice::<Wrapped>(&entry.value) {
            Ok(wrapped) => wrapped.creation_time + wrapped.ttl <= now,
            Err(_) => true,
        };
        let entries = self.store.entries(PREFIX)?;
        let changes: Vec<Change> = entries
            .into_iter()
            .filter(gone)
            .map(|entry| Change::Delete(entry.key))
            .collect();
        if changes.is_empty() {
            Ok(())
        } else {
            self.store.write(&changes).map(drop)
        }
    }
}

impl Wrapped {
    /// Returns the envelope that the caller gets instead of the answer.
    pub(crate) fn envelope(&self) -> String {
        let info = json!({
            "token": self.token,
            "accessor": self.accessor,
            "ttl": self.ttl.as_secs(),
            "creation_time": moment(self.creation_time),
            "creation_path": self.creation_path,
        });
        let envelope = Envelope {
            wrap_info: Some(info),
            ..Envelope::default()
        };
        envelope.to_text()
    }

    /// Returns the fields that `sys/wrapping/lookup` shows.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "creation_path": self.creation_path,
            "creation_time": moment(self.creation_time),
            "creation_ttl": self.ttl.as_secs(),
        })
    }
}
