//! Redo records: what makes a commit of several keys all or nothing though the process be killed.
//!
//! Before such a commit its writes are stored under [`FOLDER`], as one entry or, if they are too large for one, as
//! several. The entry that is written last, the header, decides: with it the commit is done, whatever comes, and without
//! it it never was. Then the writes are flushed, and the header is removed. What a crash leaves, [`recover`] flushes
//! before the next transaction begins.
//!
//! A commit's keys stay marked until its header is gone. So no later commit can write one of them while an older record
//! could still be flushed over it.

use crate::access::HIDDEN;
use crate::calls::Calls;
use crate::flush::{Answer, Failure};
use crate::record::{Header, Record};
use crate::retry::{Failed, Patience};
use crate::writes::Writes;
use crate::{Entry, Error, Mount, Result, Settings};
use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

/// Where the records are, below [`HIDDEN`].
const FOLDER: &str = "redo/";

/// The keys of one record.
struct Id(String);

impl Id {
    /// Ids sort by time, and no two processes choose the same.
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(format!(
            "{:024x}-{:016x}",
            now.as_nanos(),
            RandomState::new().hash_one(now)
        ))
    }

    fn header(&self) -> String {
        format!("{HIDDEN}{FOLDER}{}", self.0)
    }

    fn chunk(&self, number: u32) -> String {
        format!("{HIDDEN}{FOLDER}{}.{number}", self.0)
    }
}

/// A commit on its way behind a redo record.
pub(crate) struct Recorded<'a> {
    id: Id,
    record: Record,
    in_time: Patience,
    endless: Patience,
    time: Duration,
    late: Duration,
    calls: &'a Arc<Calls>,
    answer: &'a mut Answer,
}

impl<'a> Recorded<'a> {
    pub(crate) fn new(
        mount: &Mount,
        settings: &Settings,
        writes: &Writes,
        calls: &'a Arc<Calls>,
        answer: &'a mut Answer,
    ) -> Self {
        let time = settings.flush;
        Self {
            id: Id::new(),
            record: Record::of(writes.outcome(), settings.max_value_bytes),
            in_time: Patience::Until(Instant::now() + time),
            endless: Patience::WhileServed(mount.draining.clone(), time),
            time,
            late: settings.late,
            calls,
            answer,
        }
    }

    pub(crate) async fn store(mut self, writes: &Writes) -> Result<(), Failure> {
        self.put_chunks().await?;
        self.put_header().await?;
        // The commit is done. If storage takes the rest too slowly the caller need not wait; only its keys have to.
        let flushed = {
            let mut flush = pin!(flush(&self.id, writes, &self.endless, self.calls));
            tokio::select! {
                biased;
                flushed = &mut flush => flushed,
                () = self.in_time.over() => {
                    self.answer.give(Ok(()));
                    flush.await
                }
            }
        };
        if let Err(failed) = flushed {
            // The mount is no longer served, and the next process will flush the record.
            self.answer.give(Ok(()));
            return Err(Failure::Unknown(failed.into()));
        }
        self.remove_chunks().await;
        Ok(())
    }

    async fn put_chunks(&mut self) -> Result<(), Failure> {
        for (number, chunk) in (0..).zip(self.record.chunks.clone()) {
            let entry = Entry {
                key: self.id.chunk(number),
                value: chunk,
                seal_wrap: self.record.seal_wrap,
            };
            if let Err(failed) = self.in_time.insist(|| self.calls.put(entry.clone())).await {
                self.remove_chunks().await;
                return Err(Failure::Nothing(failed.into()));
            }
        }
        Ok(())
    }

