//! A loaded guest, and the way in which its requests run.

use std::fmt;
use std::sync::Arc;

use airlock_storage::Attempt;
use tokio::sync::Semaphore;
use wasmtime::component::Component;

use crate::account::{Account, Usage};
use crate::answer;
use crate::bindings::EnginePre;
use crate::calls::{CheckExistence, HandleRequest, Initialize, Invalidate, SpecialPaths, Transact};
use crate::description::{Description, Paths};
use crate::instance::{self, Call, State};
use crate::lanes::{SLOW_TURNS, Work};
use crate::limits::{Limit, Limits};
use crate::mount::MountContext;
use crate::sandbox::Shared;
use crate::session::Session;
use crate::turn::Turn;
use crate::types::{self, Request, Response};
use crate::{Error, Result};

/// A guest that has been compiled, checked and described. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    inner: Arc<Inner>,
}

struct Inner {
    code: Code,
    name: Arc<str>,
    description: Description,
}

/// A component that can be instantiated, and what it needs for that.
#[derive(Clone)]
pub(crate) struct Code {
    pub shared: Arc<Shared>,
    pub component: Arc<EnginePre<State>>,
    pub digest: String,
    pub imports: Vec<String>,
    pub limits: Limits,
}

/// The result of a request, and what it used.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The guest's answer, or the reason for the failure. A refusal of the guest itself is [`Error::Guest`].
    pub result: Result<T>,
    /// The resources that the request used, over all its attempts.
    pub usage: Usage,
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { name, version, .. } = self.description();
        f.debug_struct("Guest")
            .field("name", name)
            .field("version", version)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl Guest {
    pub(crate) fn new(code: Code, description: Description) -> Self {
        Self {
            inner: Arc::new(Inner {
                code,
                name: description.shared_name(),
                description,
            }),
        }
    }

    pub(crate) fn name(&self) -> Arc<str> {
        self.inner.name.clone()
    }

    pub(crate) fn component(&self) -> &Component {
        self.inner.code.component.instance_pre().component()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.inner.code.shared
    }

    /// Returns what the guest says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// Returns the SHA-256 of the guest's file, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.inner.code.digest
    }

    /// Returns the names of the guest's imports, such as `airlock:engine/storage@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.inner.code.imports
    }

    /// Returns the limits under which the guest was loaded.
    pub fn limits(&self) -> &Limits {
        &self.inner.code.limits
    }

    /// Returns the paths that Vault treats specially, for a mount's options.
    ///
    /// # Errors
    /// The same as for a request. The time limit is [`Limits::start`].
    pub async fn special_paths(&self, config: &[(String, String)]) -> Result<Paths> {
        let call = SpecialPaths(config.to_vec());
        self.inner.code.call_static(self.inner.name.clone(), call).await
    }

    /// Prepares a mount, before its first request. The time limit is [`Limits::start`].
    pub async fn initialize(&self, mount: &Arc<MountContext>) -> Outcome<()> {
        self.run(mount, Initialize).await
    }

    /// Waits for the permits of a request. Dropping the future while it waits leaves no trace.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::Full`].
    pub async fn turn(&self, mount: &Arc<MountContext>) -> Outcome<Turn> {
        Turn::take(self, mount, Limit::Wall).await
    }

    /// Answers a request.
    ///
    /// Dropping the future does not stop a request that has begun, only one that still waits for its permits.
    pub async fn handle_request(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<Response>> {
        self.run(mount, HandleRequest(Arc::new(request))).await
    }

    /// Answers `Some(true)` if a path holds something, and `None` if the guest has no such check for the path. Nothing
    /// that the check writes is stored.
    pub async fn check_existence(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<bool>> {
        self.run(mount, CheckExistence(Arc::new(request))).await
    }

    /// Invalidates the mount's own cache, then tells the guest that storage changed beneath it.
    pub async fn invalidate(&self, mount: &Arc<MountContext>, key: &str) -> Outcome<()> {
        mount.storage.invalidate(key);
        self.run(mount, Invalidate(key.to_owned())).await
    }

    async fn run<C: Transact>(&self, mount: &Arc<MountContext>, call: C) -> Outcome<C::Output> {
        let Outcome { result, usage } = Turn::take(self, mount, C::TIME).await;
        match result {
            Ok(turn) => turn.run(call).await,
            Err(error) => Outcome {
                result: Err(error),
                usage,
            },
        }
    }

    /// Runs the guest. Runs it again if another request was in the way, or if the request belongs in the slow lane.
    pub(crate) async fn attempts<C: Transact>(
        &self,
        mount: &Arc<MountContext>,
        account: &Arc<Account>,
        call: &C,
    ) -> Result<C::Output> {
        let mut attempt = Attempt::FIRST;
        loop {
            account.attempt();
            let mut transaction = call.begin(&mount.storage, attempt).await?;
            transaction.set_budget(account.clone());
            let mut session = Session::new(transaction, mount.clone());
            if call.continued_by().is_some() {
                session.transaction.begin_check();
            }
            match self.attempt(session, account, call).await {
                Err(Error::Storage(airlock_storage::Error::Conflict)) if account.may_run_again() => {
                    if account.should_move() {
                        // It starts over in the slow lane. This does not count as a conflict.
                        tokio::task::yield_now().await;
                    } else {
                        attempt = attempt.next();
                    }
                }
                result => return result,
            }
        }
    }

    async fn attempt<C: Transact>(
        &self,
        session: Session,
        account: &Arc<Account>,
        call: &C,
    ) -> Result<C::Output> {
        let session = self.confirm(session, account, call).await?;
        let (answer, mut session) = self.call(session, account, call).await?;
        let result = match checked(answer, account, call).await {
            Ok(output) if call.continued_by().is_some() => Ok(output),
            Ok(output) => match session.commit(account).await {
                Ok(()) => Ok(output),
                Err(error) => Err(error.into()),
            },
            Err(error) => Err(session.verdict(error, account)),
        };
        account.transaction_ended(session.transaction.usage());
        if result.is_ok()
            && let Some(id) = call.continued_by()
        {
            session.transaction.keep_reads(id)?;
        }
        result
    }

    /// Confirms Vault's decision between create and update, within the transaction that relies on it. Repeats the
    /// existence check, unless this transaction continues the check's own.
    async fn confirm<C: Transact>(
        &self,
        mut session: Session,
        account: &Arc<Account>,
        call: &C,
    ) -> Result<Session> {
        let Some((check, existed)) = call.rests_on() else {
            return Ok(session);
        };
        if session.transaction.continues_check() {
            return Ok(session);
        }
        session.transaction.begin_check();
        let (answer, mut session) = self.call(session, account, &check).await?;
        session.transaction.end_check();
        let error = match answer {
            Ok(Some(exists)) if exists != existed => Error::ExistenceChanged { exists },
            // The path has no such check, so Vault's decision did not rely on one.
            Ok(_) | Err(types::Error::UnsupportedPath) => return Ok(session),
            // Nobody knows whether the caller may do this, so the request is not run.
            Err(refusal) => answer::refused(refusal, account),
        };
        account.transaction_ended(session.transaction.usage());
        Err(session.verdict(error, account))
    }

    async fn call<C: Call>(
        &self,
        session: Session,
        account: &Arc<Account>,
        call: &C,
    ) -> Result<(C::Answer, Session)> {
        match instance::call(&self.inner.code.component, account, Some(session), call).await? {
            (answer, Some(session)) => Ok((answer, session)),
            (_, None) => Err(Error::GivenUp),
        }
    }
}

/// Checks the guest's answer. An error from the guest becomes [`Error::Guest`].
async fn checked<C: Transact>(answer: C::Answer, account: &Account, call: &C) -> Result<C::Output> {
    match answer {
        Ok(output) => call.check(&output, account).await.map(|()| output),
        Err(refusal) => Err(answer::refused(refusal, account)),
    }
}

impl Code {
    /// Calls an export that gets no session.
    pub(crate) async fn call_static<C: Call>(&self, name: Arc<str>, call: C) -> Result<C::Answer> {
        let account = Arc::new(Account::open(
            name,
            self.limits.clone(),
            Limit::Start,
            &self.shared.memory,
        ));
        // It may compute for as long as `Limit::Start` allows, and other requests should not wait for that.
        account.becomes_long();
        let slot = self.shared.slot(account.deadline).await?;
        let (component, account_) = (self.component.clone(), account.clone());
        let work = Work::new(account.clone(), self.shared.ticker.run(), async move {
            let (answer, _) = instance::call(&component, &account_, None, &call).await?;
            drop(slot);
            Ok(answer)
        });
        self.shared
            .lanes
            .run(work, Arc::new(Semaphore::new(SLOW_TURNS)))
            .await
    }
}
