//! Initializes a guest on its mount, and decides when to try again.
//!
//! Vault calls `Initialize` once, and sends requests whatever its result was. What a guest refuses stays refused until
//! a reload. Anything else may pass (storage that failed, a limit, a busy mount), so the initialization is tried again
//! before a later request. Only one request at a time tries it, and only after a pause that grows with each failure.

use std::time::{Duration, Instant};

use airlock_sandbox::{CallError, types};
use parking_lot::Mutex;

/// The pause after the first failure. It doubles with each further failure, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// One mount's initialization.
#[derive(Default)]
pub struct Start {
    state: Mutex<State>,
    running: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
enum State {
    /// Not tried yet.
    #[default]
    New,
    Done,
    Refused {
        reason: String,
        kind: &'static str,
    },
    Failed {
        reason: String,
        kind: &'static str,
        pause: Duration,
        again: Instant,
    },
}

impl Start {
    /// Runs the guest's initialization because Vault asks for it.
    pub async fn run(
        &self,
        initialize: impl AsyncFnOnce() -> Result<(), CallError>,
    ) -> Result<(), CallError> {
        let _alone = self.running.lock().await;
        let result = initialize().await;
        self.note(&result, Instant::now());
        result
    }

    /// Returns once the guest is initialized. Runs `initialize` if it is time to do so.
    ///
    /// # Errors
    /// The reason why the mount cannot serve, for the caller of a request.
    pub async fn ready(&self, initialize: impl AsyncFnOnce() -> Result<(), CallError>) -> Result<(), String> {
        self.ready_at(Instant::now, initialize).await
    }

    async fn ready_at(
        &self,
        now: impl Fn() -> Instant,
        initialize: impl AsyncFnOnce() -> Result<(), CallError>,
    ) -> Result<(), String> {
        if let Some(known) = self.known(now()) {
            return known;
        }
        let new = matches!(*self.state.lock(), State::New);
        let _alone = match self.running.try_lock() {
            Ok(alone) => alone,
            Err(_) if new => self.running.lock().await,
            // Another request initializes it now, and this one need not wait for what failed a moment ago.
            Err(_) => return self.told(),
        };
        if let Some(known) = self.known(now()) {
            return known;
        }
        let result = initialize().await;
        self.note(&result, now());
        self.told()
    }

    /// Returns true if the initialization failed for a reason that may pass.
    pub fn may_pass(&self) -> bool {
        matches!(*self.state.lock(), State::Failed { .. })
    }

    /// Returns the kind of the last failure, or an empty text if there was none.
    pub fn failure(&self) -> &'static str {
        match *self.state.lock() {
            State::Refused { kind, .. } | State::Failed { kind, .. } => kind,
            State::New | State::Done => "",
        }
    }

    /// Returns what is known without trying again, or `None` if it is time to try.
    fn known(&self, now: Instant) -> Option<Result<(), String>> {
        match &*self.state.lock() {
            State::New => return None,
            State::Failed { again, .. } if *again <= now => return None,
            _ => {}
        }
        Some(self.told())
    }

    fn told(&self) -> Result<(), String> {
        match &*self.state.lock() {
            State::Done => Ok(()),
            State::New => Err("this mount is not initialized yet; send the request again".to_owned()),
            State::Refused { reason, .. } => Err(format!(
                "this mount could not be initialized: {reason}; reload the plugin to try again"
            )),
            State::Failed { reason, .. } => Err(format!(
                "this mount could not be initialized: {reason}; this is tried again before a later request"
            )),
        }
    }

    fn note(&self, result: &Result<(), CallError>, now: Instant) {
        let mut state = self.state.lock();
        *state = match result {
            Ok(()) => State::Done,
            Err(error) if is_final(error) => State::Refused {
                reason: error.to_string(),
                kind: kind(error),
            },
            Err(error) => {
                let pause = match *state {
                    State::Failed { pause, .. } => (pause * 2).min(LONGEST_PAUSE),
                    _ => FIRST_PAUSE,
                };
                State::Failed {
                    reason: error.to_string(),
                    kind: kind(error),
                    pause,
                    again: now + pause,
                }
            }
        };
    }
}

/// Returns true if the error is the guest's own refusal. What a guest calls an internal error, or answers with a status
/// of 500 and above, is not a refusal: storage that fails beneath the guest looks like that.
fn is_final(error: &CallError) -> bool {
    match error {
        CallError::Guest(types::Error::Internal(_) | types::Error::ReadOnly) => false,
        CallError::Guest(types::Error::Coded(error)) => error.status < 500,
        CallError::Guest(_) | CallError::Trap { .. } | CallError::Contract { .. } => true,
        _ => false,
    }
}

