//! A drop-in for Vault's KV secrets engine, both of its versions.
//!
//! The mount's option `version` selects the version: absent or `1` is [one value a path](passthrough), `2` keeps
//! [versions](versions). Paths, bodies, statuses and texts are those of Vault's own engine, so that its clients notice
//! no difference. `guest/build.sh versioned-kv` builds the guest; `docs/operating.md` says how to deploy it.
//!
//! # What is stored
//! | key | holds |
//! |---|---|
//! | `names` | the key that encrypts names, see [`names`] |
//! | `config` | the settings of the mount, see [`settings`] |
//! | `metadata/NAME` | the metadata of a key, see [`metadata`] |
//! | `versions/NAME/N` | the data of a version: the JSON that was written |
//! | `v1/NAME` | a value of version 1 |
//! | `upgrade` | a note once nothing of version 1 is left, see [`upgrade_note`] |
//!
//! `NAME` is a path of which each segment is encrypted. Everything but values may be kept in the host's memory. Then
//! reading a secret costs one storage call, and writing one costs only its puts.
//!
//! # What to watch
//! - Vault can be killed between any two writes of a request, so their order matters: data comes before the metadata
//!   that names it, and data is deleted only after the metadata no longer names it.
//! - The existence check must not write; every other request may.

use airlock_sdk::{Context, Description, Engine, Options, Result, Routes, System, route};

use extensions::Extensions;

mod config;
mod custom_metadata;
mod data;
mod events;
mod exact;
mod extensions;
mod fields;
mod go;
mod invalid;
mod key;
mod layout;
mod list;
mod metadata;
mod model;
mod names;
mod passthrough;
mod path;
mod purge;
mod settings;
mod subkeys;
mod transfer;
mod upgrade;
mod upgrade_note;
mod version_table;
mod versions;
mod walk;

airlock_sdk::export!(VersionedKv);

struct VersionedKv;

const VERSION_2: Routes = route::checked(&[
    config::PATH,
    data::PATH,
    metadata::PATH,
    versions::DELETE,
    versions::UNDELETE,
    versions::DESTROY,
    subkeys::PATH,
    invalid::PATH,
]);

/// The routes of version 2, with the paths that Vault's engine does not have.
const EXTENDED: Routes = route::checked(&[
    config::PATH,
    data::PATH,
    metadata::PATH,
    versions::DELETE,
    versions::UNDELETE,
    versions::DESTROY,
    subkeys::PATH,
    list::RECURSIVE,
    list::DETAILED,
    transfer::COPY,
    transfer::MOVE,
    invalid::PATH,
]);

impl Engine for VersionedKv {
    const DESCRIPTION: Description = Description::new(
        "versioned-kv",
        env!("CARGO_PKG_VERSION"),
        "Keeps secrets, with their versions if the mount's option version is 2, as Vault's KV engine does.",
    )
    .storage(&[
        names::KEY,
        settings::KEY,
        upgrade_note::KEY,
        layout::METADATA,
        layout::VERSIONS,
        layout::VALUES,
    ])
    .cacheable(&[names::KEY, settings::KEY, upgrade_note::KEY, layout::METADATA])
    // For the position of the purge.
    .scratch_bytes(16 << 10)
    .seal_wrap(&[names::KEY, layout::VERSIONS, layout::VALUES]);

    const ROUTES: Routes = &[passthrough::PATH];

    fn routes(system: &System) -> Routes {
        let options = system.config();
        if !is_version_2(&options) {
            Self::ROUTES
        } else if Extensions::of(&options).have_paths() {
            EXTENDED
        } else {
            VERSION_2
        }
    }

    fn periodic(cx: &Context) -> Result<()> {
        let options = cx.system.config();
        if !is_version_2(&options) {
            return Ok(());
        }
        upgrade::some(cx)?;
        if Extensions::of(&options).purge {
            purge::some(cx)?;
        }
        Ok(())
    }
}

fn is_version_2(options: &Options) -> bool {
    options.get("version") == Some("2")
}

#[cfg(test)]
mod tests;
