//! A loaded guest, and how a request of it runs.

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

/// What can be instantiated, and where.
#[derive(Clone)]
pub(crate) struct Code {
    pub shared: Arc<Shared>,
    pub component: Arc<EnginePre<State>>,
    pub digest: String,
    pub imports: Vec<String>,
    pub limits: Limits,
}

/// How a request ended, and what it used.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The guest's answer, or why there is none. What the guest itself refuses is [`Error::Guest`].
    pub result: Result<T>,
    /// What it used, over all its attempts.
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

    /// What the guest says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// The SHA-256 of its file, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.inner.code.digest
    }

    /// The names of its imports, such as `airlock:engine/storage@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.inner.code.imports
    }

    /// The limits that it was loaded under.
    pub fn limits(&self) -> &Limits {
        &self.inner.code.limits
    }

    /// The paths that Vault treats specially, given a mount's options.
    ///
    /// # Errors
    /// As for a request; the time limit is [`Limits::start`].
    pub async fn special_paths(&self, config: &[(String, String)]) -> Result<Paths> {
        let call = SpecialPaths(config.to_vec());
        self.inner.code.call_static(self.inner.name.clone(), call).await
    }

    /// Prepares a mount, before its first request. The time limit is [`Limits::start`].
    pub async fn initialize(&self, mount: &Arc<MountContext>) -> Outcome<()> {
        self.run(mount, Initialize).await
    }

    /// Waits for the turn of a request. Dropped while it waits, it has not been here.
    ///
    /// # Errors
    /// [`Error::Busy`] and [`Error::Full`].
    pub async fn turn(&self, mount: &Arc<MountContext>) -> Outcome<Turn> {
        Turn::take(self, mount, Limit::Wall).await
    }

    /// Answers a request.
    ///
    /// Dropping the future does not stop a request that has begun, only one that still waits for its turn.
    pub async fn handle_request(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<Response>> {
        self.run(mount, HandleRequest(Arc::new(request))).await
    }

    /// Says whether a path holds something; `None` if the guest has no such check for it. Nothing it writes is stored.
    pub async fn check_existence(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<bool>> {
        self.run(mount, CheckExistence(Arc::new(request))).await
    }

    /// Tells the guest that storage changed beneath it. The mount's own cache is told first.
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

    /// Runs the guest, again if another request was in the way or if it belongs in the slow lane.
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
                        // It starts over in the slow lane, which does not count as a conflict.
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

    /// Makes sure that Vault's decision between create and update still stands, within the transaction that rests on
    /// it: unless this continues the existence check, the check is repeated.
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
            // The path has no such check, so nothing rested on it.
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

/// The guest's answer, checked: an error of the guest's is [`Error::Guest`].
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
