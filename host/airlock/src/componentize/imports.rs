//! Says which crate imports what no secrets engine has, and what to do about it.
//!
//! A module imports what its crates declare: the functions of a browser through `wasm-bindgen`, those of WASI, or a C
//! function that nothing defines. The names of the module's functions tell which crate calls an import.

use std::collections::{BTreeMap, BTreeSet};

use wasmparser::BinaryReaderError;

use super::module::Module;

/// The most callers that a message names.
const SHOWN: usize = 3;

/// The advice for functions of `wasm-bindgen` that do not tell what a crate wants of a browser.
const BROWSER: &str = "this is for browsers; `cargo tree --target wasm32-unknown-unknown --invert wasm-bindgen --edges \
     features` shows which crate and feature bring it: switch that feature off";

/// An import that the contract does not have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Foreign {
    module: String,
    name: String,
    /// The functions that call it, as far as the module names them.
    callers: BTreeSet<String>,
}

/// Returns a text for each thing to do about imports that the contract does not have. Returns none for a module that
/// cannot be read, because the encoder then says why.
pub fn explain(module: &[u8]) -> Vec<String> {
    let foreign = foreign(module).unwrap_or_default();
    let known = foreign.iter().any(|import| import.advice() != BROWSER);
    let mut said = BTreeMap::new();
    for import in &foreign {
        // `wasm-bindgen` brings many functions of its own, which say less than the one that a crate wanted.
        if !(known && import.advice() == BROWSER) {
            said.entry(import.advice()).or_insert_with(|| import.explain());
        }
    }
    said.into_values().collect()
}

fn foreign(bytes: &[u8]) -> Result<Vec<Foreign>, BinaryReaderError> {
    let module = Module::read(bytes)?;
    let mut imports = BTreeMap::new();
    for &(number, from, name) in &module.imports {
        if is_foreign(from) {
            let foreign = Foreign {
                module: from.to_owned(),
                name: name.to_owned(),
                ..Foreign::default()
            };
            imports.insert(number, foreign);
        }
    }
    for call in &module.calls {
        if let Some(import) = imports.get_mut(&call.callee) {
            import.callers.extend(module.name(call.caller));
        }
    }
    Ok(imports.into_values().collect())
}

/// Returns true for a module of imports that is not an interface of a contract: those have a package and a version.
fn is_foreign(module: &str) -> bool {
    !module.contains(':') && module != "$root"
}

impl Foreign {
    fn explain(&self) -> String {
        let callers: Vec<&str> = self.callers.iter().take(SHOWN).map(String::as_str).collect();
        let called = if callers.is_empty() {
            String::new()
        } else {
            format!(", called by {}", callers.join(", "))
        };
        let text = format!(
            "it imports `{}` of `{}`{called}: {}",
            self.name,
            self.module,
            self.advice()
        );
        // Whoever wrote the module chose the names.
        printable::escape(&text).into_owned()
    }

    fn advice(&self) -> &'static str {
        let named = |words: &[&str]| words.iter().any(|word| self.name.contains(word));
        match self.module.as_str() {
            "env" if self.name == "__getrandom_v03_custom" => {
                "the crate `getrandom` needs a backend; enable the feature `getrandom` of `airlock-sdk`"
            }
            "env" if self.name == "__getrandom_custom" => {
                "the crate `getrandom` 0.2 needs a backend; pass `airlock_sdk::fill_from_host` to its macro \
                 `register_custom_getrandom!`, see docs/crates.md"
            }
            "env" => "no crate defines this function; it is probably one of C, so use a crate in Rust alone",
            "wasi_snapshot_preview1" | "wasi_unstable" => {
                "this is WASI, which guests do not have; build for wasm32-unknown-unknown, and without crates that \
                 need WASI"
            }
            _ if named(&["getRandomValues", "randomFillSync", "_crypto_", "msCrypto"]) => {
                "the crate `getrandom` asks a browser; switch off its feature `wasm_js` (`js` in version 0.2), which a \
                 crate such as `uuid` may enable by a feature `js`, and enable the feature `getrandom` of `airlock-sdk`"
            }
            _ if named(&[
                "_now_",
                "_new0_",
                "_new_0_",
                "_newwithyear",
                "getTime",
                "getTimezoneOffset",
                "_Date_",
            ]) =>
            {
                "a crate asks a browser for the time; switch off the feature `wasmbind` of `chrono` or `wasm-bindgen` \
                 of `time`, and take the time from `cx.clock`"
            }
            _ => BROWSER,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(imports: &str, body: &str) -> Vec<u8> {
        wat::parse_str(format!(
            "(module {imports} (func $_ZN4uuid3rng4fill17h0123456789abcdefE {body}))"
        ))
        .unwrap()
    }

    #[test]
    fn an_import_of_a_browser_names_its_caller_and_feature() {
        let module = module(
            r#"(import "__wbindgen_placeholder__" "__wbg_getRandomValues_1c61fac11405ffdc" (func $r))"#,
            "call $r",
        );
        let said = explain(&module).join("\n");
        for part in [
            "`__wbg_getRandomValues_1c61fac11405ffdc`",
            "called by uuid::rng::fill:",
            "`wasm_js`",
        ] {
            assert!(said.contains(part), "no {part}: {said}");
        }
    }

    #[test]
    fn each_kind_of_import_has_its_advice() {
        for (from, name, advice) in [
            (
                "__wbindgen_placeholder__",
                "__wbg_now_807e54c39636c349",
                "`wasmbind` of `chrono`",
            ),
            (
                "__wbindgen_placeholder__",
                "__wbindgen_throw",
                "--invert wasm-bindgen",
            ),
            ("wasi_snapshot_preview1", "fd_write", "WASI"),
            (
                "env",
                "__getrandom_v03_custom",
                "feature `getrandom` of `airlock-sdk`",
            ),
            ("env", "__getrandom_custom", "register_custom_getrandom"),
            ("env", "memcpy_s", "C"),
        ] {
            let said = explain(&module(&format!("(import {from:?} {name:?} (func))"), "")).join("\n");
            assert!(said.contains(advice), "no {advice}: {said}");
        }
    }

    #[test]
    fn what_a_crate_wanted_is_told_once_and_without_the_rest() {
        let imports = r#"(import "__wbindgen_placeholder__" "__wbindgen_describe" (func))
            (import "__wbindgen_placeholder__" "__wbg_new_0_36d738a0c8cfac43" (func))
            (import "__wbindgen_placeholder__" "__wbg_getTime_edc91481cbc4cd78" (func))"#;
        let said = explain(&module(imports, ""));
        assert!(said.len() == 1 && said[0].contains("__wbg_new_0_"), "{said:?}");
    }

    #[test]
    fn the_contract_is_not_foreign() {
        let import = r#"(import "airlock:engine/random@0.1.0" "bytes" (func (param i32 i32)))"#;
        assert_eq!(explain(&module(import, "")), Vec::<String>::new());
        assert_eq!(explain(b"not a module"), Vec::<String>::new());
    }
}
