//! A mount's control paths, `<mount>/.airlock/…`, by which an operator puts guests into the mount's storage.

pub mod answers;
pub mod error;
pub mod mount_path;
mod recording;

use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::vault::Client;
use crate::vault::environment::Environment;
use crate::vault::error::{Failure, SetupError};
use crate::vault::retry::Repeat;
use crate::vault::tls::skips_verification;
use answers::{Guests, PROTOCOL, Page, Removed, Status, Stored, Swapped};
use error::ControlError;
use mount_path::MountPath;

/// The flag of every command about a mount's guests.
#[derive(Debug, Clone, Args)]
pub struct MountArgs {
    /// The mount's path, as `vault secrets list` shows it
    #[arg(long, value_name = "MOUNT")]
    pub mount: MountPath,
}

/// The control paths of one mount.
pub struct Control {
    client: Arc<Client>,
    mount: MountPath,
}

/// The capabilities that a token needs to read.
const READ: &str = r#""read", "sudo""#;

/// The capabilities that a token needs to list.
const LIST: &str = r#""list", "sudo""#;

/// The capabilities that a token needs to delete.
const DELETE: &str = r#""delete", "sudo""#;

/// The capabilities that a token needs to write, whether the path exists or not.
const WRITE: &str = r#""create", "update", "sudo""#;

impl Control {
    /// Returns a mount's control paths, at the Vault that the environment names. Sends nothing.
    pub fn of(args: &MountArgs) -> Result<Self, SetupError> {
        Ok(Self {
            client: Arc::new(Self::client()?),
            mount: args.mount.clone(),
        })
    }

    /// Returns the control paths of every mount of an external plugin that the token can see. Those of other plugins are
    /// among them: [`ControlError::NoAirlock`] tells them.
    pub fn of_all() -> Result<Vec<Self>> {
        let client = Arc::new(Self::client()?);
        let data = client
            .read("sys/internal/ui/mounts")
            .context("the mounts cannot be listed")?;
        let controls = external_mounts(&data).map(|mount| Self {
            client: client.clone(),
            mount,
        });
        Ok(controls.collect())
    }

    /// Makes a client for the Vault that the environment names.
    fn client() -> Result<Client, SetupError> {
        let environment = Environment::of_process();
        let client = Client::of(&environment)?;
        if client.address().is_tls() && skips_verification(&environment)? {
            eprintln!(
                "airlock: warning: VAULT_SKIP_VERIFY is set, so whoever answers at {} gets the token",
                client.address()
            );
        }
        Ok(client)
    }

    /// Returns the mount's path.
    pub fn mount(&self) -> &MountPath {
        &self.mount
    }

    /// Reads the status, and checks that an Airlock host has answered that speaks this program's protocol. Every
    /// command begins with this, so that no other engine is sent anything.
    pub fn status(&self) -> Result<Status, ControlError> {
        self.status_and_data().map(|(status, _)| status)
    }

    /// Does the same, and returns the status as the host sent it, too.
    pub fn status_and_data(&self) -> Result<(Status, Value), ControlError> {
        let data = match self.client.read(&self.mount.control("status")) {
            Ok(data) => data,
            Err(failure) if failure.says("no handler for route") => {
                return Err(ControlError::NoMount(self.mount.clone()));
            }
            Err(Failure::Answered {
                status: 404 | 405, ..
            }) => {
                return Err(ControlError::NoAirlock(self.mount.clone()));
            }
            Err(failure) if failure.says("unsupported path") || failure.says("unsupported operation") => {
                return Err(ControlError::NoAirlock(self.mount.clone()));
            }
            Err(failure) => return Err(self.failed("status", READ, failure)),
        };
        // An engine that stores whatever it is sent could answer anything here.
        if data["host"] != "airlock" {
            return Err(ControlError::NoAirlock(self.mount.clone()));
        }
        let found = data["protocol"].as_u64().unwrap_or_default();
        if found != PROTOCOL {
            return Err(ControlError::OtherProtocol {
                mount: self.mount.clone(),
                host_version: data["host_version"]
                    .as_str()
                    .unwrap_or("of unknown version")
                    .to_owned(),
                found,
            });
        }
        Ok((self.decode("the status", data.clone())?, data))
    }

