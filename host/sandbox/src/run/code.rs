//! Shares a guest's code, and the pool that its instances come from, among all its requests.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::bindings::EnginePre;
use crate::limits::{Limit, Limits};
use crate::run::account::Account;
use crate::run::instance::{self, Call, State};
use crate::run::lanes::{Lanes, SLOW_PERMITS, Work};
use crate::run::memory::ProcessMemory;
use crate::run::ticker::Ticker;
use crate::{CallError, Result};

/// A component that can be instantiated, and what it needs for that.
#[derive(Clone)]
pub(crate) struct Code {
    /// The guest's name, for errors and log lines.
    pub name: Arc<str>,
    pub component: Arc<EnginePre<State>>,
    pub limits: Limits,
    pub shared: Arc<Shared>,
}

/// The parts that all guests share.
pub(crate) struct Shared {
    pub ticker: Arc<Ticker>,
    pub lanes: Lanes,
    pub memory: ProcessMemory,
    slots: Arc<Semaphore>,
}

impl Shared {
    /// Shares a pool with as many slots as the memory has.
    pub fn new(ticker: Ticker, memory: ProcessMemory) -> Self {
        Self {
            ticker: Arc::new(ticker),
            lanes: Lanes::default(),
            slots: Arc::new(Semaphore::new(memory.slots() as usize)),
            memory,
        }
    }

    /// Waits for a slot of the pool of instances.
    ///
    /// # Errors
    /// [`CallError::Full`] if no slot is free in time.
    pub async fn slot(&self, deadline: Instant) -> Result<OwnedSemaphorePermit> {
        if let Ok(slot) = self.slots.clone().try_acquire_owned() {
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
