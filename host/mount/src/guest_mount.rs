//! One mount: Vault's requests on one side, the guest on the other.

mod parts;
mod report;

use std::sync::Arc;
use std::time::Duration;

use airlock_logical::trace::TARGET;
use airlock_sandbox::{
    CallError, Guest, MountContext, Outcome, Permit, Record, SecondRun, Usage, is_control, types,
};
use airlock_storage::Settings;
use tracing::Instrument as _;
use vault_plugin::{Backend, Caller, Error, Held, Operation, Request, Response, SpecialPaths, async_trait};

use crate::breaker::{self, Breaker};
use crate::bridge;
use crate::canary::Trial;
use crate::existence::{Blame, Checks};
use crate::invalidations::Invalidations;
use crate::metrics::Metrics;
use crate::start::Start;
pub use parts::Parts;
use report::{printable, report};

/// A mount that a guest serves.
pub struct GuestMount {
    guest: Guest,
    context: Arc<MountContext>,
    settings: Settings,
    paths: SpecialPaths,
    start: Start,
    checks: Checks,
    invalidations: Invalidations,
    on_usage: fn(&Usage),
    metrics: Arc<Metrics>,
    breaker: Breaker,
    is_standby: bool,
}

impl GuestMount {
    /// Runs the guest's `initialize` and stores nothing, to see whether it would succeed.
    ///
    /// # Errors
    /// The guest's refusal, or why it did not come to an end.
    pub async fn try_initialize(&self) -> Result<(), Error> {
        let outcome = self
            .guest
            .try_initialize(&self.context, self.settings.clone())
            .await;
        self.report("initialize", outcome)
            .map_err(|error| printable(bridge::refusal(error)))
    }

    /// Runs a request for the second time; see [`Guest::replay`].
    pub(crate) async fn replay(&self, request: Arc<types::Request>, record: &Record) -> Option<SecondRun> {
        let settings = self.settings.clone();
        self.guest.replay(&self.context, request, record, settings).await
    }

    /// Runs an existence check for the second time; see [`Guest::replay_check`].
    pub(crate) async fn replay_check(
        &self,
        request: Arc<types::Request>,
        record: &Record,
    ) -> Option<Outcome<Option<bool>>> {
        let settings = self.settings.clone();
        self.guest
            .replay_check(&self.context, request, record, settings)
            .await
    }

    /// Takes over the mount. When this returns, nothing of another guest commits any more, and its requests come back as
    /// [`Replaced`].
    ///
    /// # Errors
    /// Requests of the other guest that cannot run again did not end within `wait`. It still serves then.
    pub async fn take_over(&self, wait: Duration) -> airlock_storage::Result<()> {
        let term = self.storage().replace_guest(self.settings.clone(), wait).await?;
        self.context.take_office(term);
        Ok(())
    }

    /// Returns the guest's special paths, with the host's own.
    pub fn paths(&self) -> &SpecialPaths {
        &self.paths
    }

    /// Returns the mount's storage, as transactions see it.
    pub fn storage(&self) -> &Arc<airlock_storage::Mount> {
        self.context.storage()
    }

    /// Returns once the guest has been told of all keys that [`invalidate_key`](Backend::invalidate_key) took so far.
    pub async fn settled(&self) {
        self.invalidations.settled().await;
    }

    /// Returns once the guest is initialized. Tries again if the initialization failed before for a reason that may
    /// pass.
    ///
    /// # Errors
    /// 503 with the cause.
    pub async fn ready(&self) -> Result<(), Error> {
        // Boxed, so that the future of every request does not reserve space for it.
        let ready = self
            .start
            .ready(async || Box::pin(self.run_initialize()).await)
            .await;
        ready.map_err(unavailable)
    }

    /// Returns true if the initialization failed for a reason that may pass.
    pub fn may_yet_start(&self) -> bool {
        self.start.may_pass()
    }

