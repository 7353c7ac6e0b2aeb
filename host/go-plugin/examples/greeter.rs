//! A small plugin, which greets its host by the name that the host's own service returns.
//!
//! If a person starts it, it only explains itself. `tests/go-plugin-client` is a host for it, built on go-plugin's Go
//! client.

use std::process::ExitCode;

use go_plugin::{Broker, Cookie, MAX_MESSAGE_SIZE, Report, Server, Services, hclog};
use tonic::{Request, Response, Status};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

mod proto {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("greeter");
}

use proto::greeter_server::{Greeter, GreeterServer};
use proto::{Blob, HostService, Nothing, Text};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::registry()
        .with(hclog::layer(["greeter", "go_plugin"]))
        .init();
    let server = Server::new(Cookie {
        key: "GREETER_PLUGIN",
        value: "7e6f1c",
    })
    .version(2, |broker| {
        let greeter = GreeterServer::new(Plugin { broker }).max_decoding_message_size(MAX_MESSAGE_SIZE);
        Services::new().with(greeter)
    })
    .allow_plaintext() // for its tests; without it a host has to prove who it is
    .on_exit(|| async { tracing::info!("goodbye") });
    match server.serve().await {
        Ok(exit) => {
            tracing::info!(?exit, "served");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}", Report::new(&error));
            ExitCode::FAILURE
        }
    }
}

struct Plugin {
    broker: Broker,
}

#[tonic::async_trait]
impl Greeter for Plugin {
    async fn greet(&self, request: Request<HostService>) -> Result<Response<Text>, Status> {
        let channel = self.broker.dial(request.into_inner().id).await;
        let channel = channel.map_err(|error| Status::unavailable(Report::new(&error).to_string()))?;
        let Text { text: name } = channel.unary("/greeter.Host/Name", &Nothing {}).await?;
        tracing::info!(letters = name.len(), "greeting");
        Ok(Response::new(Text {
            text: format!("Hello, {name}!"),
        }))
    }

    async fn echo(&self, request: Request<Blob>) -> Result<Response<Blob>, Status> {
        Ok(Response::new(request.into_inner()))
    }

    async fn wait(&self, _request: Request<Nothing>) -> Result<Response<Nothing>, Status> {
        std::future::pending().await
    }
}
