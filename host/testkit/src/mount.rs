//! A mount: a guest over a storage, and the work that Vault does for each request.
//!
//! The guest runs on an [`airlock_mount::GuestMount`], as it does in production.

mod builder;
mod usage;

use std::sync::atomic::{AtomicU64, Ordering};

use airlock_faults::FaultyStorage;
use airlock_logical::Operation;
use airlock_logical::time::{duration, nanoseconds};
use airlock_mount::GuestMount;
use airlock_sandbox::Services;
use airlock_storage::{Attempt, StorageEntry};
use serde_json::Value;
use vault_core::{LeaseTerms, SYSTEM_TTL};
use vault_plugin::{Backend as _, Response};

use crate::answer::Asked;
use crate::{Answer, Clock, Lease, Recorder, Request, Result, block_on};

pub use builder::MountBuilder;

/// A mounted guest. Several threads may send requests at once.
pub struct Mount {
    built: MountBuilder,
    services: Services,
    faults: FaultyStorage,
    clock: Clock,
    recorder: Recorder,
    requests: AtomicU64,
    guest: GuestMount,
}

impl Mount {
    /// Restarts the host: storage stays, scratch and cache are lost, and the guest is initialized again.
    ///
    /// # Errors
    /// Returns [`Error::SetUp`](crate::Error::SetUp), [`Error::Initialize`](crate::Error::Initialize) or
    /// [`Error::Runtime`](crate::Error::Runtime).
    pub fn restart(&mut self) -> Result<()> {
        self.guest = self.built.set_up(&self.faults, self.services.clone())?;
        Ok(())
    }

    /// Reads a path.
    pub fn read(&self, path: &str) -> Answer {
        self.send(Request::read(path))
    }

    /// Writes to a path; the existence check decides whether that is a create or an update.
    pub fn write(&self, path: &str, data: Value) -> Answer {
        self.send(Request::write(path).data(&data))
    }

    /// Patches a path.
    pub fn patch(&self, path: &str, data: Value) -> Answer {
        self.send(Request::patch(path).data(&data))
    }

    /// Deletes a path.
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path))
    }

    /// Lists below a path.
    pub fn list(&self, path: &str) -> Answer {
        self.send(Request::list(path))
    }

    /// Sends a request as Vault does: with an id, the mount's path and the caller's identity. A write is sent after its
    /// existence check.
    ///
    /// # Panics
    /// Panics if this machine cannot start the threads to run on; [`MountBuilder::start`] would already have failed
    /// then.
    pub fn send(&self, request: Request) -> Answer {
        block_on(self.deliver(request)).unwrap_or_else(|error| panic!("{error}"))
    }

    async fn deliver(&self, request: Request) -> Answer {
        let Request {
            inner: mut request,
            undecided,
        } = request;
        self.sign(&mut request);
        let ((asked, result, lease), usage) = usage::of(async {
            if undecided {
                match self.check(&request).await {
                    Ok(operation) => request.operation = operation,
                    Err(error) => return (asked(&request), Err(error), None),
                }
            }
            let (asked, path) = (asked(&request), request.path.clone());
            let mut result = self.guest.handle_request(request).await;
            let lease = match &mut result {
                Ok(Some(response)) => self.lease(&path, &asked.id, response).await,
                _ => None,
            };
            (asked, result, lease)
        })
        .await;
        Answer::new(&asked, result, usage).with_lease(lease)
    }

    /// Decides between create and update, as Vault does.
    async fn check(&self, request: &vault_plugin::Request) -> Result<Operation, vault_plugin::Error> {
        match self.guest.check_existence(request.clone()).await {
            Ok(Some(false)) => Ok(Operation::Create),
            Ok(_) | Err(vault_plugin::Error::UnsupportedPath) => Ok(Operation::Update),
            Err(error) => Err(error),
        }
    }

    /// Adds the fields that Vault adds to a request.
    fn sign(&self, request: &mut vault_plugin::Request) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let MountBuilder {
            guest,
            path,
            identity,
            ..
        } = &self.built;
        request.id = format!("00000000-0000-0000-0000-{number:012}");
        request.mount_point.clone_from(path);
        request.mount_type.clone_from(&guest.description().name);
        request.mount_accessor = format!("{}_00000000", guest.description().name);
        if request.entity_id.is_empty() {
            request.entity_id.clone_from(&identity.entity);
        }
        request.display_name.clone_from(&identity.display_name);
    }

    /// Registers the lease of an answer, as Vault does. Its times are limited by those of the mount.
    async fn lease(&self, path: &str, id: &str, response: &mut Response) -> Option<Lease> {
        let secret = response.secret.as_mut()?;
        let system = &self.built.system;
        let terms = LeaseTerms {
            ttl: secret.lease.ttl(),
            max_ttl: secret.lease.max_ttl(),
            mount_ttl: system.default_lease_ttl().await.map_or(SYSTEM_TTL, duration),
            mount_max_ttl: system.max_lease_ttl().await.map_or(SYSTEM_TTL, duration),
            ..LeaseTerms::default()
        };
        let (ttl, warning) = terms.granted().unwrap_or_default();
        response.warnings.extend(warning);
        secret.lease.ttl = nanoseconds(ttl);
        secret.lease_id = format!("{}{path}/{}", self.built.path, id.replace('-', ""));
        secret.lease.issue_time = Some(self.clock.now().into());
        Some(Lease {
            path: path.to_owned(),
            secret: secret.clone(),
            data: response.data.clone(),
        })
    }

    /// Returns the value that is stored at a key.
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.entries()
            .into_iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.value.to_vec())
    }

    /// Returns all stored entries, in the order of their keys.
    pub fn entries(&self) -> Vec<StorageEntry> {
        self.built.entries.all()
    }

    /// Stores an entry without the guest, which is then told of the change as Vault would tell it.
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub fn store(&self, entry: StorageEntry) -> airlock_storage::Result<()> {
        let key = entry.key.clone();
        let stored = block_on(async {
            self.built.entries.storage().put(entry).await?;
            self.guest.invalidate_key(&key).await;
            self.guest.settled().await;
            Ok(())
        });
        stored.unwrap_or_else(|error| Err(airlock_storage::Error::Backend(error.to_string())))
    }

    /// Takes the mount's commit lock as another request would, until the result is dropped, but for at most 2 s. A
    /// request that writes meanwhile waits for the lock, and finds storage busy after [`MountBuilder::busy_after`].
    ///
    /// # Errors
    /// Returns the error of the storage.
    pub fn occupy(&self) -> airlock_storage::Result<impl Sized + use<>> {
        let storage = self.guest.storage().clone();
        let taken = block_on(async move {
            let mut transaction = storage.begin(Attempt::FIRST).await?;
            transaction.lock_commits().await?;
            Ok(transaction)
        });
        taken.unwrap_or_else(|error| Err(airlock_storage::Error::Backend(error.to_string())))
    }

    /// Returns the faults to inject into storage; [`FaultyStorage::heal`] removes them.
    pub fn faults(&self) -> &FaultyStorage {
        &self.faults
    }

    /// Returns the guest's clock, which stands still. It has no effect after
    /// [`real_time_and_randomness`](MountBuilder::real_time_and_randomness).
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns the lines that the guest has logged and the events that it has sent.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

fn asked(request: &vault_plugin::Request) -> Asked {
    Asked {
        operation: request.operation.clone(),
        id: request.id.clone(),
        mount_type: request.mount_type.clone(),
    }
}
