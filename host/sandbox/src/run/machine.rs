//! Finds out how much memory this process can expect, and gives freed memory back to the system.

use std::path::Path;
use std::sync::Weak;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use std::{fs, io, thread};

use rustix::fs::MemfdFlags;
use rustix::io::Errno;

use crate::LoadError;
use crate::run::code::Shared;

/// Returns the memory of the machine in bytes, or the limit of the process's control group if that is lower. `None` if
/// neither can be read.
pub(crate) fn memory_bytes() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| total(&text));
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| group_limit(&text, Path::new("/sys/fs/cgroup")));
    machine.into_iter().chain(group).min()
}

/// Time without a message after which memory is returned. While requests still free much, they also need it again.
const QUIET: Duration = Duration::from_secs(5);

/// Number of such times after which memory is returned although messages still come.
const MOST_QUIET: usize = 6;

/// Gives memory back to the system until the channel is closed: once after the start, and then each time that messages
/// have stopped for a while.
///
/// This takes long, so it has a thread of its own: if the epoch's thread did it, no guest would be interrupted in the
/// meantime. The lanes' threads then return what is left: that is little, and mimalloc leaves it to the thread that allocated it.
pub(crate) fn give_memory_back(returns: Receiver<()>, shared: Weak<Shared>) -> io::Result<()> {
    let give_back = move || {
        unmap_program();
        trim();
        if cfg!(target_env = "musl")
            && let Some(shared) = shared.upgrade()
        {
            shared.lanes.on_each_thread(trim);
        }
    };
    let thread = thread::Builder::new().name("memory".into()).spawn(move || {
        thread::sleep(QUIET);
        give_back();
        while returns.recv().is_ok() {
            for _ in 0..MOST_QUIET {
                thread::sleep(QUIET);
                if returns.try_recv().is_err() {
                    break;
                }
            }
            give_back();
        }
    })?;
    drop(thread);
    Ok(())
}

/// Checks that the process may make files in memory, from which wasmtime maps the data of instances.
///
/// # Errors
/// [`LoadError::Denied`] if a policy of the system denies that, [`LoadError::Runtime`] if it fails otherwise.
pub(crate) fn check_memory_files() -> Result<(), LoadError> {
    match rustix::fs::memfd_create("airlock", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING) {
        // wasmtime does without on a system that does not have them.
        Ok(_) | Err(Errno::NOSYS) => Ok(()),
        Err(errno @ (Errno::PERM | Errno::ACCESS)) => Err(LoadError::Denied {
            call: "memfd_create",
            source: errno.into(),
        }),
        Err(errno) => Err(LoadError::Runtime {
            what: "a file in memory cannot be made",
            source: errno.into(),
        }),
    }
}

/// Unmaps the code and the constants of this program, which stay in the system's cache of the file. What runs again is
/// mapped again.
///
/// Around each page that a process uses, Linux maps at least 64 KiB. So after the start, most of what is mapped is code that
/// no request runs: that of the command line, of loading, and what lies beside it.
fn unmap_program() {
    #[cfg(target_os = "linux")]
    #[allow(unsafe_code)]
    {
        unsafe extern "C" {
            /// The first byte of the program.
            static __executable_start: u8;
            /// The first byte after its code.
            static etext: u8;
        }
        let start = (&raw const __executable_start).cast_mut();
        let bytes = (&raw const etext).addr() - start.addr();
        // SAFETY: the linker defines both symbols. What is between them was mapped from the program's file and cannot be
        // written to, so the file still has the same bytes.
        let _ = unsafe { rustix::mm::madvise(start.cast(), bytes, rustix::mm::Advice::LinuxDontNeed) };
    }
}

/// Returns freed memory. glibc's allocator keeps it if anything beyond it is in use, so a process would stay as large as it
/// ever was; mimalloc, with which `airlock` is linked for musl, keeps it until something is allocated again.
fn trim() {
    #[cfg(target_env = "gnu")]
    #[allow(unsafe_code)]
    // SAFETY: `malloc_trim` takes the allocator's own locks, and touches no memory that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
    #[cfg(target_env = "musl")]
    #[allow(unsafe_code)]
    {
        // It links the library of which this is a function.
        use libmimalloc_sys as _;
        unsafe extern "C" {
            fn mi_collect(force: bool);
        }
        // SAFETY: the signature is that of mimalloc.h. It may be called at any time, from any thread, whichever allocator the
        // process uses.
        unsafe { mi_collect(true) };
    }
}

/// Returns `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Returns the lowest limit of the process's control group and of those above it. In a container, the group's own path
/// need not be visible below the root; then the root is the group's.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        // Version 2 has one hierarchy, without a name; in version 1 each controller has its own.
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = root.join(path.trim_start_matches('/'));
        let limit = |folder: &Path| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
        group
            .ancestors()
            .take_while(|folder| folder.starts_with(&root))
            .filter_map(limit)
            .min()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the resident memory of this process that belongs to files, in KiB.
    #[cfg(target_os = "linux")]
    fn resident_of_files() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:"));
        line.unwrap().trim_end_matches("kB").trim().parse().unwrap()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn unmaps_what_only_the_start_needed() {
        // Compiling a guest runs much code.
        let component = wat::parse_str("(component)").unwrap();
        crate::compile(&component, crate::Target::ThisMachine).unwrap();
        let before = resident_of_files();
        unmap_program();
        let after = resident_of_files();
        assert!(after + 1024 < before, "{before} KiB, then {after}");
        // The code is still there.
        crate::compile(&component, crate::Target::ThisMachine).unwrap();
    }

    #[test]
    fn reads_the_memory_of_this_machine() {
        assert!(memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(total("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        assert_eq!(total("MemFree: 1 kB\n"), None);
    }

    #[test]
    fn the_lowest_limit_of_the_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("system.slice/vault.service");
        fs::create_dir_all(&group).unwrap();
        fs::write(group.join("memory.max"), "max\n").unwrap();
        let line = "0::/system.slice/vault.service\n";
        assert_eq!(group_limit(line, root.path()), None);
        fs::write(root.path().join("system.slice/memory.max"), "1048576\n").unwrap();
        assert_eq!(group_limit(line, root.path()), Some(1 << 20));
        fs::write(group.join("memory.max"), "4096\n").unwrap();
        assert_eq!(group_limit(line, root.path()), Some(4096));
    }

    #[test]
    fn reads_the_limit_of_version_1_in_a_container() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("memory")).unwrap();
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "4096\n").unwrap();
        let lines = "5:cpu:/docker/1\n4:hugetlb,memory:/docker/1\n";
        assert_eq!(group_limit(lines, root.path()), Some(4096));
    }
}
