//! The format of a redo record.
//!
//! A record has a header, and pieces before it if its writes do not all fit into the header. The header consists of a
//! version byte (2), the number of pieces (u32), the length of all writes (u64), and writes. A piece consists of
//! writes. A write consists of a tag (0 delete, 1 put, 2 put with seal wrapping), the key, and for a put the value; key
//! and value are each preceded by their length (u32). All numbers are little-endian.
//!
//! No write is split. So the header or piece that contains a write is larger than the entry that the write will store,
//! and a storage that would reject the entry already rejects the record.

use crate::access::check_key;
use crate::transaction::writes::Write;
use crate::{Prefixes, StorageEntry};
use bytes::{Buf, BufMut, Bytes};
use zeroize::Zeroizing;

const VERSION: u8 = 2;
const HEADER_BYTES: usize = 13;
/// Small writes share a piece of up to this size; a larger write has a piece of its own. The size is far below the
/// limits that storages have by default, because an operator may lower them: a storage that does not take entries of
/// this size rejects records of small writes too.
const PIECE_BYTES: usize = 32 << 10;

const DELETE: u8 = 0;
const PUT: u8 = 1;
const PUT_SEAL_WRAPPED: u8 = 2;

/// A commit, encoded as values that storage can hold.
pub(crate) struct Record {
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) header: Bytes,
    /// True if one of the entries must be seal-wrapped.
    pub(crate) seal_wrap: bool,
}

impl Record {
    /// Encodes these writes, in their order. `seal_wrapped` are the keys that the server wraps because of their prefix.
    pub(crate) fn of<'w>(writes: impl Iterator<Item = &'w Write>, seal_wrapped: &Prefixes) -> Self {
        let mut seal_wrap = false;
        let mut groups: Vec<(usize, Vec<&Write>)> = vec![(0, Vec::new())];
        for write in writes {
            seal_wrap |=
                matches!(write, Write::Put(entry) if entry.seal_wrap || seal_wrapped.contain(&entry.key));
            let bytes = encoded_len(write);
            match groups.last_mut() {
                Some((sum, group)) if group.is_empty() || *sum + bytes <= PIECE_BYTES => {
                    *sum += bytes;
                    group.push(write);
                }
                _ => groups.push((bytes, vec![write])),
            }
        }
        let length: usize = groups.iter().map(|(bytes, _)| bytes).sum();
        let (last_bytes, last) = groups.pop().unwrap_or_default();
        let pieces: Vec<Bytes> = groups
            .into_iter()
            .map(|(bytes, group)| {
                let mut piece = Zeroizing::new(Vec::with_capacity(bytes));
                encode(&mut piece, &group);
                Bytes::from_owner(piece)
            })
            .collect();
        let mut header = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + last_bytes));
        header.put_u8(VERSION);
        header.put_u32_le(pieces.len() as u32);
        header.put_u64_le(length as u64);
        encode(&mut header, &last);
        Self {
            pieces,
            header: Bytes::from_owner(header),
            seal_wrap,
        }
    }
}

fn encoded_len(write: &Write) -> usize {
    match write {
        Write::Put(entry) => 1 + 4 + entry.key.len() + 4 + entry.value.len(),
        Write::Delete(key) => 1 + 4 + key.len(),
    }
}

fn encode(into: &mut Vec<u8>, writes: &[&Write]) {
    for write in writes {
        match write {
            Write::Put(entry) => {
                into.put_u8(if entry.seal_wrap { PUT_SEAL_WRAPPED } else { PUT });
                put_counted(into, entry.key.as_bytes());
                put_counted(into, &entry.value);
            }
            Write::Delete(key) => {
                into.put_u8(DELETE);
                put_counted(into, key.as_bytes());
            }
        }
    }
}

fn put_counted(into: &mut Vec<u8>, bytes: &[u8]) {
    // Far below 4 GiB, because a 32-bit wasm guest made it.
    into.put_u32_le(bytes.len() as u32);
    into.extend_from_slice(bytes);
}

/// The reason why a record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// A header that was read from storage.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) pieces: u32,
    length: u64,
    body: Bytes,
}

impl Header {
    pub(crate) fn read(mut bytes: Bytes) -> Result<Self, Unreadable> {
        if bytes.len() < HEADER_BYTES {
            return Err(DAMAGED);
        }
        if bytes.get_u8() != VERSION {
            return Err(Unreadable("another version of the host wrote it"));
        }
        Ok(Self {
            pieces: bytes.get_u32_le(),
            length: bytes.get_u64_le(),
            body: bytes,
        })
    }

    /// Returns the writes. `pieces` are the record's pieces in their order.
    pub(crate) fn writes(self, mut pieces: Vec<Bytes>) -> Result<Vec<Write>, Unreadable> {
        pieces.push(self.body);
        let length: u64 = pieces.iter().map(|piece| piece.len() as u64).sum();
        if length != self.length {
            return Err(DAMAGED);
        }
        let mut writes = Vec::new();
        for piece in pieces {
            decode(piece, &mut writes)?;
        }
        Ok(writes)
    }
}

