//! Loads the guests of a serving process into its one sandbox, if somebody whom the operator trusts vouches for them.

use std::sync::Arc;

use airlock_mount::GrantedGuest;
use airlock_sandbox::{Guest, Sandbox, aside};
use airlock_storage::Prefixes;
use airlock_trust::{Trust, Voucher};
use anyhow::{Context as _, Result};
use tokio::sync::OnceCell;

use crate::args::ServeArgs;
use crate::guest;
use crate::origin::{Content, Origin, Read};

/// The operator's decisions about guests, and the sandbox in which they run.
pub struct Loader {
    args: ServeArgs,
    trust: Trust,
    origin: Origin,
    sandbox: OnceCell<Sandbox>,
}

impl Loader {
    /// Reads the keys that the arguments name by their paths. They are those of this process: another key needs a reload.
    ///
    /// # Errors
    /// Says what is wrong with the arguments.
    pub fn new(args: ServeArgs) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            trust: args.trust()?,
            origin: Origin::of(&args)?,
            args,
            sandbox: OnceCell::new(),
        }))
    }

    /// Returns where the guest of this process comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns what the operator trusts.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Returns the arguments.
    pub fn args(&self) -> &ServeArgs {
        &self.args
    }

    /// Loads the guest of this process.
    ///
    /// # Errors
    /// Says why it may not run, or cannot.
    pub async fn load_own(self: &Arc<Self>) -> Result<GrantedGuest> {
        let loader = self.clone();
        // Reading and checking takes milliseconds, and the runtime's one thread has to answer Vault's TLS handshake.
        let reading = aside(move || loader.origin.read(&loader.trust));
        let (read, sandbox) = tokio::join!(reading, self.sandbox());
        let Read { content, voucher } = read??;
        let guest = self.own(sandbox?, content, &voucher).await;
        self.granted(guest, voucher, &self.origin.to_string())
    }

    /// Loads a guest that was pushed into a mount.
    ///
    /// # Errors
    /// Says why it may not run, or cannot.
    pub async fn load_pushed(&self, component: &[u8], signature: Option<&str>) -> Result<GrantedGuest> {
        let what = "the pushed guest";
        let voucher = self.trust.vouch(component, signature).context(what)?;
        let guest = self.vouched(self.sandbox().await?, component, &voucher).await;
        self.granted(guest, voucher, what)
    }

    async fn sandbox(&self) -> Result<&Sandbox> {
        let Self { args, .. } = self;
        self.sandbox
            .get_or_try_init(async || {
                let memory = guest::process_memory(&args.limits);
                guest::sandbox_aside(guest::COMPILE, args.cache_dir.clone(), memory).await
            })
            .await
    }

    async fn own(&self, sandbox: &Sandbox, content: Content, voucher: &Voucher) -> Result<Guest> {
        let component = match content {
            Content::Component(component) => component,
            Content::Compiled(code, program) => {
                let limits = guest::limits(&self.args.limits);
                match sandbox.load_compiled(code, limits).await? {
                    Some(guest) => return Ok(guest),
                    None => program.read_guest()?,
                }
            }
        };
        self.vouched(sandbox, &component, voucher).await
    }

    async fn vouched(&self, sandbox: &Sandbox, component: &[u8], voucher: &Voucher) -> Result<Guest> {
        let limits = guest::limits(&self.args.limits);
        let digest = voucher.digest().to_string();
        Ok(sandbox.load_with_digest(component, &digest, limits).await?)
    }

    /// Checks that a loaded guest is what was vouched for, and grants it what the arguments say. `what` names it in errors.
    fn granted(&self, guest: Result<Guest>, voucher: Voucher, what: &str) -> Result<GrantedGuest> {
        let Self { args, .. } = self;
        let guest = guest.with_context(|| what.to_owned())?;
        let description = guest.description();
        voucher
            .confirm(&description.name, &description.version)
            .with_context(|| what.to_owned())?;
        tracing::info!(
            guest = description.name,
            version = description.version,
            sha256 = guest.digest(),
            voucher = %voucher.by(),
            code = %guest.code_origin(),
            "guest is loaded"
        );
        if self.trust.is_unpinned() {
            tracing::warn!(
                sha256 = guest.digest(),
                "UNPINNED: whoever can write the guest's file, or push to a mount, can run code on this mount's secrets; \
                 register the plugin with --guest-sha256 or --trust for anything but development"
            );
        }
        Ok(GrantedGuest {
            guest,
            voucher: Some(voucher),
            cacheable: args.cacheable(),
            unauthenticated: Prefixes::from_iter(&args.unauthenticated),
        })
    }
}
