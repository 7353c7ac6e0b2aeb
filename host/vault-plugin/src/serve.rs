//! The process of a plugin.

use std::sync::{Arc, OnceLock};

use go_plugin::{Cookie, ServeError, Server, Services};

use crate::backend::Factory;
use crate::proto::logical::plugin_version_server::PluginVersionServer;
use crate::proto::pluginutil::multiplexing::plugin_multiplexing_server::PluginMultiplexingServer;
use crate::service::{
    BackendServer, BackendService, Dial, Ending, Mounts, MultiplexingService, VersionService,
};

/// The variable that Vault and OpenBao set in the environment of secrets and auth plugins.
const COOKIE: Cookie = Cookie {
    key: "VAULT_BACKEND_PLUGIN",
    value: "6669da05-b1c8-4f49-97d9-c8e5bed98e20",
};

/// The protocol with AutoMTLS and multiplexing. Servers start a plugin of an older protocol twice, first without TLS.
const PROTOCOL: u32 = 5;

/// Serves the plugin until the server ends it: this is the whole `main` of an engine. End the process when it returns.
///
/// A panic is logged through `tracing` with its place only, because its message may contain the data that was being
/// worked on.
///
/// A server that offers no certificate is refused: with protocol 5, Vault and OpenBao always offer one.
///
/// # Errors
/// The process was not started by a server, or the connection to it cannot be set up. Print the error's
/// [`Report`](crate::Report) to standard error and exit with status 1.
pub async fn serve(factory: impl Factory) -> Result<(), ServeError> {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
        // The panic may be the last thing that the process does.
        go_plugin::hclog::flush();
    }));
    server(factory).serve().await?;
    Ok(())
}

/// Returns the server that [`serve`] runs, for a process that wants to know why it ended.
pub fn server(factory: impl Factory) -> Server {
    let factory: Arc<dyn Factory> = Arc::new(factory);
    // Filled once the host has chosen a version.
    let left = Arc::new(OnceLock::new());
    let mounts = left.clone();
    Server::new(COOKIE)
        .version(PROTOCOL, move |broker| {
            let (services, mounts) = services(factory, Arc::new(broker));
            let _ = left.set(mounts);
            services
        })
        .on_exit(move || async move {
            if let Some(mounts) = mounts.get() {
                mounts.end_all().await;
            }
        })
}

/// Returns the services, and the mounts that they will serve.
pub(crate) fn services(factory: Arc<dyn Factory>, server: Arc<dyn Dial>) -> (Services, Arc<Mounts>) {
    let mounts = Arc::new(Mounts::new(Ending::with(&server.closed())));
    let version = VersionService {
        factory: factory.clone(),
    };
    let backend = BackendService {
        factory,
        server,
        mounts: mounts.clone(),
    };
    let services = Services::new()
        .with(BackendServer::new(backend))
        .with(PluginVersionServer::new(version))
        .with(PluginMultiplexingServer::new(MultiplexingService));
    (services, mounts)
}
