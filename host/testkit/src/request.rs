//! Requests as a caller of Vault's API makes them.

use std::time::Duration;

use airlock_logical::{Json, Operation};
use serde_json::Value;
use vault_core::list_path_in_mount;

use crate::Lease;

/// A request as the caller writes it, before Vault adds to it.
#[derive(Debug, Clone)]
pub struct Request {
    pub(crate) inner: vault_plugin::Request,
    /// True if the existence check decides between create and update.
    pub(crate) undecided: bool,
    /// The lease to renew or revoke.
    pub(crate) about: Option<About>,
}

/// The action on the lease of this id.
#[derive(Debug, Clone)]
pub(crate) enum About {
    /// Renew it, by the increment if that is not zero.
    Renew(String, Duration),
    Revoke(String),
}

impl About {
    pub(crate) fn increment(&self) -> Duration {
        match self {
            Self::Renew(_, increment) => *increment,
            Self::Revoke(_) => Duration::ZERO,
        }
    }

    fn request(self, operation: Operation) -> Request {
        Request {
            about: Some(self),
            // The mount adds the path and the data.
            ..Request::new(operation, "")
        }
    }
}

impl Request {
    /// Makes a request of any kind, which is sent without an existence check. Most kinds have a shorter constructor
    /// below.
    pub fn new(operation: Operation, path: &str) -> Self {
        Self {
            inner: vault_plugin::Request::new(operation, path),
            undecided: false,
            about: None,
        }
    }

    /// Reads a path.
    pub fn read(path: &str) -> Self {
        Self::new(Operation::Read, path)
    }

    /// Writes to a path. Vault asks the guest's existence check whether that is a create or an update.
    pub fn write(path: &str) -> Self {
        Self {
            undecided: true,
            ..Self::new(Operation::Update, path)
        }
    }

    /// Patches a path.
    pub fn patch(path: &str) -> Self {
        Self::new(Operation::Patch, path)
    }

    /// Deletes a path.
    pub fn delete(path: &str) -> Self {
        Self::new(Operation::Delete, path)
    }

    /// Lists below a path, to which a final `/` is added if it is missing, as Vault does.
    pub fn list(path: &str) -> Self {
        Self::new(Operation::List, &list_path_in_mount(path))
    }

    /// Asks for the help of a path.
    pub fn help(path: &str) -> Self {
        Self::new(Operation::Help, path)
    }

    /// Makes the request that Vault sends once a minute.
    pub fn tick() -> Self {
        Self::new(Operation::Rollback, "")
    }

    /// Renews a lease of the mount, by `increment` if that is not zero.
    ///
    /// As in Vault, a lease that was revoked, has expired or is not renewable is a 400, and the guest is not asked.
    pub fn renew(lease: &Lease, increment: Duration) -> Self {
        About::Renew(lease.secret.lease_id.clone(), increment).request(Operation::Renew)
    }

    /// Revokes a lease of the mount. Does nothing if it was revoked.
    ///
    /// Vault revokes a lease by itself when it expires; a test sends this request then.
    pub fn revoke(lease: &Lease) -> Self {
        About::Revoke(lease.secret.lease_id.clone()).request(Operation::Revoke)
    }

    /// Sets the data, a JSON object.
    #[must_use]
    pub fn data(self, data: &Value) -> Self {
        self.json(data.to_string())
    }

    /// Sets the data as JSON text. It reaches the guest unchanged, including every digit of its numbers.
    #[must_use]
    pub fn json(mut self, text: impl Into<String>) -> Self {
        self.inner.data = Json::from_text(text);
        self
    }

    /// Sets the entity that makes the request. Default: the mount's, see
    /// [`MountBuilder::entity`](crate::MountBuilder::entity).
    #[must_use]
    pub fn entity(mut self, id: &str) -> Self {
        id.clone_into(&mut self.inner.entity_id);
        self
    }

    /// Adds an HTTP header, one that the mount lets through.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let values = self.inner.headers.entry(name.to_owned()).or_default();
        values.push(value.to_owned());
        self
    }
}
