//! Redo records make a commit of several keys all or nothing, even if the process is killed.
//!
//! Before such a commit its writes are stored below [`RECORDS`], as one entry or, if they are too many for one, as
//! several. The entry that is written last, the header, decides: once it is stored the commit is done, whatever
//! happens; without it the commit never happened. Then the writes are flushed, and the header is removed.
//! [`recovery`](crate::commit::recovery) flushes the records that a crash leaves, before the next transaction begins.
//!
//! A commit's keys stay marked until its header is gone. So no later commit can write one of them while an older record
//! could still be flushed over it. A header whose put failed may still be stored after that. So it is voided: an entry
//! beside it says that it must not be flushed.

use crate::calls::Calls;
use crate::commit::outcome::{Answer, Failure};
use crate::commit::proof;
use crate::commit::record::Record;
use crate::commit::record_id::{Id, LOCAL_RECORDS, RECORDS};
use crate::commit::retry::{Failed, Patience, write};
use crate::commit::set_aside::SetAside;
use crate::transaction::writes::Writes;
use crate::{Error, Mount, Prefixes, Settings, StorageEntry};
use std::pin::pin;
use std::sync::Arc;
use tokio::time::sleep;

/// A commit that is stored by way of a redo record.
pub(crate) struct Recorded<'a> {
    id: Id,
    record: Record,
    brief: Patience,
    endless: Patience,
    mount: &'a Mount,
    settings: &'a Settings,
    calls: &'a Arc<Calls>,
    answer: &'a mut Answer,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(
        mount: &'a Mount,
        settings: &'a Settings,
        writes: &Writes,
        calls: &'a Arc<Calls>,
        answer: &'a mut Answer,
    ) -> Self {
        Self {
            id: Id::new(folder_for(writes, &settings.local)),
            record: Record::of(writes.outcome(), &settings.seal_wrapped),
            brief: Patience::Brief(settings.flush),
            endless: Patience::WhileServed(mount.draining.clone(), settings.flush),
            mount,
            settings,
            calls,
            answer,
        }
    }

    /// Stores the record, then its writes. Notes the keys that took more than one try.
    pub(crate) async fn store(mut self, writes: &Writes, retried: &mut Vec<String>) -> Result<(), Failure> {
        proof::prove(writes.outcome(), self.id.folder, &self.brief, self.calls)
            .await
            .map_err(|failed| Failure::Nothing(failed.into()))?;
        self.put_pieces().await?;
        let may_land_again = self.put_header().await?;
        // The commit is done. If storage takes the rest too slowly, the caller need not wait; only its keys stay
        // marked.
        let flushed = {
            let mut flush = pin!(flush(writes, &self.endless, self.calls, retried));
            tokio::select! {
                biased;
                flushed = &mut flush => flushed,
                () = sleep(self.settings.flush) => {
                    self.answer.give(Ok(()));
                    flush.await
                }
            }
        };
        let ended = match flushed {
            Ok(None) => self.remove(may_land_again).await,
            Ok(Some(rejected)) => return self.set_aside(rejected).await,
            Err(failed) => Err(failed),
        };
        ended.map_err(|failed| {
            // The mount is no longer served, and the next process will flush the record.
            self.answer.give(Ok(()));
            Failure::Unknown(failed.into())
        })
    }

    async fn put_pieces(&mut self) -> Result<(), Failure> {
        for (number, piece) in (0..).zip(self.record.pieces.clone()) {
            let entry = self.entry(self.id.piece(number), piece);
            if let Err(failed) = self.brief.insist(|| self.calls.put(entry.clone())).await {
                self.remove_pieces().await;
                return Err(Failure::Nothing(failed.into()));
            }
        }
        Ok(())
    }

    /// Makes the commit durable, or makes sure that it never happened. Returns true if the put may take effect once
    /// more.
    async fn put_header(&mut self) -> Result<bool, Failure> {
        let entry = self.entry(self.id.header(), self.record.header.clone());
        let mut tries = 0;
        let put = self.brief.insist(|| {
            tries += 1;
            self.calls.put(entry.clone())
        });
        match put.await {
            Ok(()) => Ok(tries > 1),
            Err(Failed::Refused(error)) => {
                self.remove_pieces().await;
                Err(Failure::Nothing(error))
            }
            Err(Failed::GaveUp(cause)) => Err(self.withdraw(cause).await),
        }
    }

    /// Voids a header of which nobody knows whether it is in storage. Once it is void, nothing of the commit is stored
    /// and never will be. Until then the keys stay marked, because after a crash the commit would be redone.
    async fn withdraw(&mut self, cause: Error) -> Failure {
        // The next leader may have found the header, and finished the commit.
        if cause.is_loss() {
            return Failure::Unknown(cause);
        }
        if self.put_void(&self.brief).await.is_err() {
            self.answer
                .give(Err(Error::UnknownOutcome(Box::new(cause.clone()))));
            if self.put_void(&self.endless).await.is_err() {
                return Failure::Unknown(cause);
            }
        }
        let header = self.id.header();
        let _ = self.brief.insist(|| self.calls.delete(&header)).await;
        self.remove_pieces().await;
        self.remove_later();
        Failure::Nothing(cause)
    }

    /// Ends a commit that is flushed.
    async fn remove(&mut self, may_land_again: bool) -> Result<(), Failed> {
        if may_land_again {
            if self.put_void(&self.brief).await.is_err() {
                self.answer.give(Ok(()));
                self.put_void(&self.endless).await?;
            }
            self.remove_later();
        }
        let header = self.id.header();
        // The caller need not wait for long.
        if self.brief.insist(|| self.calls.delete(&header)).await.is_err() {
            self.answer.give(Ok(()));
            self.endless.insist(|| self.calls.delete(&header)).await?;
        }
        self.remove_pieces().await;
        Ok(())
    }

    async fn put_void(&self, patience: &Patience) -> Result<(), Failed> {
        let void = StorageEntry::new(self.id.void(), "");
        patience.insist(|| self.calls.put(void.clone())).await
    }

    /// Sets the record aside because storage rejected some of its writes after it had taken the record: its limits must
    /// have been lowered in between.
    async fn set_aside(&mut self, rejected: Rejected) -> Result<(), Failure> {
        let Rejected { keys, of, cause } = rejected;
        let stored = of - keys.len();
        let aside = SetAside::of(&self.id, cause.to_string());
        let incomplete = Error::Incomplete {
            stored,
            of,
            cause: Box::new(cause),
        };
        if aside.store(&keys, &self.brief, self.calls).await.is_err() {
            self.answer.give(Err(incomplete.clone()));
            if let Err(failed) = aside.store(&keys, &self.endless, self.calls).await {
                // The next process will find the record.
                return Err(Failure::Unknown(failed.into()));
            }
        }
        self.mount.note_set_aside(aside);
        Err(Failure::Part(incomplete))
    }

    /// Removes the pieces. Those that stay do no harm, and a later start removes them.
    async fn remove_pieces(&mut self) {
        for (number, _) in (0..).zip(&self.record.pieces) {
            let piece = self.id.piece(number);
            if self.brief.insist(|| self.calls.delete(&piece)).await.is_err() {
                return;
            }
        }
    }

    /// Removes a void header once it can no longer take effect, and only after that the entry that voids it.
    fn remove_later(&self) {
        let (id, calls, endless, late) = (
            self.id.clone(),
            self.calls.clone(),
            self.endless.clone(),
            self.settings.late,
        );
        self.mount.spawn(async move {
            sleep(late).await;
            for key in [id.header(), id.void()] {
                if endless.insist(|| calls.delete(&key)).await.is_err() {
                    return;
                }
            }
        });
    }

    fn entry(&self, key: String, value: bytes::Bytes) -> StorageEntry {
        StorageEntry {
            key,
            value,
            seal_wrap: self.record.seal_wrap,
        }
    }
}

