//! The private unix socket to which the host connects.
//!
//! By default it lies in a fresh directory that only this user can enter. Hosts that run plugins in containers name the
//! directory, which both sides then see, and may name a group whose members may use the socket.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode};
use tempfile::{TempDir, TempPath};
use tokio::net::UnixListener;

use crate::ServeError;

/// The variable with which the host names the directory.
pub(crate) const SOCKET_DIR: &str = "PLUGIN_UNIX_SOCKET_DIR";
/// The variable with which the host names the group.
pub(crate) const SOCKET_GROUP: &str = "PLUGIN_UNIX_SOCKET_GROUP";

/// `sun_path` has 108 bytes, of which one is the terminating zero (unix(7)).
const PATH_LIMIT: usize = 107;
const PREFIX: &str = "plugin";
const RANDOM_BYTES: usize = 8;

/// The place that the host wants for the socket.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// The directory that directly contains the socket; otherwise a fresh private one in the temporary directory.
    pub directory: Option<PathBuf>,
    /// The group, by name or number, that may connect.
    pub group: Option<String>,
}

/// The file of a listening socket. Dropping it removes the file, and the directory if one was made for it.
#[derive(Debug)]
pub(crate) struct Socket {
    // This field is dropped before the directory, so that the directory is empty when it is removed.
    path: TempPath,
    _directory: Option<TempDir>,
}

