//! Processes as the kernel shows them: who runs beneath a server, where it listens, when it ends.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

/// The `airlock serve` processes that `server` started, oldest first.
pub fn hosts(server: u32) -> Vec<u32> {
    plugins(server, "airlock")
}

/// The processes of a plugin's binary that `server` started, oldest first.
pub fn plugins(server: u32, binary: &str) -> Vec<u32> {
    let mut plugins: Vec<u32> = all()
        .filter(|&pid| parent(pid) == Some(server) && runs(pid, binary))
        .collect();
    plugins.sort_unstable();
    plugins
}

/// What a process uses at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes of resident memory.
    pub memory: u64,
    /// Threads.
    pub threads: u64,
    /// Open files, sockets among them.
    pub files: u64,
}

/// What a process uses now; none if it has ended.
pub fn usage(pid: u32) -> Option<Usage> {
    let count = |what: &str| Some(fs::read_dir(format!("/proc/{pid}/{what}")).ok()?.count() as u64);
    let usage = Usage {
        memory: resident_bytes(pid),
        threads: count("task")?,
        files: count("fd")?,
    };
    (usage.memory > 0).then_some(usage)
}

/// The arguments with which a process was started.
pub fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0);
    arguments
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

/// The unix sockets on which a process listens.
pub fn listening_sockets(pid: u32) -> Vec<PathBuf> {
    let inodes: Vec<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            Some(
                target
                    .to_str()?
                    .strip_prefix("socket:[")?
                    .strip_suffix(']')?
                    .to_owned(),
            )
        })
        .collect();
    // Columns: address, count, protocol, flags, type, state, inode, path. The flag is the kernel's __SO_ACCEPTCON.
    let table = fs::read_to_string("/proc/net/unix").unwrap();
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 7 && row[3] == "00010000" && inodes.iter().any(|inode| inode == row[6]))
        .map(|row| PathBuf::from(row[7]))
        .collect()
}

/// Bytes of memory that a process has in use now; 0 if it has ended.
pub fn resident_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmRSS:")
}

/// Bytes of memory that a process has had in use at most; 0 if it has ended.
pub fn peak_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmHWM:")
}

fn memory_bytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Whether a process has ended.
pub fn has_ended(pid: u32) -> bool {
    !matches!(stat(pid), Some((state, _)) if state != 'Z')
}

/// SIGKILL. A process that is gone already is no failure.
pub fn kill(pid: u32) {
    let killed = rustix::process::kill_process(to_pid(pid), Signal::KILL);
    assert!(
        matches!(killed, Ok(()) | Err(Errno::SRCH)),
        "kill {pid}: {killed:?}"
    );
}

/// SIGTERM: the process may end in order.
pub fn terminate(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::TERM).unwrap();
}

/// SIGHUP: a server reads its configuration again.
pub(crate) fn hang_up(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::HUP).unwrap();
}

/// SIGSTOP: the process does nothing more until it is killed.
pub fn stop(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::STOP).unwrap();
}

/// Waits until a child of this process has ended. It stays in the kernel's table until its owner waits for it, so that
/// nobody else gets its number.
pub(crate) fn wait_for_child(pid: u32) {
    rustix::process::waitid(
        WaitId::Pid(to_pid(pid)),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .unwrap();
}

/// Makes this process the parent of orphans below it, so that [`wait_for_orphan`] can wait for one.
pub fn adopt_orphans() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
}

/// Waits until an adopted process ends; false if it is still there after `patience`.
pub fn wait_for_orphan(pid: u32, patience: Duration) -> bool {
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let end = rustix::process::waitpid(Some(to_pid(pid)), WaitOptions::empty());
        assert!(
            matches!(end, Ok(Some(_)) | Err(Errno::CHILD)),
            "wait for {pid}: {end:?}"
        );
        let _ = sender.send(());
    });
    ended.recv_timeout(patience).is_ok() && has_ended(pid)
}

fn all() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

fn parent(pid: u32) -> Option<u32> {
    stat(pid).map(|(_, parent)| parent)
}

/// A process's state and its parent. The name before them may hold spaces and parentheses, so they count from its end.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn runs(pid: u32, binary: &str) -> bool {
    fs::read_link(format!("/proc/{pid}/exe"))
        .is_ok_and(|exe| exe.file_name().is_some_and(|name| name == binary))
}

fn to_pid(pid: u32) -> Pid {
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}
