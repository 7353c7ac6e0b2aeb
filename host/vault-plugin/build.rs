//! Compiles Vault's wire messages from `proto/vault`. protox reads them, so that the build does not need protoc.

use std::path::Path;

/// Large parts that many messages lack. They are boxed, so that messages are smaller to move.
const BOXED: [&str; 6] = [
    ".pb.Request.secret",
    ".pb.Request.auth",
    ".pb.Connection.connection_state",
    ".pb.Response.secret",
    ".pb.Response.auth",
    ".pb.Response.wrap_info",
];

const FILES: [&str; 7] = [
    "backend.proto",
    "events.proto",
    "logical.proto",
    "multiplexing.proto",
    "request.proto",
    "storage.proto",
    "system.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new("proto");
    for file in FILES {
        println!("cargo::rerun-if-changed={}", folder.join(file).display());
    }
    let descriptors = protox::compile(FILES, [folder])?;
    BOXED
        .iter()
        .fold(tonic_prost_build::configure(), |builder, path| {
            builder.boxed(path)
        })
        .btree_map(".")
        .bytes(".")
        // Debug would print request data, tokens and storage values, so only tests have it.
        .skip_debug(["."])
        .message_attribute(".", "#[cfg_attr(test, derive(Debug))]")
        // With these stubs, a double of the server implements only the methods that its test needs.
        .generate_default_stubs(true)
        // The plugin calls its server by `src/methods.rs`; only tests play the server.
        .client_mod_attribute(".", "#[cfg(test)]")
        .compile_fds(descriptors)?;
    Ok(())
}
