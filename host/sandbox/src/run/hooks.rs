//! The hooks of a running instance: at each change between guest and host, and at each tick.
//!
//! They check the request's time, and limit what wasmtime copies from the guest. An import that takes long has to check
//! the time itself, because no hook runs in it.

use wasmtime::{AsContextMut as _, CallHook, Store, StoreContextMut, UpdateDeadline};

use crate::limits::Limit;
use crate::run::account::Account;
use crate::run::instance::State;
use crate::run::stop::Stop;

/// Bytes that a guest may hand over beyond those that it may still move. An import can then refuse them and say why,
/// and the guest can tell its caller.
const TO_BE_REFUSED: u64 = 1 << 20;

/// Most bytes that are copied from a guest in one go in the fast lane. This takes less than a millisecond, however
/// small the pieces are.
pub(crate) const SHORT_COPY: u64 = 512 << 10;

/// Installs the hooks in the store of an instance.
pub(crate) fn install(store: &mut Store<State>) {
    store.call_hook(on_call);
    store.epoch_deadline_callback(on_tick);
    renew_tick(store);
}

/// Lets the guest run until the next tick but one, whenever its last one was.
pub(crate) fn renew_tick(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
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
pub(crate) fn may_restart(account: &Account) -> bool {
    !account.is_slow() && account.may_run_again()
}

/// Returns how many bytes may be copied from the guest at once, and the limit that says so.
pub(crate) fn may_copy(account: &Account) -> (u64, Limit) {
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
