//! The development server's system view, events and clock, as a guest sees them.

use std::time::SystemTime;

use airlock_dev_server::{Cost, DevEvents, DevSystem};
use airlock_logical::time::{duration, nanoseconds};
use airlock_sandbox::types::{Json, Nanoseconds, WrapInfo};
use airlock_sandbox::{Clock, Events, Replication, System, SystemError, Usage};
use async_trait::async_trait;
use vault_plugin::{Event, Report};

/// The development server, as a guest's system view and clock.
pub struct Dev(pub DevSystem);

type Result<T> = std::result::Result<T, SystemError>;

#[async_trait]
impl System for Dev {
    async fn default_lease_ttl(&self) -> Result<Nanoseconds> {
        Ok(nanoseconds(self.0.default_lease_ttl()))
    }

    async fn max_lease_ttl(&self) -> Result<Nanoseconds> {
        Ok(nanoseconds(self.0.max_lease_ttl()))
    }

    async fn tainted(&self) -> Result<bool> {
        Ok(self.0.tainted())
    }

    async fn caching_disabled(&self) -> Result<bool> {
        Ok(self.0.caching_disabled())
    }

    async fn local_mount(&self) -> Result<bool> {
        Ok(self.0.local_mount())
    }

    async fn replication_state(&self) -> Result<Replication> {
        Ok(Replication::empty())
    }

    async fn vault_version(&self) -> Result<String> {
        let environment = self.0.plugin_environment();
        Ok(format!("{}+{}", environment.version, environment.metadata))
    }

    async fn cluster_id(&self) -> Result<String> {
        Ok(self.0.cluster_id().to_owned())
    }

    async fn wrap_data(&self, data: Json, ttl: Nanoseconds) -> Result<WrapInfo> {
        let failed = |error: vault_plugin::Error| SystemError::Failed(Report::new(&error).to_string());
        self.0.response_wrap_data(&data, duration(ttl)).map_err(failed)
    }
}

impl Clock for Dev {
    fn now(&self) -> SystemTime {
        self.0.now()
    }
}

/// The development server's event journal.
pub struct DevJournal(pub DevEvents);

#[async_trait]
impl Events for DevJournal {
    async fn send(&self, event_type: &str, metadata: &str) -> std::result::Result<(), String> {
        let event = Event {
            metadata: vault_plugin::Json::from_text(metadata),
            ..Event::default()
        };
        self.0.send(event_type, &event);
        Ok(())
    }
}

/// Tells the development server what a request cost.
pub fn report_usage(usage: &Usage) {
    airlock_dev_server::report_cost(Cost {
        cpu: usage.cpu,
        reads: usage.storage.gets,
        writes: usage.storage.puts + usage.storage.deletes,
        lists: usage.storage.lists,
    });
}
