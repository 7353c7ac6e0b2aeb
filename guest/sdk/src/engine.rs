//! Defines what an engine implements, and how it describes itself.

use crate::rotation::{self, Rotations};
use crate::route::pattern::{Segment, segments};
use crate::verb::Verb;
use crate::{Context, Error, Options, Result, Routes, Secrets, System, WalKinds, wal};

/// A secrets engine. [`export!`](crate::export) makes a guest of it, [`testing`](crate::testing) tests it.
///
/// An engine has no state of its own, because each request runs in a fresh instance. Data that must outlive a request
/// goes to [`storage`](crate::Storage).
pub trait Engine: 'static {
    /// The engine's name, version, storage and needs.
    const DESCRIPTION: Description;

    /// Its paths, in the order in which they are tried.
    const ROUTES: Routes;

    /// Returns the routes of this mount, for an engine whose mount options choose among tables. Each table is a
    /// constant. [`SpecialPaths::declared`] uses [`ROUTES`](Engine::ROUTES).
    fn routes(_system: &System) -> Routes {
        Self::ROUTES
    }

    /// The types of leased secrets that it hands out.
    const SECRETS: Secrets = &[];

    /// The kinds of write-ahead entries that it writes. If there are any, storage below `wal/` is theirs.
    const WAL: WalKinds = &[];

    /// The kinds of items that it rotates; see [`rotation`](crate::rotation). If there are any, storage below `rotation/` is the
    /// SDK's: there the SDK keeps the schedules, and an engine that writes there itself breaks them.
    const ROTATIONS: Rotations = &[];

    /// Returns the paths and prefixes that Vault treats specially, given the mount's options. Vault asks for them when
    /// it mounts or reloads the engine. By default they are those that the routes and the description declare.
    fn special_paths(_options: &Options) -> SpecialPaths {
        SpecialPaths::declared::<Self>()
    }

    /// Prepares the mount: once before its first request, and again after a restart. Keep it short, because Vault waits
    /// for it.
    ///
    /// # Errors
    /// Any; the mount then answers with it.
    fn initialize(_cx: &Context) -> Result<()> {
        Ok(())
    }

    /// Runs about once a minute. Keep it short, because the next tick follows.
    ///
    /// # Errors
    /// Any; Vault logs it.
    fn periodic(_cx: &Context) -> Result<()> {
        Ok(())
    }

    /// Runs when a job of Vault Enterprise's rotation manager is due. [`ROTATIONS`](Engine::ROTATIONS) need no such manager.
    ///
    /// # Errors
    /// Any; Vault tries again.
    fn rotate(_cx: &Context) -> Result<()> {
        Err(Error::UnsupportedOperation)
    }

    /// Forgets what was derived from this key, for example in [`scratch`](crate::Scratch), because storage changed
    /// beneath this mount.
    fn invalidate(_cx: &Context, _key: &str) {}
}

/// The description of an engine, made as a constant:
///
/// ```
/// # use airlock_sdk::Description;
/// const DESCRIPTION: Description =
///     Description::new("users", env!("CARGO_PKG_VERSION"), "Keeps users.").storage(&["user/", "config"]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Description {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) about: &'static str,
    pub(crate) help: &'static str,
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(crate) storage_version: u32,
    pub(crate) storage: &'static [&'static str],
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(crate) cacheable: &'static [&'static str],
    pub(crate) redo_record: bool,
    pub(crate) scratch_bytes: u32,
    #[cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]
    pub(crate) needs: Needs,
    seal_wrap: &'static [&'static str],
    local: &'static [&'static str],
    write_forwarded: &'static [&'static str],
}

/// The lowest limits under which an engine works. A host refuses to load it under lower limits. `None` means that the
/// host's default is enough.
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs)]
pub struct Needs {
    pub memory_bytes: Option<u64>,
    pub cpu_milliseconds: Option<u32>,
    pub wall_milliseconds: Option<u32>,
    pub storage_operations: Option<u32>,
}

impl Description {
    /// Makes a description from the engine's name, such as `users`; its version without a leading `v`, best
    /// `env!("CARGO_PKG_VERSION")`; and one sentence about it.
    pub const fn new(name: &'static str, version: &'static str, about: &'static str) -> Description {
        Description {
            name,
            version,
            about,
            help: about,
            storage_version: 1,
            storage: &[""],
            cacheable: &[],
            redo_record: false,
            scratch_bytes: 0,
            needs: Needs {
                memory_bytes: None,
                cpu_milliseconds: None,
                wall_milliseconds: None,
                storage_operations: None,
            },
            seal_wrap: &[],
            local: &[],
            write_forwarded: &[],
        }
    }

    /// Sets the help text of the whole engine, for `vault path-help MOUNT`.
    pub const fn help(mut self, text: &'static str) -> Description {
        self.help = text;
        self
    }

    /// Sets the version of the layout of the stored data. Raise it when older versions of the engine can no longer read
    /// the data. The default is 1.
    pub const fn storage_version(mut self, version: u32) -> Description {
        self.storage_version = version;
        self
    }

