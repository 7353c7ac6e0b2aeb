//! Reads what a mount has in the server's storage, without the engine.

use crate::server::Server;

impl Server {
    /// Returns the value at a key of a mount's storage, read without the engine, or `None` if the key does not exist.
    #[track_caller]
    pub fn stored(&self, mount: &str, key: &str) -> Option<String> {
        // Without this parameter Vault would take a value that begins with a `4` for a compressed one.
        let path = format!("{}/{key}?compressed=false", self.storage_of(mount));
        let answer = self.client().read(&path);
        if answer.status == 404 {
            return None;
        }
        Some(
            answer.expect_success("raw storage").data()["value"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    }

    /// Returns every key in a mount's storage, listed without the engine.
    #[track_caller]
    pub fn stored_keys(&self, mount: &str) -> Vec<String> {
        let root = self.storage_of(mount);
        let mut keys = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let listed = self.client().list(&format!("{root}/{folder}"));
            let names = listed.data()["keys"].as_array().cloned().unwrap_or_default();
            for name in names.iter().filter_map(|name| name.as_str()) {
                let path = format!("{folder}{name}");
                let into = if name.ends_with('/') {
                    &mut folders
                } else {
                    &mut keys
                };
                into.push(path);
            }
        }
        keys
    }

    /// Returns the path under which Vault shows a mount's storage.
    #[track_caller]
    pub fn storage_of(&self, mount: &str) -> String {
        let mounts = self.client().read("sys/mounts").expect_success("mounts");
        let uuid = mounts.data()[format!("{mount}/")]["uuid"]
            .as_str()
            .expect("a mounted engine");
        format!("sys/raw/logical/{uuid}")
    }
}
