//! The paths of lists.

/// Adds the final `/` that Vault adds to the path of a list, unless the path has it. The path begins with that of the
/// mount.
pub fn list_path(mut path: String) -> String {
    if !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// Does the same to a path within a mount. The empty path stays empty, because the path of the mount itself ends in `/`.
pub fn list_path_in_mount(path: &str) -> String {
    match path {
        "" => String::new(),
        path => list_path(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_ends_in_a_slash_unless_it_is_of_the_mount() {
        assert_eq!(list_path("kv/a".to_owned()), "kv/a/");
        assert_eq!(list_path("kv/a/".to_owned()), "kv/a/");
        assert_eq!(list_path_in_mount("a/b"), "a/b/");
        assert_eq!(list_path_in_mount("a/"), "a/");
        assert_eq!(list_path_in_mount(""), "");
    }
}
