//! Makes instances of a guest and calls them.
//!
//! An instance comes from the pool, is called and goes back. Its store holds what the imports need: the request's
//! account, and its session, which outlives the instance if a request needs several instances. One call leaves its
//! instance for a second one: an existence check, for its own request ([`kept`](crate::run::kept)).

use std::sync::Arc;
use std::time::Duration;

use airlock_logical::trace::TARGET;
use tracing::Instrument as _;
use wasmtime::component::{self, Linker};
use wasmtime::{Store, Trap, WasmBacktrace};

use crate::bindings::Engine as Guest;
use crate::limits::{Exceeded, Limit};
use crate::run::account::Account;
use crate::run::backtrace::functions;
use crate::run::exports::GuestCode;
use crate::run::growth::Growth;
use crate::run::hooks::{self, SHORT_COPY, may_copy, may_restart};
use crate::run::memory::Reservation;
use crate::run::session::Session;
use crate::run::stop::Stop;
use crate::{CallError, LoadError, Result};

/// Bytes that a transaction takes to keep one thing, beside the bytes of that thing.
const KEPT: u64 = 128;

/// Bytes from which an answer takes long to check, so that others should not wait for that.
pub(crate) const LONG_ANSWER: usize = 256 << 10;

/// Bytes from which a request runs in the slow lane from the start. A guest may well store all that it is asked in one
/// piece, and add to it. For a request in the fast lane, that piece is then below [`SHORT_COPY`].
const LONG_REQUEST: usize = 256 << 10;

/// Most bytes of memory and tables, and most CPU time, that an existence check may have used if its instance is to wait
/// for the request. Such an instance fits into what its slot of the pool stands for.
const MOST_IDLE_BYTES: u64 = 256 << 10;
const MOST_IDLE_TIME: Duration = Duration::from_millis(1);

/// The data in the store of an instance.
pub(crate) struct State {
    pub account: Arc<Account>,
    /// `None` between calls, and in `describe` and `special-paths`, which may not call an import.
    session: Option<Box<Session>>,
    memory: Growth,
    /// Memory of what the current call to the host takes from the guest and gives to it.
    pub call: Reservation,
}

impl State {
    /// Returns the session for an import, or an error if the guest may not call imports now.
    pub fn session(&mut self, import: &'static str) -> wasmtime::Result<&mut Session> {
        self.session
            .as_deref_mut()
            .ok_or_else(|| Stop::Import(import).into())
    }

    /// Begins every import. Reserves memory for what the import was handed until it returns, and lets others run if the
    /// guest has kept them waiting. A guest that calls imports in a row, without a loop, meets no tick.
    pub async fn enter(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.hold(bytes).await?;
        if self.account.should_yield() || self.account.should_move() {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Moves the request to the slow lane, unless it is there already. Once the request must not run again, nothing
    /// else bounds how long its guest makes others wait.
    pub async fn move_over(&self) {
        self.account.becomes_long();
        if self.account.should_move() {
            tokio::task::yield_now().await;
        }
    }

    /// Reserves memory for `bytes` that an import keeps until the transaction ends, and returns the session.
    pub async fn keep(&mut self, import: &'static str, bytes: usize) -> wasmtime::Result<&mut Session> {
        let memory = self.account.memory.clone();
        let session = self.session(import)?;
        session
            .hold(&memory, bytes as u64 + KEPT)
            .await
            .map_err(Stop::from)?;
        Ok(session)
    }

    /// Reserves memory for what is on its way to or from the guest, until the current call to the host returns.
    pub async fn hold(&mut self, bytes: usize) -> wasmtime::Result<()> {
        Ok(self.call.add(bytes as u64).await.map_err(Stop::from)?)
    }
}

/// Links the contract's imports, and nothing else.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(engine);
    Guest::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state| state).map_err(
        |error| LoadError::Runtime {
            what: "the contract's imports cannot be linked",
            source: error.into(),
        },
    )?;
    Ok(linker)
}

/// Returns true for a request of so many bytes that it should not run where others wait.
pub(crate) fn is_large(asked_bytes: usize) -> bool {
    asked_bytes > LONG_REQUEST
}

/// A call of one of a guest's exports.
pub(crate) trait Call: Send + Sync + 'static {
    type Answer: Send + 'static;

    /// True if an instance may serve another call after this one.
    const LEAVES_INSTANCE: bool = false;

    fn invoke(
        &self,
        guest: &GuestCode,
        instance: &component::Instance,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;

    /// Returns the bytes of what the guest is asked.
    fn asked_bytes(&self) -> usize {
        0
    }

    /// Returns true if the guest is asked so much that the call should not run where others wait.
    fn is_large(&self) -> bool {
        is_large(self.asked_bytes())
    }

    /// Returns the bytes of an answer.
    fn answered_bytes(_answer: &Self::Answer) -> usize {
        0
    }
}

