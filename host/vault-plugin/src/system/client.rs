//! The system view's calls.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use airlock_logical::time::{duration, nanoseconds};
use airlock_logical::{Entity, Group};
use go_plugin::MAX_MESSAGE_SIZE;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::link::{Link, check};
use crate::proto::pb;
use crate::proto::pb::system_view_client::SystemViewClient;
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

type Client = SystemViewClient<Channel>;

impl SystemView {
    pub(crate) fn new(link: Arc<Link>) -> SystemView {
        SystemView { link }
    }

    async fn call<T, F>(&self, name: &'static str, call: impl FnOnce(Client) -> F) -> Result<T, ServerError>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let client = |channel| {
            let client = SystemViewClient::new(channel);
            call(
                client
                    .max_decoding_message_size(MAX_MESSAGE_SIZE)
                    .max_encoding_message_size(MAX_MESSAGE_SIZE),
            )
        };
        self.link.call(name, client).await
    }

    /// Returns the lease that the mount gives if the engine asks for none.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn default_lease_ttl(&self) -> Result<Duration, ServerError> {
        let call = |mut client: Client| async move { client.default_lease_ttl(pb::Empty {}).await };
        Ok(duration(self.call("default lease TTL", call).await?.ttl))
    }

    /// Returns the longest lease that the mount gives.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn max_lease_ttl(&self) -> Result<Duration, ServerError> {
        let call = |mut client: Client| async move { client.max_lease_ttl(pb::Empty {}).await };
        Ok(duration(self.call("max lease TTL", call).await?.ttl))
    }

    /// Returns true if the mount is being taken down: new secrets would be revoked at once.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn tainted(&self) -> Result<bool, ServerError> {
        let call = |mut client: Client| async move { client.tainted(pb::Empty {}).await };
        Ok(self.call("tainted", call).await?.tainted)
    }

    /// Returns true if the operator forbids caches of stored entries.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn caching_disabled(&self) -> Result<bool, ServerError> {
        let call = |mut client: Client| async move { client.caching_disabled(pb::Empty {}).await };
        Ok(self.call("caching disabled", call).await?.disabled)
    }

    /// Returns the server's role in replication.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn replication_state(&self) -> Result<ReplicationState, ServerError> {
        let call = |mut client: Client| async move { client.replication_state(pb::Empty {}).await };
        Ok(ReplicationState(
            self.call("replication state", call).await?.state,
        ))
    }

    /// Wraps a JSON object for whoever brings the token in the answer.
    ///
    /// # Errors
    /// See [`SystemView`]; [`ServerError::WrappedData`] if the data is not a JSON object.
    pub async fn response_wrap_data(&self, data: Json, ttl: Duration) -> Result<WrapInfo, ServerError> {
        const NAME: &str = "response wrapping";
        let data = json::to_wire(Some(data)).map_err(ServerError::WrappedData)?;
        // Servers wrap into a token of their own, whatever `jwt` says.
        let args = pb::ResponseWrapDataArgs {
            data,
            ttl: nanoseconds(ttl),
            jwt: false,
        };
        let call = |mut client: Client| async move { client.response_wrap_data(args).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
        let nothing = || ServerError::Failed {
            call: NAME,
            message: "the server answered no token".to_owned(),
        };
        Ok(WrapInfo::from(reply.wrap_info.ok_or_else(nothing)?))
    }

    /// Returns true if the server keeps its memory from being swapped out.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn mlock_enabled(&self) -> Result<bool, ServerError> {
        let call = |mut client: Client| async move { client.mlock_enabled(pb::Empty {}).await };
        Ok(self.call("mlock enabled", call).await?.enabled)
    }

    /// Returns true if the mount belongs to this cluster alone, so that it may write although another cluster is the
    /// primary.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn local_mount(&self) -> Result<bool, ServerError> {
        let call = |mut client: Client| async move { client.local_mount(pb::Empty {}).await };
        Ok(self.call("local mount", call).await?.local)
    }

    /// Returns the data of an entity, or `None` if there is no such entity.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn entity_info(&self, entity_id: &str) -> Result<Option<Entity>, ServerError> {
        const NAME: &str = "entity info";
        let args = pb::EntityInfoArgs {
            entity_id: entity_id.to_owned(),
        };
        let call = |mut client: Client| async move { client.entity_info(args).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
        Ok(reply.entity.map(Entity::from))
    }

    /// Returns the groups that an entity belongs to.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn groups_for_entity(&self, entity_id: &str) -> Result<Vec<Group>, ServerError> {
        const NAME: &str = "groups for entity";
        let args = pb::EntityInfoArgs {
            entity_id: entity_id.to_owned(),
        };
        let call = |mut client: Client| async move { client.groups_for_entity(args).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
        Ok(reply.groups.into_iter().map(Group::from).collect())
    }

    /// Returns the server's version.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn plugin_env(&self) -> Result<PluginEnvironment, ServerError> {
        const NAME: &str = "plugin environment";
        let call = |mut client: Client| async move { client.plugin_env(pb::Empty {}).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
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
        let call = |mut client: Client| async move { client.generate_password_from_policy(args).await };
        Ok(self.call("password generation", call).await?.password)
    }

    /// Returns the cluster that the server belongs to.
    ///
    /// # Errors
    /// See [`SystemView`].
    pub async fn cluster_info(&self) -> Result<ClusterInfo, ServerError> {
        const NAME: &str = "cluster info";
        let call = |mut client: Client| async move { client.cluster_info(pb::Empty {}).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
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
        let call = |mut client: Client| async move { client.generate_identity_token(args).await };
        let reply = self.call("identity token generation", call).await?;
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
        let call = |mut client: Client| async move { client.get_rotation_information(args).await };
        let reply = self.call("rotation information", call).await?;
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
        const NAME: &str = "rotation job registration";
        let args = pb::RegisterRotationJobRequest {
            job: Some(job.into()),
        };
        let call = |mut client: Client| async move { client.register_rotation_job(args).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
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
        const NAME: &str = "rotation job registration with response";
        let args = pb::RegisterRotationJobRequest {
            job: Some(job.into()),
        };
        let call = |mut client: Client| async move { client.register_rotation_job_with_response(args).await };
        let reply = self.call(NAME, call).await?;
        check(NAME, reply.err)?;
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
        let call = |mut client: Client| async move { client.deregister_rotation_job(args).await };
        self.call("rotation job deregistration", call).await?;
        Ok(())
    }
}

impl fmt::Debug for SystemView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemView").finish_non_exhaustive()
    }
}
