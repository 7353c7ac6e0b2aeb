//! A mount: a guest over a storage, and the work that Vault does for each request.
//!
//! The guest runs on an [`airlock_mount::GuestMount`], as it does in production.

mod builder;
mod leases;
mod usage;

use std::sync::atomic::{AtomicU64, Ordering};

use airlock_faults::FaultyStorage;
use airlock_logical::{Operation, SpecialPaths};
use airlock_mount::GuestMount;
use airlock_sandbox::{Services, Usage};
use airlock_storage::{Attempt, StorageEntry};
use serde_json::Value;
use vault_core::LeaseTerms;
use vault_plugin::{Backend as _, Response};

use crate::answer::Asked;
use crate::request::About;
use crate::{Answer, Clock, Lease, Recorder, Request, Result, block_on};
use leases::Leases;

pub use builder::MountBuilder;

/// A mounted guest. Several threads may send requests at once.
pub struct Mount {
    built: MountBuilder,
    services: Services,
    faults: FaultyStorage,
    clock: Clock,
    recorder: Recorder,
    requests: AtomicU64,
    leases: Leases,
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
            about,
        } = request;
        self.sign(&mut request);
        if let Some(about) = &about {
            match self.leases.complete(&mut request, about, self.clock.now()) {
                Ok(true) => {}
                Ok(false) => return Answer::new(&asked(&request), Ok(None), Usage::default()),
                Err(error) => return Answer::new(&asked(&request), Err(error), Usage::default()),
            }
        }
        let mut checked = Usage::default();
        if undecided {
            let (exists, used) = usage::of(self.check(&request)).await;
            match exists {
                Ok(operation) => request.operation = operation,
                Err(error) => return Answer::new(&asked(&request), Err(error), used),
            }
            // The check is not an attempt at the request.
            checked = Usage { attempts: 0, ..used };
        }
        let (asked, path) = (asked(&request), request.path.clone());
        let (mut result, mut usage) = usage::of(self.guest.handle_request(request)).await;
        usage::add(&mut usage, &checked);
        let lease = match &mut result {
            Ok(response) => self.lease(&asked, &path, response.as_mut(), about.as_ref()).await,
            Err(_) => Ok(None),
        };
        match lease {
            Ok(lease) => Answer::new(&asked, result, usage).with_lease(lease),
            Err(error) => Answer::new(&asked, Err(error), usage),
        }
    }

    /// Does with the lease of an answer, or of a request, what Vault does.
    async fn lease(
        &self,
        asked: &Asked,
        path: &str,
        response: Option<&mut Response>,
        about: Option<&About>,
    ) -> Result<Option<Lease>, vault_plugin::Error> {
        let (now, terms) = (self.clock.now(), leases::terms(&*self.built.system).await);
        match (about, response) {
            (Some(About::Revoke(id)), _) => {
                self.leases.revoked(id);
                Ok(None)
            }
            (Some(About::Renew(id, increment)), Some(response)) => {
                let increment = *increment;
                self.leases
                    .renewed(id, response, now, LeaseTerms { increment, ..terms })
            }
            (None, Some(response)) => {
                let id = format!("{}{path}/{}", self.built.path, asked.id.replace('-', ""));
                Ok(self.leases.give(id, path, response, now, terms))
            }
            (_, None) => Ok(None),
        }
    }

    /// Makes the existence check of a write, as Vault does before it. Returns true if the path exists, and `None` if it has no
    /// check, or if the check could not be made: the answer to the write then says why.
    ///
    /// # Errors
    /// Returns what Vault tells the caller at once: a path that does not exist, the caller's mistake, or read-only storage.
    ///
    /// # Panics
    /// Like [`send`](Self::send).
    pub fn exists(&self, request: Request) -> Result<Option<bool>, vault_plugin::Error> {
        let mut request = request.inner;
        self.sign(&mut request);
        block_on(self.guest.check_existence(request)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Returns the special paths that Vault gets: the guest's and the host's own.
    pub fn special_paths(&self) -> SpecialPaths {
        self.guest.special_paths()
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
        // Vault itself makes these requests, on nobody's behalf.
        if matches!(
            request.operation,
            Operation::Renew | Operation::Revoke | Operation::Rollback
        ) {
            return;
        }
        if request.entity_id.is_empty() {
            request.entity_id.clone_from(&identity.entity);
        }
        request.display_name.clone_from(&identity.display_name);
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
