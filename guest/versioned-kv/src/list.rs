//! Lists names: `LIST metadata/PATH`, with pages, which Vault's engine does not have, and its extensions `LIST
//! recursive-metadata/PATH` and `LIST detailed-metadata/PATH`.
//!
//! The extensions have paths of their own, so that a policy can allow or deny them. The first names keys below folders
//! that the policy may not allow to list, and the second shows metadata that otherwise needs a read. OpenBao asks its
//! policies for `scan` when a request lists everything below a folder, so there `SCAN` needs no option on the paths
//! that OpenBao's engine has.

use airlock_sdk::{Context, Map, Response, Result, Value, fields, route};

use crate::extensions::Extensions;
use crate::key::Key;
use crate::layout::{METADATA, VALUES};
use crate::model::KeyMetadata;
use crate::names::Names;
use crate::path::Path;
use crate::{invalid, upgrade_note};
use airlock_sdk::field::Int;

pub(crate) const RECURSIVE: Path = &route("recursive-metadata/{path...}")
    .synopsis("List everything below a folder.")
    .list(list_below);

pub(crate) const DETAILED: Path = &route("detailed-metadata/{path...}")
    .synopsis("List a folder, and what is known about each key in it.")
    .list(list_detailed);

fields! {
    pub(crate) struct Fields {
        /// Location of the folder.
        pub path: String,
        /// Names after this one only.
        pub after: String as query = String::new(),
        /// The most names to return; 0 returns all.
        pub limit: Int as query = Int(0),
    }
}

fn list_below(cx: &Context, at: Fields) -> Result<Response> {
    if !Extensions::on(cx).recursive_list {
        return Ok(invalid::answer(cx));
    }
    recursive(cx, &at)
}

fn list_detailed(cx: &Context, at: Fields) -> Result<Response> {
    if !Extensions::on(cx).detailed_list {
        return Ok(invalid::answer(cx));
    }
    let (mut names, mut about) = (Vec::new(), Map::new());
    for entry in page(folder(cx, &at.path)?, at) {
        if let Some(metadata) = entry.metadata(cx)? {
            about.insert(entry.name.clone(), metadata.shown()?);
        }
        names.push(entry.name);
    }
    if names.is_empty() {
        return Ok(Response::list(names));
    }
    let mut data = Map::new();
    data.insert("keys".into(), names.into());
    data.insert("key_info".into(), about.into());
    Response::json(&Value::Object(data))
}

/// An entry of a folder: a key, or a folder if its name ends in `/`.
pub(crate) struct Entry {
    pub name: String,
    /// Its whole path, encrypted as in storage.
    stored: String,
}

impl Entry {
    pub(crate) fn is_folder(&self) -> bool {
        self.name.ends_with('/')
    }

    /// Returns the metadata of a key of version 2, or `None` for a folder.
    pub(crate) fn metadata(&self, cx: &Context) -> Result<Option<KeyMetadata>> {
        if self.is_folder() {
            return Ok(None);
        }
        Key::named(cx, self.stored.clone()).metadata()
    }
}

/// Returns the entries of a folder of version 2, in order. The path is empty or ends in `/`.
pub(crate) fn folder(cx: &Context, path: &str) -> Result<Vec<Entry>> {
    let Some(folders) = Folders::of_version_2(cx)? else {
        return Ok(Vec::new());
    };
    folders.entries(&folders.stored(path)?)
}

/// Returns the entries of a folder of version 1, in order.
pub(crate) fn folder_of_version_1(cx: &Context, path: &str) -> Result<Vec<Entry>> {
    let Some(folders) = Folders::of_version_1(cx)? else {
        return Ok(Vec::new());
    };
    folders.entries(&folders.stored(path)?)
}

/// Returns the entries on the page that a request asks for.
pub(crate) fn page(entries: Vec<Entry>, asked: Fields) -> impl Iterator<Item = Entry> {
    let most = asked.at_most();
    let after = entries.into_iter().filter(move |entry| entry.name > asked.after);
    after.take(most)
}

/// Lists all keys of version 2 below a folder, relative to it and in order.
pub(crate) fn recursive(cx: &Context, asked: &Fields) -> Result<Response> {
    all_below(Folders::of_version_2(cx)?, asked)
}

/// Lists all keys of version 1 below a folder, relative to it and in order.
pub(crate) fn recursive_of_version_1(cx: &Context, asked: &Fields) -> Result<Response> {
    all_below(Folders::of_version_1(cx)?, asked)
}

fn all_below(folders: Option<Folders<'_>>, asked: &Fields) -> Result<Response> {
    let keys = match folders {
        Some(folders) => folders.keys_below(&folders.stored(&asked.path)?, asked)?,
        None => Vec::new(),
    };
    Ok(Response::list(keys))
}

impl Fields {
    fn at_most(&self) -> usize {
        let limit = usize::try_from(self.limit.0).ok();
        limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX)
    }
}

/// The folders of a mount.
struct Folders<'c> {
    cx: &'c Context,
    names: Names,
    /// The storage prefixes of their entries.
    prefixes: &'static [&'static str],
}

impl<'c> Folders<'c> {
    fn of_version_1(cx: &'c Context) -> Result<Option<Folders<'c>>> {
        Folders::below(cx, &[VALUES])
    }

    fn of_version_2(cx: &'c Context) -> Result<Option<Folders<'c>>> {
        // A key that is not upgraded yet is listed too.
        if upgrade_note::is_pending(cx)? {
            Folders::below(cx, &[METADATA, VALUES])
        } else {
            Folders::below(cx, &[METADATA])
        }
    }

    /// Returns `None` if the storage is empty.
    fn below(cx: &'c Context, prefixes: &'static [&'static str]) -> Result<Option<Folders<'c>>> {
        let names = Names::load(cx)?;
        Ok(names.map(|names| Folders { cx, names, prefixes }))
    }

    /// Returns the encrypted path of a folder, as in storage.
    fn stored(&self, path: &str) -> Result<String> {
        match path.trim_end_matches('/') {
            "" if path.len() < 2 => Ok(String::new()),
            folder => Ok(self.names.encrypt(folder)? + "/"),
        }
    }

    fn entries(&self, folder: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for prefix in self.prefixes {
            for entry in self.cx.storage.list(&format!("{prefix}{folder}"))? {
                entries.push(Entry {
                    name: self.names.decrypt(folder, &entry)?,
                    stored: format!("{folder}{entry}"),
                });
            }
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        entries.dedup_by(|a, b| a.name == b.name);
        Ok(entries)
    }

    /// Returns all keys below a folder. It does not recurse, because a path may have more segments than the stack has
    /// room for.
    fn keys_below(&self, folder: &str, asked: &Fields) -> Result<Vec<String>> {
        let mut found = Vec::new();
        // A stack of the entries to visit; the last one is the next.
        let mut ahead = self.entries(folder)?;
        ahead.reverse();
        while found.len() < asked.at_most() {
            let Some(entry) = ahead.pop() else { break };
            let is_after = entry.name > asked.after;
            if !entry.is_folder() {
                found.extend(is_after.then_some(entry.name));
            } else if is_after || asked.after.starts_with(&entry.name) {
                let below = self.entries(&entry.stored)?.into_iter().rev();
                ahead.extend(below.map(|inner| Entry {
                    name: format!("{}{}", entry.name, inner.name),
                    ..inner
                }));
            }
        }
        Ok(found)
    }
}
