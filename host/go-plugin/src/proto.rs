//! The protocol's messages and services, built from `proto/go-plugin`.

#![allow(missing_docs, clippy::all, clippy::pedantic)]

tonic::include_proto!("plugin");