/// A call within a session that came to its end, whatever the guest answered.
pub(crate) struct Called<A> {
    pub answer: A,
    pub session: Box<Session>,
    /// The idle instance, if the [call](Call::LEAVES_INSTANCE) leaves it.
    pub instance: Option<Instance>,
}

/// Calls an instance within a session: a fresh one, or the one of the request's existence check.
pub(crate) async fn call<C: Call>(
    guest: &GuestCode,
    account: &Arc<Account>,
    session: Box<Session>,
    reused: Option<Instance>,
    call: &C,
) -> Result<Called<C::Answer>> {
    let mut instance = reused.unwrap_or_else(|| Instance::new(guest, account));
    instance.store.data_mut().session = Some(session);
    let result = instance.run(guest, account, call).await;
    let Some(session) = instance.store.data_mut().session.take() else {
        unreachable!("the store was given a session, and nothing else takes it out");
    };
    // All others are dropped here.
    let instance = (C::LEAVES_INSTANCE && result.is_ok()).then_some(instance);
    match result {
        Ok(answer) => {
            make_room(C::answered_bytes(&answer), account).await;
            Ok(Called {
                answer,
                session,
                instance,
            })
        }
        Err(error) => {
            account.transaction_ended(session.transaction.usage());
            Err(session.verdict(error, account))
        }
    }
}

/// Makes an instance and calls it without a session, so that it can call no import.
pub(crate) async fn call_static<C: Call>(
    guest: &GuestCode,
    account: &Arc<Account>,
    call: &C,
) -> Result<C::Answer> {
    Instance::new(guest, account).run(guest, account, call).await
}

/// An instance of a guest, and the store that it lives in. Between calls it has no session, so it could call no import.
pub(crate) struct Instance {
    store: Store<State>,
    /// The instance itself, which the first call makes.
    made: Option<component::Instance>,
    /// True if another call has left it.
    is_reused: bool,
}

impl Instance {
    fn new(guest: &GuestCode, account: &Arc<Account>) -> Self {
        let state = State {
            account: account.clone(),
            session: None,
            memory: Growth::of(account),
            call: Reservation::of(&account.memory),
        };
        let mut store = Store::new(guest.component().engine(), state);
        store.limiter_async(|state| &mut state.memory);
        hooks::install(&mut store);
        Self {
            store,
            made: None,
            is_reused: false,
        }
    }

    /// Returns true if the instance may wait for the request of its check: it has little memory, has not used much time,
    /// and was not refused anything.
    ///
    /// Time counts because a component also has tables that are not counted as memory. They grow by its instructions.
    pub fn is_small(&self) -> bool {
        let State { account, memory, .. } = self.store.data();
        memory.bytes() <= MOST_IDLE_BYTES
            && !memory.refused
            && !account.is_long()
            && account.cpu_used() <= MOST_IDLE_TIME
    }

    /// Charges the instance and what it does from now on to another account. Returns `None`, and drops the instance, if
    /// the account has no memory for it.
    pub fn reuse(mut self, account: &Arc<Account>) -> Option<Self> {
        let state = self.store.data_mut();
        if !state.memory.charge_to(account) {
            return None;
        }
        state.account = account.clone();
        state.call = Reservation::of(&account.memory);
        hooks::renew_tick(&mut self.store);
        self.is_reused = true;
        Some(self)
    }

    async fn run<C: Call>(
        &mut self,
        guest: &GuestCode,
        account: &Arc<Account>,
        call: &C,
    ) -> Result<C::Answer> {
        let Self {
            store,
            made,
            is_reused,
        } = self;
        let called = async {
            account
                .hold_request(call.asked_bytes() as u64)
                .await
                .map_err(Stop::from)?;
            let instance = match made {
                Some(instance) => instance,
                none => {
                    let span = tracing::trace_span!(target: TARGET, "instance");
                    none.insert(guest.instantiate(store).instrument(span).await?)
                }
            };
            let span = tracing::trace_span!(target: TARGET, "guest", reused = *is_reused);
            let answer = call.invoke(guest, instance, store).instrument(span).await?;
            // It may have answered that it has too little memory. A fresh instance may have enough.
            if *is_reused && store.data().memory.refused && account.may_run_again() {
                return Err(Stop::from(account.exceeded(Limit::Memory)).into());
            }
            account
                .hold_answer(C::answered_bytes(&answer))
                .await
                .map_err(Stop::from)?;
            Ok(answer)
        };
        called.await.map_err(|error| explain(&error, store.data()))
    }
}

