//! Finds out how much address space the process may use (`ulimit -v`), and how many slots of the pool fit into it.
//!
//! A slot without an instance takes no memory, but it reserves address space. Some services are started with a limit on that,
//! and the pool then has fewer slots.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::LoadError;

/// Bytes of address space of a slot: 4 GiB of memory, with guard pages, tables and a stack.
const SLOT: u64 = (4 << 30) + (128 << 20);

/// Bytes of address space for all the rest: code, threads, what requests allocate.
const REST: u64 = 1 << 30;

/// Returns how many of `slots` the limit on the address space allows. If those are fewer, the log says so.
///
/// # Errors
/// [`LoadError::AddressSpace`] if it allows none.
pub(crate) fn most_slots(slots: u32) -> Result<u32, LoadError> {
    let Some(limit) = getrlimit(Resource::As).current else {
        return Ok(slots);
    };
    let fitting = fitting(limit, in_use());
    if fitting == 0 {
        return Err(LoadError::AddressSpace {
            limit_kib: limit >> 10,
            least_kib: (in_use() + REST + SLOT) >> 10,
        });
    }
    if fitting < slots {
        tracing::warn!(
            "the limit on the address space ({} KiB) allows {fitting} requests at once, in place of {slots}; raise it \
             (`ulimit -v`, or LimitAS= of the service) or remove it",
            limit >> 10
        );
    }
    Ok(slots.min(fitting))
}

/// Returns the number of slots that fit into `limit` bytes of address space, of which `used` are in use.
fn fitting(limit: u64, used: u64) -> u32 {
    let slots = limit.saturating_sub(used + REST) / SLOT;
    u32::try_from(slots).unwrap_or(u32::MAX)
}

/// Returns the bytes of address space that this process uses. Without `/proc`, nobody can say, and [`REST`] has to be enough.
fn in_use() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_slots_fit_into_less_address_space() {
        assert!(fitting(u64::MAX, 0) > 1 << 20);
        assert_eq!(fitting(4 << 30, 0), 0);
        assert_eq!(fitting(REST + SLOT, 0), 1);
        assert_eq!(fitting(REST + SLOT, 1), 0);
        assert_eq!(fitting(64 << 30, 1 << 30), 15);
    }

    #[test]
    fn this_process_uses_address_space() {
        assert!(in_use() > 1 << 20, "{}", in_use());
    }
}