/// Returns the folder for the record of these writes: one entry that is not replicated keeps the whole record from
/// being replicated.
fn folder_for(writes: &Writes, local: &Prefixes) -> &'static str {
    if writes.outcome().any(|write| local.contain(write.key())) {
        LOCAL_RECORDS
    } else {
        RECORDS
    }
}

/// The writes of a record that storage did not take.
struct Rejected {
    keys: Vec<String>,
    of: usize,
    cause: Error,
}

/// Makes all the writes that storage takes.
async fn flush(
    writes: &Writes,
    endless: &Patience,
    calls: &Calls,
    retried: &mut Vec<String>,
) -> Result<Option<Rejected>, Failed> {
    let mut rejected: Option<Rejected> = None;
    for made in writes.outcome() {
        match write(endless, calls, made, retried).await {
            Ok(()) => {}
            Err(Failed::Refused(cause) | Failed::GaveUp(cause)) if cause.rejection().is_some() => {
                let rejected = rejected.get_or_insert_with(|| Rejected {
                    keys: Vec::new(),
                    of: writes.outcome().count(),
                    cause,
                });
                rejected.keys.push(made.key().to_owned());
            }
            Err(failed) => return Err(failed),
        }
    }
    Ok(rejected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transaction::writes::Write;

    #[test]
    fn one_local_entry_keeps_the_whole_record_local() {
        let mut writes = Writes::default();
        writes.push(Write::Put(StorageEntry::new("shared/a", "")));
        let local = Prefixes::from_iter(["local/"]);
        assert_eq!(folder_for(&writes, &local), RECORDS);
        writes.push(Write::Put(StorageEntry::new("local/a", "")));
        assert_eq!(folder_for(&writes, &local), LOCAL_RECORDS);
    }
}
