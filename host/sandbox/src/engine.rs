//! How wasmtime is set up: what guests may contain, and the pool that their instances come from.

use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{Error, Result};

/// Instances that can be there at once in the process. Only address space is set aside for the rest: 4 GiB each, so
/// that the compiler need not check bounds.
pub(crate) const POOL: u32 = 1024;

/// What one instance may consist of. A guest in Rust has one memory, one table and two or three core instances, of
/// which all but one are glue.
const CORE_INSTANCES: u32 = 8;
const TABLES: u32 = 4;

/// Memory that stays with a slot of the pool between requests, and is cleared by writing zeros and not by a system
/// call. It covers what a small guest touches; a larger one pays one `madvise`.
const KEEP_MEMORY: usize = 512 << 10;
const KEEP_STACK: usize = 32 << 10;
const KEEP_TABLE: usize = 16 << 10;

/// The native stack of a request, for the guest and for the host functions that it calls.
const STACK: usize = 2 << 20;
/// How much of it the guest may use.
const GUEST_STACK: usize = 512 << 10;

/// How long a compilation may take.
pub(crate) const COMPILE_DEADLINE: Duration = Duration::from_secs(60);

/// What shapes compiled code. The compiler and the server must agree on it, or the server will refuse the code.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The contract is synchronous: the host suspends the guest on its fiber.
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(STACK)
        .async_stack_zeroing(true)
        // What a secrets engine does not need is off: there the advisories are.
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_extended_const(true)
        .shared_memory(false)
        // Traps name functions; source lines would need debug information in the guest.
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

/// The engine that serves: one in a process.
pub(crate) fn serving() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(POOL)
        .total_core_instances(POOL * CORE_INSTANCES)
        .total_memories(POOL)
        .total_tables(POOL * TABLES)
        .total_stacks(POOL)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(4 << 30)
        .table_elements(1 << 20)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLE)
        .async_stack_keep_resident(KEEP_STACK)
        // Reuse slots before touching new ones: what stays resident is what was once needed at the same time.
        .max_unused_warm_slots(0);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| Error::Runtime(format!("{error:#}")))
}

/// Compiles a component to what [`Sandbox::load`](crate::Sandbox::load) runs.
///
/// This is what the compile child does with its standard input. It takes time and memory (some 50 ms and tens of MiB
/// for each 100 KiB), which is why it has a process of its own.
///
/// # Errors
/// [`Error::NotAComponent`], and [`Error::Compile`] with the compiler's words.
pub fn compile(component: &[u8]) -> Result<Vec<u8>> {
    crate::contract::check_is_component(component)?;
    let engine = Engine::new(&config()).map_err(|error| Error::Runtime(format!("{error:#}")))?;
    engine
        .precompile_component(component)
        .map_err(|error| Error::Compile(format!("{error:#}")))
}