    /// Returns the kind of failure with which the initialization ended, for the log.
    pub fn failure(&self) -> &'static str {
        self.start.failure()
    }

    /// Returns the guest.
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// Returns the mount's options that are the guest's.
    pub(crate) fn options(&self) -> &[(String, String)] {
        self.context.options()
    }

    /// Returns the guest's name.
    pub fn name(&self) -> &str {
        &self.guest.description().name
    }

    async fn run_initialize(&self) -> airlock_sandbox::Result<()> {
        self.name_in_log();
        let span = tracing::trace_span!(target: TARGET, "initialize");
        let outcome = self.guest.initialize(&self.context).instrument(span).await;
        match self.report("initialize", outcome) {
            // A standby cannot write. Its active node has initialized the mount, or will.
            Err(error) if error.is_read_only() => Ok(()),
            result => result,
        }
    }

    /// Says in the log's lines about the request which guest serves it.
    pub(crate) fn name_in_log(&self) {
        let description = self.guest.description();
        tracing::Span::current()
            .record("guest", &*description.name)
            .record("guest_version", &*description.version)
            .record("guest_sha256", self.guest.digest().get(..12));
    }

    /// Waits for the permits of a request, but not for longer than the caller does.
    async fn permit(
        &self,
        what: &'static str,
        request: &types::Request,
        caller: &Caller,
    ) -> airlock_sandbox::Result<Permit> {
        let Outcome { result, usage } = tokio::select! {
            biased;
            outcome = self.guest.permit(&self.context, request) => outcome,
            () = caller.gone() => Outcome {
                result: Err(CallError::HungUp),
                usage: Usage::default(),
            },
        };
        match result {
            Ok(permit) => Ok(permit),
            result => self.report(what, Outcome { result, usage }),
        }
    }

    /// Answers a request. `caller` is who waits for the answer. `trial` records the run, to compare another guest's with it.
    ///
    /// # Errors
    /// Another guest has taken over: the request is for that one. The inner error is the answer.
    pub(crate) async fn answer(
        &self,
        request: &Arc<types::Request>,
        caller: &Caller,
        trial: Option<&Trial>,
    ) -> Result<Result<Option<Response>, Error>, Replaced> {
        if is_control(&request.path) {
            return Ok(Err(Error::UnsupportedPath));
        }
        if is_asked_for_its_path(&request.operation) {
            return Ok(Err(Error::UnsupportedOperation));
        }
        self.name_in_log();
        let operation = operation_name(&request.operation);
        if let Err(cause) = self.checks.take_failure(&request.id) {
            match cause.blame {
                Blame::Guest(fault) => self.breaker.check_failed(request, fault),
                Blame::Breaker => self.metrics.count_set_aside(operation),
                Blame::Other => {}
            }
            return Ok(Err(cause.error));
        }
        if let Err(error) = self.ready().await {
            return Ok(Err(error));
        }
        let passage = match self.breaker.admit(request) {
            Ok(passage) => passage,
            Err(error) => {
                self.metrics.count_set_aside(operation);
                return Ok(Err(error));
            }
        };
        let permit = match self.permit(operation, request, caller).await {
            Ok(permit) => permit,
            Err(error) => return Ok(Err(bridge::refusal(error))),
        };
        let memory = permit.answer_memory();
        let mut outcome = match trial {
            // Boxed, so that the future of every request does not reserve space for it.
            Some(trial) => Box::pin(permit.handle_recorded(request.clone(), &trial.record)).await,
            None => permit.handle_request(request.clone()).await,
        };
        passage.ended(request, &outcome);
        if let Some(trial) = trial {
            trial.answered(&outcome.result);
        }
        if self.is_standby && matches!(outcome.result, Err(CallError::ExistenceChanged { .. })) {
            // The check came before what the standby has been told of by now. The server forwards the request to the active node,
            // which begins with a check of its own.
            outcome.result = Err(CallError::Storage(airlock_storage::Error::ReadOnly));
        }
        let answer = match self.report(operation, outcome) {
            Err(CallError::Replaced) => return Err(Replaced),
            answer => answer,
        };
        let mut answer = answer
            .map(|answer| answer.map(|answer| bridge::answer(*answer)))
            .map_err(bridge::refusal);
        if memory.is_large()
            && let Ok(Some(answer)) = &mut answer
        {
            answer.held = Some(Held::new(memory));
        }
        Ok(answer)
    }

    /// Answers an existence check. `caller` and `trial` are as for [`answer`](Self::answer).
    ///
    /// # Errors
    /// As for [`answer`](Self::answer).
    pub(crate) async fn check(
        &self,
        request: &Arc<types::Request>,
        caller: &Caller,
        trial: Option<&Trial>,
    ) -> Result<Result<Option<bool>, Error>, Replaced> {
        if is_control(&request.path) {
            return Ok(Err(Error::UnsupportedPath));
        }
        self.name_in_log();
        let call = "existence check";
        if let Err(error) = self.ready().await {
            return Ok(self.checks.not_made(&request.id, error, Blame::Other));
        }
        let _passage = match self.breaker.admit_check(request) {
            Ok(passage) => passage,
            Err(error) => return Ok(self.checks.not_made(&request.id, error, Blame::Breaker)),
        };
        let mut fault = None;
        let checked = match self.permit(call, request, caller).await {
            Ok(permit) => {
                let outcome = match trial {
                    Some(trial) => Box::pin(permit.check_recorded(request.clone(), &trial.record)).await,
                    None => permit.check_existence(request.clone()).await,
                };
                if let Some(trial) = trial {
                    trial.checked(&outcome.result);
                }
                fault = breaker::fault(&outcome.result, &outcome.usage);
                self.report(call, outcome)
            }
            Err(error) => Err(error),
        };
        match checked {
            Err(CallError::Replaced) => Err(Replaced),
            checked => Ok(self.checks.answer(&request.id, checked, fault)),
        }
    }

    /// Returns the mount's numbers.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns what sets the guest aside while it fails again and again.
    pub(crate) fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Returns how many requests run in an instance, and how many wait for one.
    pub(crate) fn load(&self) -> (u32, u32) {
        self.context.load()
    }

    fn report<T>(&self, what: &'static str, outcome: Outcome<T>) -> airlock_sandbox::Result<T> {
        (self.on_usage)(&outcome.usage);
        self.metrics.count(what, &outcome.result, &outcome.usage);
        report(&self.guest, what, outcome)
    }
}

