//! Special paths: what an engine asks of Vault's router and storage.

/// Paths that Vault treats specially, like `logical.Paths` of Vault's SDK.
///
/// A path is exact, or a prefix with a trailing `*`; `+` stands for one segment, except in `root`. A storage prefix is
/// exact, or a prefix with a trailing `/`.
///
/// ```
/// use airlock_logical::SpecialPaths;
///
/// let paths = SpecialPaths {
///     root: vec!["config".into()],
///     unauthenticated: vec!["login/*".into(), "roles/+/public".into()],
///     ..SpecialPaths::default()
/// };
/// assert!(paths.local_storage.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpecialPaths {
    /// Paths that need a token with `sudo`.
    pub root: Vec<String>,
    /// Paths that are served without a token.
    pub unauthenticated: Vec<String>,
    /// Storage that is not replicated.
    pub local_storage: Vec<String>,
    /// Storage to wrap with the seal's key too.
    pub seal_wrap_storage: Vec<String>,
    /// Storage whose writes go to the primary cluster.
    pub write_forwarded_storage: Vec<String>,
    /// Paths that take bytes in place of JSON. Vault does not offer them to plugins.
    pub binary: Vec<String>,
    /// Paths under Vault's request limiter. Vault only.
    pub limited: Vec<String>,
    /// Paths that can be read from a snapshot. Vault only.
    pub allow_snapshot_read: Vec<String>,
}

impl SpecialPaths {
    /// Names the kinds of paths in which two sets differ, for a message.
    ///
    /// ```
    /// use airlock_logical::SpecialPaths;
    ///
    /// let sealed = SpecialPaths { seal_wrap_storage: vec!["config".into()], ..SpecialPaths::default() };
    /// assert_eq!(sealed.differences(&SpecialPaths::default()), ["seal wrap"]);
    /// assert!(sealed.differences(&sealed).is_empty());
    /// ```
    pub fn differences(&self, other: &SpecialPaths) -> Vec<&'static str> {
        let kinds = [
            ("sudo", &self.root, &other.root),
            ("without a token", &self.unauthenticated, &other.unauthenticated),
            ("local storage", &self.local_storage, &other.local_storage),
            ("seal wrap", &self.seal_wrap_storage, &other.seal_wrap_storage),
            (
                "forwarded writes",
                &self.write_forwarded_storage,
                &other.write_forwarded_storage,
            ),
            ("binary", &self.binary, &other.binary),
            ("limited", &self.limited, &other.limited),
            (
                "snapshot reads",
                &self.allow_snapshot_read,
                &other.allow_snapshot_read,
            ),
        ];
        let differing = kinds.into_iter().filter(|(_, one, another)| one != another);
        differing.map(|(name, _, _)| name).collect()
    }
}
