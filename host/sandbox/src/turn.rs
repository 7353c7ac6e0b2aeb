//! The permits of one request: its place among the requests of its mount, and of the process, that run at once.
//!
//! [`Guest`]'s own methods wait for the permits and use them. If the caller may hang up, take the permits with
//! [`Guest::turn`] before the call: dropping a request that still waits costs nothing, and a request that has its
//! permits runs to its end.

use std::fmt;
use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::account::Account;
use crate::calls::{CheckExistence, HandleRequest, Transact};
use crate::guest::{Guest, Outcome};
use crate::lanes::Work;
use crate::limits::Limit;
use crate::mount::MountContext;
use crate::types::{Request, Response};
use crate::{Error, Result};

/// The permits of one request to run: its mount's instance permit and a slot of the process's pool. The request's time
/// limit is already running. Dropping this passes the permits on to the next request.
pub struct Turn {
    guest: Guest,
    mount: Arc<MountContext>,
    account: Arc<Account>,
    held: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn")
            .field("guest", &self.guest)
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

impl Turn {
    /// Returns the memory of the answer that the request will have.
    pub fn answer_memory(&self) -> AnswerMemory {
        AnswerMemory(self.account.clone())
    }

    /// Waits for both permits. `time` is the limit that bounds the request's time.
    pub(crate) async fn take(guest: &Guest, mount: &Arc<MountContext>, time: Limit) -> Outcome<Self> {
        let account = Arc::new(Account::open(
            guest.name(),
            guest.limits().clone(),
            time,
            &guest.shared().memory,
        ));
        let held = async {
            let instance = mount.gate.enter(account.deadline).await;
            let instance = instance.map_err(|limit| Error::Busy {
                guest: account.guest.clone(),
                exceeded: account.exceeded(limit),
            })?;
            Ok((instance, guest.shared().slot(account.deadline).await?))
        };
        let result: Result<_> = held.await;
        Outcome {
            usage: account.usage(),
            result: result.map(|held| Self {
                guest: guest.clone(),
                mount: mount.clone(),
                account,
                held,
            }),
        }
    }

    /// Does the same as [`Guest::handle_request`]. Dropping the future does not stop the request.
    pub async fn handle_request(self, request: Request) -> Outcome<Option<Response>> {
        self.run(HandleRequest(Arc::new(request))).await
    }

    /// Does the same as [`Guest::check_existence`]. Dropping the future does not stop the check.
    pub async fn check_existence(self, request: Request) -> Outcome<Option<bool>> {
        self.run(CheckExistence(Arc::new(request))).await
    }

    pub(crate) async fn run<C: Transact>(self, call: C) -> Outcome<C::Output> {
        let Self {
            guest,
            mount,
            account,
            held,
        } = self;
        let (shared, slow_turns) = (guest.shared().clone(), mount.slow_turns.clone());
        if C::TIME == Limit::Start || call.is_large() {
            account.becomes_long();
        }
        let account_ = account.clone();
        let work = Work::new(account.clone(), shared.ticker.run(), async move {
            let result = guest.attempts(&mount, &account_, &call).await;
            drop(held);
            result
        });
        let result = shared.lanes.run(work, slow_turns).await;
        account.ended();
        Outcome {
            result,
            usage: account.usage(),
        }
    }
}
