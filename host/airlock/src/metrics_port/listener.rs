//! The address on which the numbers are served: a port, or a socket that only the process's own user can open.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, fchmod, flock, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, socket_with};
use rustix::process::geteuid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::args::MetricsAddress;

/// Most connections that wait in the kernel's queue of a socket.
const QUEUE: i32 = 128;

/// A listener that takes the readers' connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A reader's connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(listener) => Box::new(listener.accept().await?.0),
            Self::Unix(listener) => Box::new(listener.accept().await?.0),
        })
    }
}

/// Listens on an address. Replaces a socket that nobody listens on.
pub(super) async fn listen(address: &MetricsAddress) -> io::Result<Listener> {
    match address {
        MetricsAddress::Loopback(address) => TcpListener::bind(address).await.map(Listener::Tcp),
        MetricsAddress::Unix(path) => {
            // Held until the socket listens: before, another process would take it for a stale one and remove it.
            let _lock = one_at_a_time(path)?;
            remove_stale(path)?;
            let socket = unix_socket()?;
            // Before it has a name, so that nobody else can open it in between (unix(7)).
            fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
            bind(&socket, &SocketAddrUnix::new(path)?)?;
            rustix::net::listen(&socket, QUEUE)?;
            UnixListener::from_std(socket.into()).map(Listener::Unix)
        }
    }
}

/// Locks a socket's path, so that only one process at a time removes a stale socket there and makes a new one.
///
/// The lock is on a file of its own, `PATH.lock`, which stays. Other users cannot open it, so they cannot hold the lock.
fn one_at_a_time(path: &Path) -> io::Result<OwnedFd> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |kind: io::ErrorKind, why: &dyn std::fmt::Display| {
        io::Error::new(kind, format!("{}: {why}", Path::new(&name).display()))
    };
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(&name, flags, Mode::RUSR | Mode::WUSR)
        .map_err(io::Error::from)
        .map_err(|error| failed(error.kind(), &error))?;
    let found = fstat(&file)?;
    let is_private = !Mode::from_raw_mode(found.st_mode).intersects(Mode::RWXG | Mode::RWXO);
    if found.st_uid != geteuid().as_raw() || !is_private {
        let why = "other users can open this file, and so could keep the socket from being made; remove it";
        return Err(failed(io::ErrorKind::PermissionDenied, &why));
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => failed(
            io::ErrorKind::WouldBlock,
            &"another process is making the same socket",
        ),
        error => error.into(),
    })?;
    Ok(file)
}

/// Makes a socket that waits for nothing.
fn unix_socket() -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Removes a socket that nobody listens on, as a process that was killed leaves it. Never removes anything else.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    // Does not wait: a process that has stopped takes no connection.
    let connected = || connect(unix_socket()?, &SocketAddrUnix::new(path)?);
    let nobody_listens = || connected() == Err(Errno::CONNREFUSED);
    match is_socket && nobody_listens() {
        true => fs::remove_file(path),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[tokio::test]
    async fn a_socket_that_another_process_is_making_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers.sock");
        let address = MetricsAddress::Unix(path.clone());
        let inode = || fs::symlink_metadata(&path).unwrap().ino();
        // The other process has made it, and does not listen yet.
        let lock = one_at_a_time(&path).unwrap();
        let others = unix_socket().unwrap();
        bind(&others, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        let before = inode();
        let refused = listen(&address).await.err().unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock, "{refused}");
        rustix::net::listen(&others, QUEUE).unwrap();
        drop(lock);
        // It listens now, so the socket is taken.
        let taken = listen(&address).await.err().unwrap();
        assert_eq!((taken.kind(), inode()), (io::ErrorKind::AddrInUse, before));
        drop(others);
        listen(&address).await.unwrap();
    }

    #[tokio::test]
    async fn a_lock_on_the_folder_keeps_no_socket_from_being_made() {
        let folder = tempfile::tempdir().unwrap();
        // As any user can who may list the folder.
        let opened = fs::File::open(folder.path()).unwrap();
        flock(&opened, FlockOperation::LockExclusive).unwrap();
        let path = folder.path().join("numbers.sock");
        listen(&MetricsAddress::Unix(path)).await.unwrap();
        let lock = fs::metadata(folder.path().join("numbers.sock.lock")).unwrap();
        assert_eq!(lock.mode() & 0o7777, 0o600);
    }

    #[tokio::test]
    async fn a_lock_that_others_could_hold_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("numbers.sock.lock");
        let address = MetricsAddress::Unix(folder.path().join("numbers.sock"));
        let others = folder.path().join("others");
        fs::write(&others, "").unwrap();
        std::os::unix::fs::symlink(&others, &lock).unwrap();
        let followed = listen(&address).await.err().unwrap();
        assert!(followed.to_string().contains("numbers.sock.lock: "), "{followed}");
        fs::remove_file(&lock).unwrap();
        fs::write(&lock, "").unwrap();
        fs::set_permissions(&lock, fs::Permissions::from_mode(0o604)).unwrap();
        let open = listen(&address).await.err().unwrap();
        assert!(open.to_string().ends_with("remove it"), "{open}");
        fs::remove_file(&lock).unwrap();
        listen(&address).await.unwrap();
    }
}
