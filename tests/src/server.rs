//! A Vault server for one test, in a temporary directory and on a free port of the loopback interface.

mod launch;
mod stored;

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::{Value, json};

use crate::brand::Brand;
use crate::cluster::eventually;
use crate::command::vault;
use crate::http::{Answer, Client, Mount};
use crate::log::Log;
use crate::{files, process};
pub use launch::free_port;
use launch::{config, install, launch};

/// The place where a server stores its data.
#[derive(Clone, Copy, PartialEq)]
pub enum Storage {
    /// In memory: fast, and lost with the process.
    Memory,
    /// On disk, in raft, so that [`Server::start_again`] finds it.
    Disk,
}

/// A running, unsealed Vault that has `airlock`, or another plugin, in its plugin directory. Dropping it ends it.
pub struct Server {
    directory: PathBuf,
    process: Child,
    client: Client,
    log: Log,
    unseal_key: String,
    plugin_sha256: String,
}

impl Server {
    /// Does the same as [`Server::start`], with more configuration, which may name files in the server's directory.
    pub fn start_configured(name: &str, storage: Storage, more: impl FnOnce(&Path) -> String) -> Self {
        Server::launch_new_with(name, storage, &files::airlock(), more).initialise()
    }

    /// Starts, initialises and unseals a server. `name` names its temporary directory.
    pub fn start(name: &str, storage: Storage) -> Self {
        Server::start_with(name, storage, &files::airlock())
    }

    /// Does the same as [`Server::start`], with another plugin's binary in place of `airlock`.
    pub fn start_with(name: &str, storage: Storage, plugin: &Path) -> Self {
        Server::launch_new(name, storage, plugin).initialise()
    }

    fn initialise(mut self) -> Self {
        let server = &mut self;
        let keys = json!({"secret_shares": 1, "secret_threshold": 1});
        let keys = server.client.write("sys/init", keys);
        let keys = keys.expect_success("initialise the server").body;
        server.client = server.client.with_token(keys["root_token"].as_str().unwrap());
        server.unseal_key = keys["keys"][0].as_str().unwrap().to_owned();
        server.unseal();
        self
    }

    /// Starts a server that stores on disk and makes it a member of another server's cluster, as a standby.
    pub(crate) fn join(name: &str, leader: &Server) -> Self {
        let mut server = Server::launch_new(name, Storage::Disk, &files::airlock());
        server.client = server.client.with_token(leader.client.token());
        server.unseal_key = leader.unseal_key.clone();
        let leader = json!({"leader_api_addr": leader.client.address()});
        server
            .client
            .write("sys/storage/raft/join", leader)
            .expect_success("join the cluster");
        server.send_unseal_key();
        server
    }

    /// Starts a server that is neither initialised nor unsealed.
    fn launch_new(name: &str, storage: Storage, plugin: &Path) -> Self {
        Server::launch_new_with(name, storage, plugin, |_| String::new())
    }

    fn launch_new_with(
        name: &str,
        storage: Storage,
        plugin: &Path,
        more: impl FnOnce(&Path) -> String,
    ) -> Self {
        let directory = tempfile::Builder::new()
            .prefix(&format!("airlock-{name}-"))
            .tempdir()
            .unwrap()
            .keep();
        for below in ["plugins", "data", "tmp"] {
            fs::create_dir(directory.join(below)).unwrap();
        }
        let installed = install(plugin, &directory.join("plugins"));
        let port = free_port();
        let config = config(&directory, port, storage) + &more(&directory);
        fs::write(directory.join("config.hcl"), config).unwrap();
        let (process, log) = launch(&directory);

        Server {
            client: Client::new(&format!("http://127.0.0.1:{port}"), ""),
            unseal_key: String::new(),
            plugin_sha256: files::sha256(&installed),
            directory,
            process,
            log,
        }
    }

    /// Returns a client with the root token.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Returns what the server has logged, at trace level, since it was last started.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Returns the id of the server's process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Returns the id of the one `airlock serve` process that the server runs now.
    #[track_caller]
    pub fn host(&self) -> u32 {
        let hosts = process::hosts(self.pid());
        assert_eq!(hosts.len(), 1, "one host process expected, there are {hosts:?}");
        hosts[0]
    }

    /// Kills the one `airlock serve` process with SIGKILL. Returns when it has ended; Vault notices a moment later.
    #[track_caller]
    pub fn kill_host(&self) {
        let host = self.host();
        process::kill(host);
        while !process::has_ended(host) {
            std::thread::yield_now();
        }
    }

    /// Reloads one mount, which ends the process that it shares with others. Returns when that process has ended.
    #[track_caller]
    pub fn reload(&self, mount: &str) {
        let host = self.host();
        self.client
            .write(
                "sys/plugins/reload/backend",
                json!({"mounts": [format!("{mount}/")]}),
            )
            .expect_success("reload");
        while !process::has_ended(host) {
            std::thread::yield_now();
        }
    }

