//! A request's turn: its place among those of its mount, and of the process, that run at once.
//!
//! [`Guest`]'s own methods wait for a turn and use it. Take it apart from the call where the caller may hang up: what
//! waits for a turn is dropped at no cost, and what has one runs to its end.

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

/// The turn of one request, whose time has begun. Dropped, it goes to the next.
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

/// The memory of a request's answer. It counts as held while this lives: keep it until the answer is sent.
#[derive(Clone)]
pub struct AnswerMemory(Arc<Account>);

impl AnswerMemory {
    /// Whether it is worth keeping. Small answers are not counted once their request has ended.
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
    /// The memory of the answer that the request will have.
    pub fn answer_memory(&self) -> AnswerMemory {
        AnswerMemory(self.account.clone())
    }

    /// Waits for it; `time` is the limit that bounds the request's.
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

    /// As [`Guest::handle_request`]. Dropping the future does not stop the request.
    pub async fn handle_request(self, request: Request) -> Outcome<Option<Response>> {
        self.run(HandleRequest(Arc::new(request))).await
    }

    /// As [`Guest::check_existence`]. Dropping the future does not stop the check.
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
