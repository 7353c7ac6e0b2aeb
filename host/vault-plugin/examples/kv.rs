//! The engine of `guest/kv` as a native plugin: what a request costs without the sandbox. `make bench` measures it beside
//! the guest and beside the same engine in Go.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use vault_plugin::{
    Backend, Error, Factory, Operation, Report, Request, Response, Setup, Storage, StorageEntry, async_trait,
};

const FOLDER: &str = "kv/";

struct Plugin;

#[async_trait]
impl Factory for Plugin {
    async fn version(&self) -> String {
        concat!("v", env!("CARGO_PKG_VERSION")).to_owned()
    }

    async fn setup(&self, mount: Setup) -> Result<Arc<dyn Backend>, Error> {
        Ok(Arc::new(Kv(mount.storage)))
    }
}

struct Kv(Storage);

#[derive(Deserialize)]
struct Fields {
    value: String,
}

impl Kv {
    async fn write(&self, request: &Request, message: &str) -> Result<Response, Error> {
        let Fields { value } = request.decode()?;
        let entry = StorageEntry::new(format!("{FOLDER}{}", request.path), value);
        self.0.put(entry).await?;
        Response::json(&json!({ "message": message }))
    }

    async fn read(&self, request: &Request) -> Result<Response, Error> {
        let entry = self.0.get(&format!("{FOLDER}{}", request.path)).await?;
        let entry = entry.ok_or_else(|| Error::User("key not found".to_owned()))?;
        let value = String::from_utf8_lossy(&entry.value);
        Response::json(&json!({ "value": value }))
    }
}

#[async_trait]
impl Backend for Kv {
    async fn handle_request(&self, request: Request) -> Result<Option<Response>, Error> {
        let answer = match &request.operation {
            Operation::Create => self.write(&request, "key created").await?,
            Operation::Update => self.write(&request, "key updated").await?,
            Operation::Read => self.read(&request).await?,
            Operation::Help => Response::help("Keeps one value at each path, in the field `value`."),
            _ => return Err(Error::UnsupportedOperation),
        };
        Ok(Some(answer))
    }

    async fn check_existence(&self, request: Request) -> Result<Option<bool>, Error> {
        let entry = self.0.get(&format!("{FOLDER}{}", request.path)).await?;
        Ok(Some(entry.is_some()))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    if let Err(error) = vault_plugin::serve(Plugin).await {
        eprintln!("{}", Report::new(&error));
        std::process::exit(1);
    }
}