    /// Does the same as [`Control::status`], and checks that the mount takes guests from its storage on this node. Vault
    /// itself has to say that an external plugin is mounted there: what an engine says of itself, somebody may have
    /// stored in it.
    pub fn writable_status(&self) -> Result<Status, ControlError> {
        let status = self.status()?;
        self.check_mount()?;
        if status.can_write && status.accepts_push {
            return Ok(status);
        }
        let reason = status.why_not.unwrap_or_else(|| {
            let reason = match status.can_write {
                true => "it is registered without guests in its storage",
                false => "this node cannot write; ask the active one",
            };
            reason.to_owned()
        });
        Err(ControlError::Refuses {
            mount: self.mount.clone(),
            reason,
        })
    }

    /// Asks Vault what is mounted, at the path by which `vault kv` asks. Every token may read it for mounts that it can
    /// reach.
    fn check_mount(&self) -> Result<(), ControlError> {
        let path = format!("sys/internal/ui/mounts/{}", self.mount.url());
        let data = self.client.read(&path).map_err(|source| ControlError::Failed {
            mount: self.mount.clone(),
            source,
        })?;
        check_is_external(&self.mount, &data)
    }

    /// Sends a guest's manifest: its size, the digests of its pieces and possibly its signature.
    pub fn put_guest(&self, sha256: &str, manifest: &Value) -> Result<Stored, ControlError> {
        let data = self.write(&format!("guests/{sha256}"), "guests/*", manifest, Repeat::Always)?;
        self.decode("the guest", data)
    }

    /// Sends one piece.
    pub fn put_piece(&self, sha256: &str, data: &str) -> Result<(), ControlError> {
        let path = format!("pieces/{sha256}");
        self.write(&path, "pieces/*", &json!({ "data": data }), Repeat::Always)
            .map(|_| ())
    }

    /// Makes a guest that is in storage the active one. With `reload`, a guest that needs a reload becomes active too,
    /// and runs after the reload.
    pub fn swap(&self, sha256: &str, reload: bool) -> Result<Swapped, ControlError> {
        let body = body(Some(sha256), reload);
        self.write_swap("swap", "the swap", &body, Repeat::Always)
    }

    /// Tries a stored guest on the next requests.
    ///
    /// # Errors
    /// The guest could not take over now either.
    pub fn try_out(&self, sha256: &str, requests: u32, tolerate: &[String]) -> Result<Swapped, ControlError> {
        let body = json!({ "sha256": sha256, "canary": requests, "tolerate": tolerate });
        self.write_swap("swap", "the trial", &body, Repeat::IfNotDone)
    }

    /// Makes a guest of a lower version the active one.
    pub fn downgrade(&self, sha256: &str, reload: bool) -> Result<Swapped, ControlError> {
        let body = body(Some(sha256), reload);
        self.write_swap("downgrade", "the downgrade", &body, Repeat::Always)
    }

    /// Makes the guest active that was so before. Doing it twice has another effect than once, so the request is sent again
    /// only if the host has certainly not done it.
    pub fn rollback(&self, reload: bool) -> Result<Swapped, ControlError> {
        self.write_swap("rollback", "the rollback", &body(None, reload), Repeat::IfNotDone)
    }

    /// Lists the guests in storage.
    pub fn guests(&self) -> Result<Guests, ControlError> {
        match self.client.list(&self.mount.control("guests")) {
            Ok(data) => self.decode("the list of guests", data),
            // Vault answers so to an empty list.
            Err(Failure::Answered { status: 404, .. }) => Ok(Guests::default()),
            Err(failure) => Err(self.failed("guests", LIST, failure)),
        }
    }

    /// Removes the guests and pieces that nothing needs.
    pub fn gc(&self) -> Result<Removed, ControlError> {
        let data = self.write("gc", "gc", &json!({}), Repeat::Always)?;
        self.decode("the removal", data)
    }

    /// Fetches the entries of the mount's storage that follow a key.
    pub fn export(&self, after: &str) -> Result<Page, ControlError> {
        let data = self.write("export", "export", &json!({ "after": after }), Repeat::Always)?;
        serde_json::from_value(data).map_err(|_| ControlError::Malformed {
            mount: self.mount.clone(),
            what: "the export",
            // The decoder's own words may quote a value.
            reason: "it is not a page of entries".to_owned(),
        })
    }

