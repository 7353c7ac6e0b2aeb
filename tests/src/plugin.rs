//! Entries for Airlock, and for bundles, in Vault's plugin catalog.

use std::path::Path;

use serde_json::{Value, json};

use crate::files;
use crate::http::Answer;
use crate::server::Server;

/// An entry of Vault's plugin catalog that runs `airlock serve`, or a bundle.
#[derive(Clone)]
pub struct Plugin {
    name: String,
    version: String,
    args: Vec<String>,
    /// Another program than the server's `airlock`: its name in the plugin directory, and its digest.
    program: Option<(String, String)>,
}

impl Plugin {
    /// Makes the entry of the KV guest, pinned by its digest, as `airlock-kv`.
    pub fn kv() -> Self {
        Plugin::serving("airlock-kv", &files::guest("kv"))
    }

    /// Makes the entry of a guest, pinned by its digest.
    pub fn serving(name: &str, guest: &Path) -> Self {
        Plugin::with_args(
            name,
            [
                format!("--guest={}", guest.display()),
                format!("--guest-sha256={}", files::sha256(guest)),
            ],
        )
    }

    /// Makes the entry of a guest that this key signs.
    pub fn trusting(name: &str, guest: &Path, key: &str) -> Self {
        let guest = format!("--guest={}", guest.display());
        Plugin::with_args(name, [guest, format!("--trust={key}")])
    }

    /// Makes the entry of `airlock serve` with just these arguments.
    pub fn with_args<S: Into<String>>(name: &str, args: impl IntoIterator<Item = S>) -> Self {
        let args = ["serve".to_owned()]
            .into_iter()
            .chain(args.into_iter().map(Into::into))
            .collect();
        Plugin {
            name: name.to_owned(),
            version: String::new(),
            args,
            program: None,
        }
    }

    /// Installs a bundle and makes its entry, without arguments.
    pub fn bundle(name: &str, file: &Path, server: &Server) -> Self {
        Plugin {
            name: name.to_owned(),
            version: String::new(),
            args: Vec::new(),
            program: Some((server.install(file), files::sha256(file))),
        }
    }

    /// Runs the host by a shell command: `launcher` comes before the host and its arguments, and `"$@"` is both of them in
    /// what is between its own quotes. The script is installed with the plugin's name.
    pub fn launched_by(mut self, launcher: &str, server: &Server) -> Self {
        let script = server.plugin_directory().join(&self.name);
        let host = server.plugin_directory().join("airlock");
        let text = format!("#!/bin/sh\nset -- '{}' \"$@\"\nexec {launcher}\n", host.display());
        files::write_program(&script, &text);
        self.program = Some((self.name.clone(), files::sha256(&script)));
        self
    }

    /// Sets another name.
    pub fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// Sets the version under which the catalog lists the plugin, such as `v0.1.0`.
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.to_owned();
        self
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = &'static str>) -> Self {
        self.args.extend(args.into_iter().map(str::to_owned));
        self
    }

    /// Registers the plugin. Panics if Vault refuses.
    #[track_caller]
    pub fn register(&self, server: &Server) {
        self.try_register(server).expect_success("register");
    }

    /// Registers the plugin and returns Vault's answer.
    #[track_caller]
    pub fn try_register(&self, server: &Server) -> Answer {
        let (command, sha256) = match &self.program {
            Some((command, sha256)) => (command.as_str(), sha256.as_str()),
            None => ("airlock", server.plugin_sha256()),
        };
        let mut entry: Value = json!({"command": command, "sha256": sha256, "args": self.args});
        if !self.version.is_empty() {
            entry["version"] = json!(self.version);
        }
        server
            .client()
            .write(&format!("sys/plugins/catalog/secret/{}", self.name), entry)
    }
}
