//! The content of a mount's storage, which an operator may have restored from anywhere, and the keys that guests name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use airlock_storage::fuzz::{RecordedWrite, check_folder, check_key, children, read_record, write_record};
use airlock_storage::{
    Attempt, MAX_KEY_BYTES, MAX_KEY_SEGMENTS, MemoryStorage, Mount, Prefixes, Settings, StorageEntry,
};
use bytes::Bytes;
use vault_plugin::SpecialPaths;

use crate::{Input, Target, block_on};

/// The number of pieces; their lengths, two bytes each; the pieces; the header.
pub const REDO_RECORDS: Target = Target {
    name: "redo_records",
    run: redo_records,
    longest: 8192,
    mutations: 480_000,
    words: RECORD_WORDS,
    reshape: None,
};

const RECORD_WORDS: &[&str] = &[
    "\x02\0\0\0\0",
    "\x01\x01\0\0\0a\x01\0\0\0v",
    "\0\x01\0\0\0a",
    "\x02\x01\0\0\0b\0\0\0\0",
    "\x7f\u{7f}\u{7f}\u{7f}",
    "a/b",
    "..",
];

fn redo_records(input: &[u8]) -> bool {
    let mut input = Input(input);
    let lengths = input.list(4, |input| {
        usize::from(u16::from_le_bytes([input.byte(), input.byte()]))
    });
    let mut rest = input.rest();
    let pieces: Vec<Bytes> = lengths
        .into_iter()
        .map(|length| {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            rest = after;
            Bytes::copy_from_slice(piece)
        })
        .collect();
    let bytes = rest.len() + pieces.iter().map(Bytes::len).sum::<usize>();
    let Ok((_, writes)) = read_record(Bytes::copy_from_slice(rest), pieces) else {
        return false;
    };
    let size = |write: &RecordedWrite| match write {
        Ok(entry) => 9 + entry.key.len() + entry.value.len(),
        Err(key) => 5 + key.len(),
    };
    assert_eq!(
        writes.iter().map(size).sum::<usize>() + 13,
        bytes,
        "bytes were lost or made up"
    );
    let (header, pieces) = write_record(&writes);
    let (count, again) = read_record(header, pieces.clone()).expect("our own record cannot be read");
    assert_eq!(count as usize, pieces.len());
    assert!(again == writes, "a record came back as something else");
    true
}

/// Entries below `.airlock/redo/`: names, and values with their lengths in two bytes.
pub const RECOVERIES: Target = Target {
    name: "recoveries",
    run: recoveries,
    longest: 4096,
    mutations: 48_000,
    words: &[
        "000000000000000000000001-0000000000000001",
        ".0",
        ".1",
        ".void",
        ".aside",
        ".",
        "local/",
        "proof/",
        "-",
        "\x02\0\0\0\0\x07\0\0\0\0\0\0\0\0\x02\0\0\0ab",
        "\x02\x01\0\0\0",
        "reason: x\n",
        "ffffffffffffffffffffffff-",
        "/",
    ],
    reshape: None,
};

/// Returns true if a record was flushed.
fn recoveries(input: &[u8]) -> bool {
    let mut input = Input(input);
    let storage = Arc::new(MemoryStorage::new());
    let left = input.list(7, |input| {
        let name = input.text();
        (name, Bytes::copy_from_slice(input.counted()))
    });
    for (name, value) in &left {
        storage.insert(StorageEntry::new(format!(".airlock/redo/{name}"), value.clone()));
    }
    storage.insert(StorageEntry::new("own", "value"));
    let settings = Settings {
        redo_record: true,
        flush: Duration::from_millis(50),
        ..Settings::default()
    };
    let mount = Mount::new(storage.clone(), settings);
    let aside = block_on(async {
        let mut transaction = mount
            .begin(Attempt::FIRST)
            .await
            .expect("a record keeps the mount from serving");
        transaction.put(StorageEntry::new("kv/a", "1")).await.unwrap();
        transaction.put(StorageEntry::new("kv/b", "2")).await.unwrap();
        let committed = transaction.commit().await;
        committed.expect("a record keeps the mount from storing");
        let aside = mount.set_aside();
        mount.drain().await;
        aside
    });
    // A reason may name keys. Only an operator who requests it may see it.
    for aside in &aside {
        assert_eq!(format!("{aside:?}"), format!("SetAside({})", aside.record));
    }
    let stored: BTreeMap<String, Bytes> = storage
        .entries()
        .into_iter()
        .map(|entry| (entry.key, entry.value))
        .collect();
    assert_eq!(stored.get("kv/a").map(|value| &value[..]), Some(&b"1"[..]));
    if let [(name, header)] = &left[..]
        && !name.is_empty()
        && !name.contains(['.', '/'])
    {
        is_flushed_or_set_aside(header, &stored, aside.len());
    }
    // A record is flushed once: the same storage has nothing left to flush at the next start.
    let again = Arc::new(MemoryStorage::new());
    for entry in storage.entries() {
        again.insert(entry);
    }
    let settings = Settings {
        redo_record: true,
        ..Settings::default()
    };
    let mount = Mount::new(again.clone(), settings);
    block_on(async {
        drop(mount.begin(Attempt::FIRST).await.expect("the second start fails"));
        mount.drain().await;
    });
    assert!(
        again.entries() == storage.entries(),
        "the second start changed storage again"
    );
    let is_own = |key: &str| key.starts_with(".airlock/") || ["own", "kv/a", "kv/b"].contains(&key);
    stored.keys().any(|key| !is_own(key))
}

