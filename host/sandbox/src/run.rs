//! The life of a request, from the permits that it waits for to the commit of what it wrote.
//!
//! 1. [`permit`]: the request opens its [`account`] with all limits, and waits for an instance permit of its mount
//!    ([`gate`]) and a slot of the process's pool ([`code`]).
//! 2. [`lanes`]: it runs in the fast lane, as part of its caller's task, or in the slow one if it takes long.
//! 3. [`attempts`], below: it begins a transaction, and confirms Vault's decision between create and update.
//! 4. [`instance`]: a fresh instance is called, or after an existence check the one that the check left ([`kept`]). The
//!    guest's own calls arrive in [`imports`](crate::imports), and work on the attempt's [`session`]. [`hooks`] run at each
//!    change between guest and host.
//! 5. [`answer`]: the answer is checked as strictly as Vault will check it.
//! 6. The transaction is committed, and then the events are sent. On a conflict it all starts over at step 3, unless
//!    another guest has taken over: then the request is returned for that one.

pub(crate) mod account;
pub(crate) mod address_space;
pub(crate) mod answer;
mod backtrace;
pub(crate) mod calls;
pub(crate) mod code;
pub(crate) mod exports;
pub(crate) mod gate;
mod growth;
mod hooks;
pub(crate) mod instance;
pub(crate) mod kept;
pub(crate) mod lanes;
pub(crate) mod machine;
pub(crate) mod memory;
pub(crate) mod permit;
pub(crate) mod session;
pub(crate) mod stop;
pub(crate) mod ticker;

use std::sync::Arc;

use airlock_logical::trace::TARGET;
use airlock_storage::Attempt;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::mount::MountContext;
use crate::types;
use crate::{CallError, Result};
use account::Account;
use calls::{CheckExistence, Ending, Transact};
use code::{Code, Slot};
use instance::{Called, Instance};
use session::Session;

/// Runs a request. Runs it again if another request was in the way, or if it belongs in the slow lane.
///
/// An existence check may take the `slot` of the pool, for the instance that it keeps.
async fn attempts<C: Transact>(
    code: &Code,
    mount: &Arc<MountContext>,
    account: &Arc<Account>,
    slot: &mut Option<Slot>,
    call: &C,
) -> Result<C::Output> {
    let mut attempt = Attempt::FIRST;
    // A second run could not repeat what an instance remembers of a check that was not recorded.
    let may_reuse = mount.record.as_ref().is_none_or(|record| record.has_check());
    let mut reused = call
        .checked_before()
        .filter(|_| may_reuse)
        .and_then(|request| code.shared.kept.take(mount.whole(), &code.component, request))
        .and_then(|instance| instance.reuse(account));
    loop {
        account.attempt();
        let number = account.attempts();
        let span = tracing::trace_span!(target: TARGET, "attempt", number, outcome = Empty);
        let begun = call.begin(&mount.storage, attempt).instrument(span.clone());
        let mut transaction = begun.await?;
        transaction.set_budget(account.clone());
        let mut session = Box::new(Session::new(transaction, mount.clone()));
        match call.ending() {
            Ending::Discard(settings) => session.transaction.begin_trial(settings.clone()),
            ending @ (Ending::Replay(settings) | Ending::ReplayCheck(settings)) => {
                if let Some(second) = &mount.second {
                    session.transaction.begin_replay(&second.trace, settings.clone());
                    if matches!(ending, Ending::ReplayCheck(_)) {
                        session.transaction.begin_replayed_check();
                    }
                }
            }
            // This comes after the beginning: see `airlock_storage`, `succession.rs`.
            _ if mount.is_replaced() => return Err(CallError::Replaced),
            Ending::Keep(_) => session.transaction.begin_check(),
            Ending::Commit => {}
        }
        if mount.record.is_some() {
            session.transaction.trace();
        }
        // Its memory may hold what the check read, so the transaction has to have read it too.
        let instance = reused.take().filter(|_| session.transaction.continues_check());
        let is_reused = instance.is_some();
        let attempted = self::attempt(code, session, account, instance, slot, call);
        let result = attempted.instrument(span.clone()).await;
        if !span.is_disabled() {
            span.record("outcome", outcome(&result));
        }
        drop(span);
        match result {
            // It starts over in the slow lane. This does not count as a conflict.
            Err(CallError::Storage(airlock_storage::Error::Conflict))
                if account.may_run_again() && account.should_move() =>
            {
                tokio::task::yield_now().await;
            }
            Err(CallError::Storage(airlock_storage::Error::Conflict)) => {
                account.conflict();
                if !account.may_run_again() {
                    return result;
                }
                attempt = attempt.next();
            }
            // It may be what the check left that did not do, so it starts over without that.
            Err(error) if is_reused && kept::may_be_due_to_reuse(&error) && account.may_run_again() => {}
            result => return result,
        }
    }
}

