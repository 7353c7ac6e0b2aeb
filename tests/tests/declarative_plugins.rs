//! Tests bundles that OpenBao's configuration declares, so that nobody registers them: from the plugin directory, and from
//! an OCI image.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use airlock_tests::{Brand, Registry, Server, Storage, airlock, files, skipped_on};
use serde_json::json;

const REASON: &str = "Vault has no declarative plugins";
/// The message of OpenBao's log when everything that its configuration declares is registered.
const REGISTERED: &str = "declarative plugin registration completed";

fn bundle(folder: &Path) -> PathBuf {
    let bundle = folder.join("airlock-kv");
    airlock([
        "bundle".as_ref(),
        "--guest".as_ref(),
        files::guest("kv").as_os_str(),
        "--output".as_ref(),
        bundle.as_os_str(),
    ])
    .expect_success("bundle");
    bundle
}

fn version() -> String {
    format!("v{}", env!("CARGO_PKG_VERSION"))
}

#[track_caller]
fn assert_serves(server: &Server) {
    let mount = json!({"type": "airlock-kv", "config": {"plugin_version": version()}});
    server
        .client()
        .write("sys/mounts/kv", mount)
        .expect_success("mount");
    let kv = server.mounted("kv");
    kv.write("a", json!({"value": "one"})).expect_success("write");
    assert_eq!(kv.read("a").data()["value"], "one");
}

#[test]
fn a_bundle_in_the_plugin_directory_is_declared_and_serves() {
    if skipped_on(Brand::Vault, REASON) {
        return;
    }
    let server = Server::start("declared", Storage::Memory);
    let bundle = bundle(&server.temporary_directory());
    let (command, sha256, version) = (server.install(&bundle), files::sha256(&bundle), version());
    let text = format!(
        r#"
plugin_auto_register = true

plugin "secret" "airlock-kv" {{
  command   = "{command}"
  version   = "{version}"
  sha256sum = "{sha256}"
}}
"#
    );
    server.configure(&text, REGISTERED);
    assert_serves(&server);
}

#[test]
fn a_bundle_in_an_oci_image_is_got_and_serves() {
    if skipped_on(Brand::Vault, REASON) {
        return;
    }
    let server = Server::start("image", Storage::Memory);
    let bundle = bundle(&server.temporary_directory());
    let registry = Registry::serve(&bundle, &version());
    let (image, sha256, version) = (registry.image(), files::sha256(&bundle), version());
    let text = format!(
        r#"
plugin_auto_download = true
plugin_auto_register = true

plugin "secret" "airlock-kv" {{
  image       = "{image}"
  version     = "{version}"
  binary_name = "airlock-kv"
  sha256sum   = "{sha256}"
}}
"#
    );
    server.configure(&text, REGISTERED);
    assert_serves(&server);
}
