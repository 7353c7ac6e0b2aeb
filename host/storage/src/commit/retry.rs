//! Repeats calls until they succeed, unless a success could undo what another process has stored since.

use crate::calls::Calls;
use crate::transaction::writes::Write;
use crate::{Error, Result};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The time for which a storage call that fails is repeated.
///
/// The time applies to each call anew, so it bounds the time without progress.
#[derive(Clone)]
pub(crate) enum Patience {
    /// For this long.
    Brief(Duration),
    /// For as long as the mount is served, and for this much longer.
    WhileServed(CancellationToken, Duration),
}

/// The way in which a call did not succeed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The call certainly had no effect and never will have: storage is read-only or not the leader's, or rejected it.
    Refused(Error),
    /// The call may have had its effect: the time is over, or it was refused after a try of unknown outcome.
    GaveUp(Error),
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Refused(error) | Failed::GaveUp(error) => error,
        }
    }
}

impl Patience {
    /// Makes a call until it succeeds.
    pub(crate) async fn insist<T, F: Future<Output = Result<T>>>(
        &self,
        mut call: impl FnMut() -> F,
    ) -> Result<T, Failed> {
        let mut tries = self.tries();
        loop {
            if let Some(value) = tries.make(call()).await? {
                return Ok(value);
            }
        }
    }

    pub(crate) fn tries(&self) -> Tries<'_> {
        Tries {
            patience: self,
            over: Box::pin(self.over()),
            failure: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Returns when the time of a call that begins now is over.
    async fn over(&self) {
        match self {
            Patience::Brief(time) => sleep(*time).await,
            Patience::WhileServed(ended, longer) => {
                ended.cancelled().await;
                sleep(*longer).await;
            }
        }
    }

    fn accepts_read_only(&self) -> bool {
        matches!(self, Patience::Brief(_))
    }
}

/// The tries of one call.
pub(crate) struct Tries<'p> {
    patience: &'p Patience,
    over: Pin<Box<dyn Future<Output = ()> + Send + 'p>>,
    failure: Option<Error>,
    pause: Duration,
}

impl Tries<'_> {
    /// Makes one try. If it fails, pauses and returns `None`. A try that does not answer in time is given up together
    /// with the call; it may still take effect.
    pub(crate) async fn make<T>(
        &mut self,
        call: impl Future<Output = Result<T>>,
    ) -> Result<Option<T>, Failed> {
        tokio::select! {
            biased;
            answer = call => match answer {
                Ok(value) => return Ok(Some(value)),
                Err(error @ (Error::Rejected { .. } | Error::NotLeader)) => return Err(match self.failure {
                    None => Failed::Refused(error),
                    Some(_) => Failed::GaveUp(error),
                }),
                Err(Error::ReadOnly) if self.failure.is_none() && self.patience.accepts_read_only() => {
                    return Err(Failed::Refused(Error::ReadOnly));
                }
                // However much time is left, no other try can succeed, or it would overwrite newer values.
                Err(error) if error.ends_writing() => return Err(Failed::GaveUp(error)),
                Err(error) => self.failure = Some(error),
            },
            () = &mut self.over => return Err(gave_up(self.failure.take())),
        }
        tokio::select! {
            biased;
            () = &mut self.over => return Err(gave_up(self.failure.take())),
            () = sleep(self.pause) => self.pause = (self.pause * 2).min(LONGEST_PAUSE),
        }
        Ok(None)
    }
}

fn gave_up(failure: Option<Error>) -> Failed {
    Failed::GaveUp(failure.unwrap_or_else(unanswered))
}

/// Returns the error of a call that was given up.
pub(crate) fn unanswered() -> Error {
    Error::Backend("storage did not answer in time".into())
}

