//! The calls of a guest's exports.

use std::sync::Arc;

use airlock_logical::SpecialPaths;
use airlock_storage::{Attempt, Mount, Settings, Transaction};
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::Result;
use crate::bindings::Engine as Exports;
use crate::bindings::exports::airlock::engine::backend::{Description, Paths};
use crate::limits::Limit;
use crate::load::description;
use crate::run::account::Account;
use crate::run::answer;
use crate::run::exports::{self, GuestCode};
use crate::run::instance::{Call, State};
use crate::run::stop::Stop;
use crate::types::{Error as Refusal, Operation, Request, Response};

/// A call that works in a transaction: it may run again, and commits when it succeeds.
pub(crate) trait Transact: Call<Answer = Result<Self::Output, Refusal>> {
    type Output: Send + Sync + 'static;

    /// The limit that bounds its time.
    const TIME: Limit = Limit::Wall;

    /// True if nobody waits for it, so that it should keep nobody waiting.
    const IS_ASIDE: bool = false;

    /// Begins the transaction of an attempt.
    fn begin(
        &self,
        storage: &Arc<Mount>,
        attempt: Attempt,
    ) -> impl Future<Output = airlock_storage::Result<Transaction>> + Send {
        storage.begin(attempt)
    }

    /// Returns the existence check on which this call relies, and the answer that the check gave.
    fn rests_on(&self) -> Option<(CheckExistence, bool)> {
        None
    }

    /// Returns the request that may go on in the instance of its existence check.
    fn checked_before(&self) -> Option<&Request> {
        None
    }

    /// Returns the existence check that runs first, in the same instance, because it did so in the first run.
    fn replays_after(&self) -> Option<&CheckExistence> {
        None
    }

    /// Returns how the transaction ends if the call succeeds.
    fn ending(&self) -> Ending<'_>;

    /// Checks an answer as strictly as Vault will, before anything is stored.
    fn check(&self, _answer: &Self::Output, _account: &Account) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

/// The end of the transaction of a call that succeeded.
pub(crate) enum Ending<'a> {
    /// Stores what was written.
    Commit,
    /// Stores nothing, and keeps what was read, and the instance, for this request: an existence check.
    Keep(&'a Arc<Request>),
    /// Stores nothing, though the guest's commits seem to succeed: a trial of a guest that is not in office, with its
    /// settings.
    Discard(&'a Settings),
    /// Stores nothing, and compares what was written: the second run of a request on such a guest.
    Replay(&'a Settings),
    /// Stores nothing: the second run of an existence check on such a guest.
    ReplayCheck(&'a Settings),
}

/// `describe`.
pub(crate) struct Describe;

impl Call for Describe {
    type Answer = Description;

    async fn invoke(
        &self,
        _: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Description> {
        // Checks the types of all exports, once for the guest.
        let exports = Exports::new(&mut *store, instance)?;
        exports.airlock_engine_backend().call_describe(store).await
    }
}

/// `special-paths`.
pub(crate) struct AskSpecialPaths(pub Vec<(String, String)>);

impl Call for AskSpecialPaths {
    type Answer = SpecialPaths;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<SpecialPaths> {
        let export = &guest.exports.special_paths;
        let (paths,): (Paths,) = exports::call(instance, store, export, (&self.0[..],)).await?;
        let paths = SpecialPaths::from(paths);
        // Checks here, because this runs in the slow lane, and dropping a million paths takes long.
        description::check_paths(&paths).map_err(Stop::Contract)?;
        Ok(paths)
    }
}

/// `initialize`.
pub(crate) struct Initialize;

impl Call for Initialize {
    type Answer = Result<(), Refusal>;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        let (answer,) = exports::call(instance, store, &guest.exports.initialize, ()).await?;
        Ok(answer)
    }
}

impl Transact for Initialize {
    type Output = ();
    const TIME: Limit = Limit::Start;

    fn ending(&self) -> Ending<'_> {
        Ending::Commit
    }
}

/// `initialize`, to see whether it would succeed.
pub(crate) struct TryInitialize(pub Settings);

impl Call for TryInitialize {
    type Answer = Result<(), Refusal>;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        Initialize.invoke(guest, instance, store).await
    }
}

impl Transact for TryInitialize {
    type Output = ();
    const TIME: Limit = Limit::Start;

    fn ending(&self) -> Ending<'_> {
        Ending::Discard(&self.0)
    }
}

/// `handle-request`.
pub(crate) struct HandleRequest(pub Arc<Request>);

impl Call for HandleRequest {
    // Boxed, so that each layer moves a pointer.
    type Answer = Result<Option<Box<Response>>, Refusal>;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        let export = &guest.exports.handle_request;
        let (answer,): (Result<Option<Response>, Refusal>,) =
            exports::call(instance, store, export, (&*self.0,)).await?;
        Ok(answer.map(|response| response.map(Box::new)))
    }

