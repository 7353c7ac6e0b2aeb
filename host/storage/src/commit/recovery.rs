//! Flushing the redo records that a crash left, before the mount's first transaction.
//!
//! A recovery continues for as long as it makes progress. If storage fails for too long, it ends with an error, and the
//! next recovery continues where it ended. A record that cannot be flushed is [set aside](crate::commit::set_aside), and the
//! mount serves without it.
//!
//! Another process may still be alive and just storing a record, because Vault kills a plugin a moment after it has
//! started the next one. So parts of a record without a header are removed only when they are old.
//!
//! On read-only storage, only a record that has to be flushed is an error; tidying up is left to a server that can
//! write.

use crate::calls::Calls;
use crate::commit::proof;
use crate::commit::record::{Header, Unreadable};
use crate::commit::record_id::{ASIDE, Id, LOCAL_RECORDS, RECORDS, VOID};
use crate::commit::retry::{Failed, Patience, write};
use crate::commit::set_aside::SetAside;
use crate::transaction::writes::Write;
use crate::{Error, Result, Settings};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// If the header of a record has not arrived after this long, it never will, and a void header will not arrive any
/// more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The progress of the recovery of one record.
#[derive(Default)]
pub(crate) struct Progress {
    record: String,
    done: usize,
    rejected: Vec<String>,
    reason: Option<String>,
}

/// The result of a recovery.
#[derive(Default)]
pub(crate) struct Recovered {
    pub(crate) set_aside: Vec<SetAside>,
    /// Keys with a write that may take effect late, because it took more than one try or was given up.
    pub(crate) retried: Vec<String>,
}

/// Flushes the records that a crash left, until the mount is `draining`. `progress` is what the previous recovery left,
/// if there was one.
pub(crate) async fn recover(
    calls: &Calls,
    settings: &Settings,
    draining: &CancellationToken,
    progress: &mut Progress,
    recovered: &mut Recovered,
) -> Result<()> {
    let patience = Patience::Brief(settings.flush);
    let mut recovery = Recovery {
        calls,
        patience: &patience,
        draining,
        progress,
        recovered,
    };
    let mut folders = vec![RECORDS];
    while let Some(folder) = folders.pop() {
        let names = patience.insist(|| calls.list(folder, None)).await?;
        let mut records: BTreeMap<String, Parts> = BTreeMap::new();
        for name in names {
            match name.split_once('.') {
                None if name == proof::PROOFS => {
                    let cleared = proof::clear(folder, &patience, calls).await;
                    tidied(cleared.map_err(Error::from))?;
                }
                None if name.ends_with('/') => {
                    if format!("{folder}{name}") == LOCAL_RECORDS {
                        folders.push(LOCAL_RECORDS);
                    }
                }
                None => records.entry(name).or_default().header = true,
                Some((id, part)) => {
                    let parts = records.entry(id.to_owned()).or_default();
                    match part {
                        VOID => parts.void = true,
                        ASIDE => parts.aside = true,
                        piece => parts.pieces.push(piece.to_owned()),
                    }
                }
            }
        }
        for (name, parts) in records {
            recovery.settle(&Id { folder, name }, &parts).await?;
        }
    }
    Ok(())
}

/// The parts of a record that storage holds.
#[derive(Default)]
struct Parts {
    header: bool,
    void: bool,
    aside: bool,
    pieces: Vec<String>,
}

struct Recovery<'a> {
    calls: &'a Calls,
    patience: &'a Patience,
    draining: &'a CancellationToken,
    progress: &'a mut Progress,
    recovered: &'a mut Recovered,
}

impl Recovery<'_> {
    async fn settle(&mut self, id: &Id, parts: &Parts) -> Result<()> {
        if self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        if parts.aside {
            let aside = SetAside::read(id, self.patience, self.calls).await?;
            self.recovered.set_aside.push(aside);
            return Ok(());
        }
        if parts.header && !parts.void {
            return self.redo(id, parts).await;
        }
        tidied(self.tidy(id, parts).await)
    }

    /// Removes a record that must not be flushed. Removes the entry that voids the header last, and only after the
    /// header.
    async fn tidy(&self, id: &Id, parts: &Parts) -> Result<()> {
        let is_old = id.age().is_none_or(|age| age > ABANDONED);
        if parts.header {
            self.remove(&id.header()).await?;
        }
        if parts.void || is_old {
            self.remove_pieces(id, parts).await?;
        }
        if parts.void && is_old {
            self.remove(&id.void()).await?;
        }
        Ok(())
    }

    /// Flushes a record.
    async fn redo(&mut self, id: &Id, parts: &Parts) -> Result<()> {
        let writes = match self.read(id).await? {
            Ok(writes) => writes,
            Err(Unreadable(reason)) => return self.set_aside(id, reason.to_owned(), &[]).await,
        };
        let progress = &mut *self.progress;
        if progress.record != id.header() {
            *progress = Progress {
                record: id.header(),
                ..Progress::default()
            };
        }
        for made in writes.iter().skip(progress.done) {
            if self.draining.is_cancelled() {
                return Err(Error::Draining);
            }
            match write(self.patience, self.calls, made, &mut self.recovered.retried).await {
                Ok(()) => {}
                Err(Failed::Refused(cause) | Failed::GaveUp(cause)) if cause.rejection().is_some() => {
                    progress.rejected.push(made.key().to_owned());
                    progress.reason.get_or_insert_with(|| cause.to_string());
                }
                Err(failed) => return Err(failed.into()),
            }
            progress.done += 1;
        }
        let Progress { rejected, reason, .. } = std::mem::take(progress);
        if let Some(reason) = reason {
            return self.set_aside(id, reason, &rejected).await;
        }
        self.remove(&id.header()).await?;
        self.remove_pieces(id, parts).await
    }

    /// Returns the writes of a record, or no writes if another process has just removed it.
    async fn read(&self, id: &Id) -> Result<Result<Vec<Write>, Unreadable>> {
        let get = async |key: String| self.patience.insist(|| self.calls.get(&key)).await;
        let Some(entry) = get(id.header()).await? else {
            return Ok(Ok(Vec::new()));
        };
        let header = match Header::read(entry.value) {
            Ok(header) => header,
            Err(unreadable) => return Ok(Err(unreadable)),
        };
        let mut pieces = Vec::new();
        for number in 0..header.pieces {
            match get(id.piece(number)).await? {
                Some(piece) => pieces.push(piece.value),
                // Another process that has just finished the record removes the header first.
                None if get(id.header()).await?.is_none() => return Ok(Ok(Vec::new())),
                None => return Ok(Err(Unreadable("a part of it is missing"))),
            }
        }
        Ok(header.writes(pieces))
    }

    async fn set_aside(&mut self, id: &Id, reason: String, rejected: &[String]) -> Result<()> {
        let aside = SetAside::of(id, reason);
        aside.store(rejected, self.patience, self.calls).await?;
        self.recovered.set_aside.push(aside);
        Ok(())
    }

    async fn remove_pieces(&self, id: &Id, parts: &Parts) -> Result<()> {
        for piece in &parts.pieces {
            self.remove(&id.beside(piece)).await?;
        }
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        Ok(self.patience.insist(|| self.calls.delete(key)).await?)
    }
}

/// Ignores a failure to tidy up read-only storage: a server that can write will do it.
fn tidied(result: Result<()>) -> Result<()> {
    match result {
        Err(Error::ReadOnly) => Ok(()),
        result => result,
    }
}
