//! Shares a guest's code, and the pool that its instances come from, among all its requests.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::{Limit, Limits};
use crate::mount::MountContext;
use crate::run::account::Account;
use crate::run::exports::GuestCode;
use crate::run::instance::{self, Call, Instance};
use crate::run::kept::KeptInstances;
use crate::run::lanes::{Lanes, SLOW_PERMITS, Work};
use crate::run::memory::ProcessMemory;
use crate::run::ticker::Ticker;
use crate::types::Request;
use crate::{CallError, Result};

/// The right to have one instance of the pool.
pub(crate) type Slot = OwnedSemaphorePermit;

/// A component that can be instantiated, and what it needs for that.
#[derive(Clone)]
pub(crate) struct Code {
    /// The guest's name, for errors and log lines.
    pub name: Arc<str>,
    pub component: Arc<GuestCode>,
    pub limits: Limits,
    pub shared: Arc<Shared>,
}

/// The parts that all guests share.
pub(crate) struct Shared {
    pub ticker: Arc<Ticker>,
    pub lanes: Lanes,
    pub memory: ProcessMemory,
    /// The instances of existence checks whose requests have not come yet.
    pub kept: Arc<KeptInstances>,
    slots: Arc<Semaphore>,
}

impl Shared {
    /// Shares a pool with as many slots as the memory has.
    pub fn new(ticker: Ticker, memory: ProcessMemory) -> Self {
        Self {
            ticker: Arc::new(ticker),
            lanes: Lanes::default(),
            kept: KeptInstances::new(memory.slots()),
            slots: Arc::new(Semaphore::new(memory.slots() as usize)),
            memory,
        }
    }

    /// Waits for a slot of the pool of instances. An instance that is only kept makes room at once.
    ///
    /// # Errors
    /// [`CallError::Full`] if no slot is free in time.
    pub async fn slot(&self, deadline: Instant) -> Result<Slot> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
            return Ok(slot);
        }
        if let Some(slot) = self.kept.give_up() {
            return Ok(slot);
        }
        match tokio::time::timeout_at(deadline.into(), self.slots.clone().acquire_owned()).await {
            Ok(Ok(slot)) => Ok(slot),
            // The semaphore is never closed.
            Ok(Err(_)) | Err(_) => Err(CallError::Full {
                instances: self.memory.slots(),
            }),
        }
    }
}

impl Code {
    /// Keeps the instance of an existence check for its request, and takes its slot for that, unless slots are scarce.
    pub fn keep(
        &self,
        mount: &Arc<MountContext>,
        request: &Arc<Request>,
        instance: Instance,
        slot: &mut Option<Slot>,
    ) {
        let Shared {
            slots, memory, kept, ..
        } = &*self.shared;
        // If half of the slots are free, no request waits for one.
        if instance.is_small() && slots.available_permits() >= memory.slots() as usize / 2 {
            mount.keeps_in(kept);
            kept.keep(mount, &self.component, request, instance, slot);
        }
    }

    /// Opens the account of a request. `time` is the limit that bounds its time, which begins now.
    pub fn open_account(&self, time: Limit) -> Arc<Account> {
        Arc::new(Account::open(
            self.name.clone(),
            self.limits.clone(),
            time,
            &self.shared.memory,
        ))
    }

    /// Calls an export that gets no session: `describe` or `special-paths`.
    pub async fn call_static<C: Call>(&self, call: C) -> Result<C::Answer> {
        let account = self.open_account(Limit::Start);
        // It may compute for as long as `Limit::Start` allows, and other requests should not wait for that.
        account.becomes_long();
        let slot = self.shared.slot(account.deadline).await?;
        let (component, account_) = (self.component.clone(), account.clone());
        let work = Work::new(account, self.shared.ticker.run(), async move {
            let answer = instance::call_static(&component, &account_, &call).await;
            drop(slot);
            answer
        });
        let permits = Arc::new(Semaphore::new(SLOW_PERMITS));
        self.shared.lanes.run(work, permits).await
    }
}