#[async_trait]
impl Backend for GuestMount {
    fn special_paths(&self) -> SpecialPaths {
        self.paths.clone()
    }

    async fn initialize(&self) -> Result<(), Error> {
        self.start
            .run(async || self.run_initialize().await)
            .await
            .map_err(|error| printable(bridge::refusal(error)))
    }

    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let caller = request.caller.clone();
        let answer = self
            .answer(&Arc::new(bridge::request(request)), &caller, None)
            .await;
        answer.unwrap_or_else(|replaced| Err(replaced.into()))
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        let caller = request.caller.clone();
        let answer = self
            .check(&Arc::new(bridge::request(request)), &caller, None)
            .await;
        answer.unwrap_or_else(|replaced| Err(replaced.into()))
    }

    async fn invalidate_key(&self, key: &str) {
        self.invalidations.push(key);
    }

    async fn cleanup(&self) {
        self.context.storage().drain().await;
        tracing::trace!(guest = self.guest.description().name, "a mount was taken down");
    }
}

/// Another guest has taken over the mount, and nothing of the request was done.
#[derive(Debug)]
pub(crate) struct Replaced;

impl From<Replaced> for Error {
    fn from(_: Replaced) -> Self {
        bridge::refusal(CallError::Replaced)
    }
}

/// Returns true if OpenBao asks under which path its policies are to look for a request, as it does before each read
/// and write. The contract has no such question. So the path is the one that was sent, and no instance has to say so.
fn is_asked_for_its_path(operation: &Operation) -> bool {
    matches!(operation, Operation::Other(name) if name == "resolve-path")
}

/// Returns the operation's name for the log. The name of an operation that this host does not know may contain
/// anything.
pub(crate) fn operation_name(operation: &Operation) -> &'static str {
    operation.known().unwrap_or("other")
}

/// Returns the answer while a mount cannot serve. A 404 would look like a deleted secret.
pub(crate) fn unavailable(message: String) -> Error {
    Error::Coded { status: 503, message }
}

#[cfg(test)]
mod tests;
