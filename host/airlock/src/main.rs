//! The `airlock` program. All of it is in the library beside this file, where tests can reach it.

use std::process::ExitCode;

// The allocator of the C library. That of musl makes a request take twice the CPU time, so there it is Microsoft's.
#[cfg(target_env = "musl")]
use mimalloc::MiMalloc as Allocator;
#[cfg(not(target_env = "musl"))]
use std::alloc::System as Allocator;

/// Wipes freed memory: nothing that held a request, a value or a key, in any crate, remains after it is freed.
#[global_allocator]
static WIPE_FREED_MEMORY: zeroizing_alloc::ZeroAlloc<Allocator> = zeroizing_alloc::ZeroAlloc(Allocator);

fn main() -> ExitCode {
    airlock::main()
}