/// Moves a request with a large answer to the slow lane, because the answer takes long to check.
async fn make_room(answered_bytes: usize, account: &Account) {
    if answered_bytes > LONG_ANSWER {
        account.becomes_long();
        tokio::task::yield_now().await;
        account.time_exactly();
    }
}

/// Converts the error of a call to this crate's error.
fn explain(error: &wasmtime::Error, state: &State) -> CallError {
    let guest = state.account.guest.clone();
    let limit = |exceeded: Exceeded| match exceeded.limit {
        Limit::ProcessMemory => CallError::Busy {
            guest: guest.clone(),
            exceeded,
        },
        _ => CallError::Limit {
            guest: guest.clone(),
            exceeded,
        },
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Limit(exceeded) => limit(*exceeded),
            Stop::Storage(error) => CallError::Storage(error.clone()),
            stop @ (Stop::Import(_) | Stop::Contract(_)) => CallError::Contract {
                guest,
                what: stop.to_string(),
            },
        };
    }
    // A guest that is refused memory usually aborts, and an error that names only that trap would hide the cause. Other
    // traps have causes of their own.
    let trap = error.downcast_ref::<Trap>();
    if state.memory.refused && trap.is_none_or(|trap| *trap == Trap::UnreachableCodeReached) {
        return limit(state.account.exceeded(Limit::Memory));
    }
    let root = error.root_cause().to_string();
    // wasmtime does not export the type of this error.
    if root.contains("fuel allocated for hostcalls") {
        let (bytes, exceeded) = may_copy(&state.account);
        if may_restart(&state.account) && bytes > SHORT_COPY {
            // The request is run again in the slow lane.
            state.account.becomes_long();
            return CallError::Storage(airlock_storage::Error::Conflict);
        }
        return limit(state.account.exceeded(exceeded));
    }
    let functions = error
        .downcast_ref::<WasmBacktrace>()
        .map(functions)
        .unwrap_or_default();
    let reason = match trap {
        Some(Trap::UnreachableCodeReached) => "it aborted (`unreachable`), as after a panic".to_owned(),
        Some(Trap::StackOverflow) => "its call stack is exhausted; it recurses too deeply".to_owned(),
        Some(trap) => trap.to_string().trim_start_matches("wasm trap: ").to_owned(),
        None => root,
    };
    CallError::Trap {
        guest,
        reason,
        functions,
    }
}

#[cfg(test)]
mod tests {
    use airlock_storage::{Attempt, MemoryStorage, Mount, Settings};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::bindings::airlock::engine::storage;
    use crate::limits::Limits;
    use crate::mount::{MountContext, Services};
    use crate::run::lanes::{Lanes, Work};
    use crate::run::memory::ProcessMemory;
    use crate::run::ticker::Ticker;

    /// Returns the name of the thread on which a request continues once it has stored something.
    async fn thread_after_a_commit() -> Result<String> {
        let ticker = Arc::new(Ticker::start(&wasmtime::Engine::default()).unwrap());
        let limits = Limits::default();
        let process = ProcessMemory::new(1 << 30);
        let account = Arc::new(Account::open("guest".into(), limits, Limit::Wall, &process));
        let storage = Mount::new(Arc::new(MemoryStorage::new()), Settings::default());
        let mount = MountContext::new(storage, Services::default(), vec![], &account.limits);
        let work = Work::new(account.clone(), ticker.run(), async move {
            let transaction = mount.storage.begin(Attempt::FIRST).await?;
            let mut state = State {
                session: Some(Box::new(Session::new(transaction, mount))),
                memory: Growth::of(&account),
                call: Reservation::of(&account.memory),
                account,
            };
            let entry = storage::Entry {
                key: "key".into(),
                value: "value".into(),
                seal_wrap: false,
            };
            assert!(storage::Host::put(&mut state, entry).await.is_ok());
            assert!(storage::Host::commit(&mut state).await.is_ok());
            Ok(std::thread::current().name().unwrap_or_default().to_owned())
        });
        let lanes = Arc::new(Lanes::default());
        lanes.run(work, Arc::new(Semaphore::new(1))).await
    }

    #[tokio::test]
    async fn a_request_that_has_committed_moves_at_once() {
        assert_eq!(thread_after_a_commit().await.unwrap(), "slow-lane");
    }
}