fn decode(mut piece: Bytes, writes: &mut Vec<Write>) -> Result<(), Unreadable> {
    let all = Prefixes::all();
    while piece.has_remaining() {
        let tag = piece.get_u8();
        let key = String::from_utf8(take_counted(&mut piece)?.to_vec()).map_err(|_| DAMAGED)?;
        // A transaction cannot write other keys, and a record must not be a way to write the host's own entries.
        check_key(&key, &all).map_err(|_| DAMAGED)?;
        writes.push(match tag {
            DELETE => Write::Delete(key),
            PUT | PUT_SEAL_WRAPPED => Write::Put(StorageEntry {
                key,
                value: take_counted(&mut piece)?,
                seal_wrap: tag == PUT_SEAL_WRAPPED,
            }),
            _ => return Err(DAMAGED),
        });
    }
    Ok(())
}

fn take_counted(from: &mut Bytes) -> Result<Bytes, Unreadable> {
    let length = from.try_get_u32_le().map_err(|_| DAMAGED)? as usize;
    if from.len() < length {
        return Err(DAMAGED);
    }
    Ok(from.split_to(length))
}

const DAMAGED: Unreadable = Unreadable("it is damaged");

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(bytes: usize) -> Vec<Write> {
        let wrapped = StorageEntry {
            key: "b/ü".into(),
            value: vec![7; bytes].into(),
            seal_wrap: true,
        };
        vec![
            Write::Put(StorageEntry::new("a", "")),
            Write::Delete("c".into()),
            Write::Put(wrapped),
            Write::Put(StorageEntry::new("d", vec![8; bytes])),
        ]
    }

    fn record(writes: &[Write]) -> Record {
        Record::of(writes.iter(), &Prefixes::none())
    }

    fn read(record: &Record) -> Result<Vec<Write>, Unreadable> {
        let header = Header::read(record.header.clone())?;
        assert_eq!(header.pieces as usize, record.pieces.len());
        header.writes(record.pieces.clone())
    }

    fn same(one: &[Write], other: &[Write]) -> bool {
        let shown = |writes: &[Write]| -> Vec<_> {
            let entry = |write: &Write| {
                if let Write::Put(entry) = write {
                    Some(entry.clone())
                } else {
                    None
                }
            };
            writes
                .iter()
                .map(|write| (write.key().to_owned(), entry(write)))
                .collect()
        };
        shown(one) == shown(other)
    }

    #[test]
    fn a_record_comes_back_as_it_was_in_one_piece_or_in_many() {
        for (bytes, pieces) in [(300, 0), (PIECE_BYTES / 2, 1), (PIECE_BYTES, 2), (1 << 20, 2)] {
            let record = record(&writes(bytes));
            assert!(record.seal_wrap);
            assert_eq!(record.pieces.len(), pieces, "{bytes}");
            assert!(same(&read(&record).unwrap(), &writes(bytes)), "{bytes}");
        }
    }

    #[test]
    fn every_put_lies_whole_in_what_is_larger_than_itself() {
        for bytes in [0, 300, PIECE_BYTES - 20, PIECE_BYTES, 5 << 20] {
            let writes: Vec<Write> = (0..5)
                .map(|n| Write::Put(StorageEntry::new(format!("key/{n}"), vec![7; bytes])))
                .collect();
            let record = record(&writes);
            let mut whole = 0;
            for piece in record.pieces.iter().chain([&record.header.slice(HEADER_BYTES..)]) {
                let mut held = Vec::new();
                decode(piece.clone(), &mut held).unwrap();
                whole += held.len();
                assert!(piece.len() <= PIECE_BYTES || held.len() == 1);
            }
            assert_eq!(whole, writes.len(), "{bytes}");
        }
    }

    #[test]
    fn a_record_is_wrapped_if_an_entry_is_by_where_it_lies() {
        let writes = [
            Write::Put(StorageEntry::new("keys/a", "")),
            Write::Delete("b".into()),
        ];
        let wrapped = |prefix: &str| Record::of(writes.iter(), &Prefixes::from_iter([prefix])).seal_wrap;
        assert!(wrapped("keys/") && !wrapped("other/"));
        assert!(!wrapped("b"), "a deletion holds no value");
    }

    #[test]
    fn a_record_with_a_key_of_the_hosts_own_is_damaged() {
        for key in [".airlock/special-paths", ".airlock/redo/1", "../a", "", "a/"] {
            let record = record(&[Write::Delete(key.into())]);
            assert!(matches!(read(&record), Err(DAMAGED)), "{key}");
        }
    }

    #[test]
    fn a_record_cut_short_anywhere_is_refused() {
        let whole = record(&writes(3));
        for length in 0..whole.header.len() {
            let cut = Record {
                header: whole.header.slice(..length),
                pieces: Vec::new(),
                seal_wrap: false,
            };
            assert!(read(&cut).is_err(), "{length}");
        }
        let mut other = whole.header.to_vec();
        other[0] = VERSION + 1;
        assert!(
            matches!(Header::read(other.into()), Err(Unreadable(text)) if text.contains("another version"))
        );
    }
}
