//! The methods of the server's services: for each one its path, its messages, and its name in errors.
//!
//! Make the calls with [`Link`](crate::link::Link).

use std::marker::PhantomData;

/// A method of one of the server's services.
pub(crate) struct Method<A, R> {
    /// The name in errors, such as `storage get`.
    pub(crate) name: &'static str,
    /// The path in a call, such as `/pb.Storage/Get`.
    pub(crate) path: &'static str,
    messages: PhantomData<fn(A) -> R>,
}

macro_rules! methods {
    ($($module:ident = $service:literal {
        $($constant:ident = $method:literal ($args:ident) -> $reply:ident, $name:literal;)*
    })*) => {
        $(pub(crate) mod $module {
            use super::{Method, PhantomData};
            use crate::proto::pb;

            $(pub(crate) const $constant: Method<pb::$args, pb::$reply> = Method {
                name: $name,
                path: concat!("/pb.", $service, "/", $method),
                messages: PhantomData,
            };)*
        })*

        /// Service, method, and both messages of each.
        #[cfg(test)]
        const ALL: &[[&str; 4]] = &[$($([$service, $method, stringify!($args), stringify!($reply)],)*)*];
    };
}

methods! {
    storage = "Storage" {
        LIST = "List"(StorageListArgs) -> StorageListReply, "storage list";
        GET = "Get"(StorageGetArgs) -> StorageGetReply, "storage get";
        PUT = "Put"(StoragePutArgs) -> StoragePutReply, "storage put";
        DELETE = "Delete"(StorageDeleteArgs) -> StorageDeleteReply, "storage delete";
        LIST_PAGE = "ListPage"(StorageListPageArgs) -> StorageListReply, "storage list page";
        IS_TRANSACTIONAL = "IsTransactional"(Empty) -> StorageIsTransactionalReply, "storage is transactional";
        BEGIN_READ_ONLY_TX = "BeginReadOnlyTx"(Empty) -> StorageBeginTxReply, "storage begin read-only transaction";
        BEGIN_TX = "BeginTx"(Empty) -> StorageBeginTxReply, "storage begin transaction";
        COMMIT = "Commit"(StorageCommitTxArgs) -> StorageCommitTxReply, "storage commit";
        ROLLBACK = "Rollback"(StorageRollbackTxArgs) -> StorageRollbackTxReply, "storage rollback";
    }
    system = "SystemView" {
        DEFAULT_LEASE_TTL = "DefaultLeaseTTL"(Empty) -> TtlReply, "default lease TTL";
        MAX_LEASE_TTL = "MaxLeaseTTL"(Empty) -> TtlReply, "max lease TTL";
        TAINTED = "Tainted"(Empty) -> TaintedReply, "tainted";
        CACHING_DISABLED = "CachingDisabled"(Empty) -> CachingDisabledReply, "caching disabled";
        REPLICATION_STATE = "ReplicationState"(Empty) -> ReplicationStateReply, "replication state";
        RESPONSE_WRAP_DATA = "ResponseWrapData"(ResponseWrapDataArgs) -> ResponseWrapDataReply, "response wrapping";
        MLOCK_ENABLED = "MlockEnabled"(Empty) -> MlockEnabledReply, "mlock enabled";
        LOCAL_MOUNT = "LocalMount"(Empty) -> LocalMountReply, "local mount";
        ENTITY_INFO = "EntityInfo"(EntityInfoArgs) -> EntityInfoReply, "entity info";
        PLUGIN_ENV = "PluginEnv"(Empty) -> PluginEnvReply, "plugin environment";
        GROUPS_FOR_ENTITY = "GroupsForEntity"(EntityInfoArgs) -> GroupsForEntityReply, "groups for entity";
        GENERATE_PASSWORD = "GeneratePasswordFromPolicy"(GeneratePasswordFromPolicyRequest)
            -> GeneratePasswordFromPolicyReply, "password generation";
        CLUSTER_INFO = "ClusterInfo"(Empty) -> ClusterInfoReply, "cluster info";
        GENERATE_IDENTITY_TOKEN = "GenerateIdentityToken"(GenerateIdentityTokenRequest)
            -> GenerateIdentityTokenResponse, "identity token generation";
        ROTATION_INFORMATION = "GetRotationInformation"(RotationInfoRequest)
            -> RotationInfoReply, "rotation information";
        REGISTER_ROTATION_JOB = "RegisterRotationJob"(RegisterRotationJobRequest)
            -> RegisterRotationJobResponse, "rotation job registration";
        REGISTER_ROTATION_JOB_WITH_RESPONSE = "RegisterRotationJobWithResponse"(RegisterRotationJobRequest)
            -> RegisterRotationJobWithResponseReply, "rotation job registration with response";
        DEREGISTER_ROTATION_JOB = "DeregisterRotationJob"(DeregisterRotationJobRequest)
            -> Empty, "rotation job deregistration";
    }
    events = "Events" {
        SEND_EVENT = "SendEvent"(SendEventRequest) -> Empty, "sending of an event";
    }
    observations = "Observations" {
        RECORD = "RecordObservation"(RecordObservationRequest) -> Empty, "recording of an observation";
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    const DEFINITIONS: [&str; 3] = [
        include_str!("../proto/storage.proto"),
        include_str!("../proto/system.proto"),
        include_str!("../proto/events.proto"),
    ];

    #[test]
    fn each_method_is_defined_with_these_messages() {
        for [service, method, args, reply] in ALL {
            let body = DEFINITIONS.iter().find_map(|text| {
                let (_, body) = text.split_once(&format!("service {service} {{"))?;
                body.split_once('}').map(|(body, _)| body)
            });
            let defined = body.unwrap_or_else(|| panic!("no service {service}"));
            // Rust's names of messages differ in case.
            let line = format!("rpc {method}({args}) returns ({reply});").to_lowercase();
            assert!(defined.to_lowercase().contains(&line), "{line}");
        }
    }
}
