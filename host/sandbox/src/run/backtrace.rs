//! Names the functions in which a guest failed.

use std::fmt::{self, Write as _};

use wasmtime::WasmBacktrace;

/// Most functions that are shown of a trap.
const SHOWN_FUNCTIONS: usize = 6;

/// Most bytes that are shown of a function's name.
const LONGEST_NAME: usize = 200;

/// Returns the guest's own functions. Those of Rust's library, in which every panic ends, say nothing.
pub(crate) fn functions(trace: &WasmBacktrace) -> Vec<String> {
    let names = trace.frames().iter().filter_map(|frame| frame.func_name());
    let mut names: Vec<String> = names.map(readable).filter(|name| !is_library(name)).collect();
    names.dedup();
    names.truncate(SHOWN_FUNCTIONS);
    names
}

/// Returns a function's name as its author wrote it, without the compiler's hash. Cuts a long name.
fn readable(name: &str) -> String {
    let mut shown = Shown(String::new());
    // A short symbol can stand for a very long name. The error only says that the name is cut.
    let _ = match name.len() > LONGEST_NAME {
        true => shown.write_str(name),
        false => write!(shown, "{:#}", rustc_demangle::demangle(name)),
    };
    shown.0
}

/// A text that takes at most [`LONGEST_NAME`] bytes and refuses what is written beyond.
struct Shown(String);

impl fmt::Write for Shown {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = LONGEST_NAME - self.0.len();
        if text.len() <= left {
            self.0.push_str(text);
            return Ok(());
        }
        self.0.push_str(&text[..text.floor_char_boundary(left)]);
        Err(fmt::Error)
    }
}

fn is_library(name: &str) -> bool {
    ["core::", "std::", "alloc::", "__rustc::"]
        .iter()
        .any(|path| name.trim_start_matches(['<', '&']).starts_with(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_their_authors_wrote_them() {
        assert_eq!(readable("_ZN2kv5write17h0123456789abcdefE"), "kv::write");
        assert_eq!(
            readable("_RNvNtCs7pecuj1t4GH_4core9panicking9panic_fmt"),
            "core::panicking::panic_fmt"
        );
        assert_eq!(readable("cabi_realloc"), "cabi_realloc");
        assert_eq!(readable(&"x".repeat(1 << 20)).len(), LONGEST_NAME);
        assert!(is_library("core::panicking::panic_fmt") && is_library("<core::fmt::Arguments>::new"));
        assert!(!is_library("kv::write") && !is_library("coredump"));
    }
}