/// Compares storage after the recovery of a single record with its writes, in order, or with nothing if it cannot be
/// read.
fn is_flushed_or_set_aside(header: &Bytes, stored: &BTreeMap<String, Bytes>, aside: usize) {
    let mut expected = BTreeMap::from([("own".to_owned(), Bytes::from_static(b"value"))]);
    let record = read_record(header.clone(), Vec::new());
    let is_whole = matches!(record, Ok((0, _)));
    assert_eq!(
        aside,
        usize::from(!is_whole),
        "a record is set aside if it cannot be read"
    );
    if let Ok((0, writes)) = record {
        for write in writes {
            match write {
                Ok(entry) => expected.insert(entry.key, entry.value),
                Err(key) => expected.remove(&key),
            };
        }
    }
    // Entries that the mount stored afterwards.
    expected.insert("kv/a".to_owned(), Bytes::from_static(b"1"));
    expected.insert("kv/b".to_owned(), Bytes::from_static(b"2"));
    let guests = stored.iter().filter(|(key, _)| !key.starts_with(".airlock/"));
    assert!(
        guests.eq(expected.iter()),
        "storage does not hold what the record says"
    );
}

/// Prefixes, then a key, a folder and names.
pub const KEYS: Target = Target {
    name: "keys",
    run: keys,
    longest: 40_000,
    mutations: 50_000,
    words: &[
        "/",
        "//",
        ".",
        "..",
        "./",
        ".airlock/",
        ".airlock",
        "a/b",
        "kv/",
        "\0",
        "é",
        "a/a/a/a/a/a/a/a/",
    ],
    reshape: None,
};

/// Returns true if the input has a valid key or folder.
fn keys(input: &[u8]) -> bool {
    let mut input = Input(input);
    let (one, other) = (input.texts(4), input.texts(4));
    let key = input.text();
    let (declared, granted) = (Prefixes::from_iter(&one), Prefixes::from_iter(&other));
    let begins = |prefixes: &[String]| prefixes.iter().any(|prefix| key.starts_with(prefix.as_str()));
    assert_eq!(declared.contain(&key), begins(&one));
    assert_eq!(
        declared.and(&granted).contain(&key),
        begins(&one) && begins(&other)
    );
    let is_path = |path: &str| {
        path.split('/')
            .all(|segment| !segment.is_empty() && segment != "." && !segment.contains(".."))
            && path.split('/').count() <= MAX_KEY_SEGMENTS
    };
    let is_open = key.len() <= MAX_KEY_BYTES && begins(&one) && !key.starts_with(".airlock/");
    assert_eq!(
        check_key(&key, &declared).is_ok(),
        is_open && is_path(&key),
        "{key:?}"
    );
    let is_folder = key.is_empty() && begins(&one) || is_open && key.strip_suffix('/').is_some_and(is_path);
    assert_eq!(check_folder(&key, &declared).is_ok(), is_folder, "{key:?}");

    let map: BTreeMap<String, ()> = one.iter().chain(&other).map(|name| (name.clone(), ())).collect();
    let folder = input.text();
    if folder.is_empty() || folder.ends_with('/') {
        let after = input.text();
        let below = map
            .keys()
            .filter_map(|key| key.strip_prefix(folder.as_str()))
            .filter(|below| !below.is_empty());
        let names = below.map(|below| below.split_inclusive('/').next().unwrap_or_default().to_owned());
        let names: BTreeSet<String> = names.filter(|name| *name > after).collect();
        assert_eq!(
            children(&map, &folder, &after),
            Vec::from_iter(names),
            "{folder:?} after {after:?}"
        );
    }
    is_folder || is_open && is_path(&key)
}

/// The record of the special paths that Vault enforces.
pub const TOLD: Target = Target {
    name: "told_records",
    run: told,
    longest: 4096,
    mutations: 240_000,
    words: &[
        "{\"version\":1,\"told\":[",
        "\"root\":[\"a\"],",
        "\"unauthenticated\":[],",
        "\"local_storage\":[],",
        "\"binary\":[],",
        "\"seal_wrap_storage\":[],",
        "\"write_forwarded_storage\":[],",
        "\"limited\":[],",
        "\"allow_snapshot_read\":[]",
        "}]}",
        "null",
        "\"version\":2",
        "[[[[",
        "\"\\ud800\"",
    ],
    reshape: None,
};

fn told(input: &[u8]) -> bool {
    let Some(record) = airlock_mount::fuzz::read_told(input) else {
        return false;
    };
    let texts = |paths: &SpecialPaths| {
        paths
            .root
            .iter()
            .chain(&paths.unauthenticated)
            .map(String::len)
            .sum::<usize>()
    };
    assert!(record.iter().map(texts).sum::<usize>() <= input.len());
    let again = airlock_mount::fuzz::read_told(airlock_mount::fuzz::write_told(&record).as_bytes());
    assert_eq!(again, Some(record), "a record came back as something else");
    true
}

/// A file of a storage directory of `airlock call`.
pub const FOLDER_ENTRIES: Target = Target {
    name: "folder_entries",
    run: folder_entries,
    longest: 4096,
    mutations: 240_000,
    words: &[
        "{\"key\":\"",
        "\",\"seal_wrap\":true,",
        "\"bytes\":0,",
        "\"sha256\":\"",
        "\"}\n",
        "\\u0000",
        "\\ud800",
        "\n",
    ],
    reshape: None,
};

fn folder_entries(input: &[u8]) -> bool {
    match airlock_testkit::fuzz::entry(input) {
        Ok(entry) => {
            assert!(input.ends_with(&entry.value));
            true
        }
        Err(why) => {
            assert!(!why.contains(printable::is_unsafe), "{why:?} is shown to people");
            false
        }
    }
}
