//! The plugin as Vault sees it: every call comes with its id.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use go_plugin::{DialError, Services};
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::engine::{Signals, TestFactory};
use super::server::{StorageDouble, serve};
use crate::proto::logical;
use crate::proto::logical::plugin_version_client::PluginVersionClient;
use crate::proto::pb;
use crate::proto::pb::backend_client::BackendClient;
use crate::serve::services;
use crate::service::{Dial, Mounts};

/// The broker id at which nothing is served.
pub(super) const NOBODY: u32 = 0;

struct Broker(StorageDouble, CancellationToken);

#[async_trait]
impl Dial for Broker {
    async fn dial(&self, broker_id: u32) -> Result<go_plugin::Channel, DialError> {
        match broker_id {
            NOBODY => Err(DialError::NotOffered {
                service_id: NOBODY,
                seconds: 5,
            }),
            _ => Ok(self.0.connect().await),
        }
    }

    fn closed(&self) -> CancellationToken {
        self.1.clone()
    }
}

/// Returns tonic's channel, over which the tests play the server.
async fn connect(services: Services) -> Channel {
    let mut connection = Some(TokioIo::new(serve(services, CancellationToken::new())));
    let connector =
        tower::service_fn(move |_| std::future::ready(connection.take().ok_or("connected before")));
    let endpoint = Endpoint::from_static("http://plugin");
    endpoint.connect_with_connector(connector).await.unwrap()
}

/// A plugin process.
pub(super) struct Plugin {
    channel: Channel,
    pub(super) signals: Arc<Signals>,
    pub(super) mounts: Arc<Mounts>,
    /// Cancelling it makes the server end the process.
    pub(super) server_leaves: CancellationToken,
}

impl Plugin {
    pub(super) async fn start(storage: &StorageDouble) -> Plugin {
        let factory = TestFactory::default();
        let signals = factory.signals.clone();
        let server_leaves = CancellationToken::new();
        let broker = Broker(storage.clone(), server_leaves.clone());
        let (services, mounts) = services(Arc::new(factory), Arc::new(broker));
        Plugin {
            channel: connect(services).await,
            signals,
            mounts,
            server_leaves,
        }
    }

    /// Returns the plugin's side of one mount.
    pub(super) fn mount(&self, id: &'static str) -> MountClient {
        let client = BackendClient::new(self.channel.clone());
        let client = client
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        MountClient { client, id }
    }

    /// Returns a mount that is set up and initialised.
    pub(super) async fn mounted(&self, id: &'static str) -> MountClient {
        let mount = self.mount(id);
        assert_eq!(mount.setup(1, &[]).await.unwrap(), "");
        assert_eq!(mount.initialize().await.unwrap(), None);
        mount
    }

    pub(super) async fn version(&self) -> String {
        let mut client = PluginVersionClient::new(self.channel.clone());
        client
            .version(Request::new(logical::Empty {}))
            .await
            .unwrap()
            .into_inner()
            .plugin_version
    }
}

#[derive(Clone)]
pub(super) struct MountClient {
    pub(super) client: BackendClient<Channel>,
    id: &'static str,
}

impl MountClient {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("multiplex_id", self.id.parse().unwrap());
        request
    }

    /// Sets up the mount, with its id as uuid. Returns the `err` of the answer.
    pub(super) async fn setup(&self, broker_id: u32, config: &[(&str, &str)]) -> Result<String, Status> {
        self.setup_as(self.id, broker_id, config).await
    }

    pub(super) async fn register(&self) -> Result<String, Status> {
        self.setup_as("", NOBODY, &[]).await
    }

    async fn setup_as(&self, uuid: &str, broker_id: u32, config: &[(&str, &str)]) -> Result<String, Status> {
        let config: BTreeMap<_, _> = config
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect();
        let args = pb::SetupArgs {
            broker_id,
            config,
            backend_uuid: uuid.to_owned(),
        };
        Ok(self
            .client
            .clone()
            .setup(self.request(args))
            .await?
            .into_inner()
            .err)
    }

    pub(super) async fn initialize(&self) -> Result<Option<pb::ProtoError>, Status> {
        Ok(self
            .client
            .clone()
            .initialize(self.request(pb::InitializeArgs {}))
            .await?
            .into_inner()
            .err)
    }

    pub(super) async fn ask(&self, path: &str, data: &str) -> Result<pb::HandleRequestReply, Status> {
        self.send(pb::Request {
            operation: "update".into(),
            path: path.into(),
            data: data.into(),
            ..pb::Request::default()
        })
        .await
    }

    /// Asks under which path policies are to look for a request, as OpenBao does.
    pub(super) async fn ask_for_path(&self, path: &str) -> Result<pb::HandleRequestReply, Status> {
        self.send(pb::Request {
            operation: "resolve-path".into(),
            path: path.into(),
            ..pb::Request::default()
        })
        .await
    }

    pub(super) async fn help(&self, id: &str, path: &str) -> pb::HandleRequestReply {
        let (id, path) = (id.to_owned(), path.to_owned());
        self.send(pb::Request {
            id,
            operation: "help".into(),
            path,
            ..pb::Request::default()
        })
        .await
        .unwrap()
    }

    async fn send(&self, request: pb::Request) -> Result<pb::HandleRequestReply, Status> {
        let args = pb::HandleRequestArgs {
            storage_id: 0,
            request: Some(request),
        };
        Ok(self
            .client
            .clone()
            .handle_request(self.request(args))
            .await?
            .into_inner())
    }

    pub(super) async fn exists(&self, path: &str) -> Result<pb::HandleExistenceCheckReply, Status> {
        let request = pb::Request {
            operation: "create".into(),
            path: path.into(),
            ..Default::default()
        };
        let args = pb::HandleExistenceCheckArgs {
            storage_id: 0,
            request: Some(request),
        };
        Ok(self
            .client
            .clone()
            .handle_existence_check(self.request(args))
            .await?
            .into_inner())
    }

    pub(super) async fn special_paths(&self) -> Result<pb::Paths, Status> {
        let reply = self
            .client
            .clone()
            .special_paths(self.request(pb::Empty {}))
            .await?;
        Ok(reply.into_inner().paths.unwrap_or_default())
    }

    pub(super) async fn backend_type(&self) -> Result<u32, Status> {
        Ok(self
            .client
            .clone()
            .r#type(self.request(pb::Empty {}))
            .await?
            .into_inner()
            .r#type)
    }

    pub(super) async fn invalidate(&self, key: &str) -> Result<(), Status> {
        let args = pb::InvalidateKeyArgs { key: key.to_owned() };
        self.client
            .clone()
            .invalidate_key(self.request(args))
            .await
            .map(|_| ())
    }

    pub(super) async fn cleanup(&self) -> Result<(), Status> {
        self.client
            .clone()
            .cleanup(self.request(pb::Empty {}))
            .await
            .map(|_| ())
    }
}
