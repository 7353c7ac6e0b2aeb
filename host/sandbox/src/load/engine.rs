//! Configures wasmtime: what guests may contain, and the pool from which their instances come.

use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::LoadError;
use crate::load::target::Target;

/// Most instances that can exist at once in the process, on the largest machine. A slot without an instance only reserves
/// address space: 4 GiB, so that compiled code needs no bounds checks.
pub(crate) const POOL: u32 = 512;

/// Most core instances, and most tables, of one instance of a guest. A guest in Rust has one memory, one table and two
/// or three core instances, of which all but one are glue.
const CORE_INSTANCES: u32 = 8;
const TABLES: u32 = 4;

/// Bytes of memory that a slot of the pool keeps between requests and clears by writing zeros, not by a system call.
/// They cover what a guest on the SDK touches. A larger guest costs one `madvise`.
const KEEP_MEMORY: usize = 256 << 10;
const KEEP_STACK: usize = 32 << 10;
const KEEP_TABLE: usize = 16 << 10;

/// Bytes of a request's native stack, for the guest and for the host functions that it calls.
const STACK: usize = 2 << 20;
/// Bytes of [`STACK`] that the guest may use.
const GUEST_STACK: usize = 512 << 10;

/// Longest time that a compilation may take.
pub(crate) const COMPILE_DEADLINE: Duration = Duration::from_secs(60);

/// Returns the settings that shape compiled code. The compiler and the server must agree on them, or the server refuses
/// the code.
fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        // The contract is synchronous: the host suspends the guest on its fiber.
        .concurrency_support(false)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(STACK)
        .async_stack_zeroing(true)
        // What a secrets engine does not need is off: the security advisories are about such features.
        .wasm_component_model(true)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_extended_const(true)
        .shared_memory(false)
        // Traps name functions. To name source lines, the guest would need debug information.
        .generate_address_map(false)
        .native_unwind_info(false);
    config
}

/// Returns the wasmtime engine that serves requests, with a pool of so many slots, [`POOL`] at most. A process has one.
///
/// Each slot costs about 2 µs at the start, for the page that guards its stack. So there are no more than memory allows.
pub(crate) fn serving(slots: u32) -> Result<Engine, LoadError> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES)
        .total_memories(slots)
        .total_tables(slots * TABLES)
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_memory_size(4 << 30)
        .table_elements(1 << 20)
        .linear_memory_keep_resident(KEEP_MEMORY)
        .table_keep_resident(KEEP_TABLE)
        .async_stack_keep_resident(KEEP_STACK)
        // Reuses slots before it touches new ones, so that only what was once needed at the same time stays resident.
        .max_unused_warm_slots(0);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    new_engine(&config)
}

fn new_engine(config: &Config) -> Result<Engine, LoadError> {
    Engine::new(config).map_err(|error| LoadError::Runtime {
        what: "wasmtime cannot be set up",
        source: error.into(),
    })
}

/// Compiles a component to the code that [`Sandbox::load`](crate::Sandbox::load) runs.
///
/// The compile child does this with its standard input. A compilation takes time and memory (about 50 ms and tens of
/// MiB for each 100 KiB), so it has a process of its own.
///
/// # Errors
/// [`LoadError::NotAComponent`], [`LoadError::Compile`] with the compiler's message or because this architecture has no
/// baseline, and [`LoadError::Runtime`] if wasmtime
/// cannot be set up here.
pub fn compile(component: &[u8], target: Target) -> Result<Vec<u8>, LoadError> {
    compile_on_threads(component, target, true)
}

/// Does the same as [`compile`], in `parallel` on the threads of rayon's global pool or on this thread alone.
pub(crate) fn compile_on_threads(
    component: &[u8],
    target: Target,
    parallel: bool,
) -> Result<Vec<u8>, LoadError> {
    crate::load::contract::check_is_component(component)?;
    let mut config = config();
    config.parallel_compilation(parallel);
    target.apply(&mut config)?;
    let engine = new_engine(&config)?;
    engine
        .precompile_component(component)
        .map_err(|error| LoadError::Compile(format!("{error:#}")))
}