    /// Makes the commit durable, or sees to it that it never was.
    async fn put_header(&mut self) -> Result<(), Failure> {
        let header = self.record.header.clone();
        let entry = Entry {
            key: self.id.header(),
            value: header,
            seal_wrap: self.record.seal_wrap,
        };
        let mut tries = 0;
        let put = self.in_time.insist(|| {
            tries += 1;
            self.calls.put(entry.clone())
        });
        let put = put.await;
        if tries > 1 || matches!(put, Err(Failed::GaveUp(_))) {
            let (calls, endless) = (self.calls.clone(), self.endless.clone());
            tokio::spawn(remove_what_came_late(self.id.header(), calls, endless, self.late));
        }
        match put {
            Ok(()) => Ok(()),
            Err(Failed::Refused) => Err(Failure::Nothing(Error::ReadOnly)),
            Err(Failed::GaveUp(cause)) => Err(self.withdraw(cause).await),
        }
    }

    /// Nobody knows whether the header is in storage. When it certainly is not, nothing was stored. Until then the keys
    /// stay marked, because a crash would redo the commit.
    async fn withdraw(&mut self, cause: Error) -> Failure {
        let header = self.id.header();
        let in_time = Patience::Until(Instant::now() + self.time);
        if remove(&header, &in_time, self.calls).await.is_err() {
            self.answer.give(Err(Error::Partial(Box::new(cause.clone()))));
            if remove(&header, &self.endless, self.calls).await.is_err() {
                return Failure::Unknown(cause);
            }
        }
        self.remove_chunks().await;
        Failure::Nothing(cause)
    }

    /// Those that stay are of no harm, and the next start removes them.
    async fn remove_chunks(&mut self) {
        let in_time = Patience::Until(Instant::now() + self.time);
        for (number, _) in (0..).zip(&self.record.chunks) {
            if remove(&self.id.chunk(number), &in_time, self.calls)
                .await
                .is_err()
            {
                return;
            }
        }
    }
}

async fn flush(id: &Id, writes: &Writes, endless: &Patience, calls: &Calls) -> Result<(), Failed> {
    for write in writes.outcome() {
        endless.insist(|| calls.write(write)).await?;
    }
    remove(&id.header(), endless, calls).await
}

/// A put of the header that failed may take effect after the header was removed, and would then be flushed at some later
/// start, over newer values.
async fn remove_what_came_late(header: String, calls: Arc<Calls>, endless: Patience, late: Duration) {
    sleep(late).await;
    let _ = remove(&header, &endless, &calls).await;
}

/// Flushes the records that a crash left.
pub(crate) async fn recover(calls: &Calls, settings: &Settings) -> Result<()> {
    let folder = format!("{HIDDEN}{FOLDER}");
    let in_time = Patience::Until(Instant::now() + settings.flush);
    let names = in_time.insist(|| calls.list(&folder, None)).await?;
    let (chunks, headers): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| name.contains('.'));
    for name in headers {
        redo(&Id(name), &in_time, calls).await?;
    }
    for name in chunks {
        remove(&format!("{folder}{name}"), &in_time, calls).await?;
    }
    Ok(())
}

async fn redo(id: &Id, in_time: &Patience, calls: &Calls) -> Result<()> {
    // It may be the record of another process that has just removed it.
    let Some(entry) = read(&id.header(), in_time, calls).await? else {
        return Ok(());
    };
    let header = Header::read(entry.value)?;
    let mut chunks = Vec::new();
    for number in 0..header.chunks {
        let chunk = read(&id.chunk(number), in_time, calls).await?;
        chunks.push(chunk.ok_or(Error::RedoRecord("a part of it is missing"))?.value);
    }
    for write in header.writes(&chunks)? {
        in_time.insist(|| calls.write(&write)).await?;
    }
    Ok(remove(&id.header(), in_time, calls).await?)
}

async fn read(key: &str, patience: &Patience, calls: &Calls) -> Result<Option<Entry>, Failed> {
    patience.insist(|| calls.get(key)).await
}

async fn remove(key: &str, patience: &Patience, calls: &Calls) -> Result<(), Failed> {
    patience.insist(|| calls.delete(key)).await
}
