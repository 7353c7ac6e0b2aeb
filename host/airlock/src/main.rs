//! The `airlock` program. All of it is in the library beside this file, where tests can reach it.

use std::process::ExitCode;

/// Wipes freed memory: nothing that held a request, a value or a key, in any crate, remains after it is freed.
#[global_allocator]
static WIPE_FREED_MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    airlock::main()
}