/// Makes one write, and notes its key if that took more than one try or was given up, because such a try may take
/// effect late, over a newer value.
pub(crate) async fn write(
    patience: &Patience,
    calls: &Calls,
    write: &Write,
    retried: &mut Vec<String>,
) -> Result<(), Failed> {
    let mut tries = 0;
    let written = patience.insist(|| {
        tries += 1;
        calls.write(write)
    });
    let written = written.await;
    if tries > 1 || matches!(written, Err(Failed::GaveUp(_))) {
        retried.push(write.key().to_owned());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rejection;
    use std::future::{pending, ready};
    use tokio::time::Instant;

    fn brief() -> Patience {
        Patience::Brief(Duration::from_millis(150))
    }

    fn broken<T>() -> Result<T> {
        Err(Error::Backend("broken".into()))
    }

    #[tokio::test]
    async fn a_call_is_repeated_until_it_succeeds() {
        let mut calls = 0;
        let brief = brief();
        let answer = brief.insist(|| {
            calls += 1;
            ready(if calls < 4 { broken() } else { Ok(calls) })
        });
        assert_eq!(answer.await.unwrap(), 4);
    }

    #[tokio::test]
    async fn time_ends_calls_that_fail_and_calls_that_hang() {
        let failed = brief().insist(|| ready(broken::<()>())).await;
        assert!(matches!(failed, Err(Failed::GaveUp(Error::Backend(text))) if text == "broken"));
        let hung = brief().insist(pending::<Result<()>>).await;
        assert!(matches!(hung, Err(Failed::GaveUp(_))));
    }

    #[tokio::test]
    async fn a_rejected_call_is_never_repeated() {
        let rejected = || Error::rejected(Rejection::TooLarge, "no");
        let served = Patience::WhileServed(CancellationToken::new(), Duration::ZERO);
        for patience in [brief(), served] {
            let mut calls = 0;
            let refused = patience.insist(|| {
                calls += 1;
                ready(Err::<(), _>(rejected()))
            });
            assert!(matches!(refused.await, Err(Failed::Refused(error)) if error == rejected()));
            assert_eq!(calls, 1);
            // The first try may have had its effect.
            let mut calls = 0;
            let gave_up = patience.insist(|| {
                calls += 1;
                ready(if calls == 1 {
                    broken::<()>()
                } else {
                    Err(rejected())
                })
            });
            assert!(matches!(gave_up.await, Err(Failed::GaveUp(error)) if error == rejected()));
            assert_eq!(calls, 2);
        }
    }

    #[tokio::test]
    async fn read_only_is_an_answer_at_the_first_try_only() {
        let refused = brief().insist(|| ready(Err::<(), _>(Error::ReadOnly))).await;
        assert!(matches!(refused, Err(Failed::Refused(Error::ReadOnly))));
        let mut calls = 0;
        let brief = brief();
        let gave_up = brief.insist(|| {
            calls += 1;
            ready(if calls == 1 {
                broken::<()>()
            } else {
                Err(Error::ReadOnly)
            })
        });
        assert!(matches!(gave_up.await, Err(Failed::GaveUp(Error::ReadOnly))));
    }

    #[tokio::test]
    async fn storage_that_is_lost_to_this_process_is_not_tried_again() {
        for lost in [Error::Unreachable, Error::LostLeadership] {
            for patience in [
                Patience::Brief(Duration::from_secs(3600)),
                Patience::WhileServed(CancellationToken::new(), Duration::from_secs(3600)),
            ] {
                let mut calls = 0;
                let gave_up = patience.insist(|| {
                    calls += 1;
                    ready(Err::<(), _>(lost.clone()))
                });
                assert!(matches!(gave_up.await, Err(Failed::GaveUp(error)) if error == lost));
                assert_eq!(calls, 1);
            }
        }
    }

    #[tokio::test]
    async fn patience_with_a_served_mount_ends_some_time_after_it() {
        let served = CancellationToken::new();
        let patience = Patience::WhileServed(served.clone(), Duration::from_millis(40));
        let started = Instant::now();
        tokio::spawn(async move {
            sleep(Duration::from_millis(60)).await;
            served.cancel();
        });
        assert!(
            patience
                .insist(|| ready(Err::<(), _>(Error::ReadOnly)))
                .await
                .is_err()
        );
        assert!(started.elapsed() >= Duration::from_millis(100));
    }
}
