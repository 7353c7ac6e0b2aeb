//! Compiles OpenTelemetry's own definitions in `proto/opentelemetry`. protox reads them, so that the build does not need protoc.

use std::path::Path;

const FILE: &str = "opentelemetry/proto/collector/trace/v1/trace_service.proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new("proto");
    println!(
        "cargo::rerun-if-changed={}",
        folder.join("opentelemetry").display()
    );
    let mut descriptors = protox::compile([FILE], [folder])?;
    // Without the comments, which have examples that are not Rust and would be run as tests.
    for file in &mut descriptors.file {
        file.source_code_info = None;
    }
    // Messages only: they are sent over HTTP, without gRPC.
    tonic_prost_build::configure()
        .build_client(false)
        .build_server(false)
        .compile_fds(descriptors)?;
    Ok(())
}
