//! The information that the server gives a mount about itself: Vault's `SystemView`.
//!
//! [`SystemView`] is cheap to clone. Each call is a round trip to the server, so keep answers that do not change. A
//! call that the server does not offer, such as rotation jobs on OpenBao, fails with
//! [`crate::ServerError::Unsupported`].

mod client;
mod types;

pub use client::SystemView;
pub use types::{
    ClusterInfo, IdentityToken, PluginEnvironment, ReplicationState, RotationInfo, RotationJob,
    RotationSchedule,
};
