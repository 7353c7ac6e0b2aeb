//! The process of a server: its files, its configuration and its end.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::Storage;
use crate::files;
use crate::log::Log;

/// A script that runs the server, and ends it and its plugins when the test process ends for whatever reason: its
/// standard input is a pipe, which closes then. It also removes the server's directory, unless it is told to keep it
/// for another start.
const GUARD: &str = r#"
directory=$1; shift
exec 3<&0 </dev/null
(
    trap '' INT
    read -r word <&3
    [ "$word" != keep ] || exit
    set -- $(cat /proc/$$/task/*/children)
    [ $# = 0 ] || shift # the oldest child is this shell; the others are plugins
    kill -9 $$ "$@"
    rm -rf "$directory" || { sleep 1; rm -rf "$directory"; } # what still ends may have added to it
) >/dev/null 2>&1 &
exec 3<&- 2>&1 "$@"
"#;

/// Links a binary into Vault's plugin directory. A hard link saves copying a large file, but both must be on the same
/// disk.
pub(super) fn install(binary: &Path, plugins: &Path) -> PathBuf {
    let target = plugins.join(binary.file_name().unwrap());
    if fs::hard_link(binary, &target).is_err() {
        files::copy_program(binary, &target);
    }
    target
}

pub(super) fn launch(directory: &Path) -> (Child, Log) {
    let mut process = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(directory)
        .arg(files::vault())
        .arg("server")
        .arg(format!("-config={}", directory.join("config.hcl").display()))
        .env("TMPDIR", directory.join("tmp"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let log = Log::read(process.stdout.take().unwrap());
    log.wait_for("Vault server started", |line| {
        line.text.contains("server started!")
    });
    (process, log)
}

pub(super) fn config(directory: &Path, port: u16, storage: Storage) -> String {
    let (node, cluster_port) = (directory.file_name().unwrap().display(), free_port());
    let directory = directory.display();
    let storage = match storage {
        Storage::Memory => "storage \"inmem\" {}".to_owned(),
        Storage::Disk => format!(
            r#"storage "raft" {{
  path = "{directory}/data"
  node_id = "{node}"
  performance_multiplier = 1
}}
cluster_addr = "http://127.0.0.1:{cluster_port}""#
        ),
    };
    format!(
        r#"{storage}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
plugin_directory = "{directory}/plugins"
raw_storage_endpoint = true
disable_mlock = true
log_level = "trace"
log_format = "json"
"#
    )
}

/// Returns a port that was free a moment ago, for a server that cannot choose one and report it.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
