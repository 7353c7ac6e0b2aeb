//! Records what a guest is told.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use super::{MOST, MOST_RANDOM, Record, SystemAnswer, asked};
use crate::mount::{Clock, Random, Services, System};
use crate::types::{Json, Nanoseconds, WrapInfo};
use crate::{Entity, Group, Replication, SystemError};

pub(crate) struct Recorder {
    services: Services,
    record: Arc<Record>,
}

impl Recorder {
    pub fn new(services: Services, record: Arc<Record>) -> Self {
        Self { services, record }
    }

    fn told(&self, asked: String, told: SystemAnswer) {
        let mut calls = self.record.calls.lock();
        if calls.system.len() < MOST {
            calls.system.push((asked, told));
        } else {
            self.record.gives_up();
        }
    }
}

impl Clock for Recorder {
    fn now(&self) -> SystemTime {
        let now = self.services.clock.now();
        let mut calls = self.record.calls.lock();
        if calls.times.len() < MOST {
            calls.times.push(now);
        } else {
            self.record.gives_up();
        }
        now
    }
}

impl Random for Recorder {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), String> {
        self.services.random.fill(buffer)?;
        let mut calls = self.record.calls.lock();
        calls.random_bytes = calls.random_bytes.saturating_add(buffer.len());
        if calls.random.len() < MOST && calls.random_bytes <= MOST_RANDOM {
            calls.random.push(buffer.to_vec());
        } else {
            self.record.gives_up();
        }
        Ok(())
    }
}

/// Implements the system: the methods without arguments, which are all alike, and the rest.
macro_rules! record {
    ({ $($method:ident -> $answer:ty: $told:ident),+ $(,)? } $($rest:tt)*) => {
        #[async_trait]
        impl System for Recorder {
    $(
                    async fn $method(&self) -> Result<$answer, SystemError> {
                        let answer = self.services.system.$method().await;
                        self.told(asked(stringify!($method), ""), SystemAnswer::$told(answer.clone()));
                        answer
                    }
                )+
            $($rest)*
        }
    };
}

record! {
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
        let answer = self.services.system.entity_info(entity_id).await;
        self.told(asked("entity_info", entity_id), SystemAnswer::Entity(answer.clone()));
        answer
    }

    async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>, SystemError> {
        let answer = self.services.system.groups_for_entity(entity_id).await;
        self.told(
            asked("groups_for_entity", entity_id),
            SystemAnswer::Groups(answer.clone()),
        );
        answer
    }

    async fn generate_password(&self, policy: &str) -> Result<String, SystemError> {
        let answer = self.services.system.generate_password(policy).await;
        self.told(asked("generate_password", policy), SystemAnswer::Text(answer.clone()));
        answer
    }

    async fn identity_token(
        &self,
        audience: &str,
        ttl: Nanoseconds,
    ) -> Result<(String, Nanoseconds), SystemError> {
        let answer = self.services.system.identity_token(audience, ttl).await;
        let about = format!("{audience} {ttl:?}");
        self.told(asked("identity_token", &about), SystemAnswer::Token(answer.clone()));
        answer
    }

    async fn wrap_data(&self, data: Json, ttl: Nanoseconds) -> Result<WrapInfo, SystemError> {
        // It has an effect of its own, so the second run cannot make it.
        self.record.gives_up();
        self.services.system.wrap_data(data, ttl).await
    }
}