    fn asked_bytes(&self) -> usize {
        self.0.bytes()
    }

    fn answered_bytes(answer: &Self::Answer) -> usize {
        match answer {
            Ok(response) => response.as_ref().map_or(0, |response| response.bytes()),
            Err(error) => error.bytes(),
        }
    }
}

impl Transact for HandleRequest {
    type Output = Option<Box<Response>>;

    async fn begin(&self, storage: &Arc<Mount>, attempt: Attempt) -> airlock_storage::Result<Transaction> {
        if attempt == Attempt::FIRST {
            storage.begin_with_reads(&self.0.id).await
        } else {
            storage.begin(attempt).await
        }
    }

    fn rests_on(&self) -> Option<(CheckExistence, bool)> {
        let existed = match self.0.operation {
            Operation::Create => false,
            Operation::Update => true,
            _ => return None,
        };
        Some((CheckExistence(self.0.clone()), existed))
    }

    fn checked_before(&self) -> Option<&Request> {
        matches!(self.0.operation, Operation::Create | Operation::Update).then_some(&*self.0)
    }

    fn ending(&self) -> Ending<'_> {
        Ending::Commit
    }

    async fn check(&self, answer: &Option<Box<Response>>, account: &Account) -> Result<()> {
        match answer {
            Some(response) => answer::check(response, &self.0.operation, account).await,
            None => Ok(()),
        }
    }
}

/// A call for the second time. Vault's decision between create and update is that of the first run.
pub(crate) struct Replay<C> {
    pub call: C,
    /// The settings that the guest's transactions would have.
    pub settings: Settings,
    /// The existence check in whose instance the first run was.
    pub check: Option<CheckExistence>,
}

impl<C: Transact> Call for Replay<C> {
    type Answer = C::Answer;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        self.call.invoke(guest, instance, store).await
    }

    fn asked_bytes(&self) -> usize {
        self.call.asked_bytes()
    }

    fn answered_bytes(answer: &Self::Answer) -> usize {
        C::answered_bytes(answer)
    }
}

impl<C: Transact> Transact for Replay<C> {
    type Output = C::Output;
    const IS_ASIDE: bool = true;

    fn replays_after(&self) -> Option<&CheckExistence> {
        self.check.as_ref()
    }

    fn ending(&self) -> Ending<'_> {
        match self.call.ending() {
            Ending::Keep(_) => Ending::ReplayCheck(&self.settings),
            _ => Ending::Replay(&self.settings),
        }
    }

    async fn check(&self, answer: &Self::Output, account: &Account) -> Result<()> {
        self.call.check(answer, account).await
    }
}

/// `check-existence`.
pub(crate) struct CheckExistence(pub Arc<Request>);

impl Call for CheckExistence {
    type Answer = Result<Option<bool>, Refusal>;
    const LEAVES_INSTANCE: bool = true;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        let export = &guest.exports.check_existence;
        let (answer,) = exports::call(instance, store, export, (&*self.0,)).await?;
        Ok(answer)
    }

    fn asked_bytes(&self) -> usize {
        self.0.bytes()
    }

    fn answered_bytes(answer: &Self::Answer) -> usize {
        answer.as_ref().map_or_else(Refusal::bytes, |_| 0)
    }
}

impl Transact for CheckExistence {
    type Output = Option<bool>;

    fn ending(&self) -> Ending<'_> {
        Ending::Keep(&self.0)
    }
}

/// `invalidate`.
pub(crate) struct Invalidate(pub String);

impl Call for Invalidate {
    type Answer = Result<(), Refusal>;

    async fn invoke(
        &self,
        guest: &GuestCode,
        instance: &Instance,
        store: &mut Store<State>,
    ) -> wasmtime::Result<Self::Answer> {
        let export = &guest.exports.invalidate;
        exports::call::<_, ()>(instance, store, export, (&self.0[..],)).await?;
        Ok(Ok(()))
    }
}

impl Transact for Invalidate {
    type Output = ();

    fn ending(&self) -> Ending<'_> {
        Ending::Commit
    }
}
