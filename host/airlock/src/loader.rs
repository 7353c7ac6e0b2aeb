//! Loads the guests of a serving process into its one sandbox, if somebody whom the operator trusts vouches for them.

use std::sync::Arc;

use airlock_mount::GrantedGuest;
use airlock_sandbox::{CompiledCode, Sandbox};
use airlock_storage::Prefixes;
use airlock_trust::{Trust, Voucher};
use anyhow::{Context as _, Result};
use tokio::sync::OnceCell;

use crate::args::ServeArgs;
use crate::guest;
use crate::origin::Origin;

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
    pub async fn load_own(&self) -> Result<GrantedGuest> {
        let read = self.origin.read(&self.trust)?;
        let what = self.origin.to_string();
        self.load(&read.component, read.code.as_ref(), read.voucher, &what)
            .await
    }

    /// Loads a guest that was pushed into a mount.
    ///
    /// # Errors
    /// Says why it may not run, or cannot.
    pub async fn load_pushed(&self, component: &[u8], signature: Option<&str>) -> Result<GrantedGuest> {
        let what = "the pushed guest";
        let voucher = self.trust.vouch(component, signature).context(what)?;
        self.load(component, None, voucher, what).await
    }

    async fn load(
        &self,
        component: &[u8],
        code: Option<&CompiledCode>,
        voucher: Voucher,
        what: &str,
    ) -> Result<GrantedGuest> {
        let Self { args, .. } = self;
        let sandbox = self
            .sandbox
            .get_or_try_init(async || {
                let memory = guest::process_memory(&args.limits);
                guest::sandbox_aside(guest::COMPILE, args.cache_dir.clone(), memory).await
            })
            .await?;
        let limits = guest::limits(&args.limits);
        let guest = sandbox
            .load_with(component, code, limits)
            .await
            .with_context(|| what.to_owned())?;
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