impl Socket {
    /// Makes the socket and listens on it.
    pub fn listen(place: &Place) -> Result<(Socket, UnixListener), ServeError> {
        let group = place.group.as_deref().map(group_id).transpose()?;
        let (directory, private) = match &place.directory {
            Some(directory) => (directory.clone(), None),
            None => {
                let private = private_directory(group)?;
                (private.path().to_owned(), Some(private))
            }
        };
        let setting = if private.is_some() { "TMPDIR" } else { SOCKET_DIR };
        check_directory(&directory, setting)?;
        check_length(&directory, setting)?;

        let (listener, path) = name()
            .make_in(&directory, |path| UnixListener::bind(path))
            .map_err(|source| ServeError::Socket {
                action: "listen on a socket in",
                path: directory,
                source,
            })?
            .into_parts();
        if let Some(group) = group {
            share(&path, group, Mode::from_raw_mode(0o660))?;
        }
        Ok((
            Socket {
                path,
                _directory: private,
            },
            listener,
        ))
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn name() -> tempfile::Builder<'static, 'static> {
    let mut name = tempfile::Builder::new();
    name.prefix(PREFIX).rand_bytes(RANDOM_BYTES);
    name
}

/// Checks that a socket's path in this directory can be a field of the handshake line. `setting` is the variable that
/// names the directory.
pub(crate) fn check_directory(path: &Path, setting: &'static str) -> Result<(), ServeError> {
    match path.to_str() {
        Some(text) if !text.contains(['|', '\n', '\r']) => Ok(()),
        _ => Err(ServeError::Environment {
            name: setting,
            reason: "its path cannot stand in the handshake line: use one in UTF-8 without `|` and line ends"
                .into(),
        }),
    }
}

/// Makes a directory that nobody else can enter; with a group, its members can pass through to the socket.
fn private_directory(group: Option<Gid>) -> Result<TempDir, ServeError> {
    let parent = std::env::temp_dir();
    let directory = name()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .tempdir_in(&parent)
        .map_err(|source| ServeError::Socket {
            action: "make a directory for the socket (TMPDIR can name another place) in",
            path: parent,
            source,
        })?;
    if let Some(group) = group {
        share(directory.path(), group, Mode::from_raw_mode(0o710))?;
    }
    Ok(directory)
}

/// Checks the length of the path, because the kernel's own error would name neither the limit nor the remedy.
fn check_length(directory: &Path, setting: &'static str) -> Result<(), ServeError> {
    let path = directory.join(format!("{PREFIX}{}", "X".repeat(RANDOM_BYTES)));
    let length = path.as_os_str().as_bytes().len();
    if length > PATH_LIMIT {
        return Err(ServeError::SocketPathTooLong {
            path,
            length,
            limit: PATH_LIMIT,
            setting,
        });
    }
    Ok(())
}

/// Gives a path to a group, with this mode.
fn share(path: &Path, group: Gid, mode: Mode) -> Result<(), ServeError> {
    rustix::fs::chown(path, None, Some(group))
        .and_then(|()| rustix::fs::chmod(path, mode))
        .map_err(|errno| ServeError::Socket {
            action: "give to the group that the host names",
            path: path.to_owned(),
            source: errno.into(),
        })
}

/// Returns a group's number. Looks names up in `/etc/group` only, as a statically linked Go plugin does.
fn group_id(group: &str) -> Result<Gid, ServeError> {
    let id = match group.parse() {
        Ok(id) => Some(id),
        Err(_) => find_group(&read_groups()?, group),
    };
    id.map(Gid::from_raw).ok_or_else(|| ServeError::Environment {
        name: SOCKET_GROUP,
        reason: format!("/etc/group has no group {group:?}; a number works without it"),
    })
}

fn read_groups() -> Result<String, ServeError> {
    const GROUPS: &str = "/etc/group";
    let read = |error: io::Error| ServeError::Socket {
        action: "read",
        path: GROUPS.into(),
        source: error,
    };
    // The file may contain bytes that are not UTF-8.
    fs::read(GROUPS)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .map_err(read)
}

/// Finds the number of a group in lines of the form `name:password:number:members` (group(5)).
fn find_group(groups: &str, name: &str) -> Option<u32> {
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Report;
    use std::ffi::OsStr;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn by_default_nobody_else_reaches_the_socket_and_nothing_of_it_stays() {
        let (socket, _listener) = Socket::listen(&Place::default()).unwrap();
        let directory = socket.path().parent().unwrap().to_owned();
        assert_eq!(mode(&directory), 0o700);
        drop(socket);
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn the_hosts_directory_and_group_are_used_and_the_directory_stays() {
        let directory = tempfile::tempdir().unwrap();
        let group = fs::metadata(directory.path()).unwrap().gid();
        let place = Place {
            directory: Some(directory.path().into()),
            group: Some(group.to_string()),
        };
        let (socket, _listener) = Socket::listen(&place).unwrap();
        let path = socket.path().to_owned();
        assert_eq!(path.parent(), Some(directory.path()));
        assert_eq!(mode(&path), 0o660);
        assert_eq!(fs::metadata(&path).unwrap().gid(), group);
        drop(socket);
        assert!(!path.exists());
        assert!(directory.path().exists());
    }

    #[tokio::test]
    async fn a_path_that_no_socket_can_have_is_refused_with_the_way_out() {
        let directory = tempfile::tempdir().unwrap();
        let deep = directory.path().join("d".repeat(100));
        fs::create_dir(&deep).unwrap();
        let error = Socket::listen(&Place {
            directory: Some(deep),
            group: None,
        })
        .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("at most 107 are possible: set PLUGIN_UNIX_SOCKET_DIR to a shorter path"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn a_directory_that_breaks_the_handshake_line_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            OsStr::new("a|b"),
            OsStr::new("a\nb"),
            OsStr::new("a\rb"),
            OsStr::from_bytes(b"\xff"),
        ] {
            let unfit = directory.path().join(name);
            fs::create_dir(&unfit).unwrap();
            let place = Place {
                directory: Some(unfit),
                group: None,
            };
            let error = Socket::listen(&place).unwrap_err();
            assert!(
                matches!(error, ServeError::Environment { name: SOCKET_DIR, .. }),
                "{error}"
            );
        }
        let error = check_directory(Path::new("/tmp/a|b/plugin1"), "TMPDIR").unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }

    #[test]
    fn the_longest_possible_path_is_allowed() {
        let directory = |length| PathBuf::from(format!("/{}", "d".repeat(length - 1)));
        let longest = PATH_LIMIT - "/".len() - PREFIX.len() - RANDOM_BYTES;
        check_length(&directory(longest), SOCKET_DIR).unwrap();
        check_length(&directory(longest + 1), SOCKET_DIR).unwrap_err();
    }

    #[test]
    fn a_missing_directory_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        let place = Place {
            directory: Some(missing.clone()),
            group: None,
        };
        let text = Report::new(&Socket::listen(&place).unwrap_err()).to_string();
        let told = format!("cannot listen on a socket in {}: ", missing.display());
        assert!(text.starts_with(&told), "{text}");
    }

    #[test]
    fn groups_are_found_by_name() {
        let groups = "root:x:0:\n# a remark\nvault:x:1042:alice,bob\nbroken\n";
        assert_eq!(find_group(groups, "vault"), Some(1042));
        assert_eq!(find_group(groups, "root"), Some(0));
        assert_eq!(find_group(groups, "broken"), None);
        assert_eq!(find_group(groups, "alice"), None);
    }

    #[test]
    fn an_unknown_group_is_named() {
        let text = group_id("no-such-group").unwrap_err().to_string();
        assert!(
            text.contains("/etc/group has no group \"no-such-group\""),
            "{text}"
        );
    }
}
