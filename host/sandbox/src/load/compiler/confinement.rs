//! Confines the compile child before it reads a guest's bytes.
//!
//! The compiler is the part of the runtime that a hostile file attacks first. A compilation needs memory, threads, its
//! standard input and its standard output, so the process gives up everything else. It has:
//!
//! - no file descriptor but the three standard ones, and none can be opened;
//! - no core dump, and no other process of the same user may attach or read its memory;
//! - no new privileges, whatever it would execute;
//! - no system call but those that a compilation makes (Linux on x86-64, ARM64 and RISC-V): others fail, as on a kernel
//!   that does not have them.
//!
//! The parent limits memory and CPU time, which needs no cooperation of the child. Each step is a best effort: if the
//! system refuses one, the child is still as safe as any other process.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior, set_parent_process_death_signal,
    setrlimit,
};

/// Confines this process, which must have one thread and no open file that it still needs.
pub(super) fn confine() {
    // Nobody waits for the code once the parent is gone.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let nothing = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = setrlimit(Resource::Core, nothing);
    let _ = setrlimit(Resource::Nofile, nothing);
    let _ = system_calls::limit();
    // Closes the files last: the other end of an inherited pipe then knows by the end of the pipe that the rest is
    // done.
    system_calls::close_inherited_files();
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
))]
mod system_calls {
    use libc::{c_int, c_long};
    use seccompiler::{
        BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter,
    };

    /// System calls that a compilation may make, whatever their arguments.
    const ALLOWED: [c_long; 21] = [
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_close,
        libc::SYS_close_range,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
    ];

    /// Denies the calling thread, and the threads that it starts, every system call that a compilation does not make.
    /// Denies new privileges as well.
    pub fn limit() -> Result<(), Error> {
        let filter = SeccompFilter::new(
            rules()?.into_iter().collect(),
            // Libraries know how to do without a call that a kernel does not have; no library expects to be killed.
            SeccompAction::Errno(libc::ENOSYS.cast_unsigned()),
            SeccompAction::Allow,
            std::env::consts::ARCH.try_into()?,
        )?;
        apply_filter(&BpfProgram::try_from(filter)?)
    }

    fn rules() -> Result<Vec<(c_long, Vec<SeccompRule>)>, Error> {
        let anywhere = ALLOWED.map(|call| (call, Vec::new()));
        let own_process = is(0, std::process::id().into());
        let not_executable = || has(2, libc::PROT_EXEC, 0);
        let some = [
            // Threads, but not processes.
            (
                libc::SYS_clone,
                vec![all([has(0, libc::CLONE_THREAD, libc::CLONE_THREAD)])?],
            ),
            // Memory, but not files. Code is written out and never run.
            (
                libc::SYS_mmap,
                vec![all([
                    has(3, libc::MAP_ANONYMOUS, libc::MAP_ANONYMOUS),
                    not_executable(),
                ])?],
            ),
            (libc::SYS_mprotect, vec![all([not_executable()])?]),
            // The standard streams.
            (libc::SYS_read, vec![all([is(0, 0)])?]),
            (libc::SYS_write, vec![all([is(0, 1)])?, all([is(0, 2)])?]),
            (libc::SYS_writev, vec![all([is(0, 1)])?, all([is(0, 2)])?]),
            // To abort.
            (libc::SYS_tgkill, vec![all([own_process])?]),
            (libc::SYS_sigaltstack, Vec::new()),
        ];
        Ok(anywhere.into_iter().chain(some).collect())
    }

    type Condition = Result<SeccompCondition, seccompiler::BackendError>;

    /// Returns a rule that requires all of these conditions.
    fn all<const N: usize>(conditions: [Condition; N]) -> Result<SeccompRule, Error> {
        let conditions = conditions.into_iter().collect::<Result<_, _>>()?;
        Ok(SeccompRule::new(conditions)?)
    }

    /// Requires that the argument is this number.
    fn is(argument: u8, number: u64) -> Condition {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, number)
    }

    /// Requires that the argument has these bits, as far as the mask covers them.
    fn has(argument: u8, mask: c_int, bits: c_int) -> Condition {
        let unsigned = |bits: c_int| u64::from(bits.cast_unsigned());
        let masked = SeccompCmpOp::MaskedEq(unsigned(mask));
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, masked, unsigned(bits))
    }

    /// Closes every file descriptor after the standard ones. The parent's library may have opened some for all its children.
    pub fn close_inherited_files() {
        let (first, last, flags): (c_int, c_int, c_int) = (3, c_int::MAX, 0);
        // SAFETY: no descriptor above 2 belongs to anything in this process: it has opened no file, see `confine`.
        #[allow(unsafe_code)]
        let _ = unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) };
    }

    #[cfg(test)]
    mod tests {
        use std::fs::{self, File};
        use std::io::Write as _;
        use std::net::TcpListener;
        use std::process::Command;
        use std::sync::mpsc;
        use std::thread;

        use super::*;

        #[test]
        fn a_limited_thread_can_compute_and_start_threads_only() {
            let mut file = tempfile::tempfile().unwrap();
            thread::spawn(move || {
                limit().unwrap();
                let sums: Vec<_> = (0..4)
                    .map(|start| {
                        thread::spawn(move || (0..100_000_u64).map(|n| n ^ start).collect::<Vec<_>>().len())
                    })
                    .collect();
                assert!(sums.into_iter().all(|sum| sum.join().unwrap() == 100_000));

                assert!(File::open("/proc/self/status").is_err(), "it opened a file");
                assert!(fs::metadata("/").is_err(), "it looked at the file system");
                assert!(file.write(b"x").is_err(), "it wrote to a file that was open");
                assert!(TcpListener::bind("127.0.0.1:0").is_err(), "it listens");
                assert!(Command::new("/bin/true").spawn().is_err(), "it started a program");
            })
            .join()
            .unwrap();
        }

        #[test]
        fn a_limited_thread_gets_no_new_privileges() {
            let (report, reported) = mpsc::channel();
            let (end, ended) = mpsc::channel::<()>();
            let limited = thread::spawn(move || {
                let task = fs::read_link("/proc/thread-self").unwrap();
                limit().unwrap();
                report.send(task).unwrap();
                let _ = ended.recv();
            });
            let status =
                fs::read_to_string(format!("/proc/{}/status", reported.recv().unwrap().display())).unwrap();
            drop(end);
            limited.join().unwrap();
            assert!(
                status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2"),
                "{status}"
            );
        }

        #[test]
        fn a_component_can_be_compiled_by_a_limited_thread() {
            let empty = b"\0asm\x0d\0\x01\0";
            let compiled = thread::spawn(move || {
                limit().unwrap();
                crate::compile(empty, crate::Target::ThisMachine)
            });
            assert!(!compiled.join().unwrap().unwrap().is_empty());
        }
    }
}

/// On other systems the limits above have to be enough.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")
)))]
mod system_calls {
    pub fn limit() {}

    pub fn close_inherited_files() {}
}
