//! The engine that the tests mount on both servers, as a plugin for the real Vault.
#![allow(missing_docs, unreachable_pub)]

use std::sync::Arc;

use airlock_storage::{Result, Storage};
use vault_plugin::{Backend, Error, Factory, Report, ServerError, Setup, StorageEntry, async_trait};

#[path = "../tests/common/probe.rs"]
mod probe;

struct Plugin;

#[async_trait]
impl Factory for Plugin {
    async fn setup(&self, mount: Setup) -> std::result::Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(probe::Probe {
            storage: Arc::new(Broker(mount.storage)),
            config: mount.config,
        }))
    }
}

/// Vault's storage behind the trait that the engine uses.
struct Broker(vault_plugin::Storage);

fn failed(error: ServerError) -> airlock_storage::Error {
    airlock_storage::Error::Backend(Report::new(&error).to_string())
}

#[async_trait]
impl Storage for Broker {
    async fn get(&self, key: &str) -> Result<Option<StorageEntry>> {
        self.0.get(key).await.map_err(failed)
    }
    async fn put(&self, entry: StorageEntry) -> Result<()> {
        self.0.put(entry).await.map_err(failed)
    }
    async fn delete(&self, key: &str) -> Result<()> {
        self.0.delete(key).await.map_err(failed)
    }
    async fn list(&self, folder: &str) -> Result<Vec<String>> {
        self.0.list(folder).await.map_err(failed)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = vault_plugin::serve(Plugin).await {
        eprintln!("{}", Report::new(&error));
        std::process::exit(1);
    }
}
