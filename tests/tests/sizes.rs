//! Tests the sizes of values and messages.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::LazyLock;

use airlock_tests::{Answer, Mount, Plugin, Server, Storage, files};
use serde_json::{Value, json};

/// The longest string in JSON that Vault accepts.
const MIB: usize = 1 << 20;

static SERVER: LazyLock<Server> = LazyLock::new(|| serve("sizes", Storage::Memory));

/// Makes a text of distinct parts, so that a lost, doubled or moved part is noticed.
fn text(length: usize) -> String {
    let mut text: String = (0..=length / 8).map(|number| format!("{number:08x}")).collect();
    text.truncate(length);
    text
}

#[test]
fn values_of_any_size_up_to_a_mebibyte_come_back_whole() {
    let kv = SERVER.mount("values", "airlock-kv");
    for length in [
        0,
        1,
        4095,
        16 << 10,
        (16 << 10) + 1,
        64 << 10,
        MIB / 2,
        MIB - 1,
        MIB,
    ] {
        let value = text(length);
        kv.write("large", json!({"value": value})).expect_success("write");
        assert!(
            kv.read("large").data()["value"] == value.as_str(),
            "a value of {length} bytes came back otherwise"
        );
    }
}

#[test]
fn text_that_grows_when_escaped_comes_back_whole() {
    let kv = SERVER.mount("escaped", "airlock-kv");
    let value = "\u{1}\"\\".repeat(MIB / 16); // three times as long in JSON
    kv.write("large", json!({"value": value})).expect_success("write");
    assert!(kv.read("large").data()["value"] == value.as_str());
}

#[test]
fn message_of_six_mebibytes_passes() {
    let kv = SERVER.mount("message", "airlock-kv");
    let padding = text(MIB);
    let mut fields: Value = ["b", "c", "d", "e", "f"]
        .iter()
        .map(|&name| (name, json!(padding)))
        .collect();
    fields["value"] = json!(padding);
    kv.write("large", fields).expect_success("write");
    assert!(kv.read("large").data()["value"] == padding.as_str());
}

/// Makes a value of this many parts of 512 KiB. It comes in parts because Vault accepts no string longer than 1 MiB.
fn parts(count: usize) -> Value {
    (0..count).map(|_| json!(text(MIB / 2))).collect()
}

#[test]
fn value_of_five_mebibytes_is_stored_where_storage_takes_it() {
    let kv = SERVER.mount("five", "airlock-kv");
    let value = parts(10);
    kv.write("large", json!({"value": value})).expect_success("write");
    let stored = kv.read("large");
    let text = stored.data()["value"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(text).unwrap() == value);
}

/// A server with integrated storage, which takes entries of 1 MiB. The limit includes what Vault adds to key and value.
static RAFT: LazyLock<Server> = LazyLock::new(|| serve("sizes-raft", Storage::Disk));

fn serve(name: &str, storage: Storage) -> Server {
    let server = Server::start(name, storage);
    Plugin::kv().register(&server);
    Plugin::serving("bank", &files::guest("bank")).register(&server);
    server
}

/// Bytes that the server adds to an entry in raft: 33 for its encryption, and 12 for the log's encoding if the key has
/// less than 128 bytes and the value has 16 KiB to 2 MiB.
const ADDED: usize = 33 + 12;

/// Returns the longest value that raft takes under a key of a mount, if `more` bytes are stored with it.
fn longest(key: &str, more: usize) -> usize {
    let key = SERVERS_FOLDER.len() + key.len();
    assert!(key < 128);
    MIB - ADDED - key - more
}

/// Returns the most bytes that OpenBao adds for raft's index, whose length is unknown: a tag and a number of up to ten
/// bytes.
fn added_at_most() -> usize {
    if is_openbao() { 11 } else { 0 }
}

fn is_openbao() -> bool {
    files::vault().file_name().is_some_and(|name| name == "bao")
}

/// Returns true if a value of this length is stored, false if it is refused, and `None` if only the server knows.
fn is_stored(length: usize, longest: usize) -> Option<bool> {
    match length {
        _ if length > longest => Some(false),
        _ if length <= longest - added_at_most() => Some(true),
        _ => None,
    }
}

/// The server puts `logical/` and the mount's id before each key of a mount.
const SERVERS_FOLDER: &str = "logical/01234567-89ab-cdef-0123-456789abcdef/";

/// Returns all lengths from 1,048,450 bytes to 1 MiB, and those around the limit of raft.
fn lengths(longest: usize) -> Vec<usize> {
    let mut lengths: Vec<usize> = (longest - 16..=longest + 12).chain(1_048_450..=MIB).collect();
    lengths.sort_unstable();
    lengths.dedup();
    lengths
}

const TOO_LARGE: &str = "put failed due to value being too large";

