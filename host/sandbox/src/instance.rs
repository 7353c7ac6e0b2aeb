//! One instance of a guest, and one call of it.
//!
//! An instance comes from the pool, is called once and goes back. Its store holds what the imports need: the request's
//! account, and its session, which outlives the instance when a request needs several.

use std::sync::Arc;

use wasmtime::component::Linker;
use wasmtime::{
    AsContextMut as _, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace,
};

use crate::account::Account;
use crate::bindings::{Engine as Guest, EnginePre};
use crate::limits::{Exceeded, Limit};
use crate::session::Session;
use crate::{Error, Result};

/// Functions shown of a trap.
const SHOWN_FUNCTIONS: usize = 6;

/// What the store of an instance holds.
pub(crate) struct State {
    pub account: Arc<Account>,
    /// None for `describe` and `special-paths`, which may call nothing.
    session: Option<Session>,
    memory: Memory,
}

impl State {
    /// The session, for an import; an error for a guest that calls it where it may not.
    pub fn session(&mut self, import: &'static str) -> wasmtime::Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Stop::Import(import).into())
    }
}

/// Why the host ends a call. It travels through wasmtime as an error of the call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error(transparent)]
    Limit(#[from] Exceeded),
    #[error("{0} is called where no import may be: describe and special-paths are static")]
    Import(&'static str),
    #[error("{0}")]
    Contract(String),
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),
}

/// Links the contract's imports, and nothing else.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    Guest::add_to_linker::<_, wasmtime::component::HasSelf<_>>(&mut linker, |state| state)
        .map_err(|error| Error::Runtime(format!("{error:#}")))?;
    Ok(linker)
}

/// A call of one of a guest's exports.
pub(crate) trait Call: Send + Sync + 'static {
    type Answer: Send + 'static;

    fn invoke(
        &self,
        guest: &Guest,
        store: &mut Store<State>,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

/// Makes an instance and calls it. The session comes back if the call came to an end, whatever the guest answered.
pub(crate) async fn call<C: Call>(
    guest: &EnginePre<State>,
    account: &Arc<Account>,
    session: Option<Session>,
    call: &C,
) -> Result<(C::Answer, Option<Session>)> {
    let memory = Memory {
        limit: account.limits.memory_bytes,
        ..Memory::default()
    };
    let mut store = Store::new(
        guest.engine(),
        State {
            account: account.clone(),
            session,
            memory,
        },
    );
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(usize::try_from(account.limits.transfer_bytes).unwrap_or(usize::MAX));
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(on_tick);
    let result = match guest.instantiate_async(&mut store).await {
        Ok(instance) => call.invoke(&instance, &mut store).await,
        Err(error) => Err(error),
    };
    let result = result.map_err(|error| explain(&error, store.data()));
    let state = store.into_data();
    account.memory(state.memory.peak);
    match result {
        Ok(answer) => Ok((answer, state.session)),
        Err(error) => {
            if let Some(session) = state.session {
                account.transaction_ended(session.transaction.usage());
                if matches!(error, Error::Trap { .. }) && session.is_overtaken() {
                    return Err(airlock_storage::Error::Conflict.into());
                }
            }
            Err(error)
        }
    }
}

fn on_tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    store.as_context_mut().data().account.tick().map_err(Stop::from)?;
    Ok(UpdateDeadline::Yield(1))
}

/// The error of a call, as this crate tells it.
fn explain(error: &wasmtime::Error, state: &State) -> Error {
    let guest = state.account.guest.clone();
    let limit = |exceeded| Error::Limit {
        guest: guest.clone(),
        exceeded,
    };
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return match stop {
            Stop::Limit(exceeded) => limit(exceeded.clone()),
            Stop::Storage(error) => Error::Storage(error.clone()),
            stop @ (Stop::Import(_) | Stop::Contract(_)) => Error::Contract {
                guest,
                what: stop.to_string(),
            },
        };
    }
    // A guest that is refused memory usually aborts, and a trap that says only that would hide the cause. Other traps
    // have causes of their own.
    let trap = error.downcast_ref::<Trap>();
    if state.memory.refused && trap.is_none_or(|trap| *trap == Trap::UnreachableCodeReached) {
        return limit(state.account.exceeded(Limit::Memory));
    }
    let root = error.root_cause().to_string();
    // wasmtime keeps the type of this error to itself.
    if root.contains("fuel allocated for hostcalls") {
        return limit(state.account.exceeded(Limit::Transfer));
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
    Error::Trap {
        guest,
        reason,
        functions,
    }
}

/// The guest's own functions: those of Rust's library, in which every panic ends, say nothing.
fn functions(trace: &WasmBacktrace) -> Vec<String> {
    let names = trace.frames().iter().filter_map(|frame| frame.func_name());
    let mut names: Vec<String> = names.map(readable).filter(|name| !is_library(name)).collect();
    names.dedup();
    names.truncate(SHOWN_FUNCTIONS);
    names
}

/// A function's name as its author wrote it, without the compiler's hash.
fn readable(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

fn is_library(name: &str) -> bool {
    ["core::", "std::", "alloc::", "__rustc::"]
        .iter()
        .any(|path| name.trim_start_matches(['<', '&']).starts_with(path))
}

/// Keeps an instance's memory and tables, together, below a limit.
#[derive(Default)]
struct Memory {
    limit: u64,
    used: u64,
    peak: u64,
    /// For the limit's sake; what is over the guest's own declared maximum is its own affair.
    refused: bool,
}

impl Memory {
    fn grow(&mut self, current: u64, desired: u64, maximum: Option<u64>) -> bool {
        let used = self.used.saturating_sub(current).saturating_add(desired);
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        if used > self.limit {
            self.refused = true;
            return false;
        }
        self.used = used;
        self.peak = self.peak.max(used);
        true
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow(current as u64, desired as u64, maximum.map(|bytes| bytes as u64)))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let bytes = |elements: usize| elements as u64 * 8;
        Ok(self.grow(bytes(current), bytes(desired), maximum.map(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_tables_share_one_limit() {
        let mut memory = Memory {
            limit: 1000,
            ..Memory::default()
        };
        assert!(memory.memory_growing(0, 600, None).unwrap());
        assert!(memory.table_growing(0, 50, None).unwrap());
        assert!(!memory.refused);
        assert!(!memory.table_growing(50, 51, None).unwrap());
        assert!(memory.refused && memory.peak == 1000);
    }

    #[test]
    fn a_guests_own_maximum_is_not_the_limit() {
        let mut memory = Memory {
            limit: 1000,
            ..Memory::default()
        };
        assert!(!memory.memory_growing(0, 600, Some(500)).unwrap());
        assert!(!memory.refused);
    }

    #[test]
    fn functions_are_named_as_their_authors_wrote_them() {
        assert_eq!(readable("_ZN2kv5write17h0123456789abcdefE"), "kv::write");
        assert_eq!(
            readable("_RNvNtCs7pecuj1t4GH_4core9panicking9panic_fmt"),
            "core::panicking::panic_fmt"
        );
        assert_eq!(readable("cabi_realloc"), "cabi_realloc");
        assert!(is_library("core::panicking::panic_fmt") && is_library("<core::fmt::Arguments>::new"));
        assert!(!is_library("kv::write") && !is_library("coredump"));
    }
}
