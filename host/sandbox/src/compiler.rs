//! Compiling a guest outside of this process.
//!
//! A compiler is the largest and most intricate part of the runtime, and it reads the guest's bytes first. So it runs
//! in a child process without environment, under limits on memory and time, and leaves nothing behind here. The child
//! reads the component from its standard input, calls [`compile`](crate::compile) and writes the result to its
//! standard output; if it cannot, it says why in one line on its standard error and ends with a status other than 0.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::engine::COMPILE_DEADLINE;
use crate::{Error, Result};

/// Address space of the child.
const MEMORY: u64 = 4 << 30;
/// The largest compiled guest that is taken, far above any that is of use.
const LARGEST: u64 = 512 << 20;
/// What is kept of its complaints.
const LONGEST_COMPLAINT: u64 = 4 << 10;

/// Where guests are compiled.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// In a child process; the command must do what the module's documentation says.
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
    /// The compiled form of a component.
    pub(crate) async fn run(&self, component: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::InProcess => {
                let component = component.to_vec();
                tokio::task::spawn_blocking(move || crate::compile(&component))
                    .await
                    .map_err(|_| Error::GivenUp)?
            }
            Self::Child { program, arguments } => {
                let child = Command::new(program)
                    .args(arguments)
                    .env_clear()
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .kill_on_drop(true)
                    .spawn()
                    .map_err(|error| failed("cannot be started", error))?;
                tokio::time::timeout(COMPILE_DEADLINE, talk(child, component))
                    .await
                    .unwrap_or_else(|_| {
                        let what = format!("took longer than {} s", COMPILE_DEADLINE.as_secs());
                        Err(Error::Compiler { what, source: None })
                    })
            }
        }
    }
}

async fn talk(mut child: Child, component: &[u8]) -> Result<Vec<u8>> {
    // Limits first: it has nothing to do until it has read its input.
    limit(&child).map_err(|error| failed("cannot be limited", error))?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Error::Compiler {
            what: "has no pipes".into(),
            source: None,
        });
    };
    let (mut compiled, mut complaint) = (Vec::new(), Vec::new());
    let (mut stdout, mut stderr) = (stdout.take(LARGEST), stderr.take(LONGEST_COMPLAINT));
    let (written, read, _) = tokio::join!(
        async {
            // A child that ends early breaks the pipe; its status and its complaint say why, so this error is second.
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
    let complaint = String::from_utf8_lossy(&complaint);
    match complaint.lines().rfind(|line| !line.trim().is_empty()) {
        Some(line) if status.code().is_some() => Err(Error::Compile(line.trim().to_owned())),
        _ => Err(Error::Compiler {
            what: format!("ended with {status}; it may have run out of its limits"),
            source: None,
        }),
    }
}

fn limit(child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let seconds = 2 * COMPILE_DEADLINE.as_secs();
    for (resource, most) in [
        (Resource::As, MEMORY),
        (Resource::Cpu, seconds),
        (Resource::Core, 0),
    ] {
        prlimit(
            pid,
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )?;
    }
    Ok(())
}

fn failed(what: &str, source: io::Error) -> Error {
    Error::Compiler {
        what: what.into(),
        source: Some(source),
    }
}
