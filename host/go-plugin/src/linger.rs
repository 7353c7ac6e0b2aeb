//! Keeps connections open after the end of the process.
//!
//! A host has two ways to learn that its plugin is gone: the connection breaks, or the process has ended. If it learns
//! by the connection, every call in flight is an error to whoever waits for it. If it already knows that the process
//! has ended, a host such as Vault starts another one and sends those calls again. But the kernel closes a process's
//! connections before it tells the parent of the end. So a child process keeps them open, and does nothing else, until
//! the host hangs up.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

/// Keeps sockets open after this process's end, until the peer closes them or `longest` has passed. End the process
/// right after the call.
///
/// This is best effort: if no child can be started, the connections break as they would without this call.
#[allow(unsafe_code)]
pub(crate) fn keep_open(sockets: &[Arc<OwnedFd>], longest: Duration) {
    let mut sockets: Vec<RawFd> = sockets.iter().map(|socket| socket.as_raw_fd()).collect();
    sockets.sort_unstable();
    sockets.dedup();
    let mut polls: Vec<libc::pollfd> = sockets
        .into_iter()
        .map(|fd| libc::pollfd {
            fd,
            events: libc::POLLRDHUP,
            revents: 0,
        })
        .collect();
    let milliseconds = libc::c_int::try_from(longest.as_millis()).unwrap_or(libc::c_int::MAX);
    if polls.is_empty() {
        return;
    }
    // SAFETY: the child of a process with threads may make only system calls, and above all must not allocate or lock.
    // `hold` makes only system calls, on memory that was prepared before.
    unsafe {
        if libc::fork() == 0 {
            hold(&mut polls, milliseconds);
        }
    }
}

/// Runs in the child: closes everything except these sockets, waits, and ends.
#[allow(unsafe_code)]
fn hold(polls: &mut [libc::pollfd], milliseconds: libc::c_int) -> ! {
    // SAFETY: these are only system calls; `polls` is a live slice of the given length, and what is closed is not used
    // again.
    unsafe {
        // Above all this closes the pipes by which the host notices the end, and the connections to the host's own
        // services.
        let mut from: libc::c_uint = 0;
        let mut closed = true;
        for poll in polls.iter() {
            let fd = poll.fd.unsigned_abs();
            closed &= fd == from || close_range(from, fd.wrapping_sub(1));
            from = fd.wrapping_add(1);
        }
        closed &= close_range(from, libc::c_uint::MAX);
        // A kernel before 5.9 does not know the call.
        if closed {
            wait(polls, milliseconds);
        }
        libc::_exit(0)
    }
}

/// Waits until the peer has closed every socket. Each socket that closes may add `milliseconds`; there are only a few.
#[allow(unsafe_code)]
unsafe fn wait(polls: &mut [libc::pollfd], milliseconds: libc::c_int) {
    let mut open = polls.len();
    while open > 0 {
        // SAFETY: the caller vouches for the slice, and the length is the slice's.
        let ready = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, milliseconds) };
        if ready <= 0 {
            return;
        }
        for poll in polls.iter_mut().filter(|poll| poll.revents != 0) {
            // `poll` ignores negative descriptors from then on.
            (poll.fd, poll.revents) = (-1, 0);
            open -= 1;
        }
    }
}

#[allow(unsafe_code)]
unsafe fn close_range(first: libc::c_uint, last: libc::c_uint) -> bool {
    // SAFETY: the caller is responsible for what is closed; the call itself takes three numbers.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Returns the peer of a socket that a child of this process keeps open.
    fn held(longest: Duration) -> UnixStream {
        let (ours, peer) = UnixStream::pair().unwrap();
        let (mut inherited, ours_too) = std::io::pipe().unwrap();
        keep_open(&[Arc::new(ours.into())], longest);
        drop(ours_too);
        // The pipe ends once the child has closed what it inherited.
        assert_eq!(inherited.read(&mut [0]).unwrap(), 0);
        peer
    }

    #[test]
    fn a_child_holds_the_socket_alone_until_the_peer_hangs_up() {
        let mut peer = held(Duration::from_secs(3600));
        peer.set_nonblocking(true).unwrap();
        let open = peer.read(&mut [0]).unwrap_err();
        assert_eq!(open.kind(), ErrorKind::WouldBlock);
        peer.set_nonblocking(false).unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_child_holds_the_socket_for_no_longer_than_it_was_told() {
        let mut peer = held(Duration::from_millis(50));
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    }
}
