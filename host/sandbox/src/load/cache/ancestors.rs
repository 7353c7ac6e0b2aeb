//! Checks that nobody else could put another directory in a directory's place.
//!
//! Whoever can write to a directory can rename its entries, so a directory is only as safe as the least safe directory
//! on its path from the root. In a sticky directory such as `/tmp`, others can add names but cannot rename or remove a
//! user's own.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Most symbolic links that are followed: as many as Linux follows.
const MOST_LINKS: usize = 40;
const STICKY: u32 = 0o1000;
const OTHERS_WRITE: u32 = 0o022;

/// Checks each directory and each symbolic link on the path to `directory`. They must belong to `owner` or to root.
/// `directory` itself is not checked.
///
/// # Errors
/// A text for people that names the first directory or link that others could replace or change, and says what to do.
pub(super) fn check(directory: &Path, owner: u32) -> Result<(), String> {
    let absolute = std::path::absolute(directory).map_err(|error| error.to_string())?;
    let mut way: VecDeque<OsString> = names(&absolute);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = way.pop_front() {
        let at = |error: io::Error| format!("{}: {error}", here.display());
        let folder = fs::symlink_metadata(&here).map_err(at)?;
        judge(&folder, owner).map_err(|why| format!("{} {why}", here.display()))?;
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let metadata = fs::symlink_metadata(&next).map_err(at)?;
        if !metadata.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err("has too many symbolic links on its way".to_owned());
        }
        if metadata.uid() != owner && metadata.uid() != 0 {
            return Err(format!("{} is a symbolic link of another user", next.display()));
        }
        let target = fs::read_link(&next).map_err(at)?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            way.push_front(name);
        }
    }
    Ok(())
}

/// Checks that others cannot replace what this user has in `directory`.
fn judge(directory: &Metadata, owner: u32) -> Result<(), String> {
    let mode = directory.mode();
    if directory.uid() != owner && directory.uid() != 0 {
        return Err("belongs to another user, who could replace what is in it".to_owned());
    }
    if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
        return Err(format!(
            "can be written to by others (mode {:03o}), who could replace what is in it; take that right away or choose \
             another directory",
            mode & 0o7777
        ));
    }
    Ok(())
}

/// Returns the names in a path, without its root. Keeps `..` as a name, because its meaning depends on the links before
/// it.
fn names(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    fn folder(below: &TempDir, path: &str, mode: u32) -> PathBuf {
        let path = below.path().join(path);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn checked(directory: &Path) -> Result<(), String> {
        check(directory, rustix::process::geteuid().as_raw())
    }

    #[test]
    fn a_directory_below_one_that_others_write_to_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let cache = folder(&temporary, "a/b/cache", 0o700);
        checked(&cache).unwrap();
        for mode in [0o777, 0o770, 0o702] {
            let open = folder(&temporary, "a", mode);
            let why = checked(&cache).unwrap_err();
            assert!(
                why.contains(&format!("{} can be written", open.display())),
                "{why}"
            );
            assert!(why.contains(&format!("mode {mode:o}")), "{why}");
        }
    }

    #[test]
    fn a_sticky_directory_protects_what_is_this_users() {
        let temporary = tempfile::tempdir().unwrap();
        let cache = folder(&temporary, "a/cache", 0o700);
        folder(&temporary, "a", 0o1777);
        checked(&cache).unwrap();
    }

    #[test]
    fn a_directory_below_another_users_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = fs::symlink_metadata(temporary.path()).unwrap();
        judge(&folder, folder.uid()).unwrap();
        // Everybody trusts root's directories, so nothing is refused if root runs this test.
        if folder.uid() != 0 {
            let why = judge(&folder, folder.uid() + 1).unwrap_err();
            assert!(why.contains("belongs to another user"), "{why}");
        }
    }

    #[test]
    fn the_way_through_a_link_is_checked_too() {
        let temporary = tempfile::tempdir().unwrap();
        let real = folder(&temporary, "open/real/cache", 0o700);
        folder(&temporary, "safe", 0o700);
        let link = temporary.path().join("safe/link");
        symlink("../open/real", &link).unwrap();
        checked(&link.join("cache")).unwrap();
        folder(&temporary, "open", 0o777);
        for way in [&real, &link.join("cache")] {
            let why = checked(way).unwrap_err();
            assert!(why.contains("open can be written"), "{why}");
        }
    }

    #[test]
    fn links_that_go_around_in_circles_are_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let link = temporary.path().join("link");
        symlink("link", &link).unwrap();
        assert!(checked(&link.join("cache")).unwrap_err().contains("too many"));
    }
}
