//! Takes what a run got from outside of the guest as data, which can be changed, stored, and told to another run.

use std::sync::Arc;
use std::time::SystemTime;

use airlock_storage::{Lookup, Settings, Told, Trace, Written};
use parking_lot::Mutex;

use super::{Calls, Record, Replayer, Second, SystemAnswer};
use crate::mount::MountContext;
use crate::run::calls::{CheckExistence, HandleRequest, Replay, Transact};
use crate::types::{Request, Response};
use crate::{Guest, Outcome};

/// The data that a run got from outside of the guest, in its order. It holds the secrets of one request, unless they were replaced.
#[derive(Clone, Default)]
pub struct Heard {
    /// The lookups in storage, each key and folder once.
    pub lookups: Vec<Lookup>,
    /// The times that the clock answered.
    pub times: Vec<SystemTime>,
    /// Random bytes.
    pub random: Vec<Vec<u8>>,
    /// The calls of the system, each with its method and arguments, and the answers.
    pub system: Vec<(String, SystemAnswer)>,
}

/// A run that was told what another one heard: of a request, or of an existence check.
pub struct Rerun<T = Option<Box<Response>>> {
    /// The guest's answer.
    pub outcome: Outcome<T>,
    /// The writes that it would have made. An existence check makes none.
    pub written: Written,
    /// The data that it got, by the keys and arguments with which it asked.
    pub heard: Heard,
    /// The number of lookups for which it did not ask.
    pub left: usize,
}

impl Record {
    /// Takes what the run of a request or of an existence check heard and wrote, unless it cannot be repeated: for the reasons of
    /// the canary, or because it ran in the instance of its existence check, or read more than 512 KiB.
    pub fn take_heard(&self) -> Option<(Heard, Written)> {
        let recorded = self.take().filter(|recorded| recorded.check.is_none())?;
        let Calls {
            times,
            random,
            system,
            ..
        } = recorded.calls;
        let heard = Heard {
            lookups: recorded.trace.lookups()?.to_vec(),
            times,
            random,
            system,
        };
        Some((heard, recorded.trace.written().clone()))
    }
}

impl Guest {
    /// Runs a request that is told what another run heard, and nothing else: it reaches neither the storage nor the services of
    /// `mount`, and stores nothing. With [`Told::InOrder`], the calls of the system are answered in their order, too.
    ///
    /// Returns `None` if it asked for what it could not be told, or if it ended because of the host's state.
    pub async fn rerun(
        &self,
        mount: &Arc<MountContext>,
        request: Arc<Request>,
        heard: Heard,
        told: Told,
    ) -> Option<Rerun> {
        self.tell(mount, HandleRequest(request), heard, told).await
    }

    /// Does the same as [`rerun`](Self::rerun) for an existence check.
    pub async fn rerun_check(
        &self,
        mount: &Arc<MountContext>,
        request: Arc<Request>,
        heard: Heard,
        told: Told,
    ) -> Option<Rerun<Option<bool>>> {
        let rerun = self.tell(mount, CheckExistence(request), heard, told).await?;
        Some(Rerun {
            written: Written::new(),
            ..rerun
        })
    }

    async fn tell<C: Transact>(
        &self,
        mount: &Arc<MountContext>,
        call: C,
        heard: Heard,
        told: Told,
    ) -> Option<Rerun<C::Output>> {
        let Heard {
            lookups,
            times,
            random,
            system,
        } = heard;
        let calls = Calls {
            times: times.clone(),
            random: random.clone(),
            random_bytes: 0,
            system,
        };
        let trace = Arc::new(Trace::told(lookups, told));
        let second = Arc::new(Second {
            replayer: Arc::new(Replayer::telling(calls, told)),
            trace: trace.clone(),
            replayed: Mutex::default(),
        });
        let call = Replay {
            call,
            settings: self.description().storage_settings(Settings::default()),
            check: None,
        };
        let outcome = self.run(&mount.replayed(&second), call).await;
        let written = second.end(&outcome.result)?;
        Some(Rerun {
            outcome,
            written,
            left: trace.left(),
            heard: Heard {
                lookups: trace.asked()?,
                times,
                random,
                system: second.replayer.take_asked(),
            },
        })
    }
}
