//! Finds the guest that may serve a mount now.
//!
//! It is looked for when the mount has none yet, when Vault was told special paths, and when another node has written the record
//! of what runs. Requests wait meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use vault_plugin::{Backend as _, Error, ServerError};

use super::set_up::readable;
use super::{VaultMount, cannot_serve};
use crate::guest_mount::GuestMount;
use crate::pushed::{PushError, Record};
use crate::source::PATIENCE;

/// Most rounds of a search for a guest.
const ROUNDS: u32 = 8;

impl VaultMount {
    /// Returns the guest, if it may serve now.
    ///
    /// # Errors
    /// 503 with the cause. [`ServerError::ReadOnly`] if another server has to answer.
    pub(super) async fn guest(&self) -> Result<Arc<GuestMount>, Error> {
        let serving = self.serving.read().clone();
        let guest = match serving {
            Some(guest) => guest,
            // Boxed, so that the future of every request does not reserve space for it.
            None => Box::pin(self.look()).await?,
        };
        guest.ready().await?;
        Ok(guest)
    }

    /// Returns a guest that may serve. Tries another one if the last one cannot.
    ///
    /// Starts over if the record or what Vault enforces has changed meanwhile, so that it does not return a guest that was
    /// chosen by outdated facts.
    async fn look(&self) -> Result<Arc<GuestMount>, Error> {
        let _alone = self.looking.lock().await;
        for _ in 0..ROUNDS {
            let seen = self.changes.load(SeqCst);
            let mount = self.find(seen).await?;
            let mut serving = self.serving.write();
            if self.changes.load(SeqCst) == seen {
                *serving = Some(mount.clone());
                return Ok(mount);
            }
        }
        Err(cannot_serve("what runs here changes all the time; try again"))
    }

    /// Finds the guest that may serve, after the `seen` changes of the record and of what Vault enforces.
    async fn find(&self, seen: u64) -> Result<Arc<GuestMount>, Error> {
        match self.told.record().await {
            Ok(()) => {}
            Err(airlock_storage::Error::ReadOnly) => return Err(ServerError::ReadOnly.into()),
            Err(error) => {
                let reason = format!("its special paths cannot be recorded: {error}");
                return Err(cannot_serve(&reason));
            }
        }
        let enforced = self.told.enforced();
        let fits = |mount: &Arc<GuestMount>| enforced.as_ref() == Some(mount.paths());
        let known = self.record.lock().clone().ok();
        let is_known = *self.read_at.lock() == Some(seen);
        let record = match known.filter(|_| is_known) {
            Some(record) => record,
            None => {
                let record = readable(Record::read(&*self.finder.parts.storage).await);
                *self.record.lock() = record.clone();
                // A candidate that is right stays: storage may answer again.
                record.map_err(|reason| cannot_serve(&reason))?
            }
        };
        if !is_known || !self.candidate.lock().mount.as_ref().is_ok_and(fits) {
            self.try_another(&record).await;
        }
        // This comes last, because a search that is given up has to be repeated.
        *self.read_at.lock() = Some(seen);
        let mount = self.candidate.lock().mount.clone();
        let mount = mount.map_err(|reason| cannot_serve(&reason))?;
        if !fits(&mount) {
            return Err(cannot_serve(match enforced {
                Some(_) => {
                    "the guest has other special paths than those that Vault enforces here; reload the plugin"
                }
                None => "it is not certain which special paths Vault enforces here; reload the plugin",
            }));
        }
        self.note_version().await?;
        Ok(mount)
    }

    /// Tries the guest that the record or the file names now, unless it was the last one that was tried.
    async fn try_another(&self, record: &Record) {
        let (last, is_recent) = {
            let candidate = self.candidate.lock();
            if candidate.is_pushed_by(record) || candidate.has_just_failed(record) {
                return;
            }
            let is_recent = candidate.mount.is_ok() || candidate.at.elapsed() < PATIENCE;
            (candidate.guest.clone(), is_recent)
        };
        if let Some(last) = &last
            && is_recent
            && matches!(self.finder.find(record, Some(last)).await, Ok(same) if Arc::ptr_eq(&same, last))
        {
            return;
        }
        let next = self.finder.try_out(record, last.as_ref()).await;
        *self.candidate.lock() = next;
        self.drop_canary();
        // `cleanup` may have run before this candidate was there to be cleaned up.
        if self.ended.load(SeqCst) {
            self.cleanup().await;
        }
    }

    /// Raises the highest signed version that ran here, if the guest is above it. A guest that cannot be noted does not run:
    /// an older one could come back after it.
    async fn note_version(&self) -> Result<(), Error> {
        let guest = self.candidate.lock().guest.clone();
        let voucher = guest.as_ref().and_then(|guest| guest.voucher.as_ref());
        let rises = |record: &Record| record.raised_by(voucher) != record.highest;
        if !self.record.lock().as_ref().is_ok_and(rises) {
            return Ok(());
        }
        // Read anew, because what else it says may have been written since.
        let storage = &*self.finder.parts.storage;
        let noted = async {
            let mut record = Record::read(storage).await?;
            record.highest = record.raised_by(voucher);
            self.finder.writer.write(&record).await?;
            Ok(record)
        };
        match noted.await {
            Ok(record) => {
                *self.record.lock() = Ok(record);
                Ok(())
            }
            // The active node notes it.
            Err(PushError::Storage(airlock_storage::Error::ReadOnly)) => Ok(()),
            Err(error) => Err(cannot_serve(&format!("its version cannot be recorded: {error}"))),
        }
    }
}
