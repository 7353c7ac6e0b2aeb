//! Compiles the messages of the protocol and of the example, without needing `protoc`.

use std::error::Error;
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    compile("proto", &["broker.proto", "controller.proto", "stdio.proto"])?;
    // This compiles the example's messages too, because an example has no build script of its own.
    compile("examples", &["greeter.proto"])
}

fn compile(folder: &str, files: &[&str]) -> Result<(), Box<dyn Error>> {
    for file in files {
        println!(
            "cargo::rerun-if-changed={}",
            Path::new(folder).join(file).display()
        );
    }
    let descriptors = protox::compile(files, [folder])?;
    tonic_prost_build::configure()
        // Calls to the host are made by path, see `Channel`.
        .build_client(false)
        .compile_fds(descriptors)?;
    Ok(())
}
