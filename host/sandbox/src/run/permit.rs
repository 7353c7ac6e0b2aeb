//! The permits of one request: its place among the requests of its mount, and of the process, that run at once.
//!
//! [`Guest`](crate::Guest)'s own methods wait for the permits and use them. If the caller may hang up, take the permits with
//! [`Guest::permit`](crate::Guest::permit) before the call: dropping a request that still waits costs nothing. A request
//! that has its permits should run to its end.

use std::fmt;
use std::sync::Arc;

use airlock_logical::trace::TARGET;
use tokio::sync::OwnedSemaphorePermit;
use tracing::field::Empty;

use crate::limits::Limit;
use crate::mount::MountContext;
use crate::replay::Record;
use crate::run::account::{Account, Usage};
use crate::run::attempts;
use crate::run::calls::{CheckExistence, HandleRequest, Transact};
use crate::run::code::{Code, Slot};
use crate::run::lanes::Work;
use crate::types::{Request, Response};
use crate::{CallError, Result};

/// The result of a request, and what it used.
#[derive(Debug)]
pub struct Outcome<T> {
    /// The guest's answer, or the reason for the failure. A refusal of the guest itself is [`CallError::Guest`].
    pub result: Result<T>,
    /// The resources that the request used, over all its attempts.
    pub usage: Usage,
}

/// The permits of one request to run: its mount's instance permit, a slot of the process's pool, and for a large request
/// one of its mount's permits for those. The request's time
/// limit is already running. Dropping this passes the permits on to the next request.
pub struct Permit {
    code: Code,
    mount: Arc<MountContext>,
    account: Arc<Account>,
    held: Permits,
}

/// The permit of a large request, the instance permit, and the slot of the pool.
type Permits = (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit, Slot);

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("guest", &self.code.name)
            .finish_non_exhaustive()
    }
}

/// The memory of a request's answer. It counts as in use while this value exists: keep it until the answer is sent.
#[derive(Clone)]
pub struct AnswerMemory(Arc<Account>);

impl AnswerMemory {
    /// Returns true if this value is worth keeping. A small answer no longer counts once its request has ended.
    pub fn is_large(&self) -> bool {
        self.0.memory.is_large()
    }
}

impl fmt::Debug for AnswerMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerMemory")
            .field("is_large", &self.is_large())
            .finish_non_exhaustive()
    }
}

impl Permit {
    /// Returns the memory of the answer that the request will have.
    pub fn answer_memory(&self) -> AnswerMemory {
        AnswerMemory(self.account.clone())
    }

    /// Waits for the permits. `time` is the limit that bounds the request's time.
    pub(crate) async fn take(
        code: &Code,
        mount: &Arc<MountContext>,
        time: Limit,
        is_large: bool,
    ) -> Outcome<Self> {
        let account = code.open_account(time);
        let busy = |limit| CallError::Busy {
            guest: account.guest.clone(),
            exceeded: account.exceeded(limit),
        };
        let held = async {
            // This comes first, so that a large request that waits keeps nothing from small ones.
            let large = match is_large {
                true => Some(mount.large.enter(account.deadline).await.map_err(busy)?),
                false => None,
            };
            let instance = mount.gate.enter(account.deadline).await.map_err(busy)?;
            Ok((large, instance, code.shared.slot(account.deadline).await?))
        };
        let queue = tracing::trace_span!(target: TARGET, "queue", outcome = Empty);
        let result: Result<_> = held.await;
        queue.record("outcome", if result.is_ok() { "ok" } else { "busy" });
        drop(queue);
        Outcome {
            usage: account.usage(),
            result: result.map(|held| Self {
                code: code.clone(),
                mount: mount.clone(),
                account,
                held,
            }),
        }
    }

    /// Does the same as [`Guest::handle_request`](crate::Guest::handle_request).
    pub async fn handle_request(self, request: impl Into<Arc<Request>>) -> Outcome<Option<Box<Response>>> {
        self.run(HandleRequest(request.into())).await
    }

    /// Does the same as [`handle_request`](Self::handle_request), and records the run, for
    /// [`Guest::replay`](crate::Guest::replay).
    pub async fn handle_recorded(
        self,
        request: impl Into<Arc<Request>>,
        record: &Arc<Record>,
    ) -> Outcome<Option<Box<Response>>> {
        let mount = self.mount.recorded(record);
        Self { mount, ..self }.handle_request(request).await
    }

    /// Does the same as [`Guest::check_existence`](crate::Guest::check_existence).
    pub async fn check_existence(self, request: impl Into<Arc<Request>>) -> Outcome<Option<bool>> {
        self.run(CheckExistence(request.into())).await
    }

    /// Does the same as [`check_existence`](Self::check_existence), and records the run, for
    /// [`Guest::replay_check`](crate::Guest::replay_check).
    pub async fn check_recorded(
        self,
        request: impl Into<Arc<Request>>,
        record: &Arc<Record>,
    ) -> Outcome<Option<bool>> {
        let mount = self.mount.recorded(record);
        Self { mount, ..self }.check_existence(request).await
    }

    pub(crate) async fn run<C: Transact>(self, call: C) -> Outcome<C::Output> {
        let Self {
            code,
            mount,
            account,
            held: (large, instance, slot),
        } = self;
        let (shared, slow_permits) = (code.shared.clone(), mount.slow_permits.clone());
        if C::TIME == Limit::Start || C::IS_ASIDE || large.is_some() {
            account.becomes_long();
        }
        let account_ = account.clone();
        let work = Work::new(account.clone(), shared.ticker.run(), async move {
            let mut slot = Some(slot);
            let result = attempts(&code, &mount, &account_, &mut slot, &call).await;
            drop((large, instance, slot));
            result
        });
        let result = shared.lanes.run(work, slow_permits).await;
        account.ended();
        Outcome {
            result,
            usage: account.usage(),
        }
    }
}
