//! Writes the record of what runs on a mount.
//!
//! Storage may fail to answer, and store a record all the same: at once, or late. A record that comes late would take the place
//! of one that was written since, and what it names would run after the next start. So after a write of which nobody knows
//! whether it took effect, no other record is written for as long as it still may. The same one is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use airlock_storage::{Error, Storage};
use airlock_trust::Digest;
use parking_lot::Mutex;

use super::{PushError, Record};

pub(crate) struct RecordWriter {
    storage: Arc<dyn Storage>,
    /// Longest time after which a write that was given up may take effect.
    late: Duration,
    /// The record that may still be stored, and until when.
    unsettled: Mutex<Option<(Record, Instant)>>,
}

impl RecordWriter {
    pub fn new(storage: Arc<dyn Storage>, late: Duration) -> Self {
        Self {
            storage,
            late,
            unsettled: Mutex::default(),
        }
    }

    /// Writes the record. No two may be written at once.
    ///
    /// # Errors
    /// Storage's, unless the record is there all the same. [`PushError::Unsettled`] while another one may still be stored.
    pub async fn write(&self, record: &Record) -> Result<(), PushError> {
        let unsettled = self.unsettled.lock().clone();
        let unsettled = unsettled.filter(|(_, until)| *until > Instant::now());
        if let Some((other, until)) = &unsettled
            && !other.is_same_change(record)
        {
            let seconds = until.saturating_duration_since(Instant::now()).as_secs() + 1;
            return Err(PushError::Unsettled { seconds });
        }
        let is_unsettled = unsettled.is_some();
        // If the change is repeated, it is the first record that may still be stored, with its time.
        let record = unsettled.as_ref().map_or(record, |(other, _)| other);
        // If it may be there before, finding it there says nothing of this write.
        let may_be_there = is_unsettled
            || Record::read(&*self.storage)
                .await
                .map_or(true, |stored| stored == *record);
        let Err(error) = record.write(&*self.storage).await else {
            return Ok(());
        };
        if !may_take_effect(&error) {
            return Err(error.into());
        }
        let is_there = Record::read(&*self.storage).await.ok().as_ref() == Some(record);
        if !is_there || may_be_there {
            *self.unsettled.lock() = Some((record.clone(), Instant::now() + self.late));
        }
        if is_there { Ok(()) } else { Err(error.into()) }
    }

    /// Returns the guests that a record names which may still be stored.
    pub fn unsettled(&self) -> Vec<Digest> {
        match &*self.unsettled.lock() {
            Some((record, until)) if *until > Instant::now() => record.digests().collect(),
            _ => Vec::new(),
        }
    }
}

fn may_take_effect(error: &Error) -> bool {
    matches!(
        error,
        Error::Backend(_) | Error::LostLeadership | Error::Unreachable | Error::UnknownOutcome(_)
    )
}

#[cfg(test)]
mod tests {
    use airlock_faults::{Call, Fault, FaultyStorage, Gate};
    use airlock_storage::{MemoryStorage, Rejection};

    use super::*;
    use crate::pushed::Build;

    fn record(number: u8) -> Record {
        let build = Build {
            sha256: Digest::of(&[number]),
            name: "kv".into(),
            version: format!("1.{number}.0"),
            layout: 1,
        };
        Record::default().then(build, None)
    }

    fn writer(late: Duration) -> (FaultyStorage, RecordWriter) {
        let storage = FaultyStorage::new(MemoryStorage::new());
        let writer = RecordWriter::new(Arc::new(storage.clone()), late);
        (storage, writer)
    }

    #[tokio::test]
    async fn no_record_is_written_over_by_an_earlier_one_that_comes_late() {
        let (storage, writer) = writer(Duration::from_secs(90));
        let gate = Gate::new();
        storage.nth(Call::Put, 1, Fault::ApplyLate(gate.clone()));
        writer.write(&record(1)).await.unwrap_err();
        let refused = writer.write(&record(2)).await.unwrap_err();
        assert!(refused.to_string().contains("try again in 90 s"), "{refused}");
        gate.open();
        writer.write(&record(1)).await.unwrap();
        assert_eq!(Record::read(&storage).await.unwrap(), record(1));
    }

    #[tokio::test]
    async fn finding_a_record_that_may_have_been_there_before_settles_nothing() {
        let (storage, over) = writer(Duration::from_secs(90));
        over.write(&record(1)).await.unwrap();
        storage.nth(Call::Put, 1, Fault::Fail);
        // It is there, but this write of it may come late.
        over.write(&record(1)).await.unwrap();
        assert_eq!(over.unsettled(), [record(1).active.unwrap().sha256]);
        over.write(&record(2)).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_record_is_written_once_none_before_it_can_come_late() {
        let (storage, over) = writer(Duration::ZERO);
        storage.nth(Call::Put, 1, Fault::Fail);
        over.write(&record(1)).await.unwrap_err();
        over.write(&record(2)).await.unwrap();
        // What storage refused never comes.
        let (storage, writer) = writer(Duration::from_secs(90));
        storage.nth(Call::Put, 1, Fault::Reject(Rejection::TooLarge));
        writer.write(&record(1)).await.unwrap_err();
        writer.write(&record(2)).await.unwrap();
    }

    #[tokio::test]
    async fn a_record_that_was_stored_without_an_answer_is_written() {
        let (storage, writer) = writer(Duration::from_secs(90));
        storage.nth(Call::Put, 1, Fault::LoseAnswer);
        writer.write(&record(1)).await.unwrap();
        writer.write(&record(2)).await.unwrap();
    }
}
