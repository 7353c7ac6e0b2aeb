//! Runs libFuzzer on the one target that the variable `AIRLOCK_FUZZ_TARGET` names. `make fuzz` builds and runs it.

#![no_main]

use std::sync::LazyLock;

use airlock_fuzz::{Rng, Target, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("AIRLOCK_FUZZ_TARGET").unwrap_or_default();
    airlock_fuzz::target(&name).unwrap_or_else(|| {
        let names: Vec<_> = airlock_fuzz::TARGETS.iter().map(|target| target.name).collect();
        panic!(
            "AIRLOCK_FUZZ_TARGET={name:?} names no target; there are: {}",
            names.join(" ")
        )
    })
});

fuzz_target!(|data: &[u8]| {
    (TARGET.run)(data);
});

// Half of the mutations are libFuzzer's own, which use the comparisons that failed for the last inputs. The other half
// are ours, which use the target's words and structure.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut rng = Rng::with_seed(seed.into());
    if rng.bool() {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let mut input = data[..size].to_vec();
    mutate(&TARGET, &mut input, &mut rng);
    input.truncate(max_size);
    data[..input.len()].copy_from_slice(&input);
    input.len()
});
