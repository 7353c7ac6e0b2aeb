//! Encrypts the names of keys for storage.
//!
//! Vault encrypts values in storage, but not keys. So each segment of a path is encrypted with AES-256 in SIV mode (RFC
//! 5297). SIV gives the same text for the same name, so that a key can be found again, and it detects a text that it
//! did not write. The mount makes its key at random when it first stores something. Each segment is bound to the one
//! before it, so equal names in different folders look different, and moving an entry in storage is detected. Folders
//! stay folders, so that storage can list them.

use std::cell::RefCell;
use std::fmt;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes256Siv;
use airlock_sdk::{Context, Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// The storage key of the encryption key.
pub(crate) const KEY: &str = "names";

/// The cipher that encrypts names.
pub(crate) struct Names(RefCell<Aes256Siv>);

#[derive(Serialize, Deserialize)]
struct Stored {
    /// 64 bytes in base64.
    key: String,
}

impl Names {
    /// Returns the mount's cipher, or `None` if nothing was stored yet.
    pub(crate) fn load(cx: &Context) -> Result<Option<Names>> {
        let Some(stored) = cx.storage.get_json::<Stored>(KEY)? else {
            return Ok(None);
        };
        let key = STANDARD.decode(stored.key).ok();
        let names = key.as_deref().and_then(Names::new);
        names
            .map(Some)
            .ok_or_else(|| Error::internal("the key of names is not what it should be"))
    }

    /// Makes and stores a new key, for a mount without one.
    pub(crate) fn draw(cx: &Context) -> Result<Names> {
        let key: [u8; 64] = cx.random.array();
        cx.storage.put_json(
            KEY,
            &Stored {
                key: STANDARD.encode(key),
            },
        )?;
        Names::new(&key).ok_or_else(|| Error::internal("a key of names has 64 bytes"))
    }

    fn new(key: &[u8]) -> Option<Names> {
        let cipher = Aes256Siv::new_from_slice(key).ok()?;
        Some(Names(RefCell::new(cipher)))
    }

    /// Encrypts a path. A slash at its end stays.
    pub(crate) fn encrypt(&self, path: &str) -> Result<String> {
        let (path, slash) = match path.strip_suffix('/') {
            Some(folder) => (folder, "/"),
            None => (path, ""),
        };
        let mut cipher = self.0.borrow_mut();
        let mut before = Vec::new();
        let mut encrypted = Vec::new();
        for segment in path.split('/') {
            before = cipher
                .encrypt([&before], segment.as_bytes())
                .map_err(|_| Error::user("the path is too long"))?;
            encrypted.push(URL_SAFE_NO_PAD.encode(&before));
        }
        Ok(encrypted.join("/") + slash)
    }

    /// Decrypts the name of an entry in an encrypted folder. A slash at its end stays.
    pub(crate) fn decrypt(&self, folder: &str, entry: &str) -> Result<String> {
        let (entry, slash) = match entry.strip_suffix('/') {
            Some(entry) => (entry, "/"),
            None => (entry, ""),
        };
        let before = folder
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
        let name = decoded(before)
            .zip(decoded(entry))
            .and_then(|(before, entry)| self.0.borrow_mut().decrypt([&before], &entry).ok());
        let name = name.and_then(|name| String::from_utf8(name).ok());
        name.map(|name| name + slash)
            .ok_or_else(|| Error::internal("a name in storage is not of this mount's making"))
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(byte: u8) -> Names {
        Names::new(&[byte; 64]).unwrap()
    }

    fn round_trip(names: &Names, path: &str) -> String {
        let encrypted = names.encrypt(path).unwrap();
        let mut folder = String::new();
        let mut plain = Vec::new();
        for segment in encrypted.split('/') {
            plain.push(names.decrypt(&folder, segment).unwrap());
            folder.push_str(segment);
            folder.push('/');
        }
        plain.join("/")
    }

    #[test]
    fn what_is_stored_already_is_found_by_its_name() {
        let names = names(0);
        let stored = "k-25w1q0MuRbNeVtJHol6itZoLg/7eC_yERk2LLqz-XD4k5ABCnA";
        assert_eq!(names.encrypt("team/db").unwrap(), stored);
    }

    #[test]
    fn every_path_comes_back() {
        for path in [
            "a",
            "a/b/c",
            "ünï/🗝",
            "a//b",
            "/a",
            "..",
            "a b",
            "\u{0}",
            &"x".repeat(500),
        ] {
            assert_eq!(round_trip(&names(1), path), path);
        }
    }

    #[test]
    fn a_folder_is_the_beginning_of_what_is_in_it() {
        let folder = names(1).encrypt("team/web/").unwrap();
        assert!(folder.ends_with('/'));
        assert!(names(1).encrypt("team/web/db").unwrap().starts_with(&folder));
    }

    #[test]
    fn the_same_name_looks_different_in_another_folder_and_on_another_mount() {
        let last = |names: &Names, path| {
            names
                .encrypt(path)
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_string()
        };
        let (here, there) = (last(&names(1), "a/db"), last(&names(1), "b/db"));
        assert_eq!(here, last(&names(1), "a/db"));
        assert_ne!(here, there);
        assert_ne!(here, last(&names(2), "a/db"));
    }

    #[test]
    fn what_the_mount_did_not_write_there_is_refused() {
        let names = names(1);
        let (folder, other) = (names.encrypt("a").unwrap(), names.encrypt("b").unwrap());
        let entry = names
            .encrypt("a/db")
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_string();
        assert_eq!(names.decrypt(&folder, &entry).unwrap(), "db");
        assert!(names.decrypt(&other, &entry).is_err());
        assert!(names.decrypt(&folder, "AAAA").is_err());
        assert!(names.decrypt(&folder, "not base64!").is_err());
    }
}