#[test]
fn a_value_is_stored_whole_up_to_rafts_limit_and_refused_above() {
    let kv = RAFT.mount("values", "airlock-kv");
    let longest = longest("kv/large", 0);
    let mut last = Value::Null;
    for length in lengths(longest) {
        let value = text(length);
        let answer = kv.write("large", json!({"value": value}));
        if is_stored(length, longest).unwrap_or(answer.status == 200) {
            assert_eq!(answer.status, 200, "{length}, {longest}: {answer:?}");
            last = json!(value);
        } else {
            assert_eq!(answer.status, 413, "{length}, {longest}: {answer:?}");
            // The host passes on the server's error.
            assert!(answer.errors().contains(TOO_LARGE), "{answer:?}");
        }
        assert!(kv.read("large").data()["value"] == last, "{length}");
    }
    let answer = kv.write("large", json!({"value": parts(10)}));
    assert!(
        answer.status == 413 && answer.errors().contains(TOO_LARGE),
        "{answer:?}"
    );
}

/// The way in which a note is stored. It determines the entry that holds the note first, and the bytes beside it.
#[derive(Clone, Copy)]
enum Note {
    /// Alone, in one put.
    Alone,
    /// With another entry, through a redo record. As the last entry the note is in the record's header.
    Last,
    /// With another entry, through a redo record. As the first entry the note is in a piece of the record.
    First,
}

const ID: &str = "0123456789abcdef01234567-0123456789abcdef";
/// Version, number of pieces, length.
const HEADER: usize = 13;
/// Tag, length of the key, length of the value.
const WRITE: usize = 9;

impl Note {
    fn longest(self) -> usize {
        // All names here are as long as this.
        let key = "note/n1048576";
        match self {
            Note::Alone => longest(key, 0),
            Note::Last => longest(&format!(".airlock/redo/{ID}"), HEADER + WRITE + key.len()),
            Note::First => longest(&format!(".airlock/redo/{ID}.0"), WRITE + key.len()),
        }
    }

    /// Returns true if a note of this length is stored in raft, false if it is refused, and `None` if only the server
    /// knows.
    fn is_stored(self, length: usize) -> Option<bool> {
        match is_stored(length, self.longest()) {
            // OpenBao stores the two entries in one of its own transactions, which needs no record.
            Some(false) if is_openbao() && !matches!(self, Note::Alone) => None,
            known => known,
        }
    }

    fn make(self, bank: &Mount, bytes: usize) -> Answer {
        let (alone, first) = (matches!(self, Note::Alone), matches!(self, Note::First));
        bank.write(
            &format!("notes/n{bytes}"),
            json!({"bytes": bytes, "alone": alone, "first": first}),
        )
    }
}

/// Makes notes of these lengths. Each must be stored whole, with the entry beside it, up to the longest that storage
/// takes if `limited`. A longer one must be answered 413, and then none of it may be stored.
fn make_notes(
    server: &Server,
    bank: &Mount,
    how: Note,
    lengths: impl IntoIterator<Item = usize>,
    limited: bool,
) {
    let mut last = server.stored(bank.name(), "noted").unwrap_or_default();
    for length in lengths {
        let before = server.stored_keys(bank.name());
        let (name, answer) = (format!("n{length}"), how.make(bank, length));
        let note = bank.read(&format!("notes/{name}"));
        let expected = if limited {
            how.is_stored(length)
        } else {
            Some(true)
        };
        if expected.unwrap_or(answer.status == 204) {
            assert_eq!(answer.status, 204, "{length}: {answer:?}");
            if !matches!(how, Note::Alone) {
                last.clone_from(&name);
            }
            assert_eq!(note.data(), &json!({"bytes": length, "last": last}), "{length}");
            bank.delete(&format!("notes/{name}")).expect_success("remove");
        } else {
            assert_eq!(answer.status, 413, "{length}: {answer:?}");
            assert!(answer.errors().contains("for storage"), "{answer:?}");
            assert_eq!(note.status, 404, "{length}");
            assert_eq!(server.stored_keys(bank.name()), before, "{length}");
        }
    }
    // The name of the last note was not stored without its note.
    assert_eq!(server.stored(bank.name(), "noted").unwrap_or_default(), last);
}

#[test]
fn a_commit_is_stored_whole_up_to_rafts_limit_or_413_and_nothing() {
    // This test has its own server, because a reload expects that the server runs only one host.
    let server = serve("sizes-notes", Storage::Disk);
    let bank = server.mount("notes", "bank");
    let alone = Note::Alone.longest();
    for how in [Note::Alone, Note::Last, Note::First] {
        let longest = how.longest();
        assert!(
            longest <= alone,
            "a record holds an entry that storage does not take"
        );
        make_notes(&server, &bank, how, lengths(longest), true);
        assert_eq!(how.make(&bank, 5 * MIB).status, 413);
    }
    // No record is left to be finished, and the mount serves.
    server.reload("notes");
    assert!(
        !server
            .stored_keys("notes")
            .iter()
            .any(|key| key.starts_with(".airlock/redo/"))
    );
    assert_eq!(Note::Last.make(&bank, 2).status, 204);
}

#[test]
fn a_commit_of_any_size_is_stored_where_storage_takes_it() {
    let bank = SERVER.mount("notes", "bank");
    for how in [Note::Alone, Note::Last, Note::First] {
        make_notes(
            &SERVER,
            &bank,
            how,
            lengths(how.longest()).into_iter().step_by(8),
            false,
        );
        assert_eq!(how.make(&bank, 5 * MIB).status, 204);
        assert_eq!(bank.read(&format!("notes/n{}", 5 * MIB)).data()["bytes"], 5 * MIB);
    }
}
