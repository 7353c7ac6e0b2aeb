//! Compiles a guest outside of this process.
//!
//! A compiler is the largest and most intricate part of the runtime, and it is the first that reads the guest's bytes.
//! So it runs in a confined child process ([`confinement`]), under limits on memory and time, and leaves nothing behind
//! here. The child's environment holds nothing but the number of its threads. The child runs [`compile_child`]: it
//! reads the component from its standard input and writes the code to its standard output. If it cannot, it writes the
//! reason to its standard error, in one line. It ends with [`REFUSED`] if the component is at fault, or with another
//! status if the compiler is.

mod child;
mod confinement;

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::LoadError;
use crate::aside::aside;
use crate::load::engine::COMPILE_DEADLINE;
use crate::load::target::Target;

pub use child::compile_child;

/// Exit status of a child that cannot compile the component.
const REFUSED: u8 = 1;
/// Exit status of a child that failed itself: `EX_SOFTWARE` of sysexits.h.
const FAILED: u8 = 70;

/// Address space of the child, in bytes.
const MEMORY: u64 = 4 << 30;
/// Bytes of the largest compiled guest that is accepted, far above any useful one.
const LARGEST: u64 = 512 << 20;
/// CPU time of the child, in seconds. It may use several cores until [`COMPILE_DEADLINE`].
const CPU_SECONDS: u64 = 2 * COMPILE_DEADLINE.as_secs();
/// Bytes that are kept of the child's error messages.
const LONGEST_COMPLAINT: u64 = 4 << 10;

/// The place where guests are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child process, which must run [`compile_child`].
    Child {
        /// The program, such as `/proc/self/exe`.
        program: PathBuf,
        /// Its arguments, such as `compile`.
        arguments: Vec<OsString>,
    },
    /// In this process, on a thread of its own: for tools and tests that end soon.
    InProcess,
}

impl Compiler {
    /// Returns the compiled form of a component.
    pub(crate) async fn run(&self, component: &[u8]) -> Result<Vec<u8>, LoadError> {
        match self {
            Self::InProcess => {
                let component = component.to_vec();
                aside(move || crate::compile(&component, Target::ThisMachine)).await?
            }
            Self::Child { program, arguments } => {
                let child = Command::new(program)
                    .args(arguments)
                    .env_clear()
                    // The confined child cannot read how much its control group may use.
                    .env("RAYON_NUM_THREADS", threads().to_string())
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .map_err(|error| LoadError::not_started("the compiler", error))?;
                tokio::time::timeout(COMPILE_DEADLINE, talk(child, component))
                    .await
                    .unwrap_or_else(|_| {
                        let what = format!("took longer than {} s", COMPILE_DEADLINE.as_secs());
                        Err(LoadError::Compiler { what, source: None })
                    })
            }
        }
    }
}

/// Returns the number of threads on which the child compiles. Each reserves address space, of which [`MEMORY`] has room
/// for about sixty.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |count| count.get().min(8))
}

async fn talk(mut child: Child, component: &[u8]) -> Result<Vec<u8>, LoadError> {
    // Sets the limits first: the child has nothing to do until it has read its input.
    limit(&child).map_err(|error| failed("cannot be limited", error))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(LoadError::Compiler {
            what: "has no pipes".into(),
            source: None,
        });
    };
    let (mut compiled, mut complaint) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(LARGEST), stderr.take(LONGEST_COMPLAINT));
    let (written, read, _) = tokio::join!(
        async {
            // A child that ends early breaks the pipe. Its status and its message explain why, so they come before this
            // error.
            let written = stdin.write_all(component).await;
            drop(stdin);
            written
        },
        stdout.read_to_end(&mut compiled),
        stderr.read_to_end(&mut complaint),
    );
    let status = child
        .wait()
        .await
        .map_err(|error| failed("cannot be waited for", error))?;
    if status.success() {
        read.map_err(|error| failed("cannot be read from", error))?;
        written.map_err(|error| failed("cannot be written to", error))?;
        return Ok(compiled);
    }
    Err(ended(status, &String::from_utf8_lossy(&complaint)))
}

/// Returns the reason why a child that did not succeed has ended.
fn ended(status: ExitStatus, complaint: &str) -> LoadError {
    let line = complaint.lines().rfind(|line| !line.trim().is_empty());
    let line = line.map(|line| line.trim().to_owned());
    let what = match (status.code(), status.signal(), line) {
        (Some(code), _, Some(line)) if code == i32::from(REFUSED) => return LoadError::Compile(line),
        (Some(_), _, Some(line)) => format!(
            "failed with an error of its own: {line}; the guest may need something of WebAssembly that this host does not \
             run, as a component that is composed of several components does"
        ),
        (Some(code), _, None) => format!("ended with status {code} and did not say why"),
        (None, Some(signal), _) if signal == Signal::XCPU.as_raw() => {
            format!("took more than {CPU_SECONDS} s of CPU time")
        }
        (None, Some(signal), _) if signal == Signal::ABORT.as_raw() => {
            format!(
                "gave up ({status}), as without memory: it may use {} GiB",
                MEMORY >> 30
            )
        }
        (None, Some(signal), _) if signal == Signal::KILL.as_raw() => {
            format!("was killed ({status}), as by a system that is short of memory")
        }
        (None, _, _) => format!("crashed ({status})"),
    };
    LoadError::Compiler { what, source: None }
}

fn limit(child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    // The first limit of CPU time sends a signal of its own, and the second kills.
    for (resource, current, maximum) in [
        (Resource::As, MEMORY, MEMORY),
        (Resource::Cpu, CPU_SECONDS, CPU_SECONDS + 1),
        (Resource::Core, 0, 0),
    ] {
        let limit = Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        prlimit(pid, resource, limit)?;
    }
    Ok(())
}

fn failed(what: &str, source: io::Error) -> LoadError {
    LoadError::Compiler {
        what: what.into(),
        source: Some(source),
    }
}
