//! The arguments and answers of the system view's calls.

use std::fmt;
use std::time::{Duration, SystemTime};

use airlock_logical::Timestamp;
use airlock_logical::redact::hidden;

use crate::proto::{logical, pb};
use crate::time::{from_timestamp, from_unix_seconds, to_seconds, to_unix_seconds};

/// The server's role in replication: the bits of Vault's number. Community servers do not replicate.
///
/// ```
/// use vault_plugin::ReplicationState;
///
/// let state = ReplicationState(1 << 14 | 1 << 5);
/// assert!(state.contains(ReplicationState::PERFORMANCE_STANDBY));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplicationState(pub i32);

impl ReplicationState {
    /// Primary for performance replication.
    pub const PERFORMANCE_PRIMARY: ReplicationState = ReplicationState(1 << 5);
    /// Secondary for performance replication: storage that is not local is read-only.
    pub const PERFORMANCE_SECONDARY: ReplicationState = ReplicationState(1 << 6);
    /// Primary for disaster recovery.
    pub const DISASTER_RECOVERY_PRIMARY: ReplicationState = ReplicationState(1 << 8);
    /// Secondary for disaster recovery.
    pub const DISASTER_RECOVERY_SECONDARY: ReplicationState = ReplicationState(1 << 9);
    /// About to become a secondary for performance replication.
    pub const PERFORMANCE_BOOTSTRAPPING: ReplicationState = ReplicationState(1 << 10);
    /// About to become a secondary for disaster recovery.
    pub const DISASTER_RECOVERY_BOOTSTRAPPING: ReplicationState = ReplicationState(1 << 11);
    /// No performance replication.
    pub const PERFORMANCE_DISABLED: ReplicationState = ReplicationState(1 << 12);
    /// No disaster recovery.
    pub const DISASTER_RECOVERY_DISABLED: ReplicationState = ReplicationState(1 << 13);
    /// A standby that reads: all storage is read-only.
    pub const PERFORMANCE_STANDBY: ReplicationState = ReplicationState(1 << 14);

    /// Returns true if all bits of `other` are set.
    pub fn contains(self, other: ReplicationState) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The server's version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PluginEnvironment {
    /// For example `1.21.0`.
    pub version: String,
    /// For example `beta1`; empty for a release.
    pub prerelease: String,
    /// For example `ent`.
    pub metadata: String,
    /// The time of the build, if the server reports it.
    pub build_date: Option<SystemTime>,
}

/// The cluster that the server belongs to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClusterInfo {
    /// The cluster's name, which today's servers leave empty.
    pub name: String,
    /// The id, which is the same for all servers of the cluster.
    pub id: String,
}

/// A signed token with which the plugin proves its identity to another service.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdentityToken {
    /// A JWT.
    pub token: String,
    /// The time for which it is valid, in whole seconds.
    pub ttl: Duration,
}

/// Omits the token.
impl fmt::Debug for IdentityToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityToken")
            .field("token", &hidden(&self.token))
            .field("ttl", &self.ttl)
            .finish()
    }
}

/// A job for the server: to have something rotated in time. Rotation is a feature of Vault Enterprise.
///
/// ```
/// use std::time::Duration;
/// use vault_plugin::{Request, RotationJob, RotationSchedule, ServerError, SystemView};
///
/// /// Asks Vault to rotate what this path is about on Saturdays, within an hour after midnight.
/// async fn rotate_weekly(system: &SystemView, request: &Request) -> Result<String, ServerError> {
///     let schedule = RotationSchedule::Cron {
///         expression: "0 0 * * SAT".to_owned(),
///         window: Duration::from_secs(3600),
///     };
///     let job = RotationJob {
///         mount_point: request.mount_point.clone(),
///         path: request.path.clone(),
///         schedule,
///         ..RotationJob::default()
///     };
///     system.register_rotation_job(job).await
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RotationJob {
    /// A name for logs.
    pub name: String,
    /// The mount to which [`crate::Operation::Rotate`] is sent, as in [`crate::Request::mount_point`].
    pub mount_point: String,
    /// The path of that request.
    pub path: String,
    /// The times of the rotations.
    pub schedule: RotationSchedule,
    /// The name of the rules for retries. Empty: the server's own rules. Needs Vault 2.
    pub policy: String,
    /// The time at which an engine that rotated by itself would have rotated next. Needs Vault 2.
    pub migrated_next_rotation: Option<SystemTime>,
}

/// The times at which something is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RotationSchedule {
    /// At this interval, in whole seconds.
    Every(Duration),
    /// By a cron expression, within a window after each time, in whole seconds. Zero: no window.
    Cron {
        /// For example `0 0 * * SAT`.
        expression: String,
        /// The time for which a rotation may still begin after it was due.
        window: Duration,
    },
}

impl Default for RotationSchedule {
    fn default() -> RotationSchedule {
        RotationSchedule::Every(Duration::ZERO)
    }
}

/// The time of the next and the last rotation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RotationInfo {
    /// The job's id; empty if the server does not report it.
    pub id: String,
    /// The time of the next rotation.
    pub next: Option<SystemTime>,
    /// The time of the last rotation.
    pub last: Option<SystemTime>,
}

impl From<logical::PluginEnvironment> for PluginEnvironment {
    fn from(wire: logical::PluginEnvironment) -> PluginEnvironment {
        PluginEnvironment {
            version: wire.vault_version,
            prerelease: wire.vault_version_prerelease,
            metadata: wire.vault_version_metadata,
            build_date: from_timestamp(wire.vault_build_date).and_then(Timestamp::system_time),
        }
    }
}

impl From<pb::RotationInfo> for RotationInfo {
    fn from(wire: pb::RotationInfo) -> RotationInfo {
        RotationInfo {
            id: wire.rotation_id,
            next: from_unix_seconds(wire.next_vault_rotation),
            last: from_unix_seconds(wire.last_vault_rotation),
        }
    }
}

impl From<RotationJob> for pb::RotationJobInput {
    fn from(job: RotationJob) -> pb::RotationJobInput {
        let (schedule, window, period) = match job.schedule {
            RotationSchedule::Every(period) => (String::new(), Duration::ZERO, period),
            RotationSchedule::Cron { expression, window } => (expression, window, Duration::ZERO),
        };
        pb::RotationJobInput {
            name: job.name,
            mount_point: job.mount_point,
            path: job.path,
            rotation_schedule: schedule,
            rotation_window: to_seconds(window),
            rotation_period: to_seconds(period),
            rotation_policy: job.policy,
            migrated_legacy_next_rotation_time: to_unix_seconds(job.migrated_next_rotation),
        }
    }
}
