//! Contains the bindings that `wit-bindgen` makes for the contract.
#![allow(unsafe_code, missing_docs, clippy::all)]

wit_bindgen::generate!({
    path: "../../wit",
    world: "engine",
    pub_export_macro: true,
    export_macro_name: "export_component",
});
