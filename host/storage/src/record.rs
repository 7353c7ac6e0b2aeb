//! What a redo record looks like in storage.
//!
//! The header: a version byte (1), the number of chunks (u32), the length of the writes (u64), and the writes themselves
//! if there are no chunks. A write: a tag (0 delete, 1 put, 2 put with seal wrapping), the key, and for a put the value,
//! both with their length (u32) before them. All numbers little-endian.

use crate::writes::Write;
use crate::{Entry, Error, Result};
use bytes::{Buf, BufMut, Bytes};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 13;
/// However small values have to be, a chunk is at least this.
const LEAST_CHUNK: usize = 64;
/// However large they may be, a piece of a record is at most this: any storage takes it, encrypted and wrapped.
const LARGEST_PIECE: usize = 256 << 10;

const DELETE: u8 = 0;
const PUT: u8 = 1;
const PUT_SEAL_WRAPPED: u8 = 2;

/// A commit as values that storage can hold.
pub(crate) struct Record {
    pub(crate) chunks: Vec<Bytes>,
    pub(crate) header: Bytes,
    /// If one entry of it has to be.
    pub(crate) seal_wrap: bool,
}

impl Record {
    /// `most` is the size that no value may exceed.
    pub(crate) fn of<'w>(writes: impl Iterator<Item = &'w Write>, most: usize) -> Self {
        let mut seal_wrap = false;
        let mut body = Zeroizing::new(Vec::new());
        for write in writes {
            match write {
                Write::Put(entry) => {
                    seal_wrap |= entry.seal_wrap;
                    body.put_u8(if entry.seal_wrap { PUT_SEAL_WRAPPED } else { PUT });
                    put_counted(&mut body, entry.key.as_bytes());
                    put_counted(&mut body, &entry.value);
                }
                Write::Delete(key) => {
                    body.put_u8(DELETE);
                    put_counted(&mut body, key.as_bytes());
                }
            }
        }
        let length = body.len();
        let most = most.min(LARGEST_PIECE);
        let body = Bytes::from_owner(body);
        let inline = length + HEADER_BYTES <= most;
        let size = most.max(LEAST_CHUNK);
        let chunks = match inline {
            true => Vec::new(),
            false => (0..length)
                .step_by(size)
                .map(|at| body.slice(at..length.min(at + size)))
                .collect(),
        };
        let mut header = Zeroizing::new(Vec::with_capacity(HEADER_BYTES + if inline { length } else { 0 }));
        header.put_u8(VERSION);
        header.put_u32_le(chunks.len() as u32);
        header.put_u64_le(length as u64);
        if inline {
            header.extend_from_slice(&body);
        }
        Self {
            chunks,
            header: Bytes::from_owner(header),
            seal_wrap,
        }
    }
}

fn put_counted(into: &mut Vec<u8>, bytes: &[u8]) {
    // Keys and values are far below 4 GiB: `Settings` bounds them by what a storage entry can be.
    into.put_u32_le(bytes.len() as u32);
    into.extend_from_slice(bytes);
}

/// A header as read from storage.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) chunks: u32,
    length: u64,
    body: Bytes,
}

impl Header {
    pub(crate) fn read(mut bytes: Bytes) -> Result<Self> {
        if bytes.len() < HEADER_BYTES {
            return Err(damaged());
        }
        if bytes.get_u8() != VERSION {
            return Err(Error::RedoRecord(
                "a newer version of the host wrote it; start that one",
            ));
        }
        Ok(Self {
            chunks: bytes.get_u32_le(),
            length: bytes.get_u64_le(),
            body: bytes,
        })
    }

    /// The writes, given the chunks in their order.
    pub(crate) fn writes(self, chunks: &[Bytes]) -> Result<Vec<Write>> {
        let body = match chunks {
            [] => self.body,
            chunks => Bytes::from_owner(Zeroizing::new(chunks.concat())),
        };
        if body.len() as u64 != self.length {
            return Err(damaged());
        }
        let mut rest = body;
        let mut writes = Vec::new();
        while rest.has_remaining() {
            let tag = rest.get_u8();
            let key = String::from_utf8(take_counted(&mut rest)?.to_vec()).map_err(|_| damaged())?;
            writes.push(match tag {
                DELETE => Write::Delete(key),
                PUT | PUT_SEAL_WRAPPED => {
                    let value = take_counted(&mut rest)?;
                    Write::Put(Entry {
                        key,
                        value,
                        seal_wrap: tag == PUT_SEAL_WRAPPED,
                    })
                }
                _ => return Err(damaged()),
            });
        }
        Ok(writes)
    }
}

fn take_counted(from: &mut Bytes) -> Result<Bytes> {
    let length = from.try_get_u32_le().map_err(|_| damaged())? as usize;
    if from.len() < length {
        return Err(damaged());
    }
    Ok(from.split_to(length))
}

fn damaged() -> Error {
    Error::RedoRecord("it is damaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes() -> Vec<Write> {
        let wrapped = Entry {
            key: "b/ü".into(),
            value: vec![7; 300].into(),
            seal_wrap: true,
        };
        vec![
            Write::Put(Entry::new("a", "")),
            Write::Delete("c".into()),
            Write::Put(wrapped),
        ]
    }

    fn read(record: &Record) -> Result<Vec<Write>> {
        let header = Header::read(record.header.clone())?;
        assert_eq!(header.chunks as usize, record.chunks.len());
        header.writes(&record.chunks)
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
        for most in [1 << 20, 325, 324, 100, 1] {
            let record = Record::of(writes().iter(), most);
            assert!(record.seal_wrap);
            assert!(
                record
                    .chunks
                    .iter()
                    .all(|chunk| chunk.len() <= most.max(LEAST_CHUNK))
            );
            assert!(same(&read(&record).unwrap(), &writes()), "{most}");
        }
        assert_eq!(Record::of(writes().iter(), 1 << 20).chunks.len(), 0);
        assert_eq!(Record::of(writes().iter(), 100).chunks.len(), 4);
        let large = Write::Put(Entry::new("k", vec![0; 1 << 20]));
        assert_eq!(Record::of([large].iter(), 1 << 20).chunks.len(), 5);
    }

    #[test]
    fn a_record_cut_short_anywhere_is_refused() {
        let record = Record::of(writes().iter(), 1 << 20);
        for length in 0..record.header.len() {
            let cut = Record {
                header: record.header.slice(..length),
                chunks: Vec::new(),
                seal_wrap: false,
            };
            assert!(matches!(read(&cut), Err(Error::RedoRecord(_))), "{length}");
        }
        let mut other = record.header.to_vec();
        other[0] = VERSION + 1;
        assert!(matches!(Header::read(other.into()), Err(Error::RedoRecord(text)) if text.contains("newer")));
    }
}
