//! The system view's calls.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use airlock_logical::time::{duration, nanoseconds};
use airlock_logical::{Entity, Group};
use prost::Message;

use crate::link::{Link, check};
use crate::methods::{Method, system as methods};
use crate::proto::pb;
use crate::system::types::{
    ClusterInfo, IdentityToken, PluginEnvironment, ReplicationState, RotationInfo, RotationJob,
};
use crate::time::{from_seconds, from_unix_seconds, to_seconds};
use crate::{Json, ServerError, WrapInfo, json};

/// The server, as one mount may see it.
///
/// Every call fails with [`ServerError::Unsupported`] if the server does not offer it, [`ServerError::Failed`] if the
/// server answers an error, [`ServerError::Unanswered`] if it does not answer, and [`ServerError::Closed`] once the
/// mount is taken down.
#[derive(Clone)]
pub struct SystemView {
    link: Arc<Link>,
}

impl SystemView {
    pub(crate) fn new(link: Arc<Link>) -> SystemView {
        SystemView { link }
    }

    /// Makes a call without arguments.
    async fn ask<R: Message + Default>(&self, method: &Method<pb::Empty, R>) -> Result<R, ServerError> {
        self.link.call(method, &pb::Empty {}).await
    }

    /// Returns the lease that the mount gives if the engine asks for none.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn default_lease_ttl(&self) -> Result<Duration, ServerError> {
        Ok(duration(self.ask(&methods::DEFAULT_LEASE_TTL).await?.ttl))
    }

    /// Returns the longest lease that the mount gives.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn max_lease_ttl(&self) -> Result<Duration, ServerError> {
        Ok(duration(self.ask(&methods::MAX_LEASE_TTL).await?.ttl))
    }

    /// Returns true if the mount is being taken down: new secrets would be revoked at once.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn tainted(&self) -> Result<bool, ServerError> {
        Ok(self.ask(&methods::TAINTED).await?.tainted)
    }

    /// Returns true if the operator forbids caches of stored entries.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn caching_disabled(&self) -> Result<bool, ServerError> {
        Ok(self.ask(&methods::CACHING_DISABLED).await?.disabled)
    }

    /// Returns the server's role in replication.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn replication_state(&self) -> Result<ReplicationState, ServerError> {
        Ok(ReplicationState(
            self.ask(&methods::REPLICATION_STATE).await?.state,
        ))
    }

    /// Wraps a JSON object for whoever brings the token in the answer.
    ///
    /// # Errors
    /// See [`SystemView`]; [`ServerError::WrappedData`] if the data is not a JSON object.
    pub async fn response_wrap_data(&self, data: Json, ttl: Duration) -> Result<WrapInfo, ServerError> {
        let data = json::to_wire(Some(data)).map_err(ServerError::WrappedData)?;
        // Servers wrap into a token of their own, whatever `jwt` says.
        let args = pb::ResponseWrapDataArgs {
            data,
            ttl: nanoseconds(ttl),
            jwt: false,
        };
        let reply = self.link.call(&methods::RESPONSE_WRAP_DATA, &args).await?;
        check(methods::RESPONSE_WRAP_DATA.name, reply.err)?;
        let nothing = || ServerError::Failed {
            call: methods::RESPONSE_WRAP_DATA.name,
            message: "the server answered no token".to_owned(),
        };
        Ok(WrapInfo::from(reply.wrap_info.ok_or_else(nothing)?))
    }

    /// Returns true if the server keeps its memory from being swapped out.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn mlock_enabled(&self) -> Result<bool, ServerError> {
        Ok(self.ask(&methods::MLOCK_ENABLED).await?.enabled)
    }

    /// Returns true if the mount belongs to this cluster alone, so that it may write although another cluster is the
    /// primary.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn local_mount(&self) -> Result<bool, ServerError> {
        Ok(self.ask(&methods::LOCAL_MOUNT).await?.local)
    }

    /// Returns the data of an entity, or `None` if there is no such entity.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, ServerError> {
        let args = pb::EntityInfoArgs {
            entity_id: entity_id.to_owned(),
        };
        let reply = self.link.call(&methods::ENTITY_INFO, &args).await?;
        check(methods::ENTITY_INFO.name, reply.err)?;
        Ok(reply.entity.map(Entity::from))
    }

    /// Returns the groups that an entity belongs to.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>, ServerError> {
        let args = pb::EntityInfoArgs {
            entity_id: entity_id.to_owned(),
        };
        let reply = self.link.call(&methods::GROUPS_FOR_ENTITY, &args).await?;
        check(methods::GROUPS_FOR_ENTITY.name, reply.err)?;
        Ok(reply.groups.into_iter().map(Group::from).collect())
    }

    /// Returns the server's version.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn plugin_env(&self) -> Result<PluginEnvironment, ServerError> {
        let reply = self.ask(&methods::PLUGIN_ENV).await?;
        check(methods::PLUGIN_ENV.name, reply.err)?;
        Ok(reply
            .plugin_environment
            .map(PluginEnvironment::from)
            .unwrap_or_default())
    }

    /// Makes a new password by the rules of a password policy.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn generate_password_from_policy(&self, policy: &str) -> Result<String, ServerError> {
        let args = pb::GeneratePasswordFromPolicyRequest {
            policy_name: policy.to_owned(),
        };
        Ok(self.link.call(&methods::GENERATE_PASSWORD, &args).await?.password)
    }

    /// Returns the cluster that the server belongs to.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ServerError> {
        let reply = self.ask(&methods::CLUSTER_INFO).await?;
        check(methods::CLUSTER_INFO.name, reply.err)?;
        Ok(ClusterInfo {
            name: reply.cluster_name,
            id: reply.cluster_id,
        })
    }

    /// Makes a token with which the mount can prove its identity to another service. The TTL counts in whole seconds.
    /// Vault Enterprise only.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn generate_identity_token(
        &self,
        audience: &str,
        ttl: Duration,
    ) -> Result<IdentityToken, ServerError> {
        let args = pb::GenerateIdentityTokenRequest {
            audience: audience.to_owned(),
            ttl: to_seconds(ttl),
        };
        let reply = self.link.call(&methods::GENERATE_IDENTITY_TOKEN, &args).await?;
        Ok(IdentityToken {
            token: reply.token,
            ttl: from_seconds(reply.ttl),
        })
    }

    /// Returns when the rotation job of a request path is due. Vault Enterprise only.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn rotation_information(&self, path: &str) -> Result<RotationInfo, ServerError> {
        let args = pb::RotationInfoRequest {
            mount_path: path.to_owned(),
        };
        let reply = self.link.call(&methods::ROTATION_INFORMATION, &args).await?;
        let (next, last) = (
            from_unix_seconds(reply.expire_time),
            from_unix_seconds(reply.issue_time),
        );
        Ok(RotationInfo {
            id: String::new(),
            next,
            last,
        })
    }

    /// Registers a job, so that something is rotated in time; returns the job's id. Vault Enterprise only.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn register_rotation_job(&self, job: RotationJob) -> Result<String, ServerError> {
        let args = pb::RegisterRotationJobRequest {
            job: Some(job.into()),
        };
        let reply = self.link.call(&methods::REGISTER_ROTATION_JOB, &args).await?;
        check(methods::REGISTER_ROTATION_JOB.name, reply.err)?;
        Ok(reply.rotation_id)
    }

    /// Works like [`SystemView::register_rotation_job`], and also returns when the job is due. Needs Vault
    /// Enterprise 2.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn register_rotation_job_with_response(
        &self,
        job: RotationJob,
    ) -> Result<RotationInfo, ServerError> {
        let args = pb::RegisterRotationJobRequest {
            job: Some(job.into()),
        };
        let reply = self
            .link
            .call(&methods::REGISTER_ROTATION_JOB_WITH_RESPONSE, &args)
            .await?;
        check(methods::REGISTER_ROTATION_JOB_WITH_RESPONSE.name, reply.err)?;
        Ok(reply.info.map(RotationInfo::from).unwrap_or_default())
    }

    /// Removes the rotation job of a request path. Vault Enterprise only.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn deregister_rotation_job(&self, mount_point: &str, path: &str) -> Result<(), ServerError> {
        let req = pb::DeregisterRotationRequestInput {
            mount_point: mount_point.to_owned(),
            req_path: path.to_owned(),
        };
        let args = pb::DeregisterRotationJobRequest { req: Some(req) };
        self.link.call(&methods::DEREGISTER_ROTATION_JOB, &args).await?;
        Ok(())
    }
}

impl fmt::Debug for SystemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemView").finish_non_exhaustive()
    }
}