    /// Does what `vault plugin reload -mounts=<mount>` does.
    pub fn reload(&self) -> Result<(), ControlError> {
        let path = "sys/plugins/reload/backend";
        let body = json!({"mounts": [self.mount.to_string()]});
        match self.client.write(path, &body, Repeat::Always) {
            Ok(_) => Ok(()),
            Err(failure) if failure.status() == Some(403) && !failure.is_of_the_token() => {
                Err(ControlError::Denied {
                    mount: self.mount.clone(),
                    path: path.to_owned(),
                    capabilities: r#""update""#,
                })
            }
            Err(source) => Err(ControlError::Failed {
                mount: self.mount.clone(),
                source,
            }),
        }
    }

    fn write_swap(
        &self,
        path: &str,
        what: &'static str,
        body: &Value,
        repeat: Repeat,
    ) -> Result<Swapped, ControlError> {
        let data = self
            .write(path, path, body, repeat)
            .map_err(|error| match error {
                ControlError::Failed {
                    mount,
                    source:
                        Failure::Answered {
                            status: 400, texts, ..
                        },
                } if texts.iter().any(|text| text.contains("reload")) && body["reload"] != true => {
                    ControlError::NeedsReload { mount, texts }
                }
                ControlError::Failed { mount, source } if is_unknown(&source) => {
                    ControlError::Unknown { mount, what, source }
                }
                error => error,
            })?;
        self.decode(what, data)
    }

    fn read(&self, path: &str, policy: &str) -> Result<Value, ControlError> {
        self.client
            .read(&self.mount.control(path))
            .map_err(|failure| self.failed(policy, READ, failure))
    }

    fn write(&self, path: &str, policy: &str, body: &Value, repeat: Repeat) -> Result<Value, ControlError> {
        self.client
            .write(&self.mount.control(path), body, repeat)
            .map_err(|failure| self.failed(policy, WRITE, failure))
    }

    fn failed(&self, policy: &str, capabilities: &'static str, failure: Failure) -> ControlError {
        if failure.status() == Some(403) && !failure.is_of_the_token() {
            return ControlError::Denied {
                mount: self.mount.clone(),
                path: format!("{}.airlock/{policy}", self.mount),
                capabilities,
            };
        }
        ControlError::Failed {
            mount: self.mount.clone(),
            source: failure,
        }
    }

    fn decode<T: DeserializeOwned>(&self, what: &'static str, data: Value) -> Result<T, ControlError> {
        serde_json::from_value(data).map_err(|error| ControlError::Malformed {
            mount: self.mount.clone(),
            what,
            reason: printable::escape(&error.to_string()).into_owned(),
        })
    }
}

/// Returns the secrets engines in a list of Vault's that are external plugins.
fn external_mounts(data: &Value) -> impl Iterator<Item = MountPath> {
    let mounts = data["secret"].as_object().into_iter().flatten();
    mounts
        .filter(|(_, mount)| {
            mount["running_sha256"]
                .as_str()
                .is_some_and(|sha256| !sha256.is_empty())
        })
        .filter_map(|(path, _)| path.parse().ok())
}

fn check_is_external(mount: &MountPath, data: &Value) -> Result<(), ControlError> {
    let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
    if text("path") != mount.to_string() {
        return Err(ControlError::NotTheMount {
            mount: mount.clone(),
            of: text("path"),
        });
    }
    if text("running_sha256").is_empty() {
        return Err(ControlError::BuiltIn {
            mount: mount.clone(),
            engine: text("type"),
        });
    }
    Ok(())
}

fn body(sha256: Option<&str>, reload: bool) -> Value {
    let mut body = json!({});
    if let Some(sha256) = sha256 {
        body["sha256"] = json!(sha256);
    }
    if reload {
        body["reload"] = json!(true);
    }
    body
}

/// Returns true if Vault may have carried out a request that failed so.
fn is_unknown(failure: &Failure) -> bool {
    match failure {
        Failure::Unreachable { in_tls, .. } => !in_tls,
        Failure::Answered { status, .. } => matches!(status, 500 | 502 | 504),
        Failure::Redirect { .. } | Failure::NotVault { .. } => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
