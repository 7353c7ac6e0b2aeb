//! The guest of this process: that in the file that the arguments name, or in this program. It is loaded once for each state
//! of the file.
//!
//! Vault keeps a process whose mounts it could not set up, so loading is tried again: it is enough to correct the
//! cause. But at unseal Vault sets up mounts one after the other and waits for each, so a load that failed is not tried
//! again at once.

use std::sync::Arc;
use std::time::Instant;

use airlock_mount::{GrantedGuest, PATIENCE};
use parking_lot::Mutex;
use printable::Report;
use tokio::time::timeout;

use crate::file::GuestState;
use crate::loader::Loader;

/// The guest of this process. `loader` may be the reason why the arguments, or keys that they name, could not be read.
pub struct GuestFile {
    loader: Result<Arc<Loader>, String>,
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
    /// The file's state, and its signature's, when they were read.
    file: Option<GuestState>,
}

/// The reason why the guest could not be loaded, the state of its file and its signature then, and the time of the
/// failure.
struct Failure {
    reason: String,
    file: Option<GuestState>,
    at: Instant,
}

impl GuestFile {
    pub fn new(loader: Result<Arc<Loader>, String>) -> Self {
        Self {
            loader,
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

    fn file(&self) -> Option<GuestState> {
        self.loader.as_ref().ok()?.origin().state()
    }

    async fn load(&self) -> Result<GrantedGuest, String> {
        let loader = self.loader.as_ref().map_err(Clone::clone)?;
        loader
            .load_own()
            .await
            .map_err(|error| Report::new(error.as_ref()).to_string())
    }

    /// Returns the guest, and loads it if none is loaded yet; see [`Source::guest`](airlock_mount::Source::guest).
    pub async fn guest(&self, unfit: Option<&Arc<GrantedGuest>>) -> Result<Arc<GrantedGuest>, String> {
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

    fn serving(path: &std::path::Path, trust: &str) -> GuestFile {
        let guest = format!("--guest={}", path.display());
        let cli = Cli::try_parse_from(["airlock", "serve", &guest, trust]).unwrap();
        let Command::Serve(args) = cli.command else {
            unreachable!("the command is serve");
        };
        GuestFile::new(Loader::new(args).map_err(|error| format!("{error:#}")))
    }

    #[tokio::test]
    async fn a_failure_is_believed_until_the_file_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guest.wasm");
        let source = serving(&path, "--unpinned");
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

    /// The key of the vectors in `host/trust`.
    const KEY: &str = "RWSGbb3p+gtLwCc9ry5ZcmzunuJO+g7SgjdFrMMdeE3cZ7LRmFYvorMR";

    #[tokio::test]
    async fn a_failure_is_believed_until_the_signature_changes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guest.wasm");
        std::fs::write(&path, "component").unwrap();
        let source = serving(&path, &format!("--trust={KEY}"));
        let unsigned = reason(source.guest(None).await);
        assert!(unsigned.contains("it is not signed"), "{unsigned}");
        let sign = |text| std::fs::write(directory.path().join("guest.wasm.minisig"), text).unwrap();
        sign("garbage");
        let garbage = reason(source.guest(None).await);
        assert!(garbage.contains("not in minisign's format"), "{garbage}");
        // It is signed now, so the host loads it.
        sign(include_str!("../../trust/tests/vectors/plain.minisig"));
        let signed = reason(source.guest(None).await);
        assert!(signed.contains("it is not WebAssembly"), "{signed}");
    }

    #[tokio::test]
    async fn a_signature_that_cannot_be_read_does_not_matter_to_a_pin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("guest.wasm");
        std::fs::write(&path, "component").unwrap();
        std::fs::create_dir(directory.path().join("guest.wasm.minisig")).unwrap();
        let refused = reason(serving(&path, &format!("--trust={KEY}")).guest(None).await);
        assert!(
            refused.contains("guest.wasm.minisig: not a regular file"),
            "{refused}"
        );
        let pin = airlock_trust::Digest::of(b"component");
        let pinned = reason(serving(&path, &format!("--guest-sha256={pin}")).guest(None).await);
        assert!(pinned.contains("it is not WebAssembly"), "{pinned}");
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_read_is_the_reason() {
        let source = serving(std::path::Path::new("/g.wasm"), "--trust=/no/such.pub");
        let missing = reason(source.guest(None).await);
        assert!(missing.contains("--trust=/no/such.pub"), "{missing}");
    }

    #[tokio::test]
    async fn wrong_arguments_are_the_reason() {
        let source = GuestFile::new(Err("its arguments are wrong".to_owned()));
        for _ in 0..2 {
            assert_eq!(reason(source.guest(None).await), "its arguments are wrong");
        }
    }
}
