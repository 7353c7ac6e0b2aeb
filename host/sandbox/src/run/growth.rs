//! Reserves what an instance grows by, before it grows.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use wasmtime::ResourceLimiterAsync;

use crate::limits::Limit;
use crate::run::account::Account;
use crate::run::memory::Reservation;
use crate::run::stop::Stop;

/// Most bytes of memory, or of tables, that a guest may have in the fast lane: it can fill them without an
/// interruption.
const SMALL: usize = 4 << 20;

/// Reserves an instance's memory and tables.
pub(crate) struct Growth {
    account: Arc<Account>,
    reservation: Reservation,
    /// True if the limit refused memory. Growth beyond the guest's own declared maximum does not count.
    pub refused: bool,
}

impl Growth {
    pub fn of(account: &Arc<Account>) -> Self {
        Self {
            account: account.clone(),
            reservation: Reservation::of(&account.memory),
            refused: false,
        }
    }

    /// Returns the bytes that the instance has.
    pub fn bytes(&self) -> u64 {
        self.reservation.bytes()
    }

    /// Charges what the instance has, and what it grows by from now on, to another account. Returns false, and changes
    /// nothing, if the account has no memory for it.
    pub fn charge_to(&mut self, account: &Arc<Account>) -> bool {
        let mut reservation = Reservation::of(&account.memory);
        let fits = reservation.add_now(self.bytes());
        if fits {
            self.account = account.clone();
            self.reservation = reservation;
        }
        fits
    }

    /// Reserves the growth if nothing speaks against it and there is nothing to wait for.
    fn grow_now(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        desired <= SMALL.min(maximum.unwrap_or(usize::MAX))
            && !self.account.should_move()
            && self.reservation.add_now(desired.saturating_sub(current) as u64)
    }

    async fn grow(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        match self.reservation.add(desired.saturating_sub(current) as u64).await {
            Ok(()) => {
                if desired > SMALL {
                    self.account.becomes_long();
                }
                if self.account.should_move() {
                    tokio::task::yield_now().await;
                }
                Ok(true)
            }
            Err(exceeded) if exceeded.limit == Limit::Memory => {
                self.refused = true;
                Ok(false)
            }
            Err(exceeded) => Err(Stop::from(exceeded).into()),
        }
    }
}

/// The future of a method of [`ResourceLimiterAsync`].
type Grown<'a> = Pin<Box<dyn Future<Output = wasmtime::Result<bool>> + Send + 'a>>;

// Not `async`: each instance asks for each of its memories and tables, and rarely has to wait.
impl ResourceLimiterAsync for Growth {
    fn memory_growing<'this, 'async_trait>(
        &'this mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Grown<'async_trait>
    where
        'this: 'async_trait,
        Self: 'async_trait,
    {
        match self.grow_now(current, desired, maximum) {
            true => Box::pin(ready(Ok(true))),
            false => Box::pin(self.grow(current, desired, maximum)),
        }
    }

    fn table_growing<'this, 'async_trait>(
        &'this mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Grown<'async_trait>
    where
        'this: 'async_trait,
        Self: 'async_trait,
    {
        let bytes = |elements: usize| elements.saturating_mul(8);
        self.memory_growing(bytes(current), bytes(desired), maximum.map(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::run::memory::ProcessMemory;

    fn memory(limit: u64) -> Growth {
        let limits = Limits {
            memory_bytes: limit,
            ..Limits::default()
        };
        let process = ProcessMemory::new(1 << 30);
        Growth::of(&Arc::new(Account::open(
            "guest".into(),
            limits,
            Limit::Wall,
            &process,
        )))
    }

    #[tokio::test]
    async fn memory_and_tables_share_one_limit() {
        let mut memory = memory(1000);
        assert!(memory.memory_growing(0, 600, None).await.unwrap());
        assert!(memory.table_growing(0, 50, None).await.unwrap());
        assert!(!memory.refused);
        assert!(!memory.table_growing(50, 51, None).await.unwrap());
        assert!(memory.refused);
    }

    #[tokio::test]
    async fn a_guests_own_maximum_is_not_the_limit() {
        let mut memory = memory(1000);
        assert!(!memory.memory_growing(0, 600, Some(500)).await.unwrap());
        assert!(!memory.refused);
    }
}
