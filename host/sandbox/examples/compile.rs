//! The compile child: a component on standard input, native code on standard output.
//!
//! This is all that the program named by `Compiler::Child` has to do. The `airlock` binary does it as `airlock compile`.

#![allow(clippy::print_stderr)]

use std::io::{Read as _, Write as _, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut component = Vec::new();
    stdin().read_to_end(&mut component)?;
    stdout().write_all(&airlock_sandbox::compile(&component)?)?;
    Ok(())
}