/// Returns the word with which an attempt ends in a trace. The request's own span says more.
fn outcome<T>(result: &Result<T>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(CallError::Guest(_)) => "refused",
        Err(CallError::Storage(airlock_storage::Error::Conflict)) => "conflict",
        Err(_) => "failed",
    }
}

async fn attempt<C: Transact>(
    code: &Code,
    session: Box<Session>,
    account: &Arc<Account>,
    reused: Option<Instance>,
    slot: &mut Option<Slot>,
    call: &C,
) -> Result<C::Output> {
    let session = confirm(code, session, account, call).await?;
    let (session, reused) = match call.replays_after() {
        Some(check) => replay_check(code, session, account, check).await?,
        None => (session, reused),
    };
    if let Some(record) = &session.mount.record {
        // What an earlier attempt was told, or a repeated check, is not what this one is told.
        record.begin_attempt(reused.is_some());
    }
    let called = instance::call(&code.component, account, session, reused, call).await?;
    let Called {
        answer,
        mut session,
        instance,
    } = called;
    let result = match (checked(answer, account, call).await, call.ending()) {
        (Err(error), _) => Err(session.verdict(error, account)),
        (Ok(output), Ending::Keep(_) | Ending::Discard(_) | Ending::Replay(_) | Ending::ReplayCheck(_)) => {
            Ok(output)
        }
        (Ok(output), Ending::Commit) => match session.commit(account).await {
            Ok(()) => Ok(output),
            Err(error) => Err(error.into()),
        },
    };
    account.transaction_ended(session.transaction.usage());
    compared(&mut session);
    if let (Ok(_), Ending::Keep(request)) = (&result, call.ending()) {
        // What the check wrote is not stored, but its memory may say that it is.
        let instance = instance.filter(|_| !session.transaction.has_writes());
        let mount = session.mount.clone();
        session.transaction.keep_reads(&request.id)?;
        if let Some(instance) = instance {
            code.keep(mount.whole(), request, instance, slot);
        }
    }
    result
}

/// Hands over what a run that is compared has read and written.
fn compared(session: &mut Session) {
    let mount = session.mount.clone();
    if let Some(record) = &mount.record
        && let Some(trace) = session.transaction.take_trace()
    {
        record.keep(trace);
    }
    if let Some(second) = &mount.second {
        *second.replayed.lock() = Some(session.transaction.end_replay());
    }
}

/// Confirms Vault's decision between create and update, within the transaction that relies on it. Repeats the existence
/// check, unless this transaction continues the check's own. `host/mount/src/existence.rs` tells the check's whole story.
async fn confirm<C: Transact>(
    code: &Code,
    mut session: Box<Session>,
    account: &Arc<Account>,
    call: &C,
) -> Result<Box<Session>> {
    let Some((check, existed)) = call.rests_on() else {
        return Ok(session);
    };
    if session.transaction.continues_check() {
        return Ok(session);
    }
    session.transaction.begin_check();
    // Boxed, so that the future of every request does not reserve space for it.
    let repeated = Box::pin(instance::call(&code.component, account, session, None, &check));
    let Called {
        answer, mut session, ..
    } = repeated.await?;
    session.transaction.end_check();
    let error = match answer {
        Ok(Some(exists)) if exists != existed => CallError::ExistenceChanged { exists },
        // The path has no such check, so Vault's decision did not rely on one.
        Ok(_) | Err(types::Error::UnsupportedPath) => return Ok(session),
        // Nobody knows whether the caller may do this, so the request is not run.
        Err(refusal) => answer::refused(refusal, account),
    };
    account.transaction_ended(session.transaction.usage());
    Err(session.verdict(error, account))
}

/// Runs the existence check of a request's second run, and returns its instance, in which the request runs. What the check
/// answers was compared when it ran alone.
async fn replay_check(
    code: &Code,
    mut session: Box<Session>,
    account: &Arc<Account>,
    check: &CheckExistence,
) -> Result<(Box<Session>, Option<Instance>)> {
    session.transaction.begin_replayed_check();
    let called = Box::pin(instance::call(&code.component, account, session, None, check)).await?;
    let Called {
        mut session,
        instance,
        ..
    } = called;
    let instance = instance.filter(|_| !session.transaction.has_writes());
    session.transaction.end_replayed_check();
    if let Some(second) = &session.mount.second {
        second.replayer.goes_on();
    }
    Ok((session, instance.and_then(|instance| instance.reuse(account))))
}

/// Checks the guest's answer. An error from the guest becomes [`CallError::Guest`].
async fn checked<C: Transact>(answer: C::Answer, account: &Account, call: &C) -> Result<C::Output> {
    match answer {
        Ok(output) => call.check(&output, account).await.map(|()| output),
        Err(refusal) => Err(answer::refused(refusal, account)),
    }
}
