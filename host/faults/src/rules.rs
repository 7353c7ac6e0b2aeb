//! Decides which calls fail and how.

use super::{Call, Fault, broken};
use airlock_storage::{Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::task::JoinError;

#[derive(Clone, Default)]
pub(super) struct Rules(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    /// One flag for each rule, in the order in which they were added. It is true once the rule has been applied.
    applied: Vec<bool>,
    counts: BTreeMap<Call, u64>,
    read_only: bool,
    dead: bool,
}

struct Rule {
    /// The rule's place in [`State::applied`].
    number: usize,
    call: Call,
    /// The number of calls until it applies.
    passes: u64,
    /// True if it applies to one call, and not to all that follow.
    once: bool,
    fault: Fault,
}

impl Rules {
    pub(super) fn add(&self, call: Call, passes: u64, once: bool, fault: Fault) {
        let mut state = self.0.lock();
        let number = state.applied.len();
        state.applied.push(false);
        state.rules.push(Rule {
            number,
            call,
            passes,
            once,
            fault,
        });
    }

    pub(super) fn set_read_only(&self, read_only: bool) {
        self.0.lock().read_only = read_only;
    }

    pub(super) fn clear(&self) {
        let mut state = self.0.lock();
        *state = State {
            counts: std::mem::take(&mut state.counts),
            ..State::default()
        };
    }

    pub(super) fn applied(&self) -> Vec<bool> {
        self.0.lock().applied.clone()
    }

    pub(super) fn count(&self, call: Call) -> u64 {
        let counts = &self.0.lock().counts;
        match call {
            Call::Any => counts.values().sum(),
            call => counts.get(&call).copied().unwrap_or(0),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.0.lock().dead
    }

    /// Works like [`apply`](Self::apply), for an effect that may come after the call has ended.
    pub(super) async fn apply_or_detach<T, F>(&self, call: Call, effect: F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let fault = self.0.lock().arrival(call);
        match fault {
            Some(Fault::ApplyLate(gate)) => {
                tokio::spawn(async move {
                    gate.pass().await;
                    effect.await
                });
                broken()
            }
            Some(Fault::Delay(_)) => {
                let rules = self.clone();
                let slow = tokio::spawn(async move { rules.inflict(fault, effect).await });
                match slow.await.map_err(JoinError::try_into_panic) {
                    Ok(answer) => answer,
                    Err(Ok(panic)) => resume_unwind(panic),
                    // The runtime is shutting down.
                    Err(Err(_)) => broken(),
                }
            }
            fault => self.inflict(fault, effect).await,
        }
    }

    pub(super) async fn apply<T>(&self, call: Call, effect: impl Future<Output = Result<T>>) -> Result<T> {
        let fault = self.0.lock().arrival(call);
        self.inflict(fault, effect).await
    }

    async fn inflict<T>(&self, fault: Option<Fault>, effect: impl Future<Output = Result<T>>) -> Result<T> {
        match fault {
            None => effect.await,
            Some(Fault::Fail | Fault::Kill | Fault::ApplyLate(_)) => broken(),
            Some(Fault::Reject(rejection)) => Err(Error::rejected(rejection, "storage is small on purpose")),
            Some(Fault::LoseAnswer | Fault::KillAfter) => {
                effect.await?;
                broken()
            }
            Some(Fault::NotLeader) => Err(Error::NotLeader),
            Some(Fault::LoseLeadership) => {
                effect.await?;
                Err(Error::LostLeadership)
            }
            Some(Fault::ReadOnly) => Err(Error::ReadOnly),
            Some(Fault::Conflict) => Err(Error::Conflict),
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                // The storage may have died in the meantime.
                if self.is_dead() {
                    return broken();
                }
                effect.await
            }
            Some(Fault::HoldBefore(gate)) => {
                gate.pass().await;
                effect.await
            }
            Some(Fault::HoldAfter(gate)) => {
                let answer = effect.await;
                gate.pass().await;
                answer
            }
        }
    }
}

impl State {
    fn arrival(&mut self, call: Call) -> Option<Fault> {
        *self.counts.entry(call).or_default() += 1;
        if self.dead {
            return Some(Fault::Fail);
        }
        if self.read_only && matches!(call, Call::Put | Call::Delete | Call::Begin) {
            return Some(Fault::ReadOnly);
        }
        let mut fault = None;
        let applied = &mut self.applied;
        let mut choose = |rule: &Rule| {
            if fault.is_none() {
                fault = Some(rule.fault.clone());
                applied[rule.number] = true;
            }
        };
        self.rules.retain_mut(|rule| {
            if rule.call != call && rule.call != Call::Any {
                return true;
            }
            if rule.passes > 0 {
                rule.passes -= 1;
                return true;
            }
            choose(rule);
            !rule.once
        });
        self.dead |= matches!(fault, Some(Fault::Kill | Fault::KillAfter));
        fault
    }
}

#[cfg(test)]
mod tests {
    use crate::{Call, Fault, FaultyStorage};
    use airlock_storage::{Error, MemoryStorage, Storage, StorageEntry};
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn only_the_call_that_was_meant_fails() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.nth(Call::Get, 2, Fault::Fail);
        assert!(storage.get("a").await.is_ok());
        assert!(storage.put(StorageEntry::new("a", "")).await.is_ok());
        assert!(storage.get("a").await.is_err());
        assert!(storage.get("a").await.is_ok());
        assert_eq!((storage.calls(Call::Get), storage.calls(Call::Any)), (3, 4));
    }

    #[tokio::test]
    async fn all_calls_after_those_that_pass_fail() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.after(Call::Get, 2, Fault::Fail);
        for is_ok in [true, true, false, false] {
            assert_eq!(storage.get("a").await.is_ok(), is_ok);
        }
    }

    #[tokio::test]
    async fn a_fault_that_was_never_met_is_known() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.nth(Call::Get, 2, Fault::Fail);
        storage.every(Call::Put, Fault::Fail);
        storage.nth(Call::Put, 1, Fault::ReadOnly);
        assert!(storage.get("a").await.is_ok());
        assert!(storage.put(StorageEntry::new("a", "")).await.is_err());
        // The second read never came, and another fault came before the last one.
        assert_eq!(storage.applied(), [false, true, false]);
        storage.heal();
        assert!(storage.applied().is_empty());
    }

    #[tokio::test]
    async fn a_lost_answer_leaves_the_effect_and_a_kill_nothing() {
        let memory = Arc::new(MemoryStorage::new());
        let storage = FaultyStorage::over(memory.clone());
        storage.nth(Call::Put, 1, Fault::LoseAnswer);
        storage.nth(Call::Put, 2, Fault::Kill);
        assert!(storage.put(StorageEntry::new("a", "")).await.is_err());
        assert!(storage.put(StorageEntry::new("b", "")).await.is_err());
        assert!(storage.get("a").await.is_err());
        assert_eq!(memory.entries().len(), 1);
        storage.heal();
        assert!(storage.get("a").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_held_call_waits_for_its_gate() {
        let memory = Arc::new(MemoryStorage::new());
        let storage = FaultyStorage::over(memory.clone());
        let gate = storage.hold(Call::Put, 1);
        let put = tokio::spawn(async move { storage.put(StorageEntry::new("a", "")).await });
        gate.reached().await;
        assert!(memory.entries().is_empty() && !put.is_finished());
        gate.open();
        put.await.unwrap().unwrap();
        assert_eq!(memory.entries().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_call_fails_once_storage_has_died() {
        let memory = Arc::new(MemoryStorage::new());
        let storage = FaultyStorage::over(memory.clone());
        storage.nth(Call::Put, 1, Fault::Delay(Duration::from_millis(100)));
        storage.nth(Call::Get, 1, Fault::Kill);
        // In this order: the put is delayed before the storage dies.
        let (put, get) = tokio::join!(storage.put(StorageEntry::new("a", "")), storage.get("a"));
        assert!(put.is_err() && get.is_err());
        assert!(memory.entries().is_empty());
    }

    #[tokio::test]
    async fn read_only_storage_reads() {
        let storage = FaultyStorage::new(MemoryStorage::new());
        storage.set_read_only(true);
        assert_eq!(
            storage.put(StorageEntry::new("a", "")).await,
            Err(Error::ReadOnly)
        );
        assert!(storage.get("a").await.is_ok());
    }
}