    /// Sets the prefixes under which the engine stores data, which the host enforces. The default allows all keys. The
    /// prefixes of write-ahead entries and of rotations are added if the engine has any.
    pub const fn storage(mut self, prefixes: &'static [&'static str]) -> Description {
        self.storage = prefixes;
        self
    }

    /// Sets the prefixes among these that the host may keep in memory. Never name prefixes with secrets.
    pub const fn cacheable(mut self, prefixes: &'static [&'static str]) -> Description {
        self.cacheable = prefixes;
        self
    }

    /// Asks that a commit of several keys is all or nothing even if the process is killed. It costs two more writes.
    /// Without it, choose an order of writes in which every prefix is a valid state.
    pub const fn redo_record(mut self) -> Description {
        self.redo_record = true;
        self
    }

    /// Sets the bytes of [`scratch`](crate::Scratch) for each mount, 0 to 1,048,576. An entry takes the bytes of its key and of
    /// its value, and 200 more. The default is 0.
    pub const fn scratch_bytes(mut self, bytes: u32) -> Description {
        if bytes > 1 << 20 {
            panic!("scratch is 1,048,576 bytes at most");
        }
        self.scratch_bytes = bytes;
        self
    }

    /// Sets the lowest limits under which the engine works.
    pub const fn needs(mut self, needs: Needs) -> Description {
        self.needs = needs;
        self
    }

    /// Sets the storage prefixes that the server also wraps with its seal.
    pub const fn seal_wrap(mut self, prefixes: &'static [&'static str]) -> Description {
        self.seal_wrap = prefixes;
        self
    }

    /// Sets the storage prefixes that are not replicated.
    pub const fn local_storage(mut self, prefixes: &'static [&'static str]) -> Description {
        self.local = prefixes;
        self
    }

    /// Sets the storage prefixes whose writes go to the primary.
    pub const fn write_forwarded_storage(mut self, prefixes: &'static [&'static str]) -> Description {
        self.write_forwarded = prefixes;
        self
    }
}

/// Returns the prefixes under which an engine stores data, for the host.
pub(crate) fn storage_prefixes<E: Engine + ?Sized>() -> Vec<&'static str> {
    let mut prefixes = E::DESCRIPTION.storage.to_vec();
    if !E::WAL.is_empty() && !prefixes.iter().any(|prefix| wal::PREFIX.starts_with(prefix)) {
        prefixes.push(wal::PREFIX);
    }
    let rotates = !E::ROTATIONS.is_empty();
    if rotates && !prefixes.iter().any(|prefix| rotation::PREFIX.starts_with(prefix)) {
        prefixes.push(rotation::PREFIX);
    }
    prefixes
}

/// The prefixes of an engine's storage, as functions, so that no request pays for a list of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefixes {
    pub(crate) all: fn() -> Vec<&'static str>,
    /// Returns true for a key below one of them.
    pub(crate) contain: fn(&str) -> bool,
}

impl Prefixes {
    pub(crate) fn of<E: Engine>() -> Prefixes {
        Prefixes {
            all: storage_prefixes::<E>,
            contain: |key| {
                E::DESCRIPTION
                    .storage
                    .iter()
                    .any(|prefix| key.starts_with(prefix))
                    || !E::WAL.is_empty() && key.starts_with(wal::PREFIX)
                    || !E::ROTATIONS.is_empty() && key.starts_with(rotation::PREFIX)
            },
        }
    }
}

/// Paths and storage prefixes that Vault treats specially. A trailing `*` makes a prefix, `+` matches one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpecialPaths {
    /// Paths that need a token with `sudo`.
    pub root: Vec<String>,
    /// Paths that are served without a token.
    pub unauthenticated: Vec<String>,
    /// Storage prefixes that are not replicated.
    pub local_storage: Vec<String>,
    /// Storage prefixes to wrap with the seal.
    pub seal_wrap_storage: Vec<String>,
    /// Storage prefixes whose writes go to the primary.
    pub write_forwarded_storage: Vec<String>,
    /// Paths with a rate limit of Vault's own.
    pub limited: Vec<String>,
    /// Paths that can be read from a snapshot.
    pub allow_snapshot_read: Vec<String>,
}

impl SpecialPaths {
    /// Returns what the routes and the description declare.
    pub fn declared<E: Engine + ?Sized>() -> SpecialPaths {
        let owned = |prefixes: &[&str]| prefixes.iter().map(|prefix| prefix.to_string()).collect();
        let mut paths = SpecialPaths {
            local_storage: owned(E::DESCRIPTION.local),
            seal_wrap_storage: owned(E::DESCRIPTION.seal_wrap),
            write_forwarded_storage: owned(E::DESCRIPTION.write_forwarded),
            ..SpecialPaths::default()
        };
        for route in E::ROUTES {
            let head = route.head();
            if head.unauthenticated {
                paths
                    .unauthenticated
                    .extend(special(head.pattern, head.has(Verb::List), "+"));
            }
            if head.sudo {
                paths
                    .root
                    .extend(special(head.pattern, head.has(Verb::List), "*"));
            }
        }
        paths
    }
}

/// Returns a pattern as Vault writes special paths, and the path of its list if it has one.
fn special(pattern: &'static str, lists: bool, one: &str) -> Vec<String> {
    let path: Vec<&str> = segments(pattern)
        .map(|segment| match segment {
            Segment::Literal(literal) => literal,
            Segment::One(_) => one,
            Segment::Rest(_) => "*",
        })
        .collect();
    let path = path.join("/");
    let list = (lists && !path.ends_with(['/', '*'])).then(|| format!("{path}/"));
    [Some(path), list].into_iter().flatten().collect()
}
