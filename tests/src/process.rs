//! Processes as the kernel shows them: the plugins of a server, their sockets, their end.

use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

/// Returns the `airlock serve` processes that `server` started, oldest first.
pub fn hosts(server: u32) -> Vec<u32> {
    plugins(server, "airlock")
}

/// Returns the processes of a plugin's binary that `server` started, oldest first.
pub fn plugins(server: u32, binary: &str) -> Vec<u32> {
    let mut plugins: Vec<u32> = all()
        .filter(|&pid| parent(pid) == Some(server) && runs(pid, binary))
        .collect();
    plugins.sort_unstable();
    plugins
}

/// The resources of a process at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Bytes of resident memory.
    pub memory: u64,
    /// Threads.
    pub threads: u64,
    /// Open files, including sockets.
    pub files: u64,
}

/// Returns the resources that a process uses now, or `None` if it has ended.
pub fn usage(pid: u32) -> Option<Usage> {
    let count = |what: &str| Some(fs::read_dir(format!("/proc/{pid}/{what}")).ok()?.count() as u64);
    let usage = Usage {
        memory: resident_bytes(pid),
        threads: count("task")?,
        files: count("fd")?,
    };
    (usage.memory > 0).then_some(usage)
}

/// Returns the arguments with which a process was started.
pub fn arguments(pid: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0);
    arguments
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

/// Returns the unix sockets on which a process listens.
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

/// Returns the bytes of memory that a process uses now, or 0 if it has ended.
pub fn resident_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmRSS:")
}

/// Returns the most bytes of memory that a process has used, or 0 if it has ended.
pub fn peak_bytes(pid: u32) -> u64 {
    memory_bytes(pid, "VmHWM:")
}

fn memory_bytes(pid: u32, field: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Returns true if a process has ended.
pub fn has_ended(pid: u32) -> bool {
    !matches!(stat(pid), Some((state, _)) if state != 'Z')
}

/// Sends SIGKILL. Does not fail if the process has already ended.
pub fn kill(pid: u32) {
    let killed = rustix::process::kill_process(to_pid(pid), Signal::KILL);
    assert!(
        matches!(killed, Ok(()) | Err(Errno::SRCH)),
        "kill {pid}: {killed:?}"
    );
}

/// Sends SIGTERM, so that the process can shut down.
pub fn terminate(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::TERM).unwrap();
}

/// Sends SIGINT, as Ctrl-C does.
pub fn interrupt(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::INT).unwrap();
}

/// Sends SIGHUP, at which a server reads its configuration again.
pub(crate) fn hang_up(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::HUP).unwrap();
}

/// Sends SIGSTOP: the process does nothing more until it [continues](go_on) or is killed.
pub fn stop(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::STOP).unwrap();
}

/// Sends SIGCONT to a process that was [stopped](stop).
pub fn go_on(pid: u32) {
    rustix::process::kill_process(to_pid(pid), Signal::CONT).unwrap();
}

/// Waits until a child of this process has ended. The child stays in the kernel's table until its owner waits for it,
/// so that no other process gets its id.
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

/// Waits until an adopted process ends. Returns false if it still runs after `patience`.
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

/// Returns a process's state and its parent. The name before them may contain spaces and parentheses, so the fields are
/// counted from the end of the name.
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
