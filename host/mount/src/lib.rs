//! One mount of Vault that a guest serves: the guest, its storage, and the policies between Vault and both.
//!
//! [`GuestMount`] is a mount with a guest. It implements [`vault_plugin::Backend`]: it initializes the guest before the first
//! request, converts requests and answers, and decides what Vault hears of existence checks that failed. [`VaultMount`] adds
//! what a mount of a real Vault needs: it also exists while no guest can be loaded, and it remembers which special paths Vault
//! enforces. `airlock serve` runs `VaultMount`; `airlock dev` runs `GuestMount`.
//!
//! # How to use it
//!
//! 1. Load a guest with [`airlock_sandbox::Sandbox::load`], and say what its operator grants it: a [`GrantedGuest`].
//! 2. Give [`GuestMount::set_up`] the guest and the mount's [`Parts`]; or give [`VaultMount::set_up`] a [`Source`] of guests
//!    and the `Setup` of `vault_plugin`.
//! 3. Call the `Backend`.
//!
//! # What to watch
//!
//! - Everything here runs on the caller's tokio runtime.
//! - The host's own log lines contain no path of a request, no key, no value and no words of a guest's answer.
//!   [`bridge::HostLog`] passes on the guest's own lines, and says that they are the guest's.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod breaker;
pub mod bridge;
mod caching;
mod canary;
mod control;
mod existence;
mod export;
#[doc(hidden)]
pub mod fuzz;
mod guest_mount;
mod invalidations;
mod metrics;
mod options;
mod pushed;
pub mod recording;
mod retry;
mod source;
pub mod special_paths;
mod start;
mod told;
mod vault_mount;

pub use breaker::Settings as BreakerSettings;
pub use guest_mount::{GuestMount, Parts};
pub use metrics::{MEDIA_TYPE as METRICS_MEDIA_TYPE, Metrics};
pub use options::{BadOption, MountOptions};
pub use pushed::PIECE;
pub use source::{GrantedGuest, PATIENCE, Source};
pub use vault_mount::VaultMount;
