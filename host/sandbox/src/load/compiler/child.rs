//! The child's side of a compilation.

use std::io::{self, Read as _, Write as _};
use std::panic::PanicHookInfo;

use printable::{Printable, Report};

use super::{FAILED, REFUSED, confinement};
use crate::LoadError;
use crate::load::engine::compile_on_threads;
use crate::load::target::Target;

/// Compiles a component from standard input to native code on standard output, and ends the process. This is all that
/// the program of [`Compiler::Child`](super::Compiler::Child) has to do. The process must have one thread and no open
/// file that it still needs.
///
/// Confines the process first: whatever goes wrong in the compiler, the process can read no file, reach no network and
/// start no program. If the component cannot be compiled, writes one line to standard error that says why.
pub fn compile_child(target: Target) -> ! {
    std::panic::set_hook(Box::new(|panic| end(FAILED, &told(panic))));
    confinement::confine();
    match run(target) {
        Ok(()) => std::process::exit(0),
        // Only the reason: the parent adds that the component cannot be compiled.
        Err(LoadError::Compile(reason)) => end(REFUSED, &reason),
        Err(error) => end(REFUSED, &Report::new(&error).to_string()),
    }
}

fn run(target: Target) -> Result<(), LoadError> {
    let mut component = Vec::new();
    io::stdin()
        .read_to_end(&mut component)
        .unwrap_or_else(|error| end(FAILED, &format!("the component cannot be read: {error}")));
    // Without the threads that the parent asks for, one is enough.
    let parallel = rayon::ThreadPoolBuilder::new().build_global().is_ok();
    let code = compile_on_threads(&component, target, parallel)?;
    let mut out = io::stdout();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .unwrap_or_else(|error| end(FAILED, &format!("the code cannot be written: {error}")));
    Ok(())
}

fn end(status: u8, why: &str) -> ! {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr(), "{}", Printable(why));
    std::process::exit(status.into())
}

/// Returns a panic's message and place, without advice for whoever builds the compiler. Of a message with several lines
/// it returns the first, because the others are a trace.
fn told(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().and_then(|message| message.lines().next());
    let message = message.unwrap_or("a panic without a message");
    match panic.location() {
        Some(place) => format!("{message} ({}:{})", short(place.file()), place.line()),
        None => message.to_owned(),
    }
}

/// Returns the path of a source file from its crate's folder on. The part before names the machine that built this
/// program.
fn short(file: &str) -> &str {
    file.rsplit_once("/src/index.crates.io-")
        .and_then(|(_, below)| below.split_once('/'))
        .map_or(file, |(_, crates)| crates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_file_is_named_below_its_crate() {
        assert_eq!(
            short("/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/wasmtime-48.0.8/src/lib.rs"),
            "wasmtime-48.0.8/src/lib.rs"
        );
        assert_eq!(
            short("host/sandbox/src/load/engine.rs"),
            "host/sandbox/src/load/engine.rs"
        );
    }
}