/// Names the kind of an error for the log, which must not have the error's text: the guest may have worded it.
fn kind(error: &CallError) -> &'static str {
    match error {
        CallError::Guest(_) => "refused",
        CallError::Trap { .. } => "trapped",
        CallError::Contract { .. } => "contract",
        CallError::Limit { .. } => "limit",
        CallError::Busy { .. } | CallError::Full { .. } => "busy",
        CallError::Storage(_) => "storage",
        _ => "host",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::*;

    fn transient() -> Result<(), CallError> {
        Err(CallError::Storage(airlock_storage::Error::Backend(
            "broken".into(),
        )))
    }

    fn refused() -> Result<(), CallError> {
        Err(CallError::Guest(types::Error::User("no".into())))
    }

    /// Calls `ready` as a request would that comes this long after now.
    async fn ready_after(
        start: &Start,
        time: Duration,
        initialize: impl AsyncFnOnce() -> Result<(), CallError>,
    ) -> Result<(), String> {
        let then = Instant::now() + time;
        start.ready_at(|| then, initialize).await
    }

    const LATER: Duration = Duration::from_secs(3600);

    #[tokio::test]
    async fn a_transient_failure_is_tried_again_before_a_later_request() {
        let start = Start::default();
        assert!(ready_after(&start, LATER, async || transient()).await.is_err());
        assert!(start.may_pass());
        let told = start
            .ready(async || panic!("it is not time yet"))
            .await
            .unwrap_err();
        assert!(told.contains("broken"), "{told}");
        ready_after(&start, LATER + FIRST_PAUSE, async || Ok(()))
            .await
            .unwrap();
        start.ready(async || panic!("it is done")).await.unwrap();
    }

    #[tokio::test]
    async fn pauses_grow_with_each_failure_up_to_the_longest() {
        let start = Start::default();
        let began = Instant::now();
        let tries = AtomicU32::new(0);
        for step in 0..480 {
            let now = began + FIRST_PAUSE * step;
            let initialize = async || {
                tries.fetch_add(1, SeqCst);
                transient()
            };
            assert!(start.ready_at(|| now, initialize).await.is_err());
        }
        // After 0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75 s, and then every 15 s, in two minutes.
        assert_eq!(tries.load(SeqCst), 13);
    }

    #[tokio::test]
    async fn a_refusal_of_the_guest_is_final_until_a_reload() {
        let start = Start::default();
        assert!(start.run(async || refused()).await.is_err());
        assert!(!start.may_pass());
        let told = ready_after(&start, LATER, async || panic!("it was refused")).await;
        assert!(told.as_ref().unwrap_err().contains("reload"), "{told:?}");
        start.run(async || Ok(())).await.unwrap();
        start.ready(async || panic!("it is done")).await.unwrap();
    }

    #[tokio::test]
    async fn the_kind_of_a_failure_is_told_without_its_text() {
        let start = Start::default();
        assert_eq!(start.failure(), "");
        start.run(async || refused()).await.unwrap_err();
        assert_eq!(start.failure(), "refused");
        start.run(async || transient()).await.unwrap_err();
        assert_eq!(start.failure(), "storage");
        start.run(async || Ok(())).await.unwrap();
        assert_eq!(start.failure(), "");
    }

    #[tokio::test]
    async fn requests_that_come_meanwhile_get_the_last_cause() {
        let start = Start::default();
        assert!(start.run(async || transient()).await.is_err());
        let running = start.run(async || {
            let told = start
                .ready(async || panic!("another is at it"))
                .await
                .unwrap_err();
            assert!(told.contains("broken"), "{told}");
            Ok(())
        });
        running.await.unwrap();
    }

    #[test]
    fn what_storage_or_a_limit_did_is_not_the_guests_refusal() {
        let coded = |status| {
            CallError::Guest(types::Error::Coded(types::CodedError {
                status,
                message: String::new(),
            }))
        };
        assert!(is_final(&coded(400)));
        assert!(!is_final(&coded(503)));
        assert!(!is_final(&CallError::Guest(
            types::Error::Internal(String::new())
        )));
        assert!(!is_final(&CallError::GivenUp));
        assert!(!is_final(&CallError::Storage(airlock_storage::Error::ReadOnly)));
    }
}
