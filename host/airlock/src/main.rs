//! The `airlock` program. All of it is in the library beside this file, where tests reach it.

use std::process::ExitCode;

/// Freed memory is wiped: whatever held a request, a value or a key, in any crate, is gone once it is let go.
#[global_allocator]
static WIPE_FREED_MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    airlock::main()
}
