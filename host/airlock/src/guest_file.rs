//! The source of this process's guest: the file that the arguments name, loaded once for each state of the file.
//!
//! Vault keeps a process whose mounts it could not set up, so loading is tried again: it is enough to correct the
//! cause. But at unseal Vault sets up mounts one after the other and waits for each, so a load that failed is not tried
//! again at once.

use std::sync::Arc;
use std::time::Instant;

use airlock_mount::{GrantedGuest, PATIENCE, Source};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::args::ServeArgs;
use crate::guest;
use crate::trust::FileState;

/// The guest's file. `args` may be the reason why the arguments could not be read.
pub struct GuestFile {
    args: Result<ServeArgs, String>,
    state: Mutex<State>,
    loading: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    failure: Option<Failure>,
}

struct Loaded {
    guest: Arc<GrantedGuest>,
    /// The file's state when it was read.
    file: Option<FileState>,
}

/// The reason why the guest could not be loaded, the state of its file then, and the time of the failure.
struct Failure {
    reason: String,
    file: Option<FileState>,
    at: Instant,
}

impl GuestFile {
    pub fn new(args: Result<ServeArgs, String>) -> Self {
        Self {
            args,
            state: Mutex::default(),
            loading: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the answer that needs no loading, or `None` if it is time to load.
    fn known(&self, unfit: Option<&Arc<GrantedGuest>>) -> Option<Result<Arc<GrantedGuest>, String>> {
        let state = self.state.lock();
        if let Some(Loaded { guest, file }) = &state.loaded {
            let is_unfit = unfit.is_some_and(|unfit| Arc::ptr_eq(unfit, guest));
            if !is_unfit || *file == self.file() {
                return Some(Ok(guest.clone()));
            }
        }
        let failure = state.failure.as_ref()?;
        let stands = failure.file == self.file() && failure.at.elapsed() < PATIENCE;
        stands.then(|| Err(failure.reason.clone()))
    }

    fn file(&self) -> Option<FileState> {
        let args = self.args.as_ref().ok()?;
        FileState::of(&args.guest)
    }

    async fn load(&self) -> Result<GrantedGuest, String> {
        let args = self.args.as_ref().map_err(Clone::clone)?;
        let granted = guest::load_granted(args)
            .await
            .map_err(|error| format!("{error:#}"))?;
        let description = granted.guest.description();
        let sha256 = granted.guest.digest();
        tracing::info!(
            guest = description.name,
            version = description.version,
            sha256,
            "guest is loaded"
        );
        if args.unpinned {
            tracing::warn!(
                sha256,
                "UNPINNED: whoever can write the guest's file can run code on this mount's secrets; register the plugin \
                 with --guest-sha256 for anything but development"
            );
        }
        Ok(granted)
    }
}

#[async_trait]
impl Source for GuestFile {
    async fn guest(&self, unfit: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
        if let Some(known) = self.known(unfit) {
            return known;
        }
        let _alone = self.loading.lock().await;
        if let Some(known) = self.known(unfit) {
            return known;
        }
        let file = self.file();
        let loaded = timeout(PATIENCE, self.load()).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(format!("the guest took longer than {seconds} s to load"))
        });
        let mut state = self.state.lock();
        match loaded {
            Ok(guest) => {
                let guest = Arc::new(guest);
                state.failure = None;
                state.loaded = Some(Loaded {
                    guest: guest.clone(),
                    file,
                });
                Ok(guest)
            }
            Err(reason) => {
                tracing::error!(reason, "the guest cannot be loaded");
                state.failure = Some(Failure {
                    reason: reason.clone(),
                    file,
                    at: Instant::now(),
                });
                Err(reason)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn reason(result: Result<Arc<GrantedGuest>, String>) -> String {
        result.err().unwrap()
    }

    #[tokio::test]
    async fn a_failure_is_believed_until_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guest.wasm");
        let guest = format!("--guest={}", path.display());
        let cli = Cli::try_parse_from(["airlock", "serve", &guest, "--unpinned"]).unwrap();
        let Command::Serve(args) = cli.command else {
            unreachable!("the command is serve");
        };
        let source = GuestFile::new(Ok(args));
        let missing = reason(source.guest(None).await);
        let tried = source.state.lock().failure.as_ref().map(|failure| failure.at);
        assert_eq!(reason(source.guest(None).await), missing);
        assert_eq!(
            source.state.lock().failure.as_ref().map(|failure| failure.at),
            tried
        );
        std::fs::write(&path, "not WebAssembly").unwrap();
        let other = reason(source.guest(None).await);
        assert!(other.contains("it is not WebAssembly"), "{other}");
        assert!(source.state.lock().loaded.is_none());
    }

    #[tokio::test]
    async fn wrong_arguments_are_the_reason() {
        let source = GuestFile::new(Err("its arguments are wrong".to_owned()));
        for _ in 0..2 {
            assert_eq!(reason(source.guest(None).await), "its arguments are wrong");
        }
    }
}
