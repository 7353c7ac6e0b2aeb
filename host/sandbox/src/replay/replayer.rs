//! Tells a guest what another one was told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use airlock_storage::Told;
use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Calls, SystemAnswer, asked};
use crate::mount::{Clock, Random, System};
use crate::types::{Json, Nanoseconds, WrapInfo};
use crate::{Entity, Group, Replication, SystemError};

/// Gives the recorded answers, in their order. A call without a recorded answer gets an error or a made-up one, and makes the
/// runs not comparable.
pub(crate) struct Replayer {
    told: Told,
    left: Mutex<Left>,
    /// The answers that are told after [`goes_on`](Self::goes_on).
    next: Mutex<Option<Left>>,
    asked_more: AtomicBool,
    /// The calls of the system, as this run made them.
    asked: Mutex<Vec<(String, SystemAnswer)>>,
}

struct Left {
    times: VecDeque<SystemTime>,
    random: VecDeque<Vec<u8>>,
    system: Vec<(String, SystemAnswer)>,
}

impl From<Calls> for Left {
    fn from(calls: Calls) -> Self {
        Self {
            times: calls.times.into(),
            random: calls.random.into(),
            system: calls.system,
        }
    }
}

impl Replayer {
    /// `check` is what the existence check was told that runs before.
    pub fn new(check: Option<Calls>, calls: Calls) -> Self {
        let (left, next) = match check {
            Some(check) => (check, Some(calls.into())),
            None => (calls, None),
        };
        Self {
            told: Told::ByKey,
            left: Mutex::new(left.into()),
            next: Mutex::new(next),
            asked_more: AtomicBool::new(false),
            asked: Mutex::default(),
        }
    }

    /// Tells the calls of the system by their arguments, or in their order.
    pub fn telling(calls: Calls, told: Told) -> Self {
        Self {
            told,
            ..Self::new(None, calls)
        }
    }

    /// Returns the calls of the system that the guest has made, with the answers.
    pub fn take_asked(&self) -> Vec<(String, SystemAnswer)> {
        std::mem::take(&mut self.asked.lock())
    }

    /// Ends the existence check and begins its request.
    pub fn goes_on(&self) {
        if let Some(next) = self.next.lock().take() {
            *self.left.lock() = next;
        }
    }

    /// Returns true if the guest was told all that it asked for.
    pub fn told_all(&self) -> bool {
        !self.asked_more.load(Ordering::Relaxed)
    }

    fn asks_more(&self) {
        self.asked_more.store(true, Ordering::Relaxed);
    }

    /// Returns the first answer to this question that is left; in order, the first one of its method.
    fn told(&self, asked: &str) -> Option<SystemAnswer> {
        let method = |question: &str| question.split(' ').next().map(str::to_owned);
        let is_it = |question: &str| match self.told {
            Told::ByKey => question == asked,
            Told::InOrder => method(question) == method(asked),
        };
        let mut left = self.left.lock();
        let Some(at) = left.system.iter().position(|(question, _)| is_it(question)) else {
            self.asks_more();
            return None;
        };
        let answer = left.system.remove(at).1;
        self.asked.lock().push((asked.to_owned(), answer.clone()));
        Some(answer)
    }
}

impl Clock for Replayer {
    fn now(&self) -> SystemTime {
        self.left.lock().times.pop_front().unwrap_or_else(|| {
            self.asks_more();
            SystemTime::UNIX_EPOCH
        })
    }
}

impl Random for Replayer {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), String> {
        match self.left.lock().random.pop_front() {
            Some(bytes) if bytes.len() == buffer.len() => {
                buffer.copy_from_slice(&bytes);
                Ok(())
            }
            _ => {
                self.asks_more();
                Err("not recorded".to_owned())
            }
        }
    }
}

/// Implements the system: the methods without arguments, which are all alike, and the rest.
macro_rules! replay {
    ({ $($method:ident -> $answer:ty: $told:ident),+ $(,)? } $($rest:tt)*) => {
        #[async_trait]
        impl System for Replayer {
    $(
                    async fn $method(&self) -> Result<$answer, SystemError> {
                        match self.told(&asked(stringify!($method), "")) {
                            Some(SystemAnswer::$told(answer)) => answer,
                            _ => Err(SystemError::Unsupported),
                        }
                    }
                )+
            $($rest)*
        }
    };
}

replay! {
    {
        default_lease_ttl -> Nanoseconds: Time,
        max_lease_ttl -> Nanoseconds: Time,
        tainted -> bool: Flag,
        caching_disabled -> bool: Flag,
        local_mount -> bool: Flag,
        replication_state -> Replication: State,
        vault_version -> String: Text,
        cluster_id -> String: Text,
    }

    async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, SystemError> {
        match self.told(&asked("entity_info", entity_id)) {
            Some(SystemAnswer::Entity(answer)) => answer,
            _ => Err(SystemError::Unsupported),
        }
    }

    async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>, SystemError> {
        match self.told(&asked("groups_for_entity", entity_id)) {
            Some(SystemAnswer::Groups(answer)) => answer,
            _ => Err(SystemError::Unsupported),
        }
    }

    async fn generate_password(&self, policy: &str) -> Result<String, SystemError> {
        match self.told(&asked("generate_password", policy)) {
            Some(SystemAnswer::Text(answer)) => answer,
            _ => Err(SystemError::Unsupported),
        }
    }

    async fn identity_token(
        &self,
        audience: &str,
        ttl: Nanoseconds,
    ) -> Result<(String, Nanoseconds), SystemError> {
        match self.told(&asked("identity_token", &format!("{audience} {ttl:?}"))) {
            Some(SystemAnswer::Token(answer)) => answer,
            _ => Err(SystemError::Unsupported),
        }
    }

    async fn wrap_data(&self, _: Json, _: Nanoseconds) -> Result<WrapInfo, SystemError> {
        self.asks_more();
        Err(SystemError::Unsupported)
    }
}
