//! Guests in the mount's own storage, where `airlock push` puts them.
//!
//! Vault encrypts and replicates what is here like anything else that the mount stores, so every node of a cluster finds the
//! guest after an unseal, a failover or a restore. No guest can see it: all keys are below `.airlock/`.
//!
//! ```text
//! .airlock/active             which guest runs, which ran before, and the highest signed version that ran: `record`
//! .airlock/guests/<sha256>    one guest: its pieces and its signature: `manifest`
//! .airlock/pieces/<sha256>    at most 256 KiB of a guest, compressed: `piece`
//! ```
//!
//! # How to use it
//! 1. [`Guests::announce`] a guest: it answers which pieces are missing.
//! 2. [`Guests::put_piece`] each of them. A piece is named by its digest, so sending it twice changes nothing, and
//!    whoever was cut off continues with the first step.
//! 3. [`Guests::assemble`] the guest, and check it before [`Guests::keep`] says that it is whole.
//! 4. Write the [`Record`] that names it, last.
//!
//! # What to watch
//! - A piece that no guest names is refused, and the guests of a mount have a quota, so that storage cannot be filled.
//! - What is read from here is checked like what comes from the network: others may write to the storage.

pub(crate) mod manifest;
pub(crate) mod piece;
pub(crate) mod record;
mod store;
mod writer;

use airlock_trust::Digest;
use thiserror::Error;

pub(crate) use manifest::{About, Manifest};
pub(crate) use piece::BadPiece;
pub use piece::PIECE;
pub(crate) use record::{Activation, Actor, Build, Record};
pub(crate) use store::{Collected, Guests};
pub(crate) use writer::RecordWriter;

/// Most bytes of one guest.
pub(crate) const LARGEST: u64 = 64 << 20;

/// Most bytes of all guests of a mount, before compression.
pub(crate) const QUOTA: u64 = 192 << 20;

/// Most guests of a mount, those included that are being pushed.
pub(crate) const MOST: usize = 64;

/// The reason why a pushed guest cannot be taken or found.
#[derive(Debug, Error)]
pub(crate) enum PushError {
    #[error(transparent)]
    Storage(#[from] airlock_storage::Error),
    #[error(
        "a guest of {size} bytes is too large: at most {} MiB can be pushed",
        LARGEST >> 20
    )]
    TooLarge { size: u64 },
    #[error(
        "a guest of {size} bytes is cut into {wanted} pieces of {} KiB, not into {pieces}: send it again with `airlock push`",
        PIECE >> 10
    )]
    Cut { size: u64, wanted: u64, pieces: usize },
    #[error(
        "the guests stored on this mount take {used} bytes, and with this one more than {} MiB: remove old ones with \
         `airlock gc`",
        QUOTA >> 20
    )]
    Full { used: u64 },
    #[error("guest {digest} is stored already, in other pieces than these: send it with `airlock push`")]
    Recut { digest: Digest },
    #[error("{MOST} guests are stored on this mount already: remove old ones with `airlock gc`")]
    TooMany,
    #[error("no guest that is being pushed names this piece: begin the push again")]
    Unwanted,
    #[error("piece {digest} is not taken: {why}")]
    Piece { digest: Digest, why: BadPiece },
    #[error("piece {digest} of the guest is missing: push the guest again")]
    Missing { digest: Digest },
    #[error("no guest {digest} is stored on this mount: push it first")]
    NotStored { digest: Digest },
    #[error("the pieces of guest {digest} make another file, {found}: push the guest again")]
    Other { digest: Digest, found: Digest },
    #[error(
        "storage did not say whether it took the last change of what runs here, and it still may: repeat that change, or try \
         again in {seconds} s"
    )]
    Unsettled { seconds: u64 },
    #[error("{key} is not a record of this version of airlock")]
    Unreadable { key: String },
}
