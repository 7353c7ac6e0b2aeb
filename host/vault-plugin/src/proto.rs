//! The wire messages and services, generated from `proto/vault`. Each package is a module of the same name.

// The generated code has the server's side of every service, although a plugin serves only some: tests serve the others.
// Only tests have clients; a plugin calls its server by `methods.rs`.
#![allow(
    dead_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    clippy::expect_used
)]

pub(crate) mod pb {
    tonic::include_proto!("pb");
}

pub(crate) mod logical {
    tonic::include_proto!("logical");
}

pub(crate) mod pluginutil {
    pub(crate) mod multiplexing {
        tonic::include_proto!("pluginutil.multiplexing");
    }
}
