//! Makes one instance of a guest, and calls it once.
//!
//! An instance comes from the pool, is called once and goes back. Its store holds what the imports need: the request's
//! account, and its session, which outlives the instance if a request needs several instances.

use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{AsContextMut as _, CallHook, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace};

use crate::bindings::{Engine as Guest, EnginePre};
use crate::limits::{Exceeded, Limit};
use crate::run::account::Account;
use crate::run::backtrace::functions;
use crate::run::growth::Growth;
use crate::run::memory::Reservation;
use crate::run::session::Session;
use crate::run::stop::Stop;
use crate::{CallError, LoadError, Result};

/// Bytes that a guest may hand over beyond those that it may still move. An import can then refuse them and say why,
/// and the guest can tell its caller.
const TO_BE_REFUSED: u64 = 1 << 20;

/// Bytes that a transaction takes to keep one thing, beside the bytes of that thing.
const KEPT: u64 = 128;

/// Bytes from which an answer takes long to check, so that others should not wait for that.
const LONG_ANSWER: usize = 256 << 10;

/// Bytes from which a request runs in the slow lane from the start. A guest may well store all that it is asked in one
/// piece, and add to it. For a request in the fast lane, that piece is then below [`SHORT_COPY`].
const LONG_REQUEST: usize = 256 << 10;

/// Most bytes that are copied from a guest in one go in the fast lane. This takes less than a millisecond, however
/// small the pieces are.
const SHORT_COPY: u64 = 512 << 10;

/// The data in the store of an instance.
pub(crate) struct State {
    pub account: Arc<Account>,
    /// `None` for `describe` and `special-paths`, which may not call an import.
    session: Option<Box<Session>>,
    memory: Growth,
    /// Memory of what the current call to the host takes from the guest and gives to it.
    call: Reservation,
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

    fn invoke(
        &self,
        guest: &Guest,
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

/// Makes an instance and calls it within a session. Returns the session if the call came to an end, whatever the guest
/// answered.
pub(crate) async fn call<C: Call>(
    guest: &EnginePre<State>,
    account: &Arc<Account>,
    session: Box<Session>,
    call: &C,
) -> Result<(C::Answer, Box<Session>)> {
    let mut store = store(guest, account, Some(session));
    let result = run(guest, &mut store, call).await;
    // This drops the instance.
    let Some(session) = store.into_data().session else {
        unreachable!("the store was made with a session, and nothing takes it out");
    };
    match result {
        Ok(answer) => {
            make_room(C::answered_bytes(&answer), account).await;
            Ok((answer, session))
        }
        Err(error) => {
            account.transaction_ended(session.transaction.usage());
            Err(session.verdict(error, account))
        }
    }
}

/// Makes an instance and calls it without a session, so that it can call no import.
pub(crate) async fn call_static<C: Call>(
    guest: &EnginePre<State>,
    account: &Arc<Account>,
    call: &C,
) -> Result<C::Answer> {
    run(guest, &mut store(guest, account, None), call).await
}

fn store(guest: &EnginePre<State>, account: &Arc<Account>, session: Option<Box<Session>>) -> Store<State> {
    let mut store = Store::new(
        guest.engine(),
        State {
            account: account.clone(),
            session,
            memory: Growth::of(account),
            call: Reservation::of(&account.memory),
        },
    );
    store.limiter_async(|state| &mut state.memory);
    store.call_hook(on_call);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    store
}

async fn run<C: Call>(guest: &EnginePre<State>, store: &mut Store<State>, call: &C) -> Result<C::Answer> {
    let account = store.data().account.clone();
    let called = async {
        account
            .hold_request(call.asked_bytes() as u64)
            .await
            .map_err(Stop::from)?;
        let instance = guest.instantiate_async(&mut *store).await?;
        let answer = call.invoke(&instance, &mut *store).await?;
        account
            .hold_answer(C::answered_bytes(&answer))
            .await
            .map_err(Stop::from)?;
        Ok(answer)
    };
    called.await.map_err(|error| explain(&error, store.data()))
}

/// Moves a request with a large answer to the slow lane, because the answer takes long to check.
async fn make_room(answered_bytes: usize, account: &Account) {
    if answered_bytes > LONG_ANSWER {
        account.becomes_long();
        tokio::task::yield_now().await;
        account.time_exactly();
    }
}

/// Checks the request whenever the guest calls the host or returns to it, before wasmtime copies what the guest hands
/// over. This is the one place that a guest cannot get around by calling imports in a row.
fn on_call(mut store: StoreContextMut<'_, State>, call: CallHook) -> wasmtime::Result<()> {
    match call {
        CallHook::CallingHost => {
            store.data().account.check_time().map_err(Stop::from)?;
            limit_copying(store);
        }
        CallHook::ReturningFromHost => {
            store.data_mut().call.clear();
            // Once in each poll, because this is also the end of `memory.grow` and the like, which never yield: a loop of
            // them would renew its tick for ever.
            if store.data().account.renews_tick() {
                store.set_epoch_deadline(1);
            }
        }
        CallHook::ReturningFromWasm => limit_copying(store),
        CallHook::CallingWasm => {}
    }
    Ok(())
}

/// Lets the guest hand over what the request may still move and hold, in the fast lane at most 512 KiB.
fn limit_copying(mut store: StoreContextMut<'_, State>) {
    let account = &store.data().account;
    let (bytes, _) = may_copy(account);
    let bytes = match may_restart(account) {
        true => bytes.min(SHORT_COPY),
        false => bytes,
    };
    store.set_hostcall_fuel(usize::try_from(bytes).unwrap_or(usize::MAX));
}

/// Returns true if the request is in the fast lane and can be run again in the slow one.
fn may_restart(account: &Account) -> bool {
    !account.is_slow() && account.may_run_again()
}

/// Returns how many bytes may be copied from the guest at once, and the limit that says so.
fn may_copy(account: &Account) -> (u64, Limit) {
    let movable = account.transfer_left().saturating_add(TO_BE_REFUSED);
    match account.memory.left() {
        left if left < movable => (left, Limit::Memory),
        _ => (movable, Limit::Transfer),
    }
}

fn on_tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    store.as_context_mut().data().account.tick().map_err(Stop::from)?;
    // Uses tokio's yield. After wasmtime's, the runtime would run the guest again before it looks for what has arrived.
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
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