    /// Returns the directory that the server and its plugins have for temporary files.
    pub fn temporary_directory(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// Returns the server's `plugin_directory`.
    pub fn plugin_directory(&self) -> PathBuf {
        self.directory.join("plugins")
    }

    /// Installs another plugin's binary beside the first, and returns its name there.
    pub fn install(&self, plugin: &Path) -> String {
        let installed = install(plugin, &self.directory.join("plugins"));
        installed.file_name().unwrap().to_str().unwrap().to_owned()
    }

    /// Replaces an installed binary of the same name by this one, as an operator should not.
    pub fn install_over(&self, plugin: &Path) {
        let installed = self.directory.join("plugins").join(plugin.file_name().unwrap());
        fs::remove_file(installed).unwrap();
        self.install(plugin);
    }

    /// Returns the digest of the plugin's binary, in the form that Vault's catalog takes.
    pub fn plugin_sha256(&self) -> &str {
        &self.plugin_sha256
    }

    /// Mounts a registered plugin. Panics if Vault refuses.
    #[track_caller]
    pub fn mount(&self, path: &str, plugin: &str) -> Mount {
        self.try_mount(path, plugin).expect_success("mount");
        Mount::new(self.client.clone(), path)
    }

    /// Returns a mount that already exists.
    pub fn mounted(&self, path: &str) -> Mount {
        Mount::new(self.client.clone(), path)
    }

    /// Mounts a registered plugin and returns Vault's answer.
    #[track_caller]
    pub fn try_mount(&self, path: &str, plugin: &str) -> Answer {
        self.client
            .write(&format!("sys/mounts/{path}"), json!({"type": plugin}))
    }

    /// Does the same as [`Server::try_mount`], with options of the mount.
    #[track_caller]
    pub fn try_mount_with(&self, path: &str, plugin: &str, options: &Value) -> Answer {
        self.client.write(
            &format!("sys/mounts/{path}"),
            json!({"type": plugin, "options": options}),
        )
    }

    /// Removes a mount and its data.
    #[track_caller]
    pub fn unmount(&self, path: &str) {
        self.client
            .delete(&format!("sys/mounts/{path}"))
            .expect_success("unmount");
    }

    /// Writes an audit log to a file, with the accessors of tokens in clear text.
    ///
    /// OpenBao accepts audit devices only from its configuration, which it reads again at SIGHUP.
    #[track_caller]
    pub fn audit_to(&self, file: &Path) {
        let options = json!({"file_path": file, "hmac_accessor": "false"});
        if Brand::of_server() == Brand::Vault {
            self.client
                .write("sys/audit/file", json!({"type": "file", "options": options}))
                .expect_success("audit");
            return;
        }
        let options = options.as_object().unwrap().iter();
        let options: String = options
            .map(|(name, value)| format!("    {name} = {value}\n"))
            .collect();
        self.configure(
            &format!("audit \"file\" \"file\" {{\n  options {{\n{options}  }}\n}}\n"),
            "enabled audit backend",
        );
        // OpenBao logs this line before it lets the device store its salt, and refuses requests meanwhile.
        eventually("a request is audited", || {
            (self.client.read("sys/audit").status == 200).then_some(())
        });
    }

    /// Adds to the configuration and lets the server read it again, as OpenBao does at SIGHUP. Waits until its log has a
    /// message.
    #[track_caller]
    pub fn configure(&self, text: &str, message: &str) {
        let file = self.directory.join("config.hcl");
        let mut config = fs::OpenOptions::new().append(true).open(file).unwrap();
        config.write_all(text.as_bytes()).unwrap();
        let mark = self.log.mark();
        process::hang_up(self.pid());
        self.log
            .wait_after(mark, message, |line| line.message() == message);
    }

    /// Seals the server, which ends every plugin.
    pub fn seal(&self) {
        self.client.write("sys/seal", json!({})).expect_success("seal");
    }

    /// Unseals the server and waits until it serves.
    pub fn unseal(&self) {
        let mark = self.log.mark();
        self.send_unseal_key();
        self.log.wait_after(mark, "post-unseal setup complete", |line| {
            line.message() == "post-unseal setup complete"
        });
        // OpenBao logs this line for a standby too, which then becomes the active node.
        while self.client.read("sys/health").status != 200 {
            std::thread::yield_now();
        }
    }

    fn send_unseal_key(&self) {
        self.client
            .write("sys/unseal", json!({"key": self.unseal_key}))
            .expect_success("unseal");
    }

    /// Replaces all of the server's data by a raft snapshot of another server, and unseals it with that one's key.
    #[track_caller]
    pub fn restore(&mut self, snapshot: &Path, of: &Server) {
        let restore = ["operator", "raft", "snapshot", "restore", "-force"].map(OsStr::new);
        vault(&self.client, restore.into_iter().chain([snapshot.as_os_str()])).expect_success("restore");
        self.client = self.client.with_token(of.client.token());
        self.unseal_key.clone_from(&of.unseal_key);
        eventually("the restored server is sealed", || {
            (self.client.read("sys/seal-status").body["sealed"] == true).then_some(())
        });
        self.unseal();
    }

    /// Kills the server with SIGKILL, as when the machine runs out of memory. Waits until the process has ended.
    pub fn kill(&mut self) {
        process::kill(self.pid());
        process::wait_for_child(self.pid());
    }

    /// Starts the server again with its data on disk, after [`Server::kill`].
    pub fn start_again(&mut self) {
        self.launch_again();
        self.unseal();
    }

    /// Does the same as [`Server::start_again`], for a member of a cluster that goes on meanwhile.
    pub(crate) fn join_again(&mut self) {
        self.launch_again();
        self.send_unseal_key();
    }

    fn launch_again(&mut self) {
        let mut guard = self.process.stdin.take().unwrap();
        guard.write_all(b"keep\n").unwrap();
        self.process.wait().unwrap();
        (self.process, self.log) = launch(&self.directory);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take()); // see GUARD in launch.rs
        let _ = self.process.wait();
    }
}
