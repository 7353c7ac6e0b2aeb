//! Guests that no compiler would write: core modules in text, converted to components of the contract or of something
//! like it.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A guest whose exports trap, except those whose body is given.
pub struct Synthetic {
    /// The contract's text.
    pub wit: String,
    /// Imports and helpers, as text of the core module.
    pub module: &'static str,
    /// The body of `describe`, which returns an address.
    pub describe: &'static str,
    /// The body of `initialize`, which returns an address.
    pub initialize: &'static str,
    /// The body of `handle-request`, which returns an address.
    pub handle_request: &'static str,
    /// The body of `check-existence`, which returns an address.
    pub check_existence: &'static str,
}

/// The address of [`Synthetic::default`]'s description.
const DESCRIPTION: &str = "(i32.const 1024)";

/// Lets a guest store under any key: the description's list of prefixes, with one empty prefix.
pub const ANY_KEY: &str = r#"(data (i32.const 1052) "\00\10\00\00\01\00\00\00")"#;

impl Default for Synthetic {
    fn default() -> Self {
        let wit = std::fs::read_to_string(super::support::repository().join("wit/engine.wit")).unwrap();
        Self {
            wit,
            module: "",
            describe: DESCRIPTION,
            initialize: "unreachable",
            handle_request: "unreachable",
            check_existence: "unreachable",
        }
    }
}

impl Synthetic {
    /// Returns a guest of the same contract with the name of another version.
    pub fn version(version: &str) -> Self {
        let this = Self::default();
        Self {
            wit: this
                .wit
                .replace("airlock:engine@0.1.0", &format!("airlock:engine@{version}")),
            ..this
        }
    }

    /// Returns a guest of the contract with one more import in its world.
    pub fn importing(import: &str, package: &str) -> Self {
        let this = Self::default();
        let wit = this
            .wit
            .replace("world engine {", &format!("world engine {{\n  import {import};"));
        Self {
            wit: format!("{wit}\n{package}"),
            ..this
        }
    }

    pub fn component(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("engine.wit", &self.wit).unwrap();
        let world = resolve.select_world(&[package], Some("engine")).unwrap();
        let version = self
            .wit
            .split_once("package airlock:engine@")
            .unwrap()
            .1
            .split(';')
            .next()
            .unwrap();
        let mut module = wat::parse_str(self.text(version)).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default()
            .validate(true)
            .module(&module)
            .unwrap()
            .encode()
            .unwrap()
    }

    fn text(&self, version: &str) -> String {
        let Self {
            module,
            describe,
            initialize,
            handle_request,
            check_existence,
            ..
        } = self;
        let backend = format!("airlock:engine/backend@{version}");
        format!(
            r#"(module
                {module}
                (memory (export "memory") 1)
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8192))
                (func (export "{backend}#describe") (result i32) {describe})
                (func (export "{backend}#special-paths") (param i32 i32) (result i32) unreachable)
                (func (export "{backend}#initialize") (result i32) {initialize})
                (func (export "{backend}#handle-request") (param i32) (result i32) {handle_request})
                (func (export "{backend}#check-existence") (param i32) (result i32) {check_existence})
                (func (export "{backend}#invalidate") (param i32 i32) unreachable)
                ;; name and version, each an address and a length; everything else is zero or none.
                (data (i32.const 1024) "\00\08\00\00\09\00\00\00\10\08\00\00\05\00\00\00")
                (data (i32.const 2048) "synthetic")
                (data (i32.const 2064) "1.0.0"))"#
        )
    }
}
